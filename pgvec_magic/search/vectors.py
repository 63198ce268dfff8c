"""The query vector: of a text, of rows, or as it is given."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import catalog, embed
from ..catalog.given import bound, check_dimensions, given_vector
from ..db import Database, vectors
from ..errors import UsageError
from ..query import Query, Search
from ..query.statement import same_keys
from ..query.target import Target, ident, vector_column
from ..sqltext import quote_ident

if TYPE_CHECKING:
    import numpy as np
    from pgvector import SparseVector

    from ..catalog import TableInfo, VectorColumn

_WORDS = re.compile(r'"[^"]+"|\w+')


def query_vector(db: Database, search: Search, target: Target) -> object:
    """Return the vector to search from as the column's type takes it.

    It is a float32 array (dimensions,) for vector and halfvec, pgvector's Bit for bit and its SparseVector for
    sparsevec. Raises UsageError for a vector that does not fit the column, for rows that are not there and where no
    model is known; EmbedError.
    """
    column = target.need_vectors().column
    if search.similar_to:
        vector = _of_rows(db, search, target)
    elif search.vector is not None:
        vector = given_vector(search.vector, column)
    else:
        vector = given_vector(_of_text(search.text or "", column, target.table), column)
    _check(vector, target)
    return bound(vector)


def value_of_query(
    db: Database, table: str | None, text: str | None, vector: object, statements: Sequence[str]
) -> object:
    """Return what ``:query`` stands for in statements: a text by ``table``'s model, or a vector.

    Of several vector columns it is for the one that the statements name. Raises UsageError, EmbedError.
    """
    if table is None:
        return bound(given_vector(vector, None))
    info = catalog.table(db, table)
    column = vector_column(info, _named_in(statements, info) if len(info.vectors) > 1 else None)
    found = given_vector(vector if vector is not None else _of_text(text or "", column, info), column)
    check_dimensions(found, column, info)
    return bound(found)


def _named_in(statements: Sequence[str], info: TableInfo) -> str:
    """The one of a table's vector columns that statements name; UsageError where that are none or several."""
    words = {word.strip('"') for text in statements for word in _WORDS.findall(text)}
    named = [column.name for column in info.vectors if column.name in words]
    if len(named) != 1:
        columns = ", ".join(column.name for column in info.vectors)
        raise UsageError(
            f"{info.label} has several vector columns ({columns}): for which of them is :query?",
            "name one of them in the statements, or embed the text with %vsearch --column",
        )
    return named[0]


def _check(vector: Any, target: Target) -> None:
    source = target.need_vectors()
    check_dimensions(vector, source.column, target.table)
    is_zero = not (vector.values() if source.column.type == "sparsevec" else vector.any())
    if source.metric.name == "cosine" and is_zero:
        raise UsageError("the query vector is all zeros: it has no direction, so no cosine distance to anything")


def _of_text(text: str, column: VectorColumn, table: TableInfo) -> np.ndarray:
    if column.embedder is None:
        raise UsageError(
            f"no model is remembered for {table.label}.{column.name}",
            f"if you know it: COMMENT ON COLUMN {table.sql_name}.{quote_ident(column.name)} IS"
            " 'pgvec: embedder=wordllama' (with the model's name), or give --vector",
        )
    vector: np.ndarray = embed.get(column.embedder).embed([text], role="query")[0]
    return vector


def _of_rows(db: Database, search: Search, target: Target) -> Any:
    """The mean of the vectors of the rows searched from; for cosine of their directions, whatever their lengths.

    Of bits it is the majority at each place, a one where there is none.
    """
    found, source = _vectors_of_rows(db, search, target), target.need_vectors()
    is_cosine = source.metric.name == "cosine"
    if source.column.type == "bit":
        import numpy as np

        return np.mean([vectors.bits(vector) for vector in found], axis=0) >= 0.5
    return _sparse_mean(found, is_cosine) if source.column.type == "sparsevec" else _mean(found, is_cosine)


def _mean(found: list[np.ndarray], of_directions: bool) -> np.ndarray:
    import numpy as np

    stacked = np.stack(found)
    if of_directions:
        norms = np.linalg.norm(stacked, axis=1, keepdims=True)
        stacked = stacked / np.where(norms == 0, 1, norms)
    return np.asarray(np.mean(stacked, axis=0), dtype=np.float32)


def _sparse_mean(found: list[SparseVector], of_directions: bool) -> SparseVector:
    from pgvector import SparseVector

    sums: dict[int, float] = {}
    for vector in found:
        scale = (math.hypot(*vector.values()) if of_directions else 1.0) or 1.0
        for i, value in zip(vector.indices(), vector.values(), strict=True):
            sums[i] = sums.get(i, 0.0) + value / scale
    return SparseVector({i: value / len(found) for i, value in sums.items()}, found[0].dimensions())


def _vectors_of_rows(db: Database, search: Search, target: Target) -> list[Any]:
    table, column = target.table, target.need_vectors().column
    if len(table.key) != 1 or table.key == ("ctid",):
        has = f"is {', '.join(table.key)}" if table.key and "ctid" not in table.key else "does not exist"
        raise UsageError(
            f"--similar-to needs a key of one column, and that of {table.label} {has}", "give --vector instead"
        )
    key, name = target.keys[0], ident(column.name)
    sql = f"SELECT {key}, {name} FROM {target.relation} WHERE {key} = ANY({same_keys(target, 'ids')})"
    rows = db.run(Query(sql, {"ids": list(search.similar_to)}, reads=True)).rows
    found = [vector for _, vector in rows if vector is not None]
    if len(found) < len({str(key) for key in search.similar_to}):
        there = {str(key) for key, vector in rows if vector is not None}
        missing = ", ".join(str(key) for key in search.similar_to if str(key) not in there)
        raise UsageError(f"{table.label} has no row with a vector under {table.key[0]} {missing}")
    if len({vectors.size(vector) for vector in found}) > 1:
        raise UsageError("the rows to search from have vectors of different dimensions", "give one of them")
    return found
