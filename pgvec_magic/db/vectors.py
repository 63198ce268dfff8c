"""Vectors in the forms that people hold them in -> the form of a column's type.

Numbers (vector, halfvec) are float32 arrays, bits (bit) bool arrays, sparse vectors (sparsevec) pgvector's
``SparseVector``, whose indices count from 0. For what is none of these each function raises ValueError, whose words
follow "a vector", such as "is a list or array of numbers, not dict".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pgvector import SparseVector

FINITE = "has no NaN, no infinity and no number too large for 32 bits"


def numbers(value: Any) -> NDArray[np.float32]:
    """Return an array, a list, ``[1,2,3]`` or a vector of pgvector's as float32 (n,), too large ones as infinity."""
    import numpy as np

    array = _array(value)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"is a list or array of numbers, not {_kind_of(value, array)}")
    if array.ndim != 1 or not len(array):
        raise ValueError(f"has one dimension, this has shape {array.shape}")
    if array.dtype == np.float32:
        return array
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def bits(value: Any) -> NDArray[np.bool_]:
    """Return ``"0101"``, bools, zeros and ones, or pgvector's Bit as bool (n,); of other numbers which are above zero.

    The latter is what pgvector's ``binary_quantize`` does.
    """
    import numpy as np

    if isinstance(value, str) and value and set(value) <= {"0", "1"}:
        return np.equal(np.frombuffer(value.encode(), np.uint8), ord("1"))
    array = _array(value)
    if array.dtype.kind == "b" and array.ndim == 1:
        return array
    if array.dtype == np.uint8 and array.size and array.max() > 1:
        raise ValueError("of bits has zeros and ones, this has bytes: np.unpackbits makes bits of packed ones")
    found = numbers(array)
    if np.isnan(found).any():
        raise ValueError("of bits has zeros and ones, this has NaN")
    return np.greater(found, 0)


def sparse(value: Any, dimensions: int | None = None) -> SparseVector:
    """Return a SparseVector, a row of a scipy matrix, ``{index: number}``, ``{1:2}/3`` or numbers as a SparseVector.

    A dict needs the ``dimensions``, and its indices count from 0; those in a text count from 1, as Postgres writes.
    """
    import numpy as np
    from pgvector import SparseVector

    size, indices, values = _sparse_parts(value, dimensions)
    with np.errstate(over="ignore"):
        single = np.array(values, np.float64).astype(np.float32)
    if not np.isfinite(single).all():
        raise ValueError(FINITE)
    found = {int(i): v for i, v in zip(indices, single.tolist(), strict=True) if v != 0}
    if found and not 0 <= min(found) <= max(found) < size:
        raise ValueError(f"of {size} dimensions has indices from 0 to {size - 1}, not {min(found)} to {max(found)}")
    return SparseVector(found, size)


def size(vector: Any) -> int:
    """Return the dimensions of what one of these functions gave."""
    return int(vector.dimensions()) if hasattr(vector, "dimensions") else len(vector)


def _array(value: Any) -> NDArray[Any]:
    import numpy as np

    if type(value) is np.ndarray and value.dtype.kind != "O":
        return value
    if isinstance(value, str):
        value = _of_text(value)
    elif hasattr(value, "to_numpy"):
        value = value.to_numpy()
    elif hasattr(value, "to_list"):
        value = value.to_list()
    try:
        array = np.asarray(value)
        return array.astype(np.float64) if array.dtype.kind == "O" else array  # decimals; NaN for None
    except (TypeError, ValueError):
        raise ValueError(f"is a list or array of numbers, not {_kind_of(value, None)}") from None


def _of_text(text: str) -> list[float]:
    try:
        return [float(part) for part in text.strip().removeprefix("[").removesuffix("]").split(",")]
    except ValueError:
        raise ValueError("is a list or array of numbers, not str") from None


def _kind_of(value: Any, array: NDArray[Any] | None) -> str:
    return "bits" if array is not None and array.dtype.kind == "b" else type(value).__name__


def _sparse_parts(value: Any, dimensions: int | None) -> tuple[int, list[Any], Any]:
    """Return dimensions, indices from 0 and values."""
    if hasattr(value, "indices") and hasattr(value, "dimensions"):  # pgvector's
        return value.dimensions(), value.indices(), value.values()
    if isinstance(value, Mapping):
        return _of_mapping(value, dimensions)
    if hasattr(value, "tocoo"):  # scipy's
        return _of_scipy(value)
    if isinstance(value, str) and value.strip().startswith("{"):
        return _of_sparse_text(value.strip())
    dense = numbers(value)
    places = dense.nonzero()[0]
    return len(dense), places.tolist(), dense[places]


def _of_mapping(value: Mapping[Any, Any], dimensions: int | None) -> tuple[int, list[int], list[float]]:
    try:
        indices, values = [int(i) for i in value], [float(v) for v in value.values()]
    except (TypeError, ValueError):
        raise ValueError("is a list or array of numbers, or a dict of indices and numbers") from None
    if dimensions is None:
        raise ValueError("given as a dict does not tell its dimensions: use pgvector.SparseVector(dict, dimensions)")
    return dimensions, indices, values


def _of_scipy(value: Any) -> tuple[int, list[int], Any]:
    row = value.tocoo().copy()
    if row.ndim == 2 and row.shape[0] != 1:
        raise ValueError(f"is one row of a sparse matrix, this has shape {row.shape}")
    row.sum_duplicates()
    return row.shape[-1], (row.col if row.ndim == 2 else row.coords[0]).tolist(), row.data


def _of_sparse_text(text: str) -> tuple[int, list[int], list[float]]:
    try:
        inside, _, dimensions = text[1:].partition("}/")
        pairs = [part.split(":") for part in inside.split(",")] if inside.strip() else []
        return int(dimensions), [int(i) - 1 for i, _ in pairs], [float(v) for _, v in pairs]
    except ValueError:
        raise ValueError("that is sparse is written {1:0.5,3:2}/10, with indices from 1 and the dimensions") from None
