"""The exact neighbours of many queries in one pass over the table, as SQL measures them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..db.values import vector_text
from ..rows import Block, Key, Source
from .dense import Dense
from .sparse import Sparse

if TYPE_CHECKING:
    import numpy as np

# Rows kept beyond those asked for: the server's float32 may put another of nearly the same distance first.
_MORE = 16
# Numbers that are held at a time, of the rows' vectors and of the distances, and the most rows.
_HELD, _MOST_ROWS = 4_000_000, 8_192


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest rows of one query, nearest first: their keys as texts, and their distances."""

    keys: tuple[Key, ...]
    distances: tuple[float, ...]


def neighbours(
    source: Source, vectors: Sequence[Any], own: Sequence[Key | None], k: int, told: Callable[[int], None]
) -> list[Neighbours]:
    """Return the ``k`` nearest rows of each vector without its ``own``; fewer only where there are no more.

    Vectors are as ``query_vector`` gives them; ``told`` hears how many rows were read. Raises UsageError for a column
    whose vectors differ in their dimensions; QueryError.
    """
    kernel = _kernel(source, vectors)
    nearest = _Nearest(len(vectors), k + 1 + _MORE)
    read = 0
    for block in source.all_at_once(max(1, min(_MOST_ROWS, _HELD // kernel.width))):
        _look_at(kernel, block, nearest)
        read += len(block)
        told(read)
    return _measured(source, vectors, own, nearest.keys, k)


def text_of(vector: Any) -> str:
    """Return a query vector as pgvector reads it."""
    return str(vector.to_text()) if hasattr(vector, "to_text") else vector_text(vector)


def _kernel(source: Source, vectors: Sequence[Any]) -> Dense | Sparse:
    import numpy as np

    column, metric = source.target.need_vectors().column, source.target.need_vectors().metric
    if column.type == "sparsevec":
        return Sparse(metric.name, vectors)
    if column.type == "bit":
        vectors = [[digit == "1" for digit in text_of(vector)] for vector in vectors]
    return Dense(column.type, metric.name, np.array(vectors, np.float32))


def _look_at(kernel: Any, block: Block, nearest: _Nearest) -> None:
    """Measure what may be among the nearest of a query."""
    import numpy as np

    rows = kernel.read(block.vectors)
    lower = kernel.lower(rows)
    if not nearest.full:  # there is nothing yet that a row would have to be nearer than
        most = min(nearest.most, len(block))
        chosen = np.argpartition(lower, most - 1, axis=1)[:, :most]
        queries = np.repeat(np.arange(len(lower)), most)
        nearest.take(block, queries, chosen.ravel(), kernel.exact(rows, queries, chosen.ravel()))
        np.put_along_axis(lower, chosen, np.inf, axis=1)
    # A row at the same distance is no nearer; what is not a number may be anything.
    queries, at = np.nonzero(~(lower >= kernel.limit(nearest.farthest)[:, None]) & (lower != np.inf))
    nearest.take(block, queries, at, kernel.exact(rows, queries, at))


@dataclass(slots=True)
class _Nearest:
    """The nearest rows so far of each query, as many as ``most``."""

    queries: int
    most: int
    distances: np.ndarray = field(init=False)
    keys: list[list[Key | None]] = field(init=False)

    def __post_init__(self) -> None:
        import numpy as np

        self.distances = np.full((self.queries, self.most), np.inf)
        self.keys = [[None] * self.most for _ in range(self.queries)]

    @property
    def farthest(self) -> np.ndarray:
        """The distance that a row must be below to be taken, (queries,)."""
        farthest: np.ndarray = self.distances.max(axis=1)
        return farthest

    @property
    def full(self) -> bool:
        """Whether there are as many as wanted of each query."""
        import numpy as np

        return bool(np.isfinite(self.distances).all())

    def take(self, block: Block, queries: np.ndarray, rows: np.ndarray, distances: np.ndarray) -> None:
        """Keep those of the pairs that are among the nearest; one without a distance is not."""
        import numpy as np

        if not len(queries):
            return
        found, first = np.unique(queries, return_index=True)  # they come in order
        for query, mine in zip(found.tolist(), np.split(np.arange(len(queries)), first[1:]), strict=True):
            mine = mine[distances[mine] < self.distances[query].max()]
            everything = np.concatenate([self.distances[query], distances[mine]])
            kept = np.argsort(everything, kind="stable")[: self.most].tolist()
            known, new = self.keys[query], rows[mine]
            self.keys[query] = [known[i] if i < self.most else block.key(new[i - self.most]) for i in kept]
            self.distances[query] = everything[kept]


def _measured(
    source: Source, vectors: Sequence[Any], own: Sequence[Key | None], keys: Sequence[Sequence[Key | None]], k: int
) -> list[Neighbours]:
    """Have the server measure the rows, for its arithmetic is what an index's answers are compared by."""
    wanted = [
        (place, key)
        for place, (nearest, self_key) in enumerate(zip(keys, own, strict=True))
        for key in nearest
        if key is not None and key != self_key
    ]
    distances = source.distances_from([text_of(vector) for vector in vectors], wanted)
    found: list[list[tuple[float, Key]]] = [[] for _ in vectors]
    for at, distance in distances.items():
        if distance == distance:  # zeros have no cosine distance to anything
            found[wanted[at][0]].append((distance, wanted[at][1]))
    nearest = [sorted(rows)[:k] for rows in found]
    return [Neighbours(tuple(key for _, key in rows), tuple(distance for distance, _ in rows)) for rows in nearest]
