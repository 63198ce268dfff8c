"""Reading the catalog, and remembering what was read for a moment."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..db import Database, Rows
from ..errors import QueryError, UsageError, did_you_mean
from ..metric import by_opclass
from ..query import Query
from ..sqltext import bind, quote_ident, quote_literal
from . import sql
from .table import EMBEDDER_LINE, Column, TableInfo, TextSource, VectorColumn, VectorIndex

# Changes made through us are noticed at once, and so is anything that makes a statement fail; what others change
# silently, such as a new index, is noticed after this many seconds.
FRESH_SECONDS = 5.0
VECTOR_TYPES = ("vector", "halfvec", "sparsevec")
_CONFIG = re.compile(r"to_tsvector\('((?:[^']|'')+)'::regconfig")
KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the server can do; ``vector`` is pgvector's version, None where the extension was not created."""

    server: int
    vector: tuple[int, ...] | None
    languages: tuple[str, ...]
    in_force: Mapping[str, str]

    @property
    def server_version(self) -> str:
        """The version as people write it, such as ``18.6``."""
        return f"{self.server // 10000}.{self.server % 10000}"

    @property
    def vector_version(self) -> str:
        """Pgvector's version as people write it, or ``not installed``."""
        return ".".join(map(str, self.vector)) if self.vector else "not installed"


def table(db: Database, name: str) -> TableInfo:
    """Return a table by ``name`` or ``schema.name``, from the cache when read lately; UsageError when there is none."""
    key = f"table {name}"
    read_at, known = db.cache.get(key, (0.0, None))
    if known is None or time.monotonic() - read_at > FRESH_SECONDS:
        known = _read_table(db, name)
        db.cache[key] = (time.monotonic(), known)
    return known


def tables(db: Database) -> tuple[TableInfo, ...]:
    """Return every table and view with a vector column that this role may read, those on the search path first."""
    rows = db.run(Query(sql.TABLES.format(which=sql.WITH_VECTORS), reads=True))
    return tuple(_table_info(row) for row in _dicts(rows))


def capabilities(db: Database) -> Capabilities:
    """Return versions, text search languages and the settings in force in this session."""
    known: Capabilities | None = db.cache.get("capabilities")
    if known is None:
        known = _read_capabilities(db)
        db.cache["capabilities"] = known
    return known


def forget(db: Database) -> None:
    """Read everything anew at the next use; for those who change tables, indexes or settings."""
    embedders = db.cache.get("embedders", {})
    db.cache.clear()
    db.cache["embedders"] = embedders


def matching_rows(db: Database, relation: str, conditions: list[str], params: Mapping[str, object]) -> int:
    """Return the planner's estimate of the rows that conditions leave; one EXPLAIN, nothing is run."""
    where = " AND ".join(f"(\n{bind(text, params.keys())}\n)" for text in conditions)
    rows = db.run(Query(f"EXPLAIN (FORMAT JSON) SELECT FROM {relation} WHERE {where}", params, reads=True))
    return int(rows.rows[0][0][0]["Plan"]["Plan Rows"])


def remember_embedder(db: Database, table: TableInfo, column: str, spec: str) -> str | None:
    """Note a column's model on one line of its comment; return the statement when only this kernel could be told.

    Whoever may not comment has it remembered for this connection.
    """
    comment = _comment_with(_comment(db, table, column), spec)
    statement = f"COMMENT ON COLUMN {table.sql_name}.{quote_ident(column)} IS {quote_literal(comment)}"
    try:
        db.run(Query(statement.replace("%", "%%")))
    except QueryError as error:
        if error.sqlstate not in ("42501", "25006"):  # not the owner; read-only
            raise
        db.cache.setdefault("embedders", {})[(table.schema, table.name, column)] = spec
        return statement
    finally:
        forget(db)
    return None


def _comment(db: Database, table: TableInfo, column: str) -> str:
    rows = db.run(
        Query(
            "SELECT col_description(attrelid, attnum) FROM pg_attribute"
            " WHERE attrelid = %(table)s::regclass AND attname = %(column)s",
            {"table": table.sql_name, "column": column},
            reads=True,
        )
    )
    return rows.rows[0][0] or ""


def _comment_with(comment: str, spec: str) -> str:
    line = f"pgvec: embedder={spec}"
    if EMBEDDER_LINE.search(comment):
        return EMBEDDER_LINE.sub(lambda _: line, comment)
    return f"{comment}\n{line}".lstrip("\n")


def _read_capabilities(db: Database) -> Capabilities:
    row = _dicts(db.run(Query(sql.CAPABILITIES, reads=True)))[0]
    if row["vector"] is None:
        return Capabilities(row["server"], None, tuple(row["languages"]), {})
    # pgvector's settings exist once its library is loaded, which the first cast does.
    db.run(Query(f"SELECT '[1]'::{row['schema'].replace('%', '%%')}.vector", reads=True))
    in_force = {name: value for name, value in db.run(Query(sql.IN_FORCE, reads=True)).rows if value is not None}
    version = tuple(int(part) for part in re.findall(r"\d+", row["vector"]))
    return Capabilities(row["server"], version, tuple(row["languages"]), in_force)


