"""Invalid indexes that a build which failed left behind: dropped at once, or as soon as nobody's lock forbids it."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Collection
from dataclasses import dataclass

from ..catalog.holders import LOCKED, Holder, of_relations
from ..db import Database
from ..errors import PgvecError, QueryError
from ..query import Query
from ..sqltext import quote_qualified

# Whoever wants the table meanwhile waits behind the DROP, so it does not wait long itself.
_PATIENCE_MS = 500
_INVALID = """
SELECT x.oid::bigint, x.relname::text FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
WHERE i.indrelid = %(table)s AND NOT i.indisvalid AND x.oid <> ALL(%(known)s::oid[])
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS p WHERE p.index_relid = x.oid)"""


@dataclass(frozen=True, slots=True)
class Leftover:
    """An invalid index, by oid and name, and the table that it is on."""

    oid: int
    schema: str
    name: str
    table: int

    @property
    def sql(self) -> str:
        """The statement that drops it."""
        return f"DROP INDEX IF EXISTS {quote_qualified(self.schema, self.name)}"


# By the connection that the build was asked of; whoever closes it tries once more.
_waiting: weakref.WeakKeyDictionary[Database, list[Leftover]] = weakref.WeakKeyDictionary()


def invalid(db: Database, schema: str, table: int, known: Collection[int] = ()) -> tuple[Leftover, ...]:
    """Return the invalid indexes of a table that are not ``known`` and that nobody is building."""
    rows = db.run(Query(_INVALID, {"table": table, "known": list(known)}, reads=True)).rows
    return tuple(Leftover(oid, schema, name, table) for oid, name in rows)


def drop(db: Database, left: Leftover) -> tuple[Holder, ...] | None:
    """Drop an index that is still invalid; return who holds the lock that forbids it, None when it is gone."""
    if left.oid not in [each.oid for each in invalid(db, left.schema, left.table)]:
        return None
    try:
        db.run(Query(left.sql.replace("%", "%%"), settings=(("lock_timeout", f"{_PATIENCE_MS}"),)))
    except QueryError as error:
        if error.sqlstate != LOCKED:
            raise
        return of_relations(db, [left.table, left.oid])
    return None


def remember(db: Database, left: Leftover) -> None:
    """Have it dropped at the next chance: before the next build, and when the connection is closed."""
    if db not in _waiting:
        _waiting[db] = []
        whose = weakref.ref(db)
        db.before_close(lambda: sweep(whose()))
    _waiting[db].append(left)


def sweep(db: Database | None) -> None:
    """Drop what builds of this connection left and could not drop; what still cannot be is kept in mind."""
    if db is None:
        return
    for left in list(_waiting.get(db, ())):
        with contextlib.suppress(PgvecError):
            if drop(db, left) is None:
                _waiting[db].remove(left)
