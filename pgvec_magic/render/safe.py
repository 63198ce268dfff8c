"""Text that cannot change the page or the terminal it is shown in, and how wide it is there."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Terminal escapes, NUL, marks that turn the reading direction, halves of surrogate pairs; tab and newline are harmless.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ud800-\udfff]")

_BEYOND_ASCII = re.compile("[^\x00-\x7f]")


def clean(text: str) -> str:
    """Return a text without control characters; its line breaks stay."""
    if text.replace("\n", "").isprintable():
        return text
    return _UNSAFE.sub(_visible, text.replace("\r\n", "\n"))


def _visible(match: re.Match[str]) -> str:
    # marks of direction are common in honest Arabic and Hebrew, so they go without a trace; the others are shown
    is_direction = 0x600 < ord(match[0]) < 0xD800
    return "" if is_direction else match[0].encode("unicode_escape").decode()


def one_line(text: str) -> str:
    """Return a text without control characters, its line breaks and runs of blanks as one space."""
    is_plain = text.isprintable() and "  " not in text  # and so most texts cost next to nothing
    return text if is_plain else clean(" ".join(text.split()))


def width(text: str) -> int:
    """Return how many terminal columns a text takes: 2 for Chinese or an emoji, 0 for an accent of its own."""
    if text.isascii():
        return len(text)
    return len(text) + sum(_char_width(char) - 1 for char in _BEYOND_ASCII.findall(text))


@lru_cache(maxsize=4096)
def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def head(text: str, most: int) -> str:
    """Return the beginning of a text on one line, at most ``most`` terminal columns wide, ``…`` where it was cut."""
    enough = 2 * most + 20  # bounds the work, and what characters of no width can add
    line = one_line(text[:enough])
    if len(text) <= enough and width(line) <= most:
        return line
    return _cut(line, most - 1).rstrip() + "…"


def _cut(text: str, most: int) -> str:
    if text[:most].isascii():
        return text[:most]
    used = 0
    for i, char in enumerate(text):
        used += _char_width(char)
        if used > most:
            return text[:i]
    return text
