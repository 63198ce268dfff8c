"""Calls of functions in a statement, or in an expression of a plan: what they are given, and where they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from ..sqltext import Token, split_list, tokens
from .keys import peeled

TO_TSQUERY = ("websearch_to_tsquery", "plainto_tsquery", "phraseto_tsquery", "to_tsquery")


@dataclass(frozen=True, slots=True)
class Call:
    """A call by its function's name without a schema; ``start`` and ``end`` are the characters that it covers."""

    name: str
    arguments: tuple[str, ...]
    start: int
    end: int

    @property
    def config(self) -> str | None:
        """The text search configuration that is its first argument of two, where that is a constant."""
        found = (
            re.match(r"'(?:pg_catalog\.)?(\w+)'(?:\s*::\s*regconfig)?$", self.arguments[0]) if self.arguments else None
        )
        return found[1] if found and len(self.arguments) == 2 else None


def calls(sql: str, names: Collection[str]) -> list[Call]:
    """Return the calls of functions of these names, in order of appearance."""
    written = sql.lower()  # most texts have none, and are not taken to pieces
    return list(_calls(sql, tokens(sql), names)) if any(name in written for name in names) else []


def _calls(sql: str, found: list[Token], names: Collection[str]) -> Iterator[Call]:
    for at, token in enumerate(found[:-1]):
        if token.kind != "word" or token.text.lower() not in names or found[at + 1].text != "(":
            continue
        if (close := closing(found, at + 1)) is not None:
            inside = sql[found[at + 1].end : found[close].start]
            yield Call(token.text.lower(), tuple(split_list(inside)), token.start, found[close].end)


def closing(found: list[Token], opening: int) -> int | None:
    """Return the place of the parenthesis that closes the one at ``opening``."""
    depth = 0
    for at in range(opening, len(found)):
        depth += (found[at].text == "(") - (found[at].text == ")")
        if not depth:
            return at
    return None


def rewritten(sql: str, names: Collection[str], change: Callable[[Call, str], str]) -> str:
    """Return a statement with ``change(call, its text)`` in the place of each call that is not within another."""
    pieces, done = [], 0
    for call in calls(sql, names):
        if call.start >= done:
            pieces += [sql[done : call.start], change(call, sql[call.start : call.end])]
            done = call.end
    return "".join([*pieces, sql[done:]])


def conjuncts(condition: str) -> list[str]:
    """Return the conditions that stand between the ANDs outside of all parentheses."""
    text = peeled(condition)
    parts, depth, start = [], 0, 0
    for token in tokens(text):
        depth += (token.text == "(") - (token.text == ")")
        if not depth and token.text == "AND":
            parts.append(text[start : token.start])
            start = token.end
    return [*parts, text[start:]]
