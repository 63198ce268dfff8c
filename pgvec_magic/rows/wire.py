"""The wire form of vectors, as the server's send functions give it -> matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    import numpy as np

_NUMBERS = {"vector": ">f4", "halfvec": ">f2"}


def dimensions(sent: Sequence[bytes], kind: str) -> int:
    """Return the dimensions that all vectors have; UsageError where they differ, as they may in a column of no size."""
    size = 4 if kind in ("bit", "sparsevec") else 2
    found = sorted({int.from_bytes(one[:size]) for one in sent})
    if len(found) > 1:
        some = ", ".join(map(str, found[:3]))
        raise UsageError(f"the vectors have different dimensions: {some}", "compare those of one size, with where=")
    return found[0]


def dense(sent: Sequence[bytes], kind: str, number: str = "float64") -> np.ndarray:
    """Return vectors, half vectors or bit strings of one size as a matrix of such numbers, (rows, dimensions)."""
    import numpy as np

    width = dimensions(sent, kind)
    if kind == "bit":
        packed = np.frombuffer(b"".join(sent), np.uint8).reshape(len(sent), -1)[:, 4:]
        return np.unpackbits(packed, axis=1, count=width).astype(number)
    numbers = np.dtype([("head", ">i4"), ("numbers", _NUMBERS[kind], (width,))])
    return np.frombuffer(b"".join(sent), numbers)["numbers"].astype(number)


def sparse(one: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return where a sparse vector is not zero, from 0, and its values there, float64."""
    import numpy as np

    count = int.from_bytes(one[4:8])
    places = np.frombuffer(one, ">i4", count, 12).astype(np.int64)
    return places, np.frombuffer(one, ">f4", count, 12 + 4 * count).astype(np.float64)
