"""Distances of many queries to many rows that are full vectors or bits, by matrix products.

A product in float32 is off by no more than ``(d + 8) 2⁻²⁴ |x||q|``; what it leaves undecided is measured in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..rows import wire

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Singles = NDArray[np.float32]
    Doubles = NDArray[np.float64]

# Numbers of vectors that are held in float64, and that fit into a processor's cache.
_HELD, _CACHED = 4_000_000, 64_000


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """``queries`` has shape (queries, dimensions), float32; ``kind`` is vector, halfvec or bit."""

    kind: str
    metric: str
    queries: Singles

    @property
    def width(self) -> int:
        """How many numbers of a row are held."""
        return int(max(self.queries.shape))

    def read(self, sent: list[bytes]) -> Singles:
        """Return vectors in their wire form as (rows, dimensions), float32."""
        return wire.dense(sent, self.kind, "float32")

    def lower(self, vectors: Singles) -> Singles:
        """Return what stands for the distances, (queries, rows): never more than ``limit`` of the true one."""
        import numpy as np

        with np.errstate(all="ignore"):  # what overflows is no number, and so is measured in float64
            return _LOWER[self.metric](vectors, self.queries)

    def limit(self, distances: Doubles) -> Singles:
        """Return what stands for a distance to each query: a row that stands at it or above is no nearer."""
        import numpy as np

        queries = self.queries.astype(np.float64)
        if self.metric == "cosine":
            distances = distances - 1
        elif self.metric == "l2":
            queries -= _middle(self.queries)
            distances = np.square(distances) - np.einsum("ij,ij->i", queries, queries)
        elif self.metric == "hamming":
            distances = distances - queries.sum(axis=1)
        with np.errstate(over="ignore"):
            return np.nextafter(distances.astype(np.float32), np.float32(np.inf))

    def exact(self, vectors: Singles, queries: np.ndarray, rows: np.ndarray) -> Doubles:
        """Return the distances of pairs, by their places, in float64; NaN where the metric has none."""
        import numpy as np

        step, measure = max(1, _HELD // vectors.shape[1]), _EXACT[self.metric]
        parts = [np.empty(0)]
        with np.errstate(all="ignore"):
            for start in range(0, len(rows), step):
                x = vectors[rows[start : start + step]].astype(np.float64)
                parts.append(measure(x, self.queries[queries[start : start + step]].astype(np.float64)))
        return np.concatenate(parts)


def _middle(queries: Singles) -> Singles:
    """Where l2 counts from: lengths that have nothing to do with the distances would cost digits."""
    import numpy as np

    return np.asarray(queries.mean(axis=0, dtype=np.float64), np.float32)


def _off(vectors: Singles) -> float:
    return float((vectors.shape[1] + 8) * 2.0**-24)


def _lengths(vectors: Singles) -> Singles:
    import numpy as np

    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)))


def _cosine(vectors: Singles, queries: Singles) -> Singles:
    import numpy as np

    lengths = _lengths(vectors)
    apart = (queries / -_lengths(queries)[:, None]) @ (vectors / lengths[:, None]).T
    apart += np.where(lengths == 0, np.float32(np.inf), np.float32(-2 * _off(vectors)))
    return apart


def _ip(vectors: Singles, queries: Singles) -> Singles:
    apart = -queries @ vectors.T
    apart -= _off(vectors) * _lengths(vectors) * _lengths(queries).max()
    return apart


def _l2(vectors: Singles, queries: Singles) -> Singles:
    import numpy as np

    middle = _middle(queries)
    x, q = vectors - middle, queries - middle
    lengths = _lengths(x)
    apart = (-2 * q) @ x.T
    apart += np.square(lengths) - 2 * _off(vectors) * np.square(lengths + _lengths(q).max())
    return apart


def _l1(vectors: Singles, queries: Singles) -> Singles:
    import numpy as np

    apart = np.empty((len(queries), len(vectors)), np.float32)
    step = max(1, _CACHED // vectors.shape[1])
    held = np.empty((step, vectors.shape[1]), np.float32)
    for start in range(0, len(vectors), step):
        x = vectors[start : start + step]
        between = held[: len(x)]
        for at, query in enumerate(queries):
            np.abs(np.subtract(x, query, out=between), out=between)
            between.sum(axis=1, out=apart[at, start : start + len(x)])
    apart *= 1 - _off(vectors)
    return apart


def _hamming(vectors: Singles, queries: Singles) -> Singles:
    apart = (-2 * queries) @ vectors.T
    apart += vectors.sum(axis=1)
    return apart


def _jaccard(vectors: Singles, queries: Singles) -> Singles:
    import numpy as np

    both = queries @ vectors.T
    either = queries.sum(axis=1)[:, None] + vectors.sum(axis=1) - both
    shared = np.divide(both, either, out=np.zeros_like(both), where=both > 0)
    return np.asarray(np.float32(1 - 2.0**-22) - shared)


_LOWER = {"cosine": _cosine, "ip": _ip, "l2": _l2, "l1": _l1, "hamming": _hamming, "jaccard": _jaccard}


def _exact_dot(x: Doubles, q: Doubles) -> Doubles:
    import numpy as np

    return np.asarray(np.einsum("ij,ij->i", x, q))


def _exact_cosine(x: Doubles, q: Doubles) -> Doubles:
    import numpy as np

    lengths = np.sqrt(_exact_dot(x, x)) * np.sqrt(_exact_dot(q, q))
    return np.asarray(1 - np.clip(_exact_dot(x, q) / lengths, -1, 1))


def _exact_l2(x: Doubles, q: Doubles) -> Doubles:
    import numpy as np

    return np.sqrt(_exact_dot(x - q, x - q))


def _exact_l1(x: Doubles, q: Doubles) -> Doubles:
    import numpy as np

    return np.asarray(np.abs(x - q).sum(axis=1))


def _exact_jaccard(x: Doubles, q: Doubles) -> Doubles:
    import numpy as np

    both = _exact_dot(x, q)
    either = x.sum(axis=1) + q.sum(axis=1) - both
    return np.asarray(1 - np.divide(both, either, out=np.zeros_like(both), where=both > 0))


_EXACT = {
    "cosine": _exact_cosine,
    "ip": lambda x, q: -_exact_dot(x, q),
    "l2": _exact_l2,
    "l1": _exact_l1,
    "hamming": _exact_l1,
    "jaccard": _exact_jaccard,
}
