"""A statement -> its SELECTs and their clauses, as far as the text alone tells them surely."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..sqltext import Token, tokens

_CLAUSES = frozenset(
    ["SELECT", "FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR"]
)
# With these at its own level a query is more than one SELECT, or none.
_OTHER = frozenset(["UNION", "INTERSECT", "EXCEPT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE"])
_BEGIN = _CLAUSES | _OTHER
_PLACEHOLDER = re.compile(r"%%|%\([^)]*\)s")


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT: the tokens of each clause behind its words (``ORDER BY``), and whether parentheses are around it."""

    clauses: Mapping[str, tuple[Token, ...]]
    outermost: bool

    @property
    def end(self) -> int:
        """Where its last token ends."""
        return max(token.end for clause in self.clauses.values() for token in clause)

    @property
    def is_distinct(self) -> bool:
        """Whether it is a SELECT DISTINCT, which orders by what it selects only."""
        return bool(self.clauses["SELECT"]) and self.clauses["SELECT"][0].text.upper() == "DISTINCT"

    def items(self, clause: str) -> list[tuple[Token, ...]]:
        """Return what stands between the commas of a clause."""
        return split(self.clauses.get(clause, ()))


@lru_cache(maxsize=4)  # what is found of one plan asks about one statement, again and again
def read(sql: str) -> tuple[Token, ...]:
    """Return the tokens of a ``Query``'s text without blanks, each ``%(name)s`` one of kind parameter."""
    masked = _PLACEHOLDER.sub(lambda m: m[0] if m[0] == "%%" else "$" + "0" * (len(m[0]) - 1), sql)
    return tuple(token for token in tokens(masked) if token.kind not in ("space", "comment"))


def levels(found: Sequence[Token]) -> list[int]:
    """Return in how many brackets each token stands; a bracket itself counts as outside."""
    numbers, level = [], 0
    for token in found:
        level -= token.text in (")", "]")
        numbers.append(level)
        level += token.text in ("(", "[")
    return numbers


def split(found: Sequence[Token]) -> list[tuple[Token, ...]]:
    """Return what stands between the commas that are in no brackets."""
    parts: list[list[Token]] = [[]]
    for token, level in zip(found, levels(found), strict=True):
        if token.text == "," and level == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [tuple(part) for part in parts if part]


def selects(sql: str) -> list[Select]:
    """Return the SELECTs of a statement whose clauses are certain, the outermost first."""
    found = read(sql)
    at = levels(found)
    groups = [(0, len(found)), *_brackets(found, at)]
    made = (_select(found[a:b], outermost=(a, b) == (0, len(found))) for a, b in groups)
    return [select for select in made if select]


def _brackets(found: Sequence[Token], at: list[int]) -> Iterator[tuple[int, int]]:
    for i, token in enumerate(found):
        if token.text == "(":
            end = next((j for j in range(i + 1, len(found)) if at[j] == at[i] and found[j].text == ")"), None)
            if end is not None:
                yield i + 1, end


def _select(found: Sequence[Token], *, outermost: bool) -> Select | None:
    if not found or found[0].text.upper() not in ("SELECT", "WITH"):
        return None
    words = list(_words(found))
    names = [word for word, _ in words]
    if not names or names[0] != "SELECT" or len(set(names)) < len(names) or not _CLAUSES.issuperset(names):
        return None
    ends = [at for _, at in words[1:]] + [len(found)]
    clauses = {
        word: tuple(found[at + (2 if word in ("ORDER", "GROUP") else 1) : end])
        for (word, at), end in zip(words, ends, strict=True)
    }
    return Select(clauses, outermost)


def _words(found: Sequence[Token]) -> Iterator[tuple[str, int]]:
    """Yield the words that begin clauses, and those that make it no SELECT, with their places."""
    for i, (token, level) in enumerate(zip(found, levels(found), strict=True)):
        if level or token.kind != "word" or (word := token.text.upper()) not in _BEGIN:
            continue
        before, after = (found[j].text.upper() if 0 <= j < len(found) else "" for j in (i - 1, i + 1))
        if before in (".", "AS", "FOR"):  # FOR UPDATE is a lock
            continue
        if (word in ("ORDER", "GROUP") and after != "BY") or (word == "FROM" and before == "DISTINCT"):
            continue  # WITHIN GROUP (…); IS DISTINCT FROM
        yield word, i
