"""The catalog's rows -> values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..db.columns import LONGEST_FLAGS
from ..index import read_key
from ..metric import by_opclass
from ..sqltext import quote_ident, quote_qualified
from .baseline import read_baseline
from .table import EMBEDDER_LINE, Column, TableInfo, TextSource, VectorColumn, VectorIndex

VECTOR_TYPES = ("vector", "halfvec", "sparsevec")
BIT = "bit"
KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}
_TEXT_METHODS = ("gin", "gist", "rum")
# The operator class of pg_textsearch, whose access method others call bm25 too. It searches columns of this type.
_BM25_OPCLASS, _BM25_TYPE = "text_bm25_ops", "text"
_LANGUAGE = re.compile(r"to_tsvector\(\s*'((?:[^']|'')+)'")

Told = Mapping[tuple[str, str, str], str]


def table_info(row: Mapping[str, Any], told: Told, widths: Mapping[str, int] | None = None) -> TableInfo:
    """Return the table that a row of ``sql.TABLES`` describes.

    ``told`` holds models that only this kernel knows, ``widths`` the columns' average widths in bytes.
    """
    columns = row["columns"] or []
    indexes = row["indexes"] or []
    name = quote_ident(row["name"])
    vectors, bits = _vector_columns(row, told)
    info = {
        "schema": row["schema"],
        "name": row["name"],
        "kind": KINDS[row["kind"]],
        "sql_name": name if row["visible"] else f"{quote_ident(row['schema'])}.{name}",
        "columns": tuple(Column(c["name"], _type(c), c["nullable"], (widths or {}).get(c["name"], 0)) for c in columns),
        "vectors": vectors,
        "bits": bits,
        "indexes": tuple(_vector_index(i, columns) for i in indexes if _is_vector_index(i)),
        "key": _key(indexes, row["kind"], row["inherited"]),
        "rows": None if row["rows"] is None else round(row["rows"]),
        "bytes": int(row["bytes"] or 0),
        "extension_schema": row["extension_schema"],
        "row_security": row["row_security"],
    }
    default = _short(row["default_language"])
    texts = _tsvectors(columns, indexes, default)
    bare = TableInfo(**info, texts=())
    plain = [bare.plain_text(default)] if bare.text_column is not None else []
    return TableInfo(**info, texts=(*_bm25(row, bare.text_column), *texts, *plain))


def _type(column: Mapping[str, Any]) -> str:
    return str(column["type"] if column["type"] in VECTOR_TYPES else column["format"])


def _vector_columns(row: Mapping[str, Any], told: Told) -> tuple[tuple[VectorColumn, ...], tuple[VectorColumn, ...]]:
    """Return the vector columns, and the bit columns that may be flags."""
    indexes = [i for i in row["indexes"] or [] if _is_vector_index(i)]
    indexed = {index["keys"][0]["column"] for index in indexes}
    vectors: list[VectorColumn] = []
    bits: list[VectorColumn] = []
    for column in row["columns"] or []:
        if column["type"] in VECTOR_TYPES or column["format"] == BIT:
            found = _vector_column(column, row, told)
            is_vector = column["type"] in VECTOR_TYPES or found.name in indexed or _is_marked(found)
            (vectors if is_vector else bits).append(found)
    return tuple(vectors), tuple(bits)


def _is_marked(column: VectorColumn) -> bool:
    """Whether a bit column is one of vectors by its model, its name or its length."""
    long = column.dimensions is not None and column.dimensions > LONGEST_FLAGS
    return bool(column.embedder) or column.name.endswith("embedding") or long


def _vector_column(column: Mapping[str, Any], row: Mapping[str, Any], told: Told) -> VectorColumn:
    remembered = EMBEDDER_LINE.search(column["comment"] or "")
    return VectorColumn(
        column["name"],
        column["type"],
        column["typmod"] if column["typmod"] > 0 else None,
        column["nullable"],
        told.get((row["schema"], row["name"], column["name"])) or (remembered and remembered[1].strip()) or None,
    )


def _is_vector_index(index: Mapping[str, Any]) -> bool:
    return by_opclass(index["opclass"]) is not None or index["method"] in ("hnsw", "ivfflat", "diskann")


def _vector_index(index: Mapping[str, Any], columns: list[dict[str, Any]]) -> VectorIndex:
    metric = by_opclass(index["opclass"])
    bare = index["keys"][0]["column"]
    key = None if bare else read_key(index["definition"], {column["name"]: column["type"] for column in columns})
    return VectorIndex(
        name=index["name"],
        column=key.column if key else bare,
        method=index["method"],
        metric=metric.name if metric else None,
        valid=index["valid"],
        options=tuple(index["options"] or ()),
        where=index["where"],
        bytes=int(index["bytes"] or 0),
        definition=index["definition"],
        baseline=read_baseline(index["comment"]),
        rows=index["rows"],
        form=key.form if key else "vector",
        dimensions=key.dimensions if key else None,
    )


def _key(indexes: list[dict[str, Any]], kind: str, inherited: bool) -> tuple[str, ...]:
    """The primary key, else a unique index without NULLs, else where the row lies; a view has none of them."""
    if inherited:  # a key of the parent does not hold for the rows of its children
        return ("tableoid", "ctid")
    usable = [i for i in indexes if i["valid"] and (i["primary"] or (i["unique"] and _never_null(i)))]
    if usable:
        best = min(usable, key=lambda index: (not index["primary"], len(index["keys"])))
        return tuple(key["column"] for key in best["keys"])
    return {"r": ("ctid",), "m": ("ctid",), "p": ("tableoid", "ctid")}.get(kind, ())


def _never_null(index: Mapping[str, Any]) -> bool:
    return all(key["not_null"] for key in index["keys"])


def _tsvectors(columns: list[dict[str, Any]], indexes: list[dict[str, Any]], default: str) -> list[TextSource]:
    """Return what can be searched by words, what an index serves first: tsvector columns and indexed expressions."""
    whole = [i for i in indexes if i["method"] in _TEXT_METHODS and i["valid"] and not i["where"]]
    keys = [key for index in whole for key in index["keys"]]
    served = {key["column"] for key in keys}
    sources = [
        TextSource(quote_ident(c["name"]), _language(c["made_by"], default), c["name"] in served)
        for c in columns
        if c["type"] == "tsvector"
    ]
    expressions = [key["expression"] for key in keys if key["expression"] and _LANGUAGE.search(key["expression"])]
    sources += [TextSource(expression, _language(expression, default), True) for expression in expressions]
    return sorted(sources, key=lambda source: not source.indexed)


def _bm25(row: Mapping[str, Any], text_column: str | None) -> list[TextSource]:
    """Return the columns that have a BM25 index, the one that people read first.

    None of a table with parts: pg_textsearch scores all their rows by the words of one part, those it lacks as 0.
    """
    if row["kind"] == "p" or row["inherited"]:
        return []
    searchable = {column["name"] for column in row["columns"] or [] if column["type"] == _BM25_TYPE}
    usable = [
        (index["keys"][0]["column"], index)
        for index in row["indexes"] or []
        # pg_textsearch finds no index with a dot in its name.
        if index["opclass"] == _BM25_OPCLASS and index["valid"] and not index["where"] and "." not in index["name"]
    ]
    usable.sort(key=lambda pair: pair[0] != text_column)
    return [
        TextSource(
            quote_ident(column),
            _short(_option(index, "text_config")),
            True,
            "bm25",
            quote_qualified(row["schema"], index["name"]),
            index["opclass_schema"],
        )
        for column, index in usable
        if column in searchable
    ]


def _option(index: Mapping[str, Any], name: str) -> str:
    return str(dict(option.split("=", 1) for option in index["options"] or ())[name])


def _language(made_by: str | None, default: str) -> str:
    """Return the language in which an expression, or the code of a trigger, makes a tsvector."""
    found = _LANGUAGE.search(made_by or "")
    return _short(found[1].replace("''", "'")) if found else default


def _short(language: str) -> str:
    return language.removeprefix("pg_catalog.")
