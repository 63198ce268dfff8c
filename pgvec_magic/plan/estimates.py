"""How far the planner's guess of the rows was off, where a guess was made at all."""

from __future__ import annotations

from collections.abc import Iterator

from .node import Node, Plan

# What takes all rows from below before it gives its first: no LIMIT above stops what feeds it.
_TAKE_ALL = frozenset(["Sort", "Hash", "Bitmap Heap Scan", "BitmapAnd", "BitmapOr", "ModifyTable", "SetOp"])
_NO_COUNT = frozenset(["BitmapAnd", "BitmapOr"])  # EXPLAIN prints 0 rows for them


def stopped_early(plan: Plan) -> frozenset[int]:
    """Return the numbers of the nodes that gave no more rows because a LIMIT above had enough, or a semi-join one.

    What the planner expects of such a node is what it would give if it ran to its end, which nobody wanted.
    """
    return frozenset(node.number for node in _stopped(plan.root, stopping=False))


def _stopped(node: Node, *, stopping: bool) -> Iterator[Node]:
    if stopping:
        yield node
    goes_on = _has_enough(node) or (stopping and not _takes_all(node))
    is_semi = node.details.get("Join Type") in ("Semi", "Anti") and node.kind == "Nested Loop"
    for child in node.children:
        relation = child.details.get("Parent Relationship")
        yield from _stopped(child, stopping=relation != "InitPlan" and (goes_on or (is_semi and relation == "Inner")))


def _has_enough(node: Node) -> bool:
    return node.kind == "Limit" and bool(node.loops) and (node.rows or 0) >= (node.estimate or 0) * (node.loops or 1)


def _takes_all(node: Node) -> bool:
    return node.kind in _TAKE_ALL or (node.kind == "Aggregate" and node.details.get("Strategy") != "Sorted")


def misestimate(node: Node) -> float | None:
    """Return how many times more rows came than the planner expected, below 1 if fewer; None if that is not known.

    Both count as at least one row, which is the least that the planner ever expects.
    """
    if not node.loops or node.rows is None or node.estimate is None or node.kind in _NO_COUNT:
        return None
    return max(node.rows / node.loops, 1.0) / max(node.estimate, 1.0)
