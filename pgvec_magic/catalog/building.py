"""What an index that was just built has in it, and with how much memory it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..db import Database
from ..query import Query

_BUILT = """
SELECT x.reltuples::bigint,
  (SELECT setting::bigint << 10 FROM pg_catalog.pg_settings WHERE name = 'maintenance_work_mem')
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
WHERE to_regclass(%(name)s) IN (i.indrelid, i.indexrelid) AND m.amname = 'hnsw' AND x.reltuples > 0
ORDER BY x.oid DESC LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Built:
    """An HNSW index: how many rows it has, and ``maintenance_work_mem``, in bytes, as its build had it."""

    rows: int
    memory: int


def built(db: Database, name: str, settings: Sequence[tuple[str, str]] = ()) -> Built | None:
    """Return the newest HNSW index of a table, or that of this name, both as SQL; None where there is none."""
    found = db.run(Query(_BUILT, {"name": name}, tuple(settings), reads=True)).rows
    return Built(*found[0]) if found else None
