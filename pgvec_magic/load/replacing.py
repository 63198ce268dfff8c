"""A table made anew in place of another, which is as it was until the new one is complete."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import replace

from .. import catalog
from ..catalog import TableInfo
from ..db import Database
from ..errors import UsageError
from ..query import Query
from ..sqltext import quote_ident, quote_qualified
from .target import UNFINISHED, Target

_REFERRING = """
SELECT DISTINCT coalesce(r.ev_class, k.conrelid)::regclass::text
FROM pg_depend AS d
LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid AND k.contype = 'f'
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %(table)s::regclass
  AND coalesce(r.ev_class, k.conrelid) <> %(table)s::regclass
"""
_LOST = """
SELECT array_remove(ARRAY[
  CASE WHEN EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) THEN 'a parent table' END,
  CASE WHEN EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid) THEN 'child tables' END,
  CASE WHEN c.relrowsecurity OR EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) THEN 'row-level security' END,
  CASE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal) THEN 'triggers' END], NULL)
FROM pg_class AS c WHERE c.oid = %(table)s::regclass
"""
_OWNED = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = %(table)s::regclass"
_THIS_BACKEND = """
SELECT format('%%s %%s', pid, extract(epoch FROM backend_start)) FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""
# Of other roles' backends some may see the pid only, and not when they began.
_LEFT_BEHIND = """
SELECT c.oid::regclass::text FROM pg_class AS c
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind = 'r' AND pg_has_role(c.relowner, 'USAGE')
  AND starts_with(obj_description(c.oid, 'pg_class'), %(mark)s) AND NOT EXISTS (
    SELECT FROM pg_stat_activity AS a
    WHERE starts_with(obj_description(c.oid, 'pg_class'),
                      format('%%s%%s %%s', %(mark)s, a.pid, extract(epoch FROM a.backend_start))))
"""
# An index serves as another does that is made of the same, and a unique one also where that is not.
_LOST_INDEXES = """
SELECT pg_get_indexdef(o.indexrelid) FROM pg_index AS o
WHERE o.indrelid = to_regclass(%(old)s) AND NOT EXISTS (
  SELECT FROM pg_index AS n
  WHERE n.indrelid = to_regclass(%(new)s) AND (n.indisunique OR NOT o.indisunique)
    AND substring(pg_get_indexdef(n.indexrelid) FROM ' USING .*') =
      substring(pg_get_indexdef(o.indexrelid) FROM ' USING .*'))
ORDER BY 1
"""
# Names made from the new table's become the old one's, where nothing else in the schema has them.
_RENAMINGS = """
WITH parts AS (
  SELECT x.relname::text AS name, format('ALTER INDEX %%s.%%I RENAME TO ', %(schema)s, x.relname) AS sql
  FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid WHERE i.indrelid = %(new)s::regclass
  UNION ALL
  SELECT conname::text, format('ALTER TABLE %%s RENAME CONSTRAINT %%I TO ', %(new)s, conname)
  FROM pg_constraint WHERE conrelid = %(new)s::regclass AND contype = 'n'
)
SELECT sql || quote_ident(w.name)
FROM parts, LATERAL (SELECT %(name)s || substr(parts.name, length(%(new_name)s) + 1) AS name) AS w
WHERE starts_with(parts.name, %(new_name)s) AND octet_length(w.name) < 64 AND NOT EXISTS (
  SELECT FROM pg_class AS o LEFT JOIN pg_index AS p ON p.indexrelid = o.oid
  WHERE o.relnamespace = %(schema)s::regnamespace AND o.relname = w.name
    AND p.indrelid IS DISTINCT FROM %(old)s::regclass
)
"""


@contextlib.contextmanager
def replacement(db: Database, info: TableInfo, target: Target) -> Iterator[tuple[Target, str]]:
    """Yield a new table to load in place of ``info``, and its mark; put it there when all went well, else drop it.

    Until then the old table is as it was. UsageError where it cannot be dropped.
    """
    old = quote_qualified(info.schema, info.name)
    _check_replaceable(db, info, old)
    mark = f"{UNFINISHED} in place of {old} by "
    _drop_left_behind(db, info.schema, mark)
    backend = db.run(Query(_THIS_BACKEND, reads=True)).rows[0][0]
    short = info.name.encode()[:40].decode(errors="ignore")
    new = replace(target, schema=info.schema, name=f"{short}_new_{secrets.token_hex(4)}")
    try:
        yield new, mark + backend
        _swap(db, info, old, new)
    except BaseException:
        with contextlib.suppress(Exception):
            db.run(_query(f"DROP TABLE IF EXISTS {new.sql_name}"))
        raise
    finally:
        catalog.forget(db)


def _check_replaceable(db: Database, info: TableInfo, old: str) -> None:
    if info.kind != "table":
        raise UsageError(f"{info.name} is a {info.kind}, which cannot be replaced", "load without --replace")
    referring = [row[0] for row in db.run(Query(_REFERRING, {"table": old}, reads=True)).rows]
    if referring:
        raise UsageError(
            f"{info.name} cannot be replaced: {', '.join(referring)} refer to it",
            "drop those first, or load without --replace",
        )
    lost = db.run(Query(_LOST, {"table": old}, reads=True)).rows[0][0]
    if lost:
        raise UsageError(
            f"{info.name} cannot be replaced: it has {' and '.join(lost)}, which a new table would not have",
            "load without --replace",
        )
    if not db.run(Query(_OWNED, {"table": old}, reads=True)).rows[0][0]:
        raise UsageError(f"{info.name} belongs to somebody else and cannot be replaced", "load without --replace")


def _drop_left_behind(db: Database, schema: str, mark: str) -> None:
    """Drop what loads left that were killed: their backends are gone."""
    params = {"schema": quote_ident(schema), "mark": mark}
    for (table,) in db.run(Query(_LEFT_BEHIND, params, reads=True)).rows:
        db.run(_query(f"DROP TABLE IF EXISTS {table}"))


def _swap(db: Database, info: TableInfo, old: str, new: Target) -> None:
    params = {
        "name": info.name,
        "new_name": new.name,
        "old": old,
        "new": new.sql_name,
        "schema": quote_ident(new.schema),
    }
    renamings = [row[0] for row in db.run(Query(_RENAMINGS, params, reads=True)).rows]
    last = f"ALTER TABLE {new.sql_name} RENAME TO {quote_ident(info.name)}"
    db.transaction([_query(sql) for sql in (f"DROP TABLE IF EXISTS {old}", *renamings, last)])


def lost_indexes(db: Database, info: TableInfo, new: Target) -> list[str]:
    """Return a notice for each index of a table that the new one, before it is in its place, does not have."""
    params = {"old": quote_qualified(info.schema, info.name), "new": new.sql_name}
    lost = db.run(Query(_LOST_INDEXES, params, reads=True)).rows
    return [f"the old table had an index that the new one lacks: {definition}" for (definition,) in lost]


def _query(sql: str) -> Query:
    return Query(sql.replace("%", "%%"))
