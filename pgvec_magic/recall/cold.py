"""What a search takes when Postgres has nothing of the index and the table in its memory."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..db import Database
from ..errors import QueryError
from ..query import Query
from ..sqltext import quote_ident
from .ways import Way

# Of so many queries: before each everything is evicted anew.
_ASKED = 20
_EVICT = "pg_buffercache_evict_relation"
_SCHEMA = (
    f"SELECT n.nspname FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE proname = '{_EVICT}'"
)
# All that a search may read: the table's parts, what is too long for their pages, and the indexes of both.
_EMPTIED = """
WITH parts AS (SELECT %(table)s::regclass::oid AS oid UNION SELECT relid FROM pg_partition_tree(%(table)s::regclass)),
stored AS (SELECT oid FROM parts UNION SELECT reltoastrelid FROM pg_class JOIN parts USING (oid))
SELECT count({evict}(c.oid::regclass)) FROM pg_class AS c
WHERE c.relkind NOT IN ('p', 'I')
  AND c.oid IN (SELECT oid FROM stored UNION SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM stored))
"""
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


def measure_cold(db: Database, ways: Iterable[Way], vectors: Sequence[Any]) -> tuple[list[Cold], list[str]]:
    """Return what each way takes cold, and where that cannot be known, why.

    Evicting a relation needs pg_buffercache of PostgreSQL 18 or later, and the rights of a superuser.
    """
    schemas = db.run(Query(_SCHEMA, reads=True)).rows
    if not schemas:
        return [], [f"cold was not measured: it takes {_EVICT}() (PostgreSQL 18, CREATE EXTENSION pg_buffercache)"]
    evict = f"{quote_ident(schemas[0][0])}.{_EVICT}"
    try:
        return [_cold(db, way, evict, vectors[:_ASKED]) for way in ways], []
    except QueryError as error:
        if error.sqlstate not in _NOT_ALLOWED:
            raise
        return [], ["cold was not measured: this role may not put pages out of Postgres' memory"]


def _cold(db: Database, way: Way, evict: str, vectors: Sequence[Any]) -> Cold:
    sql = _EMPTIED.format(evict=evict.replace("%", "%%"))
    emptied = Query(sql, {"table": way.target.table.sql_name}, reads=True)
    taken = []
    for vector in vectors:
        db.run(emptied)
        taken.append(db.run(way.query(vector)).seconds)
    return Cold(way.index.name, way.name, len(taken), statistics.median(taken), max(taken))
