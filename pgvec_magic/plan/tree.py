"""What EXPLAIN's JSON format says of a statement -> ``Plan``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any

from .node import Node, Plan, Remote, Time, Trigger, blocks_of, has_blocks
from .shares import Step, spread
from .times import times

_TOUCHED = tuple(f"{where} {what} Blocks" for where in ("Shared", "Local") for what in ("Hit", "Read"))
_NUMBERS = re.compile(r"(Actual|Plan|Startup|Total) \w+( Time)?|Rows Removed by .+|(Shared|Local|Temp) \w+ Blocks")
_DEEPEST = 200  # no statement's plan is, and Python's own limit is not far


@dataclass(frozen=True, slots=True, eq=False)
class _Raw:
    """A node before anything is computed of it."""

    number: int
    details: Mapping[str, Any]
    children: tuple[_Raw, ...]


def plan_of(document: Mapping[str, Any]) -> Plan:
    """Return the plan that a statement's object describes."""
    raw = _raw(document["Plan"], iter(range(1_000_000)), _DEEPEST)
    timed, costs, blocks = times(raw), spread(raw, _cost), spread(raw, _touched) if _any_blocks(raw) else {}
    serialization, jit = (_time(document.get(name)) for name in ("Serialization", "JIT"))
    return Plan(
        root=_node(raw, timed, costs, blocks),
        planning=_float(document.get("Planning Time")),
        execution=_float(document.get("Execution Time")),
        serialization=serialization,
        jit=jit,
        triggers=tuple(_triggers(document)),
        settings=dict(document.get("Settings") or {}),
        document=document,
    )


def _raw(details: Mapping[str, Any], numbers: Iterator[int], deep: int) -> _Raw:
    if not deep:
        raise RecursionError
    for key, value in details.items():
        if _is_number(key) and not (isinstance(value, int | float) and isfinite(value)):
            raise ValueError(f"{key} is {value!r}")
    number = next(numbers)
    below = [child for child in details.get("Plans") or () if isinstance(child, Mapping)]
    return _Raw(number, details, tuple(_raw(child, numbers, deep - 1) for child in below))


@lru_cache(maxsize=256)  # EXPLAIN has some eighty names
def _is_number(name: str) -> bool:
    return _NUMBERS.fullmatch(name) is not None


def _node(
    raw: _Raw,
    timed: Mapping[int, Time],
    costs: Mapping[int, tuple[float, float]],
    blocks: Mapping[int, tuple[float, float]],
) -> Node:
    return Node(
        number=raw.number,
        details={key: value for key, value in raw.details.items() if key != "Plans"},
        children=tuple(_node(child, timed, costs, blocks) for child in raw.children),
        time=timed.get(raw.number),
        blocks=blocks_of(raw.details, round(blocks[raw.number][1])) if blocks else None,
        cost=costs[raw.number][1],
        remote=tuple(_remotes(raw.details)),
    )


def _any_blocks(raw: _Raw) -> bool:
    return has_blocks(raw.details) or any(map(_any_blocks, raw.children))


def _cost(step: Step) -> float:
    return float(step.details.get("Total Cost", 0.0))


def _touched(step: Step) -> float:
    return float(sum(step.details.get(key, 0) for key in _TOUCHED))


def _remotes(details: Mapping[str, Any]) -> Iterator[Remote]:
    """Yield what Citus tells of its workers: a task each, and what it did there."""
    query = details.get("Distributed Query")
    for task in (query or {}).get("Job", {}).get("Tasks", ()):
        found = task.get("Remote Plan")
        while isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, Mapping) and "Plan" in found:
            yield Remote(str(task.get("Node", "?")), task.get("Query"), plan_of(found))


def _triggers(document: Mapping[str, Any]) -> Iterator[Trigger]:
    for found in document.get("Triggers") or ():
        name = found.get("Trigger Name") or found.get("Constraint Name") or "?"
        yield Trigger(str(name), found.get("Relation"), int(found.get("Calls", 0)), float(found.get("Time", 0.0)))


def _time(found: Any) -> float | None:
    """Return the milliseconds of a part beside the tree: its ``Time``, or the total of its ``Timing``."""
    if not isinstance(found, Mapping):
        return None
    timing = found.get("Timing")
    return _float(timing.get("Total") if isinstance(timing, Mapping) else found.get("Time"))


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
