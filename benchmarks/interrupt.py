"""SIGINT to a real kernel in a 30 s statement: seconds until Postgres shows the backend idle."""

from __future__ import annotations

import os
import statistics
import time

from jupyter_client.manager import KernelManager

from pgvec_magic.db import Database
from pgvec_magic.query import Query

from .place import database

ROUNDS = 5
ACTIVE = """
SELECT count(*) FROM pg_stat_activity
WHERE state = 'active' AND query LIKE '%%pg_sleep(30)%%' AND pid <> pg_backend_pid()
"""


def figures() -> list[tuple[str, str, str]]:
    """Return the row of the figures table."""
    with database() as (db, dsn):
        taken = _rounds(db, dsn)
    measured = f"{max(taken):.3f} s at most, {statistics.median(taken):.3f} s in the median of {ROUNDS}"
    return [("interrupt a 30 s statement", measured, "≤ 0.3 s")]


def _rounds(db: Database, dsn: str) -> list[float]:
    kernel = KernelManager()
    kernel.start_kernel(env={**os.environ, "PGVEC_DSN": dsn})
    client = kernel.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    client.execute_interactive("%load_ext pgvec_magic\n%vconnect", timeout=60, output_hook=_quiet)
    try:
        return [_once(db, kernel, client) for _ in range(ROUNDS)]
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


def _once(db: Database, kernel: KernelManager, client: object) -> float:
    sleeping = client.execute("%%vsql\nSELECT pg_sleep(30)")  # type: ignore[attr-defined]
    _wait_until(db, running=True)
    time.sleep(0.2)
    started = time.perf_counter()
    kernel.interrupt_kernel()
    _wait_until(db, running=False)
    seconds = time.perf_counter() - started
    # What is sent before this reply would be aborted with it.
    while client.get_shell_msg(timeout=30)["parent_header"].get("msg_id") != sleeping:  # type: ignore[attr-defined]
        pass
    # The next cell is answered: the kernel lives and so does its connection.
    reply = client.execute_interactive("%%vsql\nSELECT 1", timeout=30, output_hook=_quiet)  # type: ignore[attr-defined]
    assert reply["content"]["status"] == "ok", reply["content"]
    return seconds


def _wait_until(db: Database, *, running: bool) -> None:
    for _ in range(6000):
        if bool(db.run(Query(ACTIVE)).rows[0][0]) == running:
            return
        time.sleep(0.005)
    raise TimeoutError(f"the statement is not {'running' if running else 'over'}")


def _quiet(message: object) -> None:
    """Show nothing of what the kernel prints."""


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
