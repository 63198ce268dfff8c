"""Two plans -> what really changed between them."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from .elide import elide
from .node import Node, Plan
from .words import count, milliseconds

_NOISE, _LEAST = 1.5, 0.5  # a time within this factor, or of fewer milliseconds, says nothing in one run each
_CONDITIONS = ("Order By", "Index Cond", "Filter", "Recheck Cond", "Sort Key", "Sort Method", "Sort Space Type")


def changes(before: Plan, after: Plan) -> list[str]:
    """Return sentences on the steps that came, went or do something else, and on rows, pages and times that differ.

    Estimates and costs are left out: what the planner thinks of a step is told by the steps that it chose.
    """
    one, other = before.nodes, after.nodes
    matched = SequenceMatcher(None, [_sign(n) for n in one], [_sign(n) for n in other], autojunk=False)
    said: list[str] = []
    for how, a, b, c, d in matched.get_opcodes():
        if how == "equal":
            said += [line for pair in zip(one[a:b], other[c:d], strict=True) for line in _differences(*pair)]
        elif how == "replace" and b - a == d - c:
            said += [f"{x.label} became {y.label}" for x, y in zip(one[a:b], other[c:d], strict=True)]
        else:
            said += [f"gone: {node.label}" for node in one[a:b]]
            said += [f"new: {node.label}" for node in other[c:d]]
    return [*_of_statement(before, after), *said]


def _sign(node: Node) -> tuple[str, str | None]:
    return node.label, node.details.get("Parent Relationship")


def _of_statement(before: Plan, after: Plan) -> Iterator[str]:
    if before.execution is not None and after.execution is not None:
        yield from _time("execution", before.execution, after.execution)
    for name in sorted(before.settings.keys() | after.settings.keys()):
        one, other = (plan.settings.get(name, "its default") for plan in (before, after))
        if one != other:
            yield f"{name}: {one} → {other}"


def _differences(before: Node, after: Node) -> Iterator[str]:
    name = after.label
    for key in _CONDITIONS:
        one, other = before.details.get(key), after.details.get(key)
        if one != other:
            yield f"{name}: {key} {_shown(one)} → {_shown(other)}"
    for what, one, other in (
        ("rows", before.rows, after.rows),
        ("rows removed by the filter", before.removed(), after.removed()),
    ):
        if one is not None and other is not None and round(one) != round(other):
            yield f"{name}: {count(one)} → {count(other)} {what}"
    if before.time and after.time:
        yield from _time(name, before.time.own, after.time.own)
    if before.blocks and after.blocks and _apart(before.blocks.own, after.blocks.own, 8):
        yield f"{name}: {before.blocks.own:,} → {after.blocks.own:,} pages"


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return elide(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def _time(name: str, before: float, after: float) -> Iterator[str]:
    if _apart(before, after, _LEAST):
        yield f"{name}: {milliseconds(before)} → {milliseconds(after)}"


def _apart(before: float, after: float, least: float) -> bool:
    low, high = sorted((before, after))
    return high - low > least and high > _NOISE * low
