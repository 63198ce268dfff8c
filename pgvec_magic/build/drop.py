"""Dropping an index, and showing what was dropped."""

from __future__ import annotations

from dataclasses import dataclass

from .. import catalog, render
from ..catalog.holders import LOCKED, of_relations
from ..db import Database
from ..errors import QueryError
from ..query import Query
from ..sqltext import quote_qualified
from .settings import shown
from .verb import find

_PATIENCE_MS = 2000
_RELATIONS = """
SELECT i.indexrelid::bigint, i.indrelid::bigint FROM pg_catalog.pg_index AS i
WHERE i.indexrelid = to_regclass(%(name)s)"""


@dataclass(frozen=True, slots=True, repr=False)
class Dropped:
    """An index that is gone; ``definition`` builds it again, ``bytes`` are what it took."""

    index: str
    table: str
    definition: str
    bytes: int

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    def _grid(self) -> render.Grid:
        caption = (f"dropped {self.index}", f"on {self.table}", f"{shown(self.bytes)} freed")
        return render.Grid((), (), caption=caption, notes=(f"to have it again: {self.definition}",))


def drop(db: Database, table: str, name: str | None = None) -> Dropped:
    """Drop a vector index of a table, the only one or that of the ``name``, and return what it was.

    UsageError when there is none; QueryError that names who holds a lock on it after two seconds, in which others wait.
    """
    catalog.changed(db, table)
    info = catalog.table(db, table)
    index = find(info, name)
    qualified = quote_qualified(info.schema, index.name)
    try:
        statement = f"DROP INDEX {qualified}".replace("%", "%%")
        db.run(Query(statement, settings=(("lock_timeout", f"{_PATIENCE_MS}"),)))
    except QueryError as error:
        if error.sqlstate != LOCKED:
            raise
        relations = db.run(Query(_RELATIONS, {"name": qualified}, reads=True)).rows
        held = " and ".join(map(str, of_relations(db, [oid for row in relations for oid in row])))
        told = f"{index.name} cannot be dropped now: {held or 'another session'} holds a lock on it"
        raise QueryError(told, "wait until it is over, or end it, then drop again", sqlstate=LOCKED) from None
    finally:
        catalog.forget(db)
    return Dropped(index.name, info.label, index.definition, index.bytes)
