"""Looking at a table's own rows: a bounded number of them, picked by pages over the whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import metric as metrics
from ..catalog import TableInfo, VectorColumn, VectorIndex
from ..index.size import value_bytes
from ..sqltext import quote_ident, quote_literal, quote_qualified
from .facts import Array, Sample, Table

if TYPE_CHECKING:
    from .reading import Reader

ROWS = 10_000
# Long vectors lie beside the table, and are read one by one: 16 MB take some 50 ms.
_BYTES = 16 * 1024**2
_FEW = 200
# Each page is picked or not by chance: of so many that may be expected some will be.
_LEAST_PAGES = 20
_NORMS = {"vector": "vector_norm", "halfvec": "l2_norm", "sparsevec": "l2_norm"}
_NUMBERS = ("real[]", "double precision[]", "numeric[]")
_DOCUMENTS = ("json", "jsonb")
_WITH_DIMENSIONS = ("vector", "halfvec")
_LEAST_DIMENSIONS = 16


def sample(reader: Reader, table: Table, column: VectorColumn) -> Sample | str:
    """Return what some of a column's vectors are like, or why that is not known."""
    most = min(ROWS, max(_BYTES // value_bytes(column.type, column.dimensions or 1_000, 100), _FEW))
    name, prefix = _ident(column.name), "" if column.type == "bit" else _prefix(table.info)
    norm = f"{prefix}{_NORMS[column.type]}(v)" if column.type in _NORMS else "NULL::float8"
    numbers = "avg((pg_column_size(v) - 16) / 8.0)::float8" if column.type == "sparsevec" else "NULL::float8"
    text = f"""
WITH looked AS MATERIALIZED (
  SELECT v IS NOT NULL AS there, {norm} AS norm, md5({prefix}{column.type}_send(v)) AS mark,
    CASE WHEN {column.type == "sparsevec"} THEN v END AS v
  FROM (SELECT {name} AS v FROM {_some(table, most)} LIMIT {most}) AS few)
SELECT count(*), count(*) FILTER (WHERE there), count(*) FILTER (WHERE norm = 0), min(norm) FILTER (WHERE norm > 0),
  max(norm) FILTER (WHERE norm > 0),
  (SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM looked WHERE there GROUP BY mark) AS marks),
  {numbers}
FROM looked"""
    found = reader.try_rows(text)
    if isinstance(found, str):
        return found
    rows, vectors, zeros, *rest = found[0]
    return Sample(rows, vectors, zeros if column.type in _NORMS else None, *rest)


def drift(reader: Reader, table: Table, index: VectorIndex) -> tuple[int, int] | str:
    """Return how many of some rows came after an index was built, by the transactions that wrote both."""
    if table.is_parted:
        return "each part of a partitioned table has lists of its own"
    text = f"""
SELECT count(*), count(*) FILTER (WHERE age(few.xmin) < built.age)
FROM (SELECT xmin FROM {_some(table, ROWS)} LIMIT {ROWS}) AS few
CROSS JOIN (SELECT least(age(x.xmin), age(i.xmin)) AS age FROM pg_catalog.pg_index AS i
            JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
            WHERE x.oid = {quote_literal(quote_qualified(table.info.schema, index.name)).replace("%", "%%")}::regclass
           ) AS built"""
    found = reader.try_rows(text)
    return found if isinstance(found, str) else (found[0][0], found[0][1])


def arrays(reader: Reader, table: Table) -> tuple[Array, ...]:
    """Return the columns of the table that hold what looks like vectors, in another type."""
    found = []
    for column in table.info.columns:
        if column.type in _NUMBERS or (column.type in _DOCUMENTS and _is_named_so(column.name)):
            dimensions = _dimensions(reader, table, column.name, column.type)
            found += [Array(column.name, column.type, dimensions)] if dimensions else []
    for vector in table.info.vectors:
        if vector.dimensions is None and vector.type in _WITH_DIMENSIONS:
            dimensions = _dimensions(reader, table, vector.name, vector.type)
            found += [Array(vector.name, vector.type, dimensions)] if dimensions else []
    return tuple(found)


def _dimensions(reader: Reader, table: Table, name: str, kind: str) -> int | None:
    """Return the numbers that each of some values has; None where they differ, or are few."""
    length = "cardinality(v)"
    if kind in _DOCUMENTS:
        length = f"CASE {kind}_typeof(v) WHEN 'array' THEN {kind}_array_length(v) ELSE 0 END"
    elif kind in _WITH_DIMENSIONS:
        length = f"{_prefix(table.info)}vector_dims(v)"
    some = f"SELECT {_ident(name)} AS v FROM {_some(table, _FEW)} LIMIT {_FEW}"
    found = reader.try_rows(f"SELECT min({length}), max({length}) FROM ({some}) AS few")
    if isinstance(found, str) or found[0][0] is None or found[0][0] != found[0][1]:
        return None
    least = 1 if kind in _WITH_DIMENSIONS else _LEAST_DIMENSIONS
    return int(found[0][0]) if least <= found[0][0] <= metrics.MOST_STORED["vector"] else None


def _is_named_so(name: str) -> bool:
    return "embedding" in name.lower() or "vector" in name.lower()


def _ident(name: str) -> str:
    """Return an identifier as a message has it, whose every % stands twice."""
    return quote_ident(name).replace("%", "%%")


def _prefix(info: TableInfo) -> str:
    """Return where pgvector's functions are, if that is not on the search path."""
    return f"{_ident(info.extension_schema)}." if info.extension_schema else ""


def _some(table: Table, rows: int) -> str:
    """Return the table, of which about so many rows are read, on pages picked over all of it."""
    name = quote_qualified(table.info.schema, table.info.name).replace("%", "%%")
    pages = 0 if isinstance(table.heaps, str) else sum(heap.bytes for heap in table.heaps) // 8192
    least = 100.0 * _LEAST_PAGES / max(pages, _LEAST_PAGES)
    share = 100.0 if table.rows <= rows else min(100.0, max(105.0 * rows / table.rows, least))
    return f"{name} TABLESAMPLE SYSTEM ({share!r}) REPEATABLE (1)"
