"""The vectors of the searches that were made through a connection, the latest of each column."""

from __future__ import annotations

from collections import deque

from ..db import Database
from .table import TableInfo

# As many as tell recall; each is some kilobytes.
MOST_REMEMBERED = 500


def remember_search(db: Database, table: TableInfo, column: str, vector: object) -> None:
    """Keep the vector of a search, as it was sent."""
    db.cache.setdefault("searches", {}).setdefault(_place(table, column), deque(maxlen=MOST_REMEMBERED)).append(vector)


def past_searches(db: Database, table: TableInfo, column: str) -> list[object]:
    """Return the vectors of the latest searches of a column, the oldest first."""
    return list(db.cache.get("searches", {}).get(_place(table, column), ()))


def _place(table: TableInfo, column: str) -> tuple[str, str, str]:
    return (table.schema, table.name, column)
