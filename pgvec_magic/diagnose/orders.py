"""A statement -> the distance that it is ordered by, and where in the text its parts stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..sqltext import Token
from .clauses import Select, levels, selects, split
from .keys import FUNCTIONS, OPERATORS

Span = tuple[int, int]
Tokens = Sequence[Token]
_NO_OPERAND = frozenset(["AND", "OR", "NOT", "IS", "IN", "LIKE", "ILIKE", "BETWEEN", "CASE", "COLLATE", "AT"])
_SIMILARITY = re.compile(r"1(\.0*)?(::(float8|float|real|numeric|doubleprecision))?-\(*")


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance in SQL; ``sign`` is all of its operator, of which ``operator`` is the sign alone.

    Of a function ``sign`` is its name. ``before`` and ``behind`` are what else stands in the expression.
    """

    whole: Span
    left: Span
    right: Span
    sign: Span
    operator: str
    function: str | None
    before: str
    behind: str

    @property
    def bare(self) -> bool:
        """Whether the expression is nothing else."""
        return not self.before.strip("(") and not self.behind.strip(")")

    @property
    def is_similarity(self) -> bool:
        """Whether the expression is 1 - distance."""
        return bool(_SIMILARITY.fullmatch(self.before.lstrip("("))) and not self.behind.strip(")")


@dataclass(frozen=True, slots=True)
class Order:
    """What a SELECT is ordered by first: ``written`` is where, ``behind`` the words after it, such as DESC.

    ``distance`` may stand in the list of what is selected, for which a name or a number is written.
    """

    select: Select
    written: Span
    behind: tuple[str, ...]
    end: int
    distance: Distance

    @property
    def in_place(self) -> bool:
        """Whether the distance itself is written."""
        return self.written[0] <= self.distance.whole[0] and self.distance.whole[1] <= self.written[1]


def order(sql: str, operator: str | None = None) -> Order | None:
    """Return the order by a distance if just one SELECT has one (of this operator); None where it is not certain."""
    found = [each for each in orders(sql) if operator in (None, each.distance.operator)]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=1)
def orders(sql: str) -> tuple[Order, ...]:
    """Return the orders by a distance that the SELECTs of a statement have, the outermost first."""
    return tuple(each for select in selects(sql) if (each := _order(select)))


def _order(select: Select) -> Order | None:
    first = next(iter(select.items("ORDER")), ())
    cut = next((i for i, t in enumerate(first) if t.text.upper() in ("ASC", "DESC", "USING", "NULLS")), len(first))
    written, behind = first[:cut], tuple(token.text.upper() for token in first[cut:])
    meant = _meant(select, written)
    distance = _distance(meant) if meant and "USING" not in behind else None
    return Order(select, _span(written), behind, first[-1].end, distance) if distance else None


def _meant(select: Select, written: Tokens) -> Tokens:
    """Return what a number or a name stands for in the list of what is selected; nothing where that is not certain."""
    if len(written) != 1 or written[0].kind not in ("number", "word", "name"):
        return written
    items, name = select.items("SELECT"), written[0]
    if name.kind == "number":
        number = int(name.text) if name.text.isdigit() else 0
        has_star = any(item[-1].text == "*" for item in items[:number])
        return _unnamed(items[number - 1]) if 0 < number <= len(items) and not has_star else ()
    named = [item for item in items if len(item) > 2 and item[-2].text.upper() == "AS" and _same(item[-1], name)]
    return _unnamed(named[0]) if len(named) == 1 else ()


def _unnamed(item: tuple[Token, ...]) -> tuple[Token, ...]:
    return item[:-2] if len(item) > 2 and item[-2].text.upper() == "AS" else item


def _same(one: Token, other: Token) -> bool:
    names = (t.text[1:-1].replace('""', '"') if t.kind == "name" else t.text.lower() for t in (one, other))
    return len(set(names)) == 1


def _distance(found: Tokens) -> Distance | None:
    made = [*_operators(found), *_functions(found)]
    return made[0] if len(made) == 1 else None


def _operators(found: Tokens) -> Iterator[Distance | None]:
    at = levels(found)
    for i, token in enumerate(found):
        sign = token.text.replace("%%", "%")
        if token.kind not in ("operator", "other") or sign not in OPERATORS:
            continue
        a, b = _written_out(found, at, i) or (i, i)
        level = at[a]
        ends = [j for j, t in enumerate(found) if at[j] < level or (t.text == "," and at[j] == level)]
        start = max((j + 1 for j in ends if j < a), default=0)
        end = min((j for j in ends if j > b), default=len(found))
        sides = [found[start:a], found[b + 1 : end]]
        certain = all(sides) and not any(map(_is_more, sides))
        yield _made(found, (start, end), sides, _span(found[a : b + 1]), sign, None) if certain else None


def _written_out(found: Tokens, at: list[int], i: int) -> tuple[int, int] | None:
    """Return the first and last token of OPERATOR(schema.<=>)."""
    start = next((j for j in range(i - 1, -1, -1) if found[j].text == "("), 0)
    if start and found[start - 1].text.upper() == "OPERATOR" and found[i + 1 : i + 2] and found[i + 1].text == ")":
        return start - 1, i + 1
    return None


def _is_more(side: Tokens) -> bool:
    """Whether an operand has operators of its own, or words that are none of a value."""
    pairs = zip(side, levels(side), strict=True)
    return any(not level and (t.kind == "operator" or t.text.upper() in _NO_OPERAND) for t, level in pairs)


def _functions(found: Tokens) -> Iterator[Distance | None]:
    at = levels(found)
    for i, token in enumerate(found):
        if (
            token.kind != "word"
            or token.text.lower() not in FUNCTIONS
            or [t.text for t in found[i + 1 : i + 2]] != ["("]
        ):
            continue
        end = next((j for j in range(i + 2, len(found)) if at[j] == at[i]), len(found) - 1)
        sides: list[Tokens] = [*split(found[i + 2 : end])]
        start = i - 2 if i > 1 and found[i - 1].text == "." else i
        name = token.text.lower()
        operator, sign = FUNCTIONS[name], _span(found[start : i + 1])
        certain = len(sides) == 2 and not any(map(_is_more, sides))
        yield _made(found, (start, end + 1), sides, sign, operator, name) if certain else None


def _made(found: Tokens, place: Span, sides: list[Tokens], sign: Span, operator: str, function: str | None) -> Distance:
    start, end = place
    left, right = map(_span, sides)
    before, behind = ("".join(t.text for t in part) for part in (found[:start], found[end:]))
    return Distance(_span(found[start:end]), left, right, sign, operator, function, before, behind)


def _span(found: Tokens) -> Span:
    return (found[0].start, found[-1].end) if found else (0, 0)
