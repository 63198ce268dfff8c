"""Vectors that a source brings along -> what their column's type holds, a column of the source at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..db import vectors

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from pgvector import SparseVector

Bad = dict[int, str]
NOT_FINITE = "has NaN, infinity or a number too large for 32 bits"


def length(column: pd.Series[Any], kind: str = "vector", known: int | None = None) -> int | None:
    """Return the dimensions of the first vector of a column; None when it has none that can be read as ``kind``.

    ``known`` are those of the table's column, which a dict does not tell.
    """
    for value in column[column.notna()].head(100):
        try:
            return vectors.size(_read(value, kind, known))
        except ValueError:
            continue
    return None


def matrix(column: pd.Series[Any], dimensions: int) -> tuple[NDArray[np.float32], int, Bad]:
    """Return (n, dimensions) float32, how many are all zeros, and by position what is no such vector."""
    import numpy as np

    whole = _stacked(column.tolist(), dimensions, "fiu")
    bad: Bad = {}
    if whole is None:
        whole = np.zeros((len(column), dimensions), np.float32)
        bad = _one_by_one(column, "vector", dimensions, whole)
    else:
        with np.errstate(over="ignore"):  # infinite then, and refused
            whole = whole.astype(np.float32, copy=False)
    squares = np.einsum("ij,ij->i", whole, whole)  # one pass that says of nearly all that they are good
    for i in np.flatnonzero(~np.isfinite(squares)).tolist():
        if not np.isfinite(whole[i]).all():
            bad[i] = f"{column.name} {NOT_FINITE}"
    zeros = sum(not whole[i].any() for i in np.flatnonzero(squares == 0).tolist() if i not in bad)
    return whole, zeros, bad


def bits(column: pd.Series[Any], dimensions: int) -> tuple[NDArray[np.bool_], Bad]:
    """Return (n, dimensions) bool, and by position what are no such bits; of fractions, which are above zero."""
    import numpy as np

    whole = _stacked(column.tolist(), dimensions, "bf")
    if whole is not None and not (whole.dtype.kind == "f" and np.isnan(whole).any()):
        return whole if whole.dtype.kind == "b" else whole > 0, {}
    found = np.zeros((len(column), dimensions), np.bool_)
    return found, _one_by_one(column, "bit", dimensions, found)


def sparse(column: pd.Series[Any], dimensions: int) -> tuple[list[SparseVector | None], Bad]:
    """Return sparse vectors, and by position what is none, where there is None."""
    found: list[SparseVector | None] = [None] * len(column)
    return found, _one_by_one(column, "sparsevec", dimensions, found)


def _stacked(values: list[Any], dimensions: int, kinds: str) -> NDArray[Any] | None:
    """Return all vectors at once, as they mostly are; None when one of them is not like the others."""
    import numpy as np

    if set(map(type, values)) == {np.ndarray} and {value.size for value in values} == {dimensions}:
        found = np.concatenate(values, axis=None).reshape(-1, dimensions)
        return found if found.dtype.kind in kinds else None
    if values and isinstance(values[0], list | tuple):
        try:
            found = np.array(values)
        except ValueError:  # of different lengths
            return None
        return found if found.shape == (len(values), dimensions) and found.dtype.kind in kinds else None
    return None


def _one_by_one(column: pd.Series[Any], kind: str, dimensions: int, into: Any) -> Bad:
    """Read each value into its place, and tell by position what is no vector of these dimensions."""
    bad: Bad = {}
    for i, (value, null) in enumerate(zip(column.tolist(), column.isna().tolist(), strict=True)):
        if null:
            bad[i] = f"{column.name} is null"
            continue
        try:
            found = _read(value, kind, dimensions)
        except ValueError as error:
            bad[i] = f"{column.name} is no vector: {str(value)[:40]} (one {error})"
            continue
        if vectors.size(found) == dimensions:
            into[i] = found
        else:
            bad[i] = f"{column.name} has {vectors.size(found)} dimensions, not {dimensions}"
    return bad


def _read(value: Any, kind: str, dimensions: int | None) -> Any:
    """Return one value as ``kind`` has it; ValueError for what cannot be that."""
    if kind == "bit":
        return vectors.bits(value)
    return vectors.sparse(value, dimensions) if kind == "sparsevec" else vectors.numbers(value)
