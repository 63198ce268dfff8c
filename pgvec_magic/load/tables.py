"""Making a table, finishing it once its rows are in, and putting a new one in an old one's place."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import replace

from .. import catalog
from ..catalog import TableInfo
from ..db import Database
from ..errors import QueryError, UsageError
from ..query import Query
from ..sqltext import quote_ident, quote_literal, quote_qualified
from .target import UNFINISHED, Target, found

_ALREADY_THERE = ("42P07", "42710", "23505")
_LANGUAGE = "english"
_REFERRING = """
SELECT DISTINCT coalesce(r.ev_class, k.conrelid)::regclass::text
FROM pg_depend AS d
LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid AND k.contype = 'f'
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %(table)s::regclass
  AND coalesce(r.ev_class, k.conrelid) <> %(table)s::regclass
"""
_OWNED = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = %(table)s::regclass"
_THIS_BACKEND = """
SELECT format('%%s %%s', pid, extract(epoch FROM backend_start)) FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""
_LEFT_BEHIND = """
SELECT c.oid::regclass::text FROM pg_class AS c
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind = 'r' AND pg_has_role(c.relowner, 'USAGE')
  AND starts_with(obj_description(c.oid, 'pg_class'), %(mark)s) AND NOT EXISTS (
    SELECT FROM pg_stat_activity AS a
    WHERE obj_description(c.oid, 'pg_class') =
      format('%%s%%s %%s', %(mark)s, a.pid, extract(epoch FROM a.backend_start)))
"""
_INDEXES = """
SELECT x.relname, n.free FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid,
LATERAL (SELECT %(name)s || substr(x.relname, length(%(new)s) + 1) AS name) AS w,
LATERAL (SELECT w.name AS free WHERE NOT EXISTS (
  SELECT FROM pg_class AS o LEFT JOIN pg_index AS p ON p.indexrelid = o.oid
  WHERE o.relnamespace = x.relnamespace AND o.relname = w.name AND p.indrelid IS DISTINCT FROM %(old)s::regclass)) AS n
WHERE i.indrelid = %(table)s::regclass AND starts_with(x.relname, %(new)s) AND octet_length(w.name) < 64
"""
# In a table of ours every text and jsonb column gets its index, once; loads that finish together wait for one another.
_INDEX_TEXTS = """
DECLARE
  name text;
BEGIN
  FOR name IN SELECT a.attname FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = {literal}::regclass AND NOT a.attisdropped AND t.typname IN ('tsvector', 'jsonb')
    AND NOT EXISTS (
      SELECT FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_am AS m ON m.oid = x.relam
      WHERE i.indrelid = a.attrelid AND m.amname = 'gin' AND a.attnum = ANY (i.indkey))
  LOOP
    EXECUTE {create} || format('(%I)', name);
  END LOOP;
END
"""
_FOLLOW = """
SELECT setval(sequence, m.largest) FROM
  (SELECT pg_get_serial_sequence(%(table)s, %(column)s)::regclass AS sequence) AS s,
  (SELECT max({key})::bigint AS largest FROM {table}) AS m
WHERE sequence IS NOT NULL AND m.largest > coalesce(pg_sequence_last_value(sequence), 0)
"""


def ensure_extension(db: Database) -> None:
    """Create pgvector's extension where it is missing; QueryError, with what to do, where that is not allowed."""
    if catalog.capabilities(db).vector is None:
        with _made_by_others():
            db.run(Query("CREATE EXTENSION IF NOT EXISTS vector"))
        catalog.forget(db)


@contextlib.contextmanager
def _made_by_others() -> Iterator[None]:
    """Let pass that somebody else made the same thing at the same moment."""
    try:
        yield
    except QueryError as error:
        if error.sqlstate not in _ALREADY_THERE:
            raise


def create(db: Database, target: Target, mark: str = UNFINISHED) -> None:
    """Create a planned table, its key and its text search column, marked as unfinished; harmless where it exists."""
    table = target.sql_name
    columns = [f"{quote_ident(column.name)} {column.sql_type}" for column in target.columns]
    columns[0] += " PRIMARY KEY"
    columns[-1] += " NOT NULL"
    if target.layout.text:
        columns.append(_text_search_column(target))
    with _made_by_others():
        db.transaction(
            [
                _query(f"CREATE TABLE {table} ({', '.join(columns)})"),
                _query(f"COMMENT ON TABLE {table} IS {quote_literal(mark)}"),
            ]
        )
    catalog.forget(db)


