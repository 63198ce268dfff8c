"""The words of a query text: how they are bound, and the SQL that both ways of searching by them share."""

from __future__ import annotations

import re

from ..sqltext import quote_literal
from .target import Target

TEXT, WANTED, UNWANTED = "query text", "wanted text", "unwanted text"
# A tsquery of tens of thousands of words overflows the parser's stack; a question has far fewer words than this, and a
# word is shorter: full-text search ignores those of more than 2 kB.
MOST_WORDS, LONGEST_WORD = 200, 500
_EXCLUDED_WORD = re.compile(r'(?<!\S)-(?:"[^"]*"|\S+)')
_PHRASE = re.compile(r'"[^"\s]+\s+[^"]*"')


def params(text: str) -> dict[str, str]:
    """Return the text parameters of a keyword leg; excluded words (``-word``) also stand by themselves."""
    text = _cut(text)
    unwanted = " ".join(_EXCLUDED_WORD.findall(text))
    found = {TEXT: text, WANTED: _EXCLUDED_WORD.sub(" ", text)}
    return found | ({UNWANTED: unwanted} if unwanted else {})


def is_cut(text: str) -> bool:
    """Whether a text is too long to be looked for word by word, so that only its first words are."""
    return len(text.split()) > MOST_WORDS


def has_phrase(text: str) -> bool:
    """Whether several words that are wanted stand in quotes."""
    return _PHRASE.search(_EXCLUDED_WORD.sub(" ", _cut(text))) is not None


def language(target: Target) -> str:
    """Return the language of the words as SQL."""
    return quote_literal(target.need_text().language).replace("%", "%%")


def no_words(target: Target) -> str:
    """Return a condition: the language leaves no word of the text to look for."""
    return f"numnode(plainto_tsquery({language(target)}, %({WANTED})s)) = 0"


def page(rows: int, offset: int = 0) -> str:
    """Return the LIMIT, and the OFFSET where there is one."""
    return f"LIMIT {rows}" + (f" OFFSET {offset}" if offset else "")


def _cut(text: str) -> str:
    return " ".join(word[:LONGEST_WORD] for word in text.replace("\0", " ").split()[:MOST_WORDS])
