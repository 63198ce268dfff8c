"""The searches that were made through a connection: the latest vectors of each column, and their conditions."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from ..db import Database
from .table import TableInfo

# As many as tell recall; each vector is some kilobytes.
MOST_REMEMBERED = 500


def remember_search(db: Database, table: TableInfo, column: str, vector: object, where: Iterable[str] = ()) -> None:
    """Keep the vector of a search, as it was sent, and its conditions."""
    conditions = _filters(db, table)
    conditions.update(where)
    if len(conditions) > MOST_REMEMBERED:  # values stand in them: there may be as many as searches
        db.cache["filters"][table.schema, table.name] = Counter(dict(conditions.most_common(MOST_REMEMBERED // 2)))
    db.cache.setdefault("searches", {}).setdefault(_place(table, column), deque(maxlen=MOST_REMEMBERED)).append(vector)


def past_searches(db: Database, table: TableInfo, column: str) -> list[object]:
    """Return the vectors of the latest searches of a column, the oldest first."""
    return list(db.cache.get("searches", {}).get(_place(table, column), ()))


def past_filters(db: Database, table: TableInfo) -> Counter[str]:
    """Return the conditions of searches of a table, and how often each was there."""
    return _filters(db, table).copy()


def _filters(db: Database, table: TableInfo) -> Counter[str]:
    counted: Counter[str] = db.cache.setdefault("filters", {}).setdefault((table.schema, table.name), Counter())
    return counted


def _place(table: TableInfo, column: str) -> tuple[str, str, str]:
    return (table.schema, table.name, column)
