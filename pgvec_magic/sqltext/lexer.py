"""Text -> tokens, and the place of one in its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

SPACE = " \t\n\r\f\v"  # str.strip() alone would eat a no-break space, which PostgreSQL reads as part of a name
BLANK = ("space", "comment")
_KIND = {"escape": "string", "bits": "string", "dollar": "string", "line_comment": "comment"}


class Token(NamedTuple):  # made by the thousand: a frozen dataclass takes three times as long
    """A piece of SQL: its kind, its text, and the half-open range of characters it covers.

    Kinds: space, comment, string, name (a quoted identifier), word, number, parameter (``$1``), operator,
    punctuation, unterminated (an open quote or comment, to the end of the text), other.
    """

    kind: str
    text: str
    start: int
    end: int


@cache
def _scanner() -> re.Pattern[str]:
    """Compile the pattern of one token; possessive quantifiers keep it linear whatever the text."""
    # All that is not ASCII is a letter to PostgreSQL; a class that says what it leaves out compiles in 0.1 ms, not 20.
    letter, or_digit, or_dollar = (rf"[^\x00-{left_out}[-^`{{-\x7f]" for left_out in ("@", "/:-@", "#%-/:-@"))
    tag, sign = rf"(?:{letter}{or_digit}*+)?", r"[~!@#^&|`?+*/%<>=-]"
    digits = r"[0-9](?:_?[0-9])*+"
    # A string goes on behind a line end, and goes on to be read as it began: E'a'⏎'\'' is one string.
    more = r"(?:[ \t\f\v]|--[^\r\n]*+)*+[\r\n](?:[ \t\n\r\f\v]++|--[^\r\n]*+[\r\n])*+'"
    bits, plain, escaped = r"[^']*+'", r"[^']*+(?:''[^']*+)*+'", r"[^'\\]*+(?:(?:''|\\.)[^'\\]*+)*+'"
    return re.compile(
        rf"""(?P<space>[ \t\n\r\f\v]+)
        |(?P<line_comment>--[^\r\n]*)
        |(?P<block_comment>/\*)
        |(?P<escape>[eE]'{escaped}(?:{more}{escaped})*+(?!{more}))
        |(?P<bits>[bBxX]'{bits}(?:{more}{bits})*+(?!{more}))
        |(?P<string>(?:[uU]&)?'{plain}(?:{more}{plain})*+(?!{more}))
        |(?P<name>(?:[uU]&)?"[^"]*+(?:""[^"]*+)*+")
        |(?P<dollar>\$(?P<tag>{tag})\$.*?\$(?P=tag)\$)
        |(?P<unterminated>(?:[bBeExX]|[uU]&)?'.*|(?:[uU]&)?".*|\${tag}\$.*)
        |(?P<word>{letter}{or_dollar}*+)
        |(?P<number>0[xX](?:_?[0-9A-Fa-f])++|0[oO](?:_?[0-7])++|0[bB](?:_?[01])++
            |(?:{digits}(?:\.(?!\.)(?:{digits})?)?|\.{digits})(?:[eE][+-]?{digits})?)
        |(?P<parameter>\$[0-9]+)
        |(?P<punctuation>::|:=|\.\.|[](),.:;[])
        |(?P<operator>(?:(?!--|/\*){sign})+)
        |(?P<other>.)""",
        re.DOTALL | re.VERBOSE,
    )


def _comment_end(sql: str, start: int) -> int | None:
    """Return where the block comment that opens at ``start`` ends, nested ones included; None when it never does."""
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(sql, start):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    return None


def scan(sql: str) -> Iterator[Token]:
    """Yield the tokens of ``sql`` one after the other."""
    match, position = _scanner().match, 0
    while found := match(sql, position):
        kind, end = str(found.lastgroup), found.end()
        if kind == "block_comment":
            closed = _comment_end(sql, position)
            kind, end = ("comment", closed) if closed else ("unterminated", len(sql))
        yield Token(_KIND.get(kind, kind), sql[position:end], position, end)
        position = end


def tokens(sql: str) -> list[Token]:
    """Return the tokens of ``sql``; their texts, joined, are the whole of it."""
    return list(scan(sql))


def caret(sql: str, position: int, width: int = 100) -> str:
    """Return the line of ``sql`` that holds a 0-based character position, cut to ``width``, with a ^ below it."""
    from unicodedata import combining, east_asian_width

    position = min(max(position, 0), len(sql))
    start, stop = sql.rfind("\n", 0, position) + 1, sql.find("\n", position)
    stop = len(sql) if stop < 0 else stop
    left = max(start, min(position - width * 2 // 3, stop - width))
    right = min(stop, left + width)
    line = "".join(c if c.isprintable() else " " for c in sql[left:right])
    label = f"LINE {sql.count(chr(10), 0, position) + 1}: " + ("…" if left > start else "")
    columns = sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in line[: position - left])
    return f"{label}{line}{'…' if right < stop else ''}\n{' ' * (len(label) + columns)}^"
