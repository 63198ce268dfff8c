"""The table that rows go to: what it has, or what it will be made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from .. import catalog
from ..catalog import TableInfo, VectorColumn
from ..db import Database
from ..errors import UsageError, did_you_mean
from ..metric import MOST_STORED
from ..query import Query
from ..sqltext import quote_ident, quote_qualified
from .encode import ENCODED
from .layout import Layout

UNFINISHED = "pgvec: being loaded"
HASH_SUFFIX = "_hash"
HASH_NOTE = "pgvec: which text {} was made of"
_SQL_TYPES = {"int8": "bigint", "float8": "double precision", "bool": "boolean"}
_VECTOR_TYPE = """
SELECT t.oid::regtype::text FROM pg_type AS t JOIN pg_extension AS e ON t.typnamespace = e.extnamespace
WHERE e.extname = 'vector' AND t.typname = %(kind)s
"""
_COLUMNS = """
SELECT a.attname, t.typname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '',
  a.attnotnull AND NOT a.atthasdef AND a.attidentity = '',
  EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid AND i.indimmediate
          AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
  coalesce(col_description(a.attrelid, a.attnum), '')
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = %(table)s::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_STATE = """
SELECT NOT EXISTS (SELECT FROM {table}), coalesce(obj_description(%(table)s::regclass, 'pg_class') = %(mark)s, false)
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is written: its type's name in ``pg_type`` and as SQL."""

    name: str
    kind: str
    sql_type: str

    @property
    def staged(self) -> str:
        """The type in which it is sent; where that is not its own, the server casts it."""
        return self.sql_type if self.kind in ENCODED else "text"


