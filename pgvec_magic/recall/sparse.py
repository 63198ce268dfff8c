"""Distances of many queries to many sparse vectors: only numbers where a query is not zero are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..rows import wire

if TYPE_CHECKING:
    import numpy as np
    from pgvector import SparseVector


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The numbers of sparse vectors, by their ``places``, which rows own them, and of each row two sums over all."""

    places: np.ndarray
    owners: np.ndarray
    numbers: np.ndarray
    absolute: np.ndarray
    squares: np.ndarray

    def __len__(self) -> int:
        return len(self.squares)

    def shared(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which numbers stand at given places, and at which of these."""
        import numpy as np

        first, behind = (np.searchsorted(self.places, places, side) for side in ("left", "right"))
        counts = behind - first
        skipped = np.repeat(first - np.cumsum(counts) + counts, counts)
        return skipped + np.arange(len(skipped)), np.repeat(np.arange(len(places)), counts)


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """``queries`` are pgvector's sparse vectors; everything is measured in float64."""

    metric: str
    queries: Sequence[SparseVector]

    @property
    def width(self) -> int:
        """How many numbers of a row are held: a guess, for rows differ."""
        return max(len(self.queries), 1_000)

    def read(self, sent: list[bytes]) -> Rows:
        """Return vectors in their wire form by their places; UsageError for those of different dimensions."""
        import numpy as np

        wire.dimensions(sent, "sparsevec")
        parts = [wire.sparse(one) for one in sent]
        owners = np.repeat(np.arange(len(sent)), [len(places) for places, _ in parts])
        places, numbers = (np.concatenate(side) for side in zip(*parts, strict=True))
        order = np.argsort(places, kind="stable")
        sums = (np.bincount(owners, of, minlength=len(sent)) for of in (np.abs(numbers), np.square(numbers)))
        return Rows(places[order], owners[order], numbers[order], *sums)

    def lower(self, rows: Rows) -> np.ndarray:
        """Return the distances, (queries, rows); infinity where the metric has none."""
        import numpy as np

        found = np.stack([self._distances(rows, query) for query in self.queries])
        return np.where(np.isnan(found), np.inf, found)

    def limit(self, distances: np.ndarray) -> np.ndarray:
        """Return what the distances are compared with: themselves."""
        return distances

    def exact(self, rows: Rows, queries: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return the distances of pairs, by their places."""
        import numpy as np

        found = np.empty(len(queries))
        for number in np.unique(queries):
            mine = queries == number
            found[mine] = self._distances(rows, self.queries[number])[at[mine]]
        return found

    def _distances(self, rows: Rows, query: SparseVector) -> np.ndarray:
        import numpy as np

        values = np.asarray(query.values(), np.float64)
        at, of = rows.shared(np.asarray(query.indices(), np.int64))
        x, q = rows.numbers[at], values[of]
        together = np.abs(x - q) - np.abs(x) - np.abs(q) if self.metric == "l1" else x * q
        sums = np.bincount(rows.owners[at], together, minlength=len(rows))
        if self.metric == "ip":
            return np.asarray(-sums)
        if self.metric == "l1":
            return np.asarray(sums + rows.absolute + np.abs(values).sum())
        squares = np.square(values).sum()
        if self.metric == "l2":
            return np.asarray(np.sqrt(np.maximum(rows.squares + squares - 2 * sums, 0)))
        with np.errstate(all="ignore"):  # zeros have no direction
            return np.asarray(1 - np.clip(sums / np.sqrt(rows.squares * squares), -1, 1))
