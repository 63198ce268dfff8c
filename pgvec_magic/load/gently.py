"""Long work beside that of others: it takes one core, gives way on it, and rests while others are at work."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from ..db import Database
from ..query import Query

# Seconds for each of work. Measured beside four writers: with 1 the 95th percentile of their transactions is twice what
# it is without, with 3 it is 1.3 times, with 4 there is no difference.
_REST = 4.0
# What other roles do is not shown: their sessions count as at work.
_OTHERS = """
SELECT EXISTS (
SELECT FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND coalesce(backend_type, 'client backend') = 'client backend'
  AND (state_change IS NULL OR state <> 'idle' OR state_change > clock_timestamp() - interval '2 seconds'))"""
_NICENESS = 10  # of 19: whoever else wants the core has it at once
_TOKENIZERS = "TOKENIZERS_PARALLELISM"


class Busy:
    """Work of this process and its server, and longer rests where others use the database too.

    Waiting for a model that works elsewhere is no work: only the seconds of the processor count, and those of the
    server, which are told.
    """

    def __init__(self) -> None:
        self._since, self._server = time.process_time(), 0.0

    def add(self, seconds: float) -> None:
        """Count seconds in which the server worked."""
        self._server += seconds

    def rest(self, db: Database) -> None:
        """Let others work, by what this did since the last time."""
        if others_at_work(db):
            time.sleep(_REST * (time.process_time() - self._since + self._server))
        self._since, self._server = time.process_time(), 0.0


def others_at_work(db: Database) -> bool:
    """Whether another session of the database is in a statement or a transaction, or was a moment ago."""
    return bool(db.run(Query(_OTHERS, reads=True)).rows[0][0])


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep tokenizers from taking every core for a moment, unless somebody has said what they may do."""
    if _TOKENIZERS in os.environ:
        yield
        return
    os.environ[_TOKENIZERS] = "false"
    try:
        yield
    finally:
        del os.environ[_TOKENIZERS]


@contextlib.contextmanager
def aside() -> Iterator[ThreadPoolExecutor]:
    """Give a thread for work that is to give way to all else on this machine, where the system can tell threads so.

    A thread of its own, because only root may take niceness back. An interrupt does not wait for what it has begun.
    """
    executor = ThreadPoolExecutor(1, "pgvec-aside", _give_way)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
