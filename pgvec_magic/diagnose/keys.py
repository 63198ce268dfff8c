"""The keys that rows are sorted by -> which distance stands in them, and in what shape."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..metric import METRICS
from ..plan import Node
from ..sqltext import Token, tokens

OPERATORS = frozenset(metric.operator for metric in METRICS.values())
FUNCTIONS = {
    "cosine_distance": "<=>",
    "l2_distance": "<->",
    "inner_product": "<#>",
    "vector_negative_inner_product": "<#>",
    "l1_distance": "<+>",
    "hamming_distance": "<~>",
    "jaccard_distance": "<%>",
}
_WRITTEN_OUT = re.compile(r'OPERATOR\((?:(?:\w+|"[^"]+")\.)?([^\w)\s]+)\)')
_ENDING, _LONGEST = re.compile(r"\s+(DESC|ASC|NULLS (FIRST|LAST))\s*$"), 20
_DISTANCE = re.compile("|".join(map(re.escape, (*OPERATORS, *FUNCTIONS))))


@dataclass(frozen=True, slots=True)
class SortKey:
    """A key: its text without what stands behind it, and the distance in it.

    ``left`` and ``right`` are the operands of ``operator``, or the arguments of ``function``; ``bare`` tells whether
    the key is nothing but the distance, which is what a vector index gives.
    """

    text: str
    operator: str | None
    function: str | None
    left: str
    right: str
    bare: bool
    descending: bool
    nulls_first: bool

    @property
    def is_distance(self) -> bool:
        """Whether a distance stands in it."""
        return self.operator is not None


def sort_keys(node: Node, name: str = "Sort Key") -> list[SortKey]:
    """Return the keys of a node."""
    found = node.details.get(name, [])
    return [sort_key(str(key)) for key in (found if isinstance(found, list) else [found])]


def sort_key(text: str) -> SortKey:
    """Return what one key says."""
    descending = nulls_first = False
    while ending := _ENDING.search(text, max(len(text) - _LONGEST, 0)):  # a long vector may stand before it
        descending |= ending[1] == "DESC"
        nulls_first |= ending[2] == "FIRST"
        text = text[: ending.start()]
    if not _DISTANCE.search(text):
        return SortKey(text, None, None, "", "", False, descending, nulls_first)
    found = _peeled(_WRITTEN_OUT.sub(r"\1", text))
    text, depths = "".join(token.text for token in found), _depths(found)
    at = next((i for i, token in enumerate(found) if _operator(found, i)), None)
    if at is None:
        return _of_function(text, found, descending, nulls_first)
    left, right = _operands(found, depths, at)
    bare = depths[at] == 0 and not any(t.kind == "operator" for i, t in enumerate(found) if i != at and depths[i] == 0)
    return SortKey(text, _operator(found, at), None, left, right, bare, descending, nulls_first)


def _operator(found: list[Token], at: int) -> str | None:
    """Return the distance that a token is the operator of."""
    return found[at].text if found[at].kind in ("operator", "other") and found[at].text in OPERATORS else None


def _of_function(text: str, found: list[Token], descending: bool, nulls_first: bool) -> SortKey:
    at = next((i for i, token in enumerate(found) if token.kind == "word" and token.text in FUNCTIONS), None)
    if at is None:
        return SortKey(text, None, None, "", "", False, descending, nulls_first)
    name, depths = found[at].text, _depths(found)
    comma = next((i for i in range(at, len(found)) if found[i].text == "," and depths[i] == depths[at] + 1), None)
    left, right = _operands(found, depths, comma) if comma else ("", "")
    bare = bool(re.match(rf"(\w+\.)?{name}\(", text)) and found[-1].text == ")" and 0 not in depths[at + 2 : -1]
    is_similarity = name == "inner_product"  # the larger the nearer
    return SortKey(text, FUNCTIONS[name], name, left, right, bare, descending != is_similarity, nulls_first)


def _depths(found: list[Token]) -> list[int]:
    depths, depth = [], 0
    for token in found:
        depth -= token.text == ")"
        depths.append(depth)
        depth += token.text == "("
    return depths


def _operands(found: list[Token], depths: list[int], at: int) -> tuple[str, str]:
    """Return what stands on both sides of an operator, within its parentheses."""
    level = depths[at]
    ends = [i for i, token in enumerate(found) if depths[i] < level or (token.text == "," and depths[i] == level)]
    start = max((i + 1 for i in ends if i < at), default=0)
    end = min((i for i in ends if i > at), default=len(found))
    return ("".join(t.text for t in found[start:at]).strip(), "".join(t.text for t in found[at + 1 : end]).strip())


def peeled(text: str) -> str:
    """Return a text without the parentheses around all of it."""
    return "".join(token.text for token in _peeled(text))


def _peeled(text: str) -> list[Token]:
    """Return the tokens of a text without the parentheses around all of it."""
    found = tokens(text.strip())
    depths, around = _depths(found), 0
    while found[around].text == "(" and found[-1 - around].text == ")":
        if any(depth <= around for depth in depths[around + 1 : len(found) - 1 - around]):
            break
        around += 1
    return found[around : len(found) - around]