def _read_table(db: Database, name: str) -> TableInfo:
    found = _dicts(db.run(Query(sql.TABLES.format(which=sql.BY_NAME), {"name": name}, reads=True)))
    if not found:
        known = [t.name for t in tables(db)]
        hint = did_you_mean(name, known) or "no table here has a vector column: %vload TABLE SOURCE makes one"
        raise UsageError(f"no table {name!r} in {db.name}", hint)
    info = _table_info(found[0])
    told = db.cache.get("embedders", {})
    return _with_embedders(info, told) if told else info


def _with_embedders(info: TableInfo, told: Mapping[tuple[str, str, str], str]) -> TableInfo:
    from dataclasses import replace

    vectors = tuple(replace(v, embedder=told.get((info.schema, info.name, v.name), v.embedder)) for v in info.vectors)
    return replace(info, vectors=vectors)


def _dicts(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]


def _table_info(row: dict[str, Any]) -> TableInfo:
    columns = tuple(Column(c["name"], _type(c), c["nullable"], c["width"] or 0) for c in row["columns"])
    indexes = row["indexes"] or []
    name = quote_ident(row["name"])
    info = TableInfo(
        schema=row["schema"],
        name=row["name"],
        kind=KINDS[row["kind"]],
        sql_name=name if row["visible"] else f"{quote_ident(row['schema'])}.{name}",
        columns=columns,
        vectors=tuple(_vector_column(c) for c in row["columns"] if c["type"] in VECTOR_TYPES),
        indexes=tuple(_vector_index(i) for i in indexes if _is_vector_index(i)),
        key=_key(indexes, row["kind"]),
        texts=(),
        rows=None if row["rows"] is None or row["rows"] < 0 else int(row["rows"]),
        bytes=int(row["bytes"] or 0),
        extension_schema=row["extension_schema"],
    )
    return _with_texts(info, row["columns"], indexes, row["default_language"])


def _type(column: dict[str, Any]) -> str:
    return column["type"] if column["type"] in VECTOR_TYPES else column["format"]


def _vector_column(column: dict[str, Any]) -> VectorColumn:
    remembered = EMBEDDER_LINE.search(column["comment"] or "")
    return VectorColumn(
        column["name"],
        column["type"],
        column["typmod"] if column["typmod"] > 0 else None,
        column["nullable"],
        remembered.group(1).strip() if remembered else None,
    )


def _is_vector_index(index: dict[str, Any]) -> bool:
    return by_opclass(index["opclass"]) is not None or index["method"] in ("hnsw", "ivfflat", "diskann")


def _vector_index(index: dict[str, Any]) -> VectorIndex:
    metric = by_opclass(index["opclass"])
    return VectorIndex(
        name=index["name"],
        column=index["columns"][0] if not index["expression"] else None,
        method=index["method"],
        metric=metric.name if metric else None,
        valid=index["valid"],
        options=tuple(index["options"] or ()),
        where=index["where"],
        bytes=index["bytes"],
        definition=index["definition"],
    )


def _key(indexes: list[dict[str, Any]], kind: str) -> tuple[str, ...]:
    """The primary key, else a unique index without NULLs, else where the row lies; a view has none of them."""
    usable = [i for i in indexes if i["valid"] and (i["primary"] or (i["unique"] and i["not_null"]))]
    if usable:
        return tuple(min(usable, key=lambda i: (not i["primary"], len(i["columns"])))["columns"])
    return ("ctid",) if kind in "rm" else ()


def _with_texts(
    info: TableInfo, columns: list[dict[str, Any]], indexes: list[dict[str, Any]], default: str
) -> TableInfo:
    """Add what can be searched by words: tsvector columns, indexed expressions, and last the bare text column."""
    from dataclasses import replace

    served = {i["columns"][0] for i in indexes if i["method"] in ("gin", "gist", "rum") and i["valid"]}
    sources = [
        TextSource(quote_ident(c["name"]), _language(c["generated"], default), c["name"] in served)
        for c in columns
        if c["type"] == "tsvector"
    ]
    for index in indexes:
        if index["expression"] and index["method"] in ("gin", "gist", "rum") and _CONFIG.search(index["expression"]):
            sources.append(TextSource(index["expression"], _language(index["expression"], default), index["valid"]))
    sources.sort(key=lambda source: not source.indexed)
    if info.text_column is not None:
        sources.append(info.plain_text(_short(default)))
    return replace(info, texts=tuple(sources))


def _language(expression: str | None, default: str) -> str:
    found = _CONFIG.search(expression or "")
    return _short(found.group(1).replace("''", "'") if found else default)


def _short(language: str) -> str:
    return language.removeprefix("pg_catalog.")
