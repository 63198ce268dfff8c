"""The column that a table's vectors go to, and beside it the one that tells which text each was made of."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from .. import catalog
from ..catalog import TableInfo, VectorColumn
from ..db import Database
from ..errors import QueryError, UsageError
from ..query import Query
from ..sqltext import quote_ident, quote_literal, quote_qualified
from .layout import LONGEST_NAME
from .target import HASH_NOTE, HASH_SUFFIX, Column, sql_type

_COLUMNS = """
SELECT attname, typname, format_type(atttypid, atttypmod), attgenerated <> '', col_description(attrelid, attnum)
FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
"""
_RIGHTS = """
SELECT has_column_privilege(%(table)s, %(vector)s, 'UPDATE') AND has_column_privilege(%(table)s, %(hash)s, 'UPDATE'),
  has_database_privilege(current_database(), 'TEMPORARY'), quote_ident(current_user), quote_ident(current_database())
"""
_NOT_ALLOWED, _LOCKED = "42501", "55P03"
# While ALTER TABLE waits for its lock every other writer waits behind it: it gives up soon, and comes back later.
_LOCK_MILLISECONDS, _BETWEEN, _PATIENCE = 100, 0.5, 60.0


@dataclass(frozen=True, slots=True)
class Embedding:
    """The columns of a table that are read and written: ``keys`` maps the key's names to their types as SQL.

    ``nullable`` says whether a row may have no vector, and ``remembered`` is the column's model.
    """

    info: TableInfo
    keys: Mapping[str, str]
    text: tuple[str, ...]
    vector: Column
    remembered: str | None
    nullable: bool = True

    @property
    def table(self) -> str:
        """The quoted, qualified name."""
        return quote_qualified(self.info.schema, self.info.name)

    @property
    def is_new(self) -> bool:
        """Whether the column of the vectors is to be made."""
        return self.vector.name not in {column.name for column in self.info.columns}

    @property
    def hash(self) -> str:
        """The column of type uuid with half of the SHA-256 of the text that a vector was made of; null without one."""
        return self.vector.name + HASH_SUFFIX


@dataclass(frozen=True, slots=True)
class _Found:
    kind: str
    sql_type: str
    generated: bool
    comment: str


def planned(db: Database, table: str, text: tuple[str, ...], column: str, dimensions: int, kind: str) -> Embedding:
    """Return the columns of a table, made or not; UsageError for what cannot be given vectors."""
    catalog.forget(db)
    info = catalog.table(db, table)
    _check_kind(info)
    if not text:
        names = ", ".join(c.name for c in info.columns)
        raise UsageError(f"which columns hold the text to embed? There are: {names}", "name them: --text COLUMN,COLUMN")
    for name in text:
        if info.column(name).name == column:
            raise UsageError(f"the column {column!r} cannot be both the text and the vector")
    if len((column + HASH_SUFFIX).encode()) > LONGEST_NAME:
        raise UsageError(
            f"{column!r} is too long a name", f"take one of at most {LONGEST_NAME - len(HASH_SUFFIX)} bytes"
        )
    params = {"table": quote_qualified(info.schema, info.name)}
    found = {name: _Found(*rest) for name, *rest in db.run(Query(_COLUMNS, params, reads=True)).rows}
    _check_hash(info, column, found.get(column + HASH_SUFFIX))
    there = next((vector for vector in (*info.vectors, *info.bits) if vector.name == column), None)
    if there is None:
        _check_free(info, column, found)
        made = Column(column, kind, f"{sql_type(info, kind)}({dimensions})")
    else:
        _check_vectors(info, there, found[column], dimensions, kind)
        made = Column(column, found[column].kind, found[column].sql_type)
    keys = {name: found[name].sql_type for name in info.key}
    return Embedding(info, keys, text, made, there.embedder if there else None, there is None or there.nullable)


def _check_kind(info: TableInfo) -> None:
    if info.kind not in ("table", "partitioned table"):
        raise UsageError(f"{info.label} is a {info.kind}", "its rows can be given vectors in the table behind it only")
    if "ctid" in info.key:
        inherits = "tableoid" in info.key and info.kind == "table"
        raise UsageError(
            f"{info.label} has no key, by which a row is found again to be given its vector",
            "other tables inherit from it: take each by itself"
            if inherits
            else f"give it one: ALTER TABLE {info.sql_name} ADD COLUMN id bigserial PRIMARY KEY",
        )


def _check_hash(info: TableInfo, column: str, hash: _Found | None) -> None:
    if hash is not None and (hash.kind != "uuid" or not hash.comment or HASH_NOTE.format(column) not in hash.comment):
        raise UsageError(
            f"{info.label} has a column {column + HASH_SUFFIX!r} that was not made by this package",
            "the hashes of the texts would stand there: rename it, or choose another --column",
        )


def _check_free(info: TableInfo, column: str, found: Mapping[str, _Found]) -> None:
    if column in found:
        others = ", ".join(vector.name for vector in info.vectors)
        known = f"its vectors are in {others}" if others else "choose another --column, which is made"
        raise UsageError(f"{info.label}.{column} is of type {found[column].sql_type}, which holds no vectors", known)


def _check_vectors(info: TableInfo, there: VectorColumn, found: _Found, dimensions: int, kind: str) -> None:
    name = f"{info.label}.{there.name}"
    if found.generated:
        raise UsageError(f"{name} is generated: no vectors can be written to it", "choose another --column")
    if kind not in ("vector", there.type):
        raise UsageError(f"{name} is of type {there.type}, not {kind}", "leave --type out, or choose another --column")
    if there.dimensions not in (None, dimensions):
        raise UsageError(
            f"{name} has {there.dimensions} dimensions, the model gives {dimensions}",
            f"for a second model make a second column: --column {there.name}_{dimensions}",
        )


def check_model(db: Database, embedding: Embedding, model: str) -> str | None:
    """Return a notice when there are vectors of an unknown model; UsageError when they are of another."""
    hidden = embedding.remembered is not None and embedding.info.row_security  # vectors may be where none is visible
    if embedding.remembered == model or not (hidden or _has_vectors(db, embedding)):
        return None
    name = f"{embedding.info.label}.{embedding.vector.name}"
    if embedding.remembered is None:
        return f"{name} had vectors of a model that is not known: they are taken for those of {model}"
    raise UsageError(
        f"the vectors of {name} are of the model {embedding.remembered}, not of {model}: they cannot be compared",
        f"for a second model make a second column: --column {embedding.vector.name}_2",
    )


def _has_vectors(db: Database, embedding: Embedding) -> bool:
    column = quote_ident(embedding.vector.name)
    if embedding.is_new:
        return False
    sql = f"SELECT EXISTS (SELECT FROM {embedding.table} WHERE {column} IS NOT NULL)"
    return bool(db.run(Query(sql.replace("%", "%%"), reads=True)).rows[0][0])


def ensure(db: Database, embedding: Embedding) -> None:
    """Add what is missing of the two columns, without other writers waiting; UsageError for rights that are missing."""
    names = {column.name for column in embedding.info.columns}
    wanted = {embedding.vector.name: embedding.vector.sql_type, embedding.hash: "uuid"}
    missing = {name: kind for name, kind in wanted.items() if name not in names}
    if missing:
        adds = ", ".join(f"ADD COLUMN IF NOT EXISTS {quote_ident(name)} {kind}" for name, kind in missing.items())
        _altered(db, embedding, [f"ALTER TABLE {embedding.table} {adds}", *_note(embedding, missing)])
        catalog.forget(db)
    _check_rights(db, embedding)


def _note(embedding: Embedding, missing: Mapping[str, str]) -> list[str]:
    if embedding.hash not in missing:
        return []
    note = quote_literal(HASH_NOTE.format(embedding.vector.name))
    return [f"COMMENT ON COLUMN {embedding.table}.{quote_ident(embedding.hash)} IS {note}"]


def _altered(db: Database, embedding: Embedding, statements: list[str]) -> None:
    limit = (("lock_timeout", str(_LOCK_MILLISECONDS)),)
    steps = [Query(sql.replace("%", "%%"), settings=limit) for sql in statements]
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            db.transaction(steps)
            return
        except QueryError as error:
            if error.sqlstate == _NOT_ALLOWED:
                raise UsageError(
                    f"{embedding.info.label} lacks a column, and you may not add it: {error.message}",
                    f"its owner may run: {'; '.join(statements)}",
                ) from error
            if error.sqlstate != _LOCKED or time.monotonic() > until:
                raise
        time.sleep(_BETWEEN)


def _check_rights(db: Database, embedding: Embedding) -> None:
    names = {"table": embedding.table, "vector": embedding.vector.name, "hash": embedding.hash}
    ((update, temporary, role, database),) = db.run(Query(_RIGHTS, names, reads=True)).rows
    columns = f"{quote_ident(embedding.vector.name)}, {quote_ident(embedding.hash)}"
    if not update:
        raise UsageError(
            f"{role} may not update {embedding.info.label}",
            f"its owner may run: GRANT UPDATE ({columns}) ON {embedding.table} TO {role}",
        )
    if not temporary:
        raise UsageError(
            f"{role} may not make temporary tables in {database}, by which vectors are sent",
            f"its owner may run: GRANT TEMPORARY ON DATABASE {database} TO {role}",
        )
