"""Long work beside that of others: it takes one core, and half of its time while others are at work."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from ..db import Database
from ..query import Query

_REST = 1.0  # seconds for each of work
# What other roles do is not shown: their sessions count as at work.
_OTHERS = """
SELECT EXISTS (
SELECT FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND (state_change IS NULL OR state <> 'idle' OR state_change > clock_timestamp() - interval '2 seconds'))"""
_TOKENIZERS = "TOKENIZERS_PARALLELISM"


class Busy:
    """Work of this process and its server, and a rest for as long as it took where others use the database too.

    Waiting for a model that works elsewhere is no work: only the seconds of the processor count, and those of the
    server, which are told.
    """

    def __init__(self) -> None:
        self._since, self._server = time.process_time(), 0.0

    def add(self, seconds: float) -> None:
        """Count seconds in which the server worked."""
        self._server += seconds

    def rest(self, db: Database) -> None:
        """Let others work for as long as this did since the last time."""
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
