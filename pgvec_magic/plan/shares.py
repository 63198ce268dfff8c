"""Inclusive numbers of nodes -> what each has of its own, so that all of them add up to the root's.

A node's number contains those of the nodes below it, but not always of those printed below it: a CTE runs when a ``CTE
Scan`` asks for its rows, an InitPlan when its value is first needed, and EXPLAIN prints either elsewhere. Measured
numbers also contradict one another a little, and those of processes that shared work cannot simply be taken from each
other. So each node gets a budget from the one that ran it: never more than that one has, and never less than nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

_INIT_PLAN = re.compile(r"InitPlan (\S+)(?: \(returns (.+)\))?$")


class Step(Protocol):
    """What is needed of a node."""

    @property
    def number(self) -> int:
        """Its place in the plan."""

    @property
    def details(self) -> Mapping[str, Any]:
        """What EXPLAIN said of it."""

    @property
    def children(self) -> Sequence[Step]:
        """The nodes printed below it."""


def spread(root: Step, wanted: Callable[[Step], float]) -> dict[int, tuple[float, float]]:
    """Return, by the node's number, its share of ``wanted(root)`` with and without what ran below it."""
    elsewhere = _elsewhere(root, wanted)
    by_consumer: dict[int, list[tuple[int, float]]] = {}
    for subplan, consumers in elsewhere.items():
        for number, charged in consumers.items():
            by_consumer.setdefault(number, []).append((subplan, charged))
    nodes = {node.number: node for node in _walk(root)}
    given: dict[int, tuple[float, float]] = {}
    budgets = dict.fromkeys(elsewhere, 0.0)
    waiting = dict(elsewhere)

    def give(node: Step, budget: float) -> None:
        below = [child for child in node.children if child.number not in elsewhere]
        asked = [max(wanted(child), 0.0) for child in below]
        charged = [(s, amount) for s, amount in by_consumer.get(node.number, []) if s not in given]
        together = sum(asked) + sum(amount for _, amount in charged)
        scale = min(1.0, budget / together) if together > 0 else 0.0
        for subplan, amount in charged:
            budgets[subplan] += amount * scale
        given[node.number] = budget, max(budget - together * scale, 0.0)
        for child, amount in zip(below, asked, strict=True):
            give(child, amount * scale)

    give(root, max(wanted(root), 0.0))
    while waiting:  # one that runs another has its budget before that one
        ready = [s for s, consumers in waiting.items() if consumers.keys() <= given.keys()] or list(waiting)[:1]
        for subplan in ready:
            del waiting[subplan]
            give(nodes[subplan], budgets[subplan])
    return given


def _elsewhere(root: Step, wanted: Callable[[Step], float]) -> dict[int, dict[int, float]]:
    """Return which nodes ran each CTE and each InitPlan, and how much of its number each of them has."""
    found: dict[int, dict[int, float]] = {}
    for parent in _walk(root):
        for child in parent.children:
            name = str(child.details.get("Subplan Name", ""))
            if name.startswith("CTE "):
                found[child.number] = _of_cte(parent, child, name.removeprefix("CTE "), wanted)
            elif match := _INIT_PLAN.match(name):
                found[child.number] = {_first_user(root, parent, child, match, wanted): max(wanted(child), 0.0)}
    return found


def _of_cte(parent: Step, cte: Step, name: str, wanted: Callable[[Step], float]) -> dict[int, float]:
    """Return what of a CTE each of its scans has: it made the rows as they asked for them, so by how long they took."""
    inside = {node.number for node in _walk(cte)}
    scans = {
        node.number: max(wanted(node), 0.0)
        for node in _walk(parent)
        if node.details.get("CTE Name") == name and node.number not in inside
    }
    together = sum(scans.values())
    if not together:  # a CTE that writes runs by itself
        return {parent.number: max(wanted(cte), 0.0)}
    mine = min(max(wanted(cte), 0.0), together)
    return {number: mine * amount / together for number, amount in scans.items()}


def _first_user(root: Step, parent: Step, subplan: Step, name: re.Match[str], wanted: Callable[[Step], float]) -> int:
    """Return the node that needed an InitPlan's value first: of those that name it, the one with most time to spare."""
    signs = [f"(InitPlan {name[1]})", *re.findall(r"\$\d+", name[2] or "")]
    mention = re.compile("|".join(re.escape(sign) + r"(?!\d)" for sign in signs))
    inside = {node.number for node in _walk(subplan)}
    users = [node for node in _walk(root) if node.number not in inside and _mentions(node, mention)]
    spare = {n.number: wanted(n) - sum(wanted(c) for c in n.children if c is not subplan) for n in users}
    return max(spare, key=lambda number: spare[number], default=parent.number)


def _mentions(node: Step, sign: re.Pattern[str]) -> bool:
    texts = (v for k, v in node.details.items() if k != "Subplan Name")
    return any(
        sign.search(part) for v in texts for part in (v if isinstance(v, list) else [v]) if isinstance(part, str)
    )


def _walk(node: Step) -> list[Step]:
    found, waiting = [], [node]
    while waiting:
        found.append(waiting.pop())
        waiting += reversed(found[-1].children)
    return found
