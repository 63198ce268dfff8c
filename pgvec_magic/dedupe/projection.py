"""Vectors as points of a few dimensions that are never farther apart than the vectors are.

Every distance but the inner product is at least an L2 distance, between the vectors themselves or between their
directions, and a projection onto orthonormal axes never makes an L2 distance longer. So what is far apart as points
need not be looked at; what is near is a candidate, and the server measures it. The axes are the principal ones of a
sample: they keep apart what can be kept apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..rows import wire

if TYPE_CHECKING:
    import numpy as np

# How many numbers of vectors are held at a time, how many rows are drawn, and from how many of them the axes are made.
HELD = 2_000_000
SAMPLE_ROWS = 1_000
_AXES_OF = 500
# Of sparse vectors the places that hold most are projected, and the rest counts by its length.
_SPARSE_PLACES = 2_048
# Axes are taken until no more than this share of the pairs is looked at once more in vain, and until no more than that
# share is measured in vain: by time, the first costs as much as 200 pairs compared, the second as 10,000.
_AXES = (13, 29, 61, 125, 253)
_LOOKED_AT, _MEASURED = 1e-3, 1e-5


@dataclass(frozen=True, slots=True)
class Projection:
    """``axes`` has shape (dimensions, p), orthonormal; the first ``coarse`` of them keep most apart that is apart.

    ``places`` are the dimensions projected of a sparse vector.
    """

    kind: str
    metric: str
    dimensions: int
    middle: np.ndarray
    axes: np.ndarray
    coarse: int
    places: np.ndarray | None = None

    @property
    def width(self) -> int:
        """How many numbers of a vector are looked at."""
        return len(self.middle)

    def points(self, sent: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Return points, shape (rows, p + 1), float32, and which rows have one: not zeros, which have no direction."""
        import numpy as np

        vectors, rest, defined = _vectors(sent, self.kind, self.metric, self.places)
        away = vectors - self.middle
        on_axes = away @ self.axes
        # What the axes do not show counts by its length: two lengths differ by less than what they are the lengths of.
        hidden = np.einsum("ij,ij->i", away, away) - np.einsum("ij,ij->i", on_axes, on_axes) + rest
        points = np.column_stack([on_axes, np.sqrt(np.maximum(hidden, 0))])
        return points.astype(np.float32), defined


def radius(metric: str, most: float) -> float:
    """Return the L2 distance that vectors (of cosine and jaccard: their directions) within ``most`` can have."""
    # Of bits a and b: jaccard = 1 - i/u with i = |a & b|, u = |a| + |b| - i, and cos = i / sqrt(|a| |b|) is at least
    # 2i / (|a| + |b|) = 2i / (u + i) = (2 - 2 jaccard) / (2 - jaccard).
    squares = {"cosine": 2 * most, "hamming": most, "jaccard": 2 * most / (2 - min(most, 1.0))}
    return math.sqrt(squares[metric]) if metric in squares else most


def fit(sample: Sequence[bytes], kind: str, metric: str, most: float) -> Projection:
    """Return the projection for vectors of which these are a sample; UsageError for different dimensions."""
    import numpy as np

    places = _fullest(sample) if kind == "sparsevec" else None
    vectors, rest, _ = _vectors(sample, kind, metric, places)
    middle = vectors.mean(axis=0)
    away = vectors - middle
    axes = _principal_axes(away[:_AXES_OF])
    squares = np.einsum("ij,ij->i", away, away) + rest
    coarse, fine = _enough(away @ axes, squares, away, radius(metric, most))
    return Projection(kind, metric, wire.dimensions(sample, kind), middle, axes[:, :fine], coarse, places)


def sample_rows(dimensions: int | None) -> int:
    """Return how many rows to draw for a sample, so that it is never large."""
    return max(50, min(SAMPLE_ROWS, 2 * HELD // (dimensions or 1_000)))


def _vectors(
    sent: Sequence[bytes], kind: str, metric: str, places: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors, or their directions, the squared length of what of each is left out, and which are defined."""
    import numpy as np

    if places is None:
        vectors = wire.dense(sent, kind)
        rest = np.zeros(len(vectors))
    else:
        wire.dimensions(sent, kind)
        vectors, rest = _at(sent, places)
    if metric not in ("cosine", "jaccard"):
        return vectors, rest, np.ones(len(vectors), bool)
    squares = np.einsum("ij,ij->i", vectors, vectors) + rest
    defined = squares > 0
    squares[~defined] = 1
    return vectors / np.sqrt(squares)[:, None], rest / squares, defined


def _at(sent: Sequence[bytes], places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sparse vectors at those places as a matrix, and the squared length of what lies elsewhere."""
    import numpy as np

    vectors, rest = np.zeros((len(sent), len(places))), np.zeros(len(sent))
    for row, one in enumerate(sent):
        where, values = wire.sparse(one)
        at = np.searchsorted(places, where)
        at[at == len(places)] = 0
        known = places[at] == where if len(places) else np.zeros(len(where), bool)
        vectors[row, at[known]] = values[known]
        rest[row] = np.square(values[~known]).sum()
    return vectors, rest


def _fullest(sample: Sequence[bytes]) -> np.ndarray:
    """Return the places where sparse vectors hold most, in order."""
    import numpy as np

    read = [wire.sparse(one) for one in sample]
    places, at = np.unique(np.concatenate([where for where, _ in read]), return_inverse=True)
    weights = np.bincount(at, np.concatenate([np.square(values) for _, values in read]), len(places))
    return np.sort(places[np.argsort(-weights)[:_SPARSE_PLACES]])


def _principal_axes(away: np.ndarray) -> np.ndarray:
    """Return the principal axes of centred rows, shape (dimensions, p), orthonormal, the longest first."""
    import numpy as np

    # By the products of rows, of which there are few, not of dimensions, of which there may be thousands.
    lengths, sides = np.linalg.eigh(away @ away.T)
    order = np.argsort(-lengths)[: _AXES[-1]]
    order = order[lengths[order] > 1e-9 * max(lengths.max(), 1e-300)]
    axes: np.ndarray = np.linalg.qr(away.T @ sides[:, order])[0]
    return axes


def _enough(on_axes: np.ndarray, squares: np.ndarray, away: np.ndarray, reach: float) -> tuple[int, int]:
    """Return how many of the axes to use to compare all pairs, and how many for those that are looked at once more."""
    import numpy as np

    near = _share_within(away, np.zeros(len(away)), reach)
    in_vain = {}
    for count in _AXES:
        shown = on_axes[:, :count]
        hidden = np.sqrt(np.maximum(squares - np.einsum("ij,ij->i", shown, shown), 0))
        in_vain[count] = _share_within(shown, hidden, reach) - near
    coarse, fine = (
        next((count for count in _AXES if in_vain[count] <= share), _AXES[-1]) for share in (_LOOKED_AT, _MEASURED)
    )
    return min(coarse, on_axes.shape[1]), min(fine, on_axes.shape[1])


def _share_within(points: np.ndarray, last: np.ndarray, reach: float) -> float:
    """Return the share of pairs of points that are within reach; ``last`` is one more coordinate."""
    import numpy as np

    points = np.column_stack([points, last])
    squares = np.einsum("ij,ij->i", points, points)
    apart = squares[:, None] + squares[None, :] - 2 * points @ points.T
    within = np.count_nonzero(apart <= reach * reach) - len(points)
    return within / max(len(points) * (len(points) - 1), 1)
