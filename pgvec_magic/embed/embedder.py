"""What turns texts into vectors: one abstract method, and the checks that every model's vectors pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from ..errors import EmbedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Progress = Callable[[int, int], None]


class Embedder(ABC):
    """A model: ``name`` is the spec that is remembered with a column, ``dimensions`` the length of its vectors."""

    batch_texts: ClassVar[int] = 256
    batch_chars: ClassVar[int] = 1_000_000

    @property
    @abstractmethod
    def name(self) -> str:
        """The spec by which ``get`` finds this model again."""

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """The length of a vector."""

    @abstractmethod
    def embed_batch(self, texts: Sequence[str], role: str) -> ArrayLike:
        """Return (n, dimensions) numbers for n texts, none of them empty; role is "document" or "query"."""

    def embed(
        self, texts: Sequence[str], role: str = "document", progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return float32 (n, dimensions), row i for text i; ``progress(done, n)`` follows each batch.

        Raises EmbedError, with their positions from 0, for texts that are empty or get no usable vector.
        """
        import numpy as np

        texts = list(texts)  # a column of a filtered frame is not indexed by position
        _check(texts)
        vectors: NDArray[np.float32] | None = None
        done = 0
        for rows in self._batches(texts):
            batch = self._checked(self.embed_batch([texts[i] for i in rows], role), rows)
            if vectors is None:  # now, not before: a function's dimensions are those of its first result
                vectors = np.empty((len(texts), self.dimensions), np.float32)
            vectors[rows] = batch
            done += len(rows)
            if progress:
                progress(done, len(texts))
        return np.empty((0, self.dimensions), np.float32) if vectors is None else vectors

    def _batches(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Yield positions, shortest text first: models pad a batch to its longest text."""
        batch: list[int] = []
        chars = 0
        for i in sorted(range(len(texts)), key=lambda i: len(texts[i])):
            if batch and (len(batch) == self.batch_texts or chars + len(texts[i]) > self.batch_chars):
                yield batch
                batch, chars = [], 0
            batch.append(i)
            chars += len(texts[i])
        if batch:
            yield batch

    def _checked(self, given: ArrayLike, rows: Sequence[int]) -> NDArray[np.float32]:
        """Return what a model gave as float32, or raise EmbedError for what cannot be stored or searched."""
        vectors = numbers(given, self.name)
        expected = (len(rows), self.dimensions)
        if vectors.shape != expected:
            raise EmbedError(
                f"{self.name} gave an array of shape {vectors.shape} for {len(rows)} texts",
                f"it must return {expected[0]} rows of {expected[1]} numbers",
            )
        import numpy as np

        usable = np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)
        bad = (rows[i] for i in np.flatnonzero(~usable).tolist())
        _refuse(bad, f"given a vector of zeros, NaN or infinity by {self.name}", "leave out such texts")
        return vectors


def numbers(given: ArrayLike, name: str) -> NDArray[np.float32]:
    """Return what the model ``name`` gave as float32; EmbedError when it is not one array of numbers."""
    import numpy as np

    try:
        array = np.asarray(given)
    except ValueError as error:  # rows of different lengths
        raise EmbedError(f"{name} gave vectors that are not one array: {error}") from error
    if array.dtype.kind not in "fiu":
        raise EmbedError(f"{name} gave {array.dtype} values", "it must return numbers, one row per text")
    with np.errstate(over="ignore"):  # too large for float32: refused as infinite
        return array.astype(np.float32, copy=False)


def _check(texts: Sequence[str]) -> None:
    """Raise EmbedError for what is no text, such as the None or NaN of a table's empty cell, and for empty texts."""
    _refuse((i for i, t in enumerate(texts) if not isinstance(t, str)), "not text", "leave out such rows")
    _refuse((i for i, t in enumerate(texts) if not t.strip()), "empty", "an empty text has no meaning: leave it out")


def _refuse(rows: Iterable[int], what: str, hint: str | None) -> None:
    bad = sorted(rows)
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (", …" if len(bad) > 10 else "")
        subject = f"text {shown} is" if len(bad) == 1 else f"{len(bad)} texts ({shown}) are"
        raise EmbedError(f"{subject} {what}", hint)
