"""Every row against every other: the vectors are read once, and only points of a few dimensions are kept of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from ..rows import ASKED, Count, Key, Source
from . import near, projection
from .found import Found, Pair, check_count
from .projection import Projection

if TYPE_CHECKING:
    import numpy as np

# What of the time goes into reading, for the progress.
_READING = 0.1


def compare_all(source: Source, count: Count, most: float, told: Callable[[float], None]) -> Found:
    """Return every pair of rows within ``most``; ``told`` hears which share is done."""
    import numpy as np

    vectors = source.target.need_vectors()
    sample = source.sample(projection.sample_rows(vectors.column.dimensions))
    if not sample:
        return Found([], {}, {}, "exact")
    made = projection.fit(sample, vectors.column.type, vectors.metric.name, most)
    read = _Read(made)
    for keys, sent in source.batches(max(1, projection.HELD // max(made.width, 1)), count):
        read.add(keys, sent)
        told(_READING * min(len(read.keys) / count.with_vector, 1.0))
    first, zeros = read.without_zeros()
    pairs: dict[Pair, float] = {}
    waiting: list[Pair] = []
    points, rows = np.concatenate(read.points), np.concatenate(read.rows)
    for i, j, through in near.candidates(points, made.coarse, projection.radius(vectors.metric.name, most)):
        waiting += zip(rows[i].tolist(), rows[j].tolist(), strict=True)
        if len(waiting) >= ASKED or through == len(points):
            pairs |= _measured(source, read.keys, waiting, most)
            check_count(len(pairs), most)
            waiting = []
        told(_READING + (1 - _READING) * (1 - (1 - through / max(len(points), 1)) ** 2))
    return Found(read.keys, pairs, first, "exact: every row with every other", zeros=zeros)


def _measured(source: Source, keys: list[Key], waiting: list[Pair], most: float) -> dict[Pair, float]:
    """Return those of the pairs that are within ``most``, the earlier row first, as the server measures them."""
    ordered = [(min(pair), max(pair)) for pair in waiting]
    found = source.distances([(keys[i], keys[j]) for i, j in ordered], most)
    return {ordered[at]: distance for at, distance in found.items()}


@dataclass(slots=True)
class _Read:
    """The rows read so far: their keys, which are identical to an earlier one, and points for the others."""

    projection: Projection
    keys: list[Key] = field(default_factory=list)
    first: dict[int, int] = field(default_factory=dict)
    points: list[np.ndarray] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)
    _seen: dict[bytes, int] = field(default_factory=dict)
    _zeros: set[int] = field(default_factory=set)

    def add(self, keys: list[Key], sent: list[bytes]) -> None:
        """Take in a batch."""
        import numpy as np

        new = []
        for key, one in zip(keys, sent, strict=True):
            row = len(self.keys)
            self.keys.append(key)
            known = self._seen.setdefault(blake2b(one, digest_size=16).digest(), row)
            if known == row:
                new.append((row, one))
            else:
                self.first[row] = known
        if new:
            points, defined = self.projection.points([one for _, one in new])
            rows = np.array([row for row, _ in new])
            self.points.append(points[defined])
            self.rows.append(rows[defined])
            self._zeros.update(rows[~defined].tolist())

    def without_zeros(self) -> tuple[dict[int, int], int]:
        """Return which rows are identical to an earlier one, and how many have no distance to any, even these."""
        first = {row: known for row, known in self.first.items() if known not in self._zeros}
        return first, len(self._zeros) + len(self.first) - len(first)