@dataclass(frozen=True, slots=True)
class Target:
    """A table as a load sees it, with only the columns it writes, in the order of the layout.

    ``exists`` and ``empty`` are of the start, and a table whose policies may hide rows is never ``empty``;
    ``unfinished`` was made by a load that did not come to its end; ``partitioned`` has rows only in other tables;
    ``hash`` is the last column where ``embed_table`` made one, which tells what text a vector is of;
    ``embedder`` is the remembered model; ``operators`` the schema of pgvector as SQL with a dot, where it is needed.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    layout: Layout
    dimensions: int | None
    exists: bool
    empty: bool
    unfinished: bool
    partitioned: bool = False
    row_security: bool = False
    hash: str | None = None
    embedder: str | None = None
    operators: str = ""

    @property
    def sql_name(self) -> str:
        """The quoted, qualified name."""
        return quote_qualified(self.schema, self.name)

    @property
    def direct(self) -> bool:
        """Whether COPY can write every column in the type it is sent in, which under policies it may not do at all."""
        return not self.row_security and all(column.staged == column.sql_type for column in self.columns)

    def column(self, name: str) -> Column:
        """Return a written column by name."""
        return next(column for column in self.columns if column.name == name)


def found(db: Database, table: str) -> TableInfo | None:
    """Return what the catalog has of a table, read anew, or None when there is none of that name."""
    catalog.forget(db)
    try:
        return catalog.table(db, table)
    except UsageError:
        return None


def sql_type(info: TableInfo, kind: str) -> str:
    """Return a type of vectors as SQL names it in the database of a table."""
    schema = f"{quote_ident(info.extension_schema)}." if info.extension_schema and kind != "bit" else ""
    return f"{schema}{kind}"


def vector_column(info: TableInfo | None, name: str, kind: str) -> VectorColumn | None:
    """Return the column of a table that vectors go to, None where there is no such table or column.

    UsageError when ``kind`` is not its type: "vector" is the type of columns that are made, and fits any.
    """
    there = next((c for c in (*info.vectors, *info.bits) if c.name == name), None) if info else None
    if info and there and kind not in ("vector", there.type):
        raise UsageError(
            f"{info.label}.{name} is of type {there.type}, not {kind}",
            "leave --type out, or make the table anew with --replace",
        )
    return there


def existing(db: Database, info: TableInfo, layout: Layout) -> Target:
    """Return a table that is there; UsageError for every way in which the source does not fit it."""
    if info.kind not in ("table", "partitioned table"):
        raise UsageError(f"{info.name} is a {info.kind}", "load into the table behind it")
    vector = vector_column(info, layout.vector, "vector") or _no_vectors(info, layout)
    name = quote_qualified(info.schema, info.name)
    params = {"table": name, "mark": UNFINISHED}
    rows = db.run(Query(_COLUMNS, params, reads=True)).rows
    _check_columns(info, layout, rows)
    by_name = {name: Column(name, kind, sql) for name, kind, sql, *_ in rows}
    hash = _hash(layout, {name: comment for name, *_, comment in rows})
    empty, unfinished = db.run(Query(_STATE.format(table=name.replace("%", "%%")), params, reads=True)).rows[0]
    return Target(
        schema=info.schema,
        name=info.name,
        columns=tuple(by_name[column] for column in (*layout.columns, *([hash] if hash else []))),
        layout=layout,
        dimensions=vector.dimensions,
        exists=True,
        empty=empty and not info.row_security,
        unfinished=unfinished,
        partitioned=info.kind == "partitioned table",
        row_security=info.row_security,
        hash=hash,
        embedder=vector.embedder,
        operators=f"{quote_ident(info.extension_schema)}." if info.extension_schema else "",
    )


def _hash(layout: Layout, comments: Mapping[str, str]) -> str | None:
    """Return the column with the hashes of the texts, where there is one and a load can tell them."""
    name = layout.vector + HASH_SUFFIX
    known = HASH_NOTE.format(layout.vector) in comments.get(name, "")
    return name if known and layout.text and name not in layout.columns else None


def _no_vectors(info: TableInfo, layout: Layout) -> NoReturn:
    """Raise the UsageError of a table without the column for the vectors."""
    names = [vector.name for vector in info.vectors]
    if layout.vector in (column.name for column in info.columns):
        raise UsageError(f"{info.name}.{layout.vector} is no vector column", did_you_mean(layout.vector, names))
    hint = f"its vectors are in {', '.join(names)}: say --column" if names else "add one: ALTER TABLE … ADD COLUMN"
    raise UsageError(f"{info.name} has no column {layout.vector!r} for the vectors", hint)


def _check_columns(info: TableInfo, layout: Layout, rows: list[tuple[object, ...]]) -> None:
    there = [str(row[0]) for row in rows]
    if layout.hashed and layout.id not in there:
        raise UsageError(
            f"{info.name} has no column {layout.id!r}, which would hold the hash of rows without an id",
            f"its key is {', '.join(info.key)}: name the source's column for it with --id",
        )
    for name in layout.columns:
        if name not in there:
            raise UsageError(
                f"{info.name} has no column {name!r}, which the source has",
                f"{did_you_mean(name, there)}\nleave it out, or ALTER TABLE {info.sql_name} ADD COLUMN",
            )
    for column, _, kind, generated, required, unique, _ in rows:
        name = str(column)
        if generated and name in layout.columns:
            raise UsageError(f"{info.name}.{name} is generated: nothing can be loaded into it", "leave it out")
        if required and name not in layout.columns:
            raise UsageError(f"{info.name}.{name} ({kind}) must not be null, and the source does not have it")
        if name == layout.id and not unique:
            raise UsageError(
                f"{info.name}.{name} has no unique index, so rows cannot be told apart by it",
                f"its key is {', '.join(info.key)}; or give it one: ALTER TABLE … ADD PRIMARY KEY",
            )


def planned(db: Database, table: str, layout: Layout, dimensions: int, kind: str = "vector") -> Target:
    """Return a table that is not there yet; UsageError when its schema is not either, or no such column can be."""
    vector = _type_of(db, kind, dimensions)
    schema, dot, name = table.partition(".")
    if dot:
        known = [row[0] for row in db.run(Query("SELECT nspname::text FROM pg_namespace", reads=True)).rows]
        if schema not in known:
            raise UsageError(f"there is no schema {schema!r} for {table}", f"CREATE SCHEMA {quote_ident(schema)}")
    else:
        name, schema = table, db.run(Query("SELECT coalesce(current_schema(), 'public')::text", reads=True)).rows[0][0]
    types = [(n, kind, _SQL_TYPES.get(kind, kind)) for n, kind in layout.types.items() if n != layout.id]
    key = layout.types.get(layout.id, "text")
    columns = [Column(layout.id, key, _SQL_TYPES.get(key, key)), *(Column(*column) for column in types)]
    columns.append(Column(layout.vector, kind, f"{vector}({dimensions})"))
    return Target(
        schema=schema,
        name=name,
        columns=tuple(columns),
        layout=layout,
        dimensions=dimensions,
        exists=False,
        empty=True,
        unfinished=True,
        operators=vector.removesuffix(kind),
    )


def _type_of(db: Database, kind: str, dimensions: int) -> str:
    """Return a type of vectors as SQL; UsageError when it is not there, or does not hold so many dimensions."""
    if dimensions > MOST_STORED[kind]:
        hint = "--type bit holds a sign of each, --type sparsevec those that are not zero"
        raise UsageError(f"a {kind} holds {MOST_STORED[kind]:,} dimensions, these vectors have {dimensions:,}", hint)
    if kind == "bit":
        return kind
    found = db.run(Query(_VECTOR_TYPE, {"kind": kind}, reads=True)).rows
    if not found:
        raise UsageError(f"the pgvector of {db.name} has no type {kind}", "ALTER EXTENSION vector UPDATE brings 0.7")
    return str(found[0][0])
