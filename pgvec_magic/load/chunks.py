"""Long texts in chunks, cut at token limits: between paragraphs, sentences or words where that can be."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..embed import Embedder
from ..errors import UsageError

# Where a text is best cut, the best first: behind a paragraph, behind a sentence or a line, behind a word.
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"[.!?…][\"'”’»)\]]*\s+|[。！？]|\n\s*")
_WORD = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Chunking:
    """Chunks of at most ``size`` tokens, each of which begins with the last ``overlap`` tokens of the one before it."""

    size: int
    overlap: int


def checked(size: int | None, overlap: int) -> Chunking | None:
    """Return what was asked for, None where texts stay whole; UsageError for what cannot be meant."""
    if size is None:
        if overlap:
            raise UsageError("--overlap is of chunks, and there are none", "say --chunk N too")
        return None
    if size < 1:
        raise UsageError(f"--chunk: {size} is not a number of tokens", "such as 200")
    if not 0 <= overlap < size:
        raise UsageError(f"--overlap: {overlap} must be less than the {size} tokens of a chunk, and not less than 0")
    return Chunking(size, overlap)


def check_fits(chunking: Chunking, model: Embedder) -> None:
    """UsageError for chunks of which the model would not see the end."""
    if model.max_tokens is not None and chunking.size > model.max_tokens:
        raise UsageError(
            f"--chunk: {model.name} sees {model.max_tokens} tokens of a text, less than {chunking.size}",
            f"say --chunk {model.max_tokens} or less",
        )


def split(text: str, token_ends: Callable[[str], Sequence[int]], chunking: Chunking) -> list[str]:
    """Return the chunks of a text; a text of no more than ``size`` tokens is one, just as it is.

    ``token_ends`` tells the position behind each token. White space at the end of a chunk is left out.
    """
    ends = token_ends(text)
    if len(ends) <= chunking.size:
        return [text]
    chunks = []
    start, token, cut, end = 0, 0, 0, len(text.rstrip())
    while cut < end:
        cut = _cut(text, ends, token, max(start, cut), chunking.size)
        chunks.append(text[start:cut].rstrip())
        start = _start(text, ends, cut, chunking.overlap, start)
        token = bisect_right(ends, start)
    return [chunk for chunk in chunks if chunk] or [""]


def _cut(text: str, ends: Sequence[int], token: int, after: int, size: int) -> int:
    """Return where the chunk that begins with this token ends, behind ``after``."""
    if token + size >= len(ends):
        return len(text)
    most = ends[token + size - 1]
    if most <= after:  # several tokens of one character
        most = ends[bisect_right(ends, after)]
    limit = most
    while limit < len(text) and text[limit].isspace():
        limit += 1
    middle = max(after, ends[token + size // 2 - 1] if size > 1 else 0)
    for border, least in ((_PARAGRAPH, middle), (_SENTENCE, middle), (_WORD, after)):
        places = [match.end() for match in border.finditer(text, least, limit) if match.end() > after]
        if places:
            return places[-1]
    return most


def _start(text: str, ends: Sequence[int], cut: int, overlap: int, before: int) -> int:
    """Return where the chunk behind a cut begins: at a word, as many tokens back as overlap, but never further."""
    tokens = bisect_right(ends, cut)
    if not overlap or tokens <= overlap:
        return cut
    start = max(ends[tokens - overlap - 1], before + 1)
    if text[start - 1].isspace():
        return start
    word = _WORD.search(text, start, cut)
    return word.end() if word and word.end() < cut else start
