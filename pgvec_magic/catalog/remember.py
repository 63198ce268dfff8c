"""Remembering a column's model: one line of the column's comment, the rest of the comment untouched."""

from __future__ import annotations

from ..db import Database
from ..errors import QueryError
from ..query import Query
from ..sqltext import quote_ident, quote_literal
from .read import forget
from .table import EMBEDDER_LINE, TableInfo

# SQLSTATEs of who may not comment: not the owner, a read-only connection or server.
_NOT_ALLOWED = ("42501", "25006")
_COMMENT = """
SELECT col_description(attrelid, attnum) FROM pg_attribute
WHERE attrelid = %(table)s::regclass AND attname = %(column)s
"""


def remember_embedder(db: Database, table: TableInfo, column: str, spec: str) -> str | None:
    """Note a column's model on one line of its comment; return the statement when only this kernel could be told.

    Whoever may not comment has it remembered for this connection.
    """
    comment = _comment_with(_comment(db, table, column), spec)
    statement = f"COMMENT ON COLUMN {table.sql_name}.{quote_ident(column)} IS {quote_literal(comment)}"
    told = db.cache.setdefault("embedders", {})
    try:
        db.run(Query(statement.replace("%", "%%")))
    except QueryError as error:
        if error.sqlstate not in _NOT_ALLOWED:
            raise
        told[table.schema, table.name, column] = spec
        return statement
    finally:
        forget(db)
    told.pop((table.schema, table.name, column), None)
    return None


def _comment(db: Database, table: TableInfo, column: str) -> str:
    rows = db.run(Query(_COMMENT, {"table": table.sql_name, "column": column}, reads=True))
    return "".join(comment or "" for (comment,) in rows.rows)


def _comment_with(comment: str, spec: str) -> str:
    line = f"pgvec: embedder={spec}"
    if EMBEDDER_LINE.search(comment):
        return EMBEDDER_LINE.sub(lambda _: line, comment)
    return f"{comment}\n{line}".lstrip("\n")
