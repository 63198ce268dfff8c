"""Points -> the pairs of them that lie within a radius, by products of blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Points on either side of a block. Measured on 100,000 × 62, two cores: 512 × 1,024 takes five times as long, for the
# threads of the product then wait for each other; 2,048 × 4,096 takes as long as this.
_ROWS, _COLUMNS = 1_024, 4_096
# Pairs whose coordinates are held at a time.
_PAIRS = 50_000
# What float32 gets wrong of a squared distance, as a share of the two squared lengths; by far more than it is.
_SLACK = 1e-5
# What it gets wrong of a distance, as a share of the largest coordinates; by far more than it is.
_ROUNDED = 1e-5


def candidates(points: np.ndarray, coarse: int, radius: float) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yield pairs i, j of points, shape (n, p), that may lie within the radius, and how many points are through.

    No pair within the radius is left out, and each comes once. By the first ``coarse`` coordinates, and how long the
    rest is, all pairs are compared; by all coordinates those that these leave.
    """
    import numpy as np

    longest = np.sqrt(np.square(points, dtype=np.float64).sum(axis=1).max(initial=0)) or 1.0
    order = np.argsort(points[:, 0])  # so that what is beyond reach on the first axis is not looked at
    points, reach = (points[order] / longest).astype(np.float32), radius / longest
    columns = _columns(points, coarse)
    for top in range(0, len(points), _ROWS):
        rows = columns[top : top + _ROWS].copy()
        rows[:, [-2, -1]] = rows[:, [-1, -2]]
        end = int(np.searchsorted(columns[:, 0], rows[-1, 0] + reach + _SLACK, "right"))
        for start in range(top, end, _COLUMNS):
            i, j = _within(rows, columns[start : min(start + _COLUMNS, end)], reach)
            later = i + top < j + start
            i, j = _nearer(points, i[later] + top, j[later] + start, reach)
            yield order[i], order[j], top
    yield order[:0], order[:0], len(points)


def _columns(points: np.ndarray, coarse: int) -> np.ndarray:
    """Return the coarse coordinates, the length of the others, 1, and minus half the squared length of all.

    With the last two exchanged on one side, the product of two points is minus half their squared distance.
    """
    import numpy as np

    rest = np.sqrt(np.square(points[:, coarse:]).sum(axis=1))
    half = np.square(points).sum(axis=1) * ((1 - _SLACK) / 2)
    return np.column_stack([points[:, :coarse], rest, np.ones(len(points)), -half]).astype(np.float32)


def _within(rows: np.ndarray, columns: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    near = (rows @ columns.T >= np.float32(-reach * reach / 2)).ravel()
    places = np.flatnonzero(near) if near.any() else np.empty(0, np.int64)  # ten times faster than of two dimensions
    i, j = np.divmod(places, len(columns))
    return i, j


def _nearer(points: np.ndarray, i: np.ndarray, j: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return those of the pairs that are within reach by all coordinates."""
    import numpy as np

    near = np.empty(len(i), bool)
    for start in range(0, len(i), _PAIRS):
        part = slice(start, start + _PAIRS)
        one, other = points[i[part]], points[j[part]]
        slack = _ROUNDED * (np.abs(one).max(axis=1, initial=0) + np.abs(other).max(axis=1, initial=0))
        near[part] = np.linalg.norm(one - other, axis=1) <= reach + slack
    return i[near], j[near]
