"""Vectors that a source brings along -> one float32 matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def length(column: pd.Series[Any]) -> int | None:
    """Return the dimensions of the first vector of a column; None when it has none that can be read."""
    vectors = (vector(value) for value in column[column.notna()].head(100))
    return next((len(found) for found in vectors if found is not None), None)


def matrix(column: pd.Series[Any], dimensions: int) -> tuple[NDArray[np.float32], int, dict[int, str]]:
    """Return (n, dimensions) float32, how many are all zeros, and by position what is no such vector."""
    import numpy as np

    whole = _stacked(column.tolist(), dimensions)
    bad: dict[int, str] = {}
    if whole is None:
        whole, bad = _one_by_one(column, dimensions)
    squares = np.einsum("ij,ij->i", whole, whole)  # one pass that says of nearly all that they are good
    for i in np.flatnonzero(~np.isfinite(squares)).tolist():
        if not np.isfinite(whole[i]).all():
            bad[i] = f"{column.name} has NaN, infinity or a number too large for 32 bits"
    zeros = sum(not whole[i].any() for i in np.flatnonzero(squares == 0).tolist() if i not in bad)
    return whole, zeros, bad


def _stacked(values: list[Any], dimensions: int) -> NDArray[np.float32] | None:
    """Return all vectors at once, as they mostly are; None when one of them is not like the others."""
    import numpy as np

    if set(map(type, values)) == {np.ndarray} and {value.size for value in values} == {dimensions}:
        return _single(np.concatenate(values, axis=None).reshape(-1, dimensions))
    if values and isinstance(values[0], list | tuple):
        try:
            found = np.array(values)
        except ValueError:  # of different lengths
            return None
        return _single(found) if found.shape == (len(values), dimensions) else None
    return None


def _single(array: NDArray[Any]) -> NDArray[np.float32] | None:
    import numpy as np

    if array.dtype.kind not in "fiu":
        return None
    with np.errstate(over="ignore"):  # infinite then, and refused
        return array.astype(np.float32, copy=False)


def _one_by_one(column: pd.Series[Any], dimensions: int) -> tuple[NDArray[np.float32], dict[int, str]]:
    import numpy as np

    whole = np.zeros((len(column), dimensions), np.float32)
    bad: dict[int, str] = {}
    for i, (value, null) in enumerate(zip(column.tolist(), column.isna().tolist(), strict=True)):
        found = None if null else vector(value)
        if null:
            bad[i] = f"{column.name} is null"
        elif found is None:
            bad[i] = f"{column.name} is no vector: {str(value)[:40]}"
        elif len(found) != dimensions:
            bad[i] = f"{column.name} has {len(found)} dimensions, not {dimensions}"
        else:
            whole[i] = found
    return whole, bad


def vector(value: Any) -> NDArray[np.float32] | None:
    """Return one value as float32 (dimensions,): an array, a list, ``[1,2,3]`` or a vector of pgvector; else None."""
    import numpy as np

    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    try:
        if isinstance(value, str):
            return _single(np.array(value.strip().strip("[]").split(","), np.float64))
        found = np.asarray(value)
    except ValueError:
        return None
    return _single(found) if found.ndim == 1 and len(found) else None
