"""The vector indexes of a table, and what is being built on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import catalog, render
from ..catalog import VectorIndex
from ..cell import quoted
from ..db import Database
from ..query import Query
from .progress import HIDDEN
from .settings import shown

_BUILDS = """
SELECT p.pid, coalesce(a.usename, 'unknown')::text, p.phase FROM pg_catalog.pg_stat_progress_create_index AS p
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.pid
WHERE p.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND (p.relid IS NULL OR p.relid = to_regclass(%(table)s))"""


@dataclass(frozen=True, slots=True, repr=False)
class Indexes:
    """The vector indexes of a table; ``notes`` tell what is being built."""

    table: str
    indexes: tuple[VectorIndex, ...]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[VectorIndex]:
        return iter(self.indexes)

    def __len__(self) -> int:
        return len(self.indexes)

    def __getitem__(self, at: int) -> VectorIndex:
        return self.indexes[at]

    def __repr__(self) -> str:
        return render.text(self.grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self.grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    def grid(self) -> render.Grid:
        """Return what is shown."""
        columns = ("name", "method", "metric", "as", "options", "only where", "size", "state")
        rows = [
            (
                index.name,
                index.method,
                index.metric or "",
                index.form if index.dimensions is None else f"{index.form}({index.dimensions})",
                ", ".join(index.options),
                index.where or "",
                shown(index.bytes),
                "valid" if index.valid else "INVALID",
            )
            for index in self.indexes
        ]
        notes = [
            f"{i.name} is INVALID: every write keeps it up to date, no search uses it" for i in self if not i.valid
        ]
        notes += [] if rows else [f"no vector index: %vindex build {quoted(self.table)} makes one"]
        return render.Grid(columns, rows, caption=(f"vector indexes of {self.table}",), notes=(*self.notes, *notes))


def indexes(db: Database, table: str) -> Indexes:
    """Return the vector indexes of a table, and who is building one; UsageError when there is no such table.

    Of a build of another role the table and the phase are hidden, and it is named as one that may be on it.
    """
    catalog.changed(db, table)
    info = catalog.table(db, table)
    found = db.run(Query(_BUILDS, {"table": info.sql_name}, reads=True)).rows
    notes = tuple(f"process {pid} of role {role} is building an index: {phase or HIDDEN}" for pid, role, phase in found)
    return Indexes(info.label, info.indexes, notes)
