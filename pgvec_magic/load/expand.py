"""Rows of a source -> rows of a table: one for one, or one for each chunk of the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import texts
from .chunks import Chunking, split
from .layout import CHUNK, Layout

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from .wire import Field


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows as a table has them: encoded, with their ids as the server reads them and the texts to embed.

    ``documents`` tells for each from which row of the source it is, None where that is the same; those of one document
    follow one another.
    """

    fields: dict[str, Field]
    ids: list[str]
    texts: list[str]
    documents: NDArray[np.intp] | None = None

    def document(self, row: int) -> int:
        """Return the row of the source from which a row is."""
        return row if self.documents is None else int(self.documents[row])

    def as_first(self, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for each row what holds for the first of its document."""
        import numpy as np

        if self.documents is None:
            return values
        return values[np.searchsorted(self.documents, self.documents)]


def expanded(
    frame: pd.DataFrame,
    fields: dict[str, Field],
    parents: Sequence[str],
    layout: Layout,
    token_ends: Callable[[str], Sequence[int]],
    chunking: Chunking,
) -> Rows:
    """Return the chunks of documents, whose ``fields`` are repeated for each; ``parents`` are their ids.

    Of several text columns the last is cut, and the others stand before each chunk.
    """
    import numpy as np

    before, chunks = _cut(frame, layout, token_ends, chunking)
    counts = np.fromiter(map(len, chunks), np.intp, len(chunks))
    documents = np.repeat(np.arange(len(chunks)), counts)
    numbers = np.arange(len(documents)) - np.repeat(counts.cumsum() - counts, counts)
    flat = [chunk for document in chunks for chunk in document]
    ids = [f"{parents[i]}#{n}" for i, n in zip(documents.tolist(), numbers.tolist(), strict=True)]
    repeated = {name: _repeated(values, documents) for name, values in fields.items()}
    made: dict[str, Field] = {
        layout.id: [id.encode() for id in ids],
        CHUNK: numbers.astype(">i4"),
        layout.text[-1]: [chunk.encode() for chunk in flat],
    }
    columns = [[column[i] for i in documents.tolist()] for column in before]
    return Rows(repeated | made, ids, texts.joined([*columns, flat]), documents)


def chunk_texts(
    frame: pd.DataFrame, layout: Layout, token_ends: Callable[[str], Sequence[int]], chunking: Chunking
) -> list[str]:
    """Return the texts to embed of all the chunks of documents."""
    before, chunks = _cut(frame, layout, token_ends, chunking)
    counts = list(map(len, chunks))
    repeated = [[text for text, count in zip(column, counts, strict=True) for _ in range(count)] for column in before]
    return texts.joined([*repeated, [chunk for document in chunks for chunk in document]])


def _cut(
    frame: pd.DataFrame, layout: Layout, token_ends: Callable[[str], Sequence[int]], chunking: Chunking
) -> tuple[list[list[str]], list[list[str]]]:
    """Return the columns of text that stand before each chunk, and the chunks of each document."""
    *before, cut = (texts.of_frame(frame, [name]) for name in layout.text)
    return before, [split(text, token_ends, chunking) for text in cut]


def _repeated(field: Field, documents: NDArray[np.intp]) -> Field:
    if isinstance(field, list):
        return [field[i] for i in documents.tolist()]
    return field[documents]
