"""What turns texts into vectors: one abstract method, and the checks that every model's vectors pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar

from ..errors import EmbedError
from . import tokens
from .flight import at_once

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Progress = Callable[[int, int], None]
_LEAST_TEXTS = 64  # in a batch, where there are that many: smaller ones are all overhead
_MOST_BYTES_A_CHARACTER = 4


class Embedder(ABC):
    """A model: ``name`` is the spec that is remembered with a column, ``dimensions`` the length of its vectors.

    ``paid`` says whether a text may cost money; of ``batch_texts`` and ``batch_bytes`` a batch has at most so many, and
    ``in_flight`` batches are embedded at once.
    """

    paid: ClassVar[bool] = False
    batch_texts: ClassVar[int] = 256
    batch_bytes: ClassVar[int] = 1_000_000
    in_flight: ClassVar[int] = 1

    @property
    @abstractmethod
    def name(self) -> str:
        """The spec by which ``get`` finds this model again."""

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """The length of a vector."""

    @property
    def max_tokens(self) -> int | None:
        """The most tokens of one text that the model sees, or None where there is no limit or none is known."""
        return None

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
        with closing(self._found(texts, range(len(texts)), role)) as found:
            for rows, batch in found:
                if vectors is None:  # now, not before: a function's dimensions are those of its first result
                    vectors = np.empty((len(texts), batch.shape[1]), np.float32)
                vectors[rows] = batch
                done += len(rows)
                if progress:
                    progress(done, len(texts))
        return np.empty((0, self.dimensions), np.float32) if vectors is None else vectors

    def missing(self, texts: Sequence[str], role: str = "document") -> list[int]:
        """Return the positions of the texts that ``embed`` would ask the model for: what a paid one charges for."""
        return list(range(len(texts)))

    def token_ends(self, text: str) -> list[int]:
        """Return the position behind each token of a text, ascending, the last ``len(text)``; here an estimate."""
        return tokens.estimated(text)

    def count_tokens(self, texts: Sequence[str]) -> int:
        """Return how many tokens all texts have together, as exactly as ``token_ends`` knows them."""
        return sum(len(self.token_ends(text)) for text in texts)

    def too_long(self, texts: Sequence[str]) -> list[int]:
        """Return the positions of the texts of more than ``max_tokens``, whose ends the model would not see."""
        most = self.max_tokens
        if most is None:
            return []
        suspects = (i for i, text in enumerate(texts) if len(text) * _MOST_BYTES_A_CHARACTER > most)
        return [i for i in suspects if len(self.token_ends(texts[i])) > most]

    def _found(
        self, texts: Sequence[str], rows: Sequence[int], role: str
    ) -> Generator[tuple[list[int], NDArray[np.float32]]]:
        """Yield the vectors of those rows of the texts, some rows at a time, as they come."""
        yield from at_once(lambda batch: self._answer(texts, batch, role), self._batches(texts, rows), self.in_flight)

    def _answer(self, texts: Sequence[str], rows: Sequence[int], role: str) -> NDArray[np.float32]:
        return self._checked(self.embed_batch([texts[i] for i in rows], role), rows)

    def _batches(self, texts: Sequence[str], rows: Sequence[int]) -> Iterator[list[int]]:
        """Yield positions, shortest text first: models pad a batch to its longest text."""
        most = min(self.batch_texts, max(_LEAST_TEXTS, -(-len(rows) // self.in_flight)))
        batch: list[int] = []
        filled = 0
        for size, i in sorted((len(texts[i].encode()), i) for i in rows):
            if batch and (len(batch) == most or filled + size > self.batch_bytes):
                yield batch
                batch, filled = [], 0
            batch.append(i)
            filled += size
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
        array = np.asarray(given.toarray() if hasattr(given, "toarray") else given)  # scipy's sparse matrices
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
    broken = (i for i, t in enumerate(texts) if not t.isascii() and _has_half_a_character(t))
    _refuse(broken, "not Unicode (a surrogate stands alone)", 'text.encode("utf-8", "replace").decode() mends it')


def _has_half_a_character(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _refuse(rows: Iterable[int], what: str, hint: str | None) -> None:
    bad = sorted(rows)
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (", …" if len(bad) > 10 else "")
        subject = f"text {shown} is" if len(bad) == 1 else f"{len(bad)} texts ({shown}) are"
        raise EmbedError(f"{subject} {what}", hint)
