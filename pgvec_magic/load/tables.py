"""Making a table, and finishing it once its rows are in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .. import catalog
from ..catalog import TableInfo
from ..db import Database
from ..errors import QueryError, UsageError
from ..query import Query
from ..sqltext import quote_ident, quote_literal
from . import texts
from .layout import CHUNK, PARENT
from .target import UNFINISHED, Target, found, vector_column

_ALREADY_THERE = ("42P07", "42710", "23505")
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


def create(db: Database, target: Target, language: str, mark: str = UNFINISHED) -> None:
    """Create a planned table, its key and its text search column, marked as unfinished; harmless where it exists."""
    table = target.sql_name
    columns = [f"{quote_ident(column.name)} {column.sql_type}" for column in target.columns]
    columns[0] += " PRIMARY KEY"
    columns[-1] += " NOT NULL"
    if target.layout.chunked:  # the chunks of a document are looked up by it
        columns[1:3] = [f"{column} NOT NULL" for column in columns[1:3]]
        columns.append(f"UNIQUE ({quote_ident(PARENT)}, {quote_ident(CHUNK)})")
    if target.layout.text:
        columns.append(_text_search_column(target, language))
    with _made_by_others():
        db.transaction(
            [
                _query(f"CREATE TABLE {table} ({', '.join(columns)})"),
                _query(f"COMMENT ON TABLE {table} IS {quote_literal(mark)}"),
            ]
        )
    catalog.forget(db)


def _text_search_column(target: Target, language: str) -> str:
    taken = {column.name for column in target.columns}
    name = next(name for name in ("fts", *(f"fts_{n}" for n in range(2, 2000))) if name not in taken)
    words = texts.tsvector(target.layout.text, language)
    return f"{quote_ident(name)} tsvector GENERATED ALWAYS AS ({words}) STORED"


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


def analyze(db: Database, table: str) -> None:
    """Tell the planner what the table, by its quoted name, now holds."""
    db.run(_query(f"ANALYZE {table}"))
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


def remember(db: Database, info: TableInfo, column: str, spec: str, known: str | None) -> str | None:
    """Note the model with the column; return a notice where only this kernel could be told.

    UsageError where somebody else noted another since the remembered one was ``known``.
    """
    catalog.forget(db)
    there = vector_column(catalog.table(db, f"{info.schema}.{info.name}"), column, "vector")
    if there and there.embedder not in (None, known, spec):
        raise other_model(f"{info.label}.{column}", there.embedder, spec)
    statement = catalog.remember_embedder(db, info, column, spec)
    return f"only this kernel knows that the model is {spec}; the owner may run: {statement}" if statement else None


def other_model(column: str, remembered: str | None, model: str) -> UsageError:
    """Return what is to be said when a column has the vectors of another model."""
    return UsageError(
        f"the vectors of {column} are of the model {remembered}, not of {model}: they cannot be compared",
        f"load with embedder={remembered!r}, or make the table anew with --replace",
    )


def made_meanwhile(db: Database, target: Target) -> TableInfo:
    """Return the table that ``create`` made, or somebody else just before."""
    info = found(db, f"{target.schema}.{target.name}")
    if info is None:
        raise UsageError(f"{target.name} was dropped while rows were being loaded into it")
    return info


def _query(sql: str) -> Query:
    return Query(sql.replace("%", "%%"))
