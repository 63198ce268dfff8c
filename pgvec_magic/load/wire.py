"""Vectors in COPY's binary form."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from numbers import Real
from struct import pack
from typing import TYPE_CHECKING, Any

from ..db import vectors
from ..metric import MOST_NON_ZERO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Field = NDArray[Any] | list[bytes | None]

Bad = dict[int, str]
_LARGEST_HALF = 65_504


def side_by_side(parts: list[NDArray[Any]]) -> list[bytes]:
    """Return the items of several arrays beside one another, big-endian, one bytes a row."""
    import numpy as np

    block = np.empty(len(parts[0]), [(str(i), p.dtype.newbyteorder(">"), p.shape[1:]) for i, p in enumerate(parts)])
    for i, part in enumerate(parts):
        block[str(i)] = part
    return items(block)


def items(array: NDArray[Any]) -> list[bytes]:
    """Return the bytes of each item of a 1-d array."""
    return array.view(f"V{array.itemsize}").tolist()  # type: ignore[no-any-return]


def vectors_of(matrix: NDArray[np.float32], kind: str) -> tuple[Field, Bad]:
    """Return (n, d) vectors as a field of the type ``kind``, and by position those that it cannot hold.

    For bit a number is whether it is above zero, as in pgvector's ``binary_quantize``.
    """
    import numpy as np

    if kind == "bit":
        return matrix > 0, {}
    if kind == "sparsevec":
        return sparse_of(matrix)
    if kind != "halfvec":
        return matrix, {}
    with np.errstate(over="ignore"):
        halves = matrix.astype(np.float16)
    large = np.flatnonzero(np.isinf(halves).any(axis=1))
    return halves, dict.fromkeys(large.tolist(), f"a halfvec holds numbers up to {_LARGEST_HALF:,}")


def sparse_of(matrix: NDArray[np.float32]) -> tuple[list[bytes | None], Bad]:
    """Return the payloads of (n, d) vectors as sparsevec, and by position those with too many that are not zero."""
    import numpy as np

    rows, places = matrix.nonzero()
    ends = np.searchsorted(rows, np.arange(len(matrix) + 1)).tolist()
    indices, numbers = places.astype(">i4").tobytes(), matrix[rows, places].astype(">f4").tobytes()
    payloads: list[bytes | None] = [
        pack(">iii", matrix.shape[1], last - first, 0) + indices[4 * first : 4 * last] + numbers[4 * first : 4 * last]
        for first, last in pairwise(ends)
    ]
    return payloads, too_many(payloads)


def too_many(payloads: Sequence[bytes | None]) -> Bad:
    """Return by position the sparse vectors that have more numbers than Postgres can hold."""
    counts = non_zero(payloads)
    what = f"a sparsevec holds {MOST_NON_ZERO:,} numbers that are not zero"
    return {i: f"{what}, not {count:,}" for i, count in enumerate(counts) if count > MOST_NON_ZERO}


def non_zero(payloads: Sequence[bytes | None]) -> list[int]:
    """Return how many numbers of sparse vectors are not zero."""
    return [(len(payload) - 12) // 8 for payload in payloads if payload is not None]


def payloads(field: Field) -> list[bytes]:
    """Return vectors one by one, for a field in which others are missing."""
    return field if isinstance(field, list) else side_by_side(vector_parts(field))  # type: ignore[return-value]


def vector_parts(matrix: NDArray[Any]) -> list[NDArray[Any]]:
    """Return what stands before the numbers, dimensions and two bytes of no use or how many bits, and the numbers."""
    import numpy as np

    if matrix.dtype.kind == "b":
        return [np.full(len(matrix), matrix.shape[1], ">i4"), np.packbits(matrix, axis=1)]
    return [np.full(len(matrix), matrix.shape[1] << 16, ">i4"), matrix]


def payload(value: Any, kind: str) -> bytes:
    """Return one vector in any of its forms as the type ``kind``; ValueError for what cannot be that."""
    import numpy as np

    if kind == "sparsevec":
        field: Field = [vectors.sparse(value).to_binary()]
    elif kind == "bit":
        field = vectors.bits(_flag(value) if isinstance(value, Real | np.bool_) else value)[np.newaxis]
    else:
        field, bad = vectors_of(vectors.numbers(value)[np.newaxis], kind)
        if bad:
            raise ValueError(bad[0])
    return payloads(field)[0]


def _flag(value: Any) -> str:
    if value not in (0, 1):
        raise ValueError("of one bit is 0 or 1")
    return str(int(value))
