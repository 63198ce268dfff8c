"""What a search takes when Postgres has nothing of the index and the table in its memory."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..db import Database
from ..errors import QueryError
from ..query import Query
from ..sqltext import quote_ident, quote_qualified
from .ways import Way

# Of so many queries: before each everything is evicted anew.
_ASKED = 20
_EVICT = "pg_buffercache_evict_relation"
_SCHEMA = (
    f"SELECT n.nspname FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE proname = '{_EVICT}'"
)
# SQLSTATEs of who may not.
_NOT_ALLOWED = ("42501",)


@dataclass(frozen=True, slots=True)
class Cold:
    """The median and the longest of so many ``queries``, in seconds, with a ``setting`` such as ``ef_search = 40``."""

    index: str
    setting: str
    queries: int
    median: float
    longest: float

    def __str__(self) -> str:
        return (
            f"cold, {self.setting} of {self.index}: {self.median * 1000:.1f} ms, {self.longest * 1000:.1f} at most"
            f" ({self.queries} queries, before each of which index and table were put out of Postgres' memory; the"
            " system's own may still hold them)"
        )


def measure_cold(
    db: Database, ways: Iterable[tuple[Way, frozenset[str]]], vectors: Sequence[Any]
) -> tuple[list[Cold], list[str]]:
    """Return what each way takes cold, and where that cannot be known, why.

    Evicting a relation needs pg_buffercache of PostgreSQL 18 or later, and the rights of a superuser.
    """
    schemas = db.run(Query(_SCHEMA, reads=True)).rows
    if not schemas:
        return [], [f"cold was not measured: it takes {_EVICT}() (PostgreSQL 18, CREATE EXTENSION pg_buffercache)"]
    evict = f"{quote_ident(schemas[0][0])}.{_EVICT}"
    try:
        return [_cold(db, way, evict, names, vectors[:_ASKED]) for way, names in ways], []
    except QueryError as error:
        if error.sqlstate not in _NOT_ALLOWED:
            raise
        return [], ["cold was not measured: this role may not put pages out of Postgres' memory"]


def _cold(db: Database, way: Way, evict: str, names: frozenset[str], vectors: Sequence[Any]) -> Cold:
    table = way.target.table
    relations = [table.sql_name, *(quote_qualified(table.schema, name) for name in sorted(names))]
    calls = ", ".join(f"{evict}(%({place})s::regclass)" for place in range(len(relations)))
    emptied = Query(f"SELECT {calls}", {str(place): name for place, name in enumerate(relations)}, reads=True)
    taken = []
    for vector in vectors:
        db.run(emptied)
        taken.append(db.run(way.query(vector)).seconds)
    return Cold(way.index.name, way.name, len(taken), statistics.median(taken), max(taken))
