"""What the clock on the wall saw of each node, from times that EXPLAIN gives as averages over loops and processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .node import Time
from .shares import Step, spread


@dataclass(frozen=True, slots=True)
class _Measured:
    """All of a node's milliseconds, in how many processes they went by, and in the one that took longest, if told.

    ``gathered`` is the time of the Gather above, None where there is none and one process did it all.
    """

    total: float
    processes: float
    slowest: float
    gathered: float | None

    @property
    def wall(self) -> float:
        return max(self.total / self.processes, self.slowest)

    def time(self, wall: float, own: float) -> Time:
        if self.gathered is None:
            return Time(self.total, wall, own, wall, wall)
        most = min(self.total, self.gathered)
        return Time(self.total, wall, own, min(self.wall, most), most)


def times(root: Step) -> dict[int, Time]:
    """Return each node's time by its number; none where EXPLAIN did not measure them."""
    if "Actual Total Time" not in root.details:
        return {}
    measured: dict[int, _Measured] = {}
    _measure(root, 1, 1.0, None, measured)
    shares = spread(root, lambda node: measured[node.number].wall)
    return {number: measured[number].time(*share) for number, share in shares.items()}


def _measure(node: Step, launched: int, gathers: float, gathered: float | None, found: dict[int, _Measured]) -> None:
    """Follow the tree with the processes that the Gather above has, how often it ran, and its time.

    A node ran in as many of them as its loops say and no more: in each, or in one, whatever the Gather launched.
    """
    loops, total = float(node.details.get("Actual Loops", 0)), _total(node.details)
    processes = max(1.0, min(loops / max(gathers, 1.0), launched))
    found[node.number] = _Measured(total, processes, _slowest(node.details), gathered)
    if node.details.get("Node Type") in ("Gather", "Gather Merge"):
        launched, gathers, gathered = int(node.details.get("Workers Launched", 0)) + 1, loops, total
    for child in node.children:
        if child.details.get("Parent Relationship") == "InitPlan":
            _measure(child, 1, 1.0, None, found)  # the leader alone runs it
        else:
            _measure(child, launched, gathers, gathered, found)


def _total(details: Mapping[str, Any]) -> float:
    return float(details.get("Actual Total Time", 0.0)) * float(details.get("Actual Loops", 0))


def _slowest(details: Mapping[str, Any]) -> float:
    """Return the time of the slowest process: the leader has what the workers leave; 0 where none are told."""
    workers = [_total(worker) for worker in details.get("Workers") or () if "Actual Total Time" in worker]
    leader = _total(details) - sum(workers)
    return min(max(leader, *workers), _total(details)) if workers else 0.0
