"""A model whose vectors are dear: what it gave once is kept on disk."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from . import cache
from .embedder import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CachedEmbedder(Embedder):
    """Asks the model for what is not in the cache, once for texts that are alike, and keeps each batch as it comes."""

    _dimensions: int | None = None  # None: as many as the first vector has

    @abstractmethod
    def identity(self, role: str) -> str:
        """What tells this model, with what it does to texts of that role, from every other; never shown."""

    def missing(self, texts: Sequence[str], role: str = "document") -> list[int]:
        """Return the positions of the texts that are not kept, of those alike the first."""
        keys = self._keys(texts, role)
        known = self._known(keys)
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        return sorted(i for key, i in first.items() if key not in known)

    def _found(
        self, texts: Sequence[str], rows: Sequence[int], role: str
    ) -> Generator[tuple[list[int], NDArray[np.float32]]]:
        import numpy as np

        alike: dict[bytes, list[int]] = {}
        for row, key in zip(rows, self._keys([texts[i] for i in rows], role), strict=True):
            alike.setdefault(key, []).append(row)
        known = self._known(list(alike))
        if known:
            yield _spread(np.stack(list(known.values())), [alike[key] for key in known])
        asked = {same[0]: same for key, same in alike.items() if key not in known}
        for batch, vectors in super()._found(texts, list(asked), role):
            yield _spread(vectors, [asked[row] for row in batch])

    def _answer(self, texts: Sequence[str], rows: Sequence[int], role: str) -> NDArray[np.float32]:
        vectors = super()._answer(texts, rows, role)
        cache.write(self._keys([texts[i] for i in rows], role), vectors)
        return vectors

    def _keys(self, texts: Sequence[str], role: str) -> list[bytes]:
        return cache.keys(self.identity(role), texts)

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        found = cache.read(keys)
        if found and self._dimensions is None:
            self._dimensions = len(next(iter(found.values())))
        return {key: vector for key, vector in found.items() if len(vector) == self._dimensions}


def _spread(vectors: NDArray[np.float32], rows: list[list[int]]) -> tuple[list[int], NDArray[np.float32]]:
    """Return the rows, and for each its vector, where row i of the vectors is that of all ``rows[i]``."""
    import numpy as np

    return [row for same in rows for row in same], np.repeat(vectors, list(map(len, rows)), axis=0)