def _text_search_column(target: Target) -> str:
    taken = {column.name for column in target.columns}
    name = next(name for name in ("fts", *(f"fts_{n}" for n in range(2, 2000))) if name not in taken)
    texts = " || E'\\n\\n' || ".join(f"coalesce({quote_ident(text)}, '')" for text in target.layout.text)
    return f"{quote_ident(name)} tsvector GENERATED ALWAYS AS (to_tsvector('{_LANGUAGE}', {texts})) STORED"


def finish(db: Database, target: Target) -> None:
    """Give a table that a load made its indexes, which is faster now than before its rows, and take its mark away."""
    table = target.sql_name
    create = quote_literal(f"CREATE INDEX ON {table} USING gin ")
    body = _INDEX_TEXTS.format(literal=quote_literal(table), create=create)
    db.transaction(
        [
            _query(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"),
            _query(f"DO {quote_literal(body)}"),
            _query(f"COMMENT ON TABLE {table} IS NULL"),
        ]
    )


def analyze(db: Database, target: Target) -> None:
    """Tell the planner what the table now holds."""
    db.run(_query(f"ANALYZE {target.sql_name}"))
    catalog.forget(db)


def follow_ids(db: Database, target: Target) -> str | None:
    """Set a sequence behind the ids past the largest; return a notice where that is forbidden."""
    layout = target.layout
    if layout.hashed or target.column(layout.id).kind not in ("int2", "int4", "int8"):
        return None
    names = {"key": quote_ident(layout.id).replace("%", "%%"), "table": target.sql_name.replace("%", "%%")}
    try:
        db.run(Query(_FOLLOW.format(**names), {"table": target.sql_name, "column": layout.id}))
    except QueryError as error:
        if error.sqlstate != "42501":
            raise
        return f"the sequence of {target.name}.{layout.id} could not be set past the ids loaded: {error.message}"
    return None


def remember(db: Database, target: Target, spec: str) -> str | None:
    """Note the model with the column; return a notice where only this kernel could be told."""
    statement = catalog.remember_embedder(
        db, catalog.table(db, f"{target.schema}.{target.name}"), target.layout.vector, spec
    )
    return f"only this kernel knows that the model is {spec}; the owner may run: {statement}" if statement else None


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
    if not db.run(Query(_OWNED, {"table": old}, reads=True)).rows[0][0]:
        raise UsageError(f"{info.name} belongs to somebody else and cannot be replaced", "load without --replace")


def _drop_left_behind(db: Database, schema: str, mark: str) -> None:
    """Drop what loads left that were killed: their backends are gone."""
    params = {"schema": quote_ident(schema), "mark": mark}
    for (table,) in db.run(Query(_LEFT_BEHIND, params, reads=True)).rows:
        db.run(_query(f"DROP TABLE IF EXISTS {table}"))


def _swap(db: Database, info: TableInfo, old: str, new: Target) -> None:
    params = {"name": info.name, "new": new.name, "old": old, "table": new.sql_name}
    indexes = db.run(Query(_INDEXES, params, reads=True)).rows
    db.transaction(
        [
            _query(f"DROP TABLE IF EXISTS {old}"),
            _query(f"ALTER TABLE {new.sql_name} RENAME TO {quote_ident(info.name)}"),
            *(
                _query(f"ALTER INDEX {quote_qualified(info.schema, name)} RENAME TO {quote_ident(free)}")
                for name, free in indexes
            ),
        ]
    )


def lost_indexes(info: TableInfo) -> tuple[str, ...]:
    """Return a notice for each vector index of a table that was replaced."""
    return tuple(f"the old table had an index that the new one lacks: {index.definition}" for index in info.indexes)


def made_meanwhile(db: Database, target: Target) -> TableInfo:
    """Return the table that ``create`` made, or somebody else just before."""
    info = found(db, f"{target.schema}.{target.name}")
    if info is None:
        raise UsageError(f"{target.name} was dropped while rows were being loaded into it")
    return info


def _query(sql: str) -> Query:
    return Query(sql.replace("%", "%%"))
