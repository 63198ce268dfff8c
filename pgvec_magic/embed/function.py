"""A function of the notebook as a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import EmbedError
from .embedder import Embedder, numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


class FunctionEmbedder(Embedder):
    """``fn(list of str) -> n rows of numbers``, named ``:fn``; its dimensions are those of its first result."""

    def __init__(self, function: Callable[[list[str]], ArrayLike]) -> None:
        self._function = function
        self._dimensions: int | None = None

    @property
    def name(self) -> str:
        """A colon and the function's own name."""
        return ":" + str(getattr(self._function, "__name__", type(self._function).__name__))

    @property
    def dimensions(self) -> int:
        """The length of the function's vectors; where it has not been called yet, it is, with one text."""
        if self._dimensions is None:
            self.embed_batch(["text"], "document")
        assert self._dimensions is not None
        return self._dimensions

    def embed_batch(self, texts: Sequence[str], role: str) -> NDArray[np.float32]:
        """Return what the function returns, which is not told the role; EmbedError for what is not rows of numbers."""
        vectors = numbers(self._function(list(texts)), self.name)
        if vectors.ndim != 2:
            raise EmbedError(
                f"{self.name} gave an array of shape {vectors.shape} for {len(texts)} texts",
                "it must return one row of numbers per text",
            )
        if self._dimensions is None:
            self._dimensions = vectors.shape[1]
        return vectors
