"""A vector that a person gives, in any of its forms -> as the column has it, and as it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..db import vectors
from ..errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from .table import TableInfo, VectorColumn


def given_vector(vector: Any, column: VectorColumn | None) -> Any:
    """Return a vector in any of its forms as the column has it; UsageError for what cannot be that.

    Without a column numbers are a float32 array, bits a bool array, and what is sparse is a SparseVector.
    """
    try:
        kind = column.type if column else _own_kind(vector)
        if kind == "bit":
            return vectors.bits(vector)
        if kind == "sparsevec":
            return vectors.sparse(vector, column.dimensions if column else None)
        return _finite(vectors.numbers(vector), kind)
    except ValueError as error:
        raise UsageError(f"a query vector {error}", _hint(vector, column)) from None


def _own_kind(vector: Any) -> str:
    """The type that a vector is of by itself."""
    if hasattr(vector, "tocoo") or hasattr(vector, "indices") or isinstance(vector, Mapping):
        return "sparsevec"
    return "bit" if type(vector).__name__ == "Bit" or getattr(vector, "dtype", None) == "bool" else "vector"


def _finite(array: np.ndarray, kind: str) -> np.ndarray:
    import numpy as np

    if not np.isfinite(array).all():
        raise ValueError(vectors.FINITE)
    if kind == "halfvec":
        with np.errstate(over="ignore"):
            if np.isinf(array.astype(np.float16)).any():
                raise ValueError("for a halfvec has numbers up to 65,504")
    return array


def _hint(vector: object, column: VectorColumn | None) -> str | None:
    if column is None or column.type == "bit":
        return None
    is_bits = _own_kind(vector) == "bit" or (isinstance(vector, list) and isinstance(next(iter(vector), None), bool))
    return f"{column.name} is of type {column.type}: bits are for a bit column" if is_bits else None


def bound(vector: Any) -> object:
    """Return what is sent: bits as pgvector's class, which a statement tells from an array of truth values."""
    if getattr(vector, "dtype", None) != "bool":
        return vector
    from pgvector import Bit

    return Bit(vector)


def check_dimensions(vector: Any, column: VectorColumn, table: TableInfo) -> None:
    """UsageError for a vector that has not as many dimensions as the column."""
    size = vectors.size(vector)
    if column.dimensions is not None and size != column.dimensions:
        raise UsageError(
            f"the query vector has {size:,} dimensions, {table.label}.{column.name} has {column.dimensions:,}",
            "it is from another model than the column's",
        )


def no_dimensions(info: TableInfo, column: str, kind: str) -> UsageError:
    """Return the error for a column of vectors of any length, which no index takes."""
    hint = f"ALTER TABLE {info.sql_name} ALTER COLUMN {column} TYPE {kind}(n), with n the dimensions of its vectors"
    return UsageError(f"{info.label}.{column} has no dimensions, which an index needs", hint)
