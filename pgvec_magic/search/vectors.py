"""The query vector: of a text, of rows, or as it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import embed
from ..db import Database
from ..errors import UsageError
from ..query import Query, Search
from ..query.statement import same_keys
from ..query.target import Target, ident
from ..sqltext import quote_ident

if TYPE_CHECKING:
    import numpy as np


def query_vector(db: Database, search: Search, target: Target) -> np.ndarray:
    """Return the vector to search from, shape (dimensions,), float32.

    Raises UsageError for a vector that does not fit the column, for rows that are not there and where no model is
    known; EmbedError.
    """
    if search.similar_to:
        vector = _of_rows(db, search, target)
    elif search.vector is not None:
        vector = given_vector(search.vector)
    else:
        vector = given_vector(_of_text(search.text or "", target))
    _check(vector, target)
    return vector


def given_vector(vector: Any) -> np.ndarray:
    """Return a list, an array or pgvector's own class as a 1-d float32 array; UsageError for what is no vector."""
    import numpy as np

    try:
        with np.errstate(over="ignore"):
            array = np.asarray(vector.to_list() if hasattr(vector, "to_list") else vector, dtype=np.float32)
    except (TypeError, ValueError):
        raise UsageError(f"a query vector is a list or array of numbers, not {type(vector).__name__}") from None
    if array.ndim != 1:
        raise UsageError(f"a query vector has one dimension, this has shape {array.shape}")
    if not np.isfinite(array).all():
        raise UsageError("the query vector holds NaN, or a number too large for pgvector")
    return array


def _check(vector: np.ndarray, target: Target) -> None:
    source, name = target.need_vectors(), target.table.label
    expected = source.column.dimensions
    if expected is not None and len(vector) != expected:
        raise UsageError(
            f"the query vector has {len(vector)} dimensions, {name}.{source.column.name} has {expected}",
            "it is from another model than the column's",
        )
    if source.metric.name == "cosine" and not vector.any():
        raise UsageError("the query vector is all zeros: it has no direction, so no cosine distance to anything")


def _of_text(text: str, target: Target) -> np.ndarray:
    column, table = target.need_vectors().column, target.table
    if column.embedder is None:
        raise UsageError(
            f"no model is remembered for {table.label}.{column.name}",
            f"if you know it: COMMENT ON COLUMN {table.sql_name}.{quote_ident(column.name)} IS"
            " 'pgvec: embedder=wordllama' (with the model's name), or give --vector",
        )
    vector: np.ndarray = embed.get(column.embedder).embed([text], role="query")[0]
    return vector


def _of_rows(db: Database, search: Search, target: Target) -> np.ndarray:
    """The mean of the vectors of the rows searched from; for cosine of their directions, whatever their lengths."""
    import numpy as np

    vectors = _vectors_of_rows(db, search, target)
    if target.need_vectors().metric.name == "cosine":
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.where(norms == 0, 1, norms)
    return np.asarray(np.mean(vectors, axis=0), dtype=np.float32)


def _vectors_of_rows(db: Database, search: Search, target: Target) -> list[np.ndarray]:
    table, column = target.table, target.need_vectors().column
    if len(table.key) != 1 or table.key == ("ctid",):
        has = f"is {', '.join(table.key)}" if table.key and "ctid" not in table.key else "does not exist"
        raise UsageError(
            f"--similar-to needs a key of one column, and that of {table.label} {has}", "give --vector instead"
        )
    key, name = target.keys[0], ident(column.name)
    sql = f"SELECT {key}, {name} FROM {target.relation} WHERE {key} = ANY({same_keys(target, 'ids')})"
    rows = db.run(Query(sql, {"ids": list(search.similar_to)}, reads=True)).rows
    vectors = [vector for _, vector in rows if vector is not None]
    if len(vectors) < len({str(key) for key in search.similar_to}):
        found = {str(key) for key, vector in rows if vector is not None}
        missing = ", ".join(str(key) for key in search.similar_to if str(key) not in found)
        raise UsageError(f"{table.label} has no row with a vector under {table.key[0]} {missing}")
    if len({len(vector) for vector in vectors}) > 1:
        raise UsageError("the rows to search from have vectors of different dimensions", "give one of them")
    return vectors
