"""A plan as a frozen tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_BLOCKS = tuple((f"Shared {what} Blocks", f"Local {what} Blocks") for what in ("Hit", "Read", "Dirtied", "Written"))
_NAMES = ("Relation Name", "CTE Name", "Function Name", "Tuplestore Name", "Table Function Name")


@dataclass(frozen=True, slots=True)
class Time:
    """Milliseconds of one node, all its loops together.

    ``total`` is the time of all processes, with the nodes below it. ``wall`` is what of that the clock on the wall saw,
    and ``own`` that without the nodes below: the ``own`` of all nodes add up to the root's ``wall``. Where several
    processes shared the work the clock saw no less than ``least`` and no more than ``most``; elsewhere these are equal.
    """

    total: float
    wall: float
    own: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Blocks:
    """Pages of 8 kB that a node and those below it touched, in all processes; ``own`` is hit and read of its own."""

    hit: int
    read: int
    dirtied: int
    written: int
    temp_read: int
    temp_written: int
    own: int


@dataclass(frozen=True, eq=False)
class Node:
    """One step of a plan; ``details`` is all that EXPLAIN said of it, by the keys of its JSON format.

    ``number`` counts from 0 in the order in which EXPLAIN prints. ``time`` is None where it was not measured, ``cost``
    is the planner's, without the nodes below, and ``remote`` holds what other servers did for this node.
    """

    number: int
    details: Mapping[str, Any]
    children: tuple[Node, ...]
    time: Time | None
    blocks: Blocks | None
    cost: float
    remote: tuple[Remote, ...] = ()

    @property
    def kind(self) -> str:
        """``Index Scan``, ``Sort``, ``Limit``, …"""
        return str(self.details.get("Node Type", "?"))

    @property
    def label(self) -> str:
        """The kind as EXPLAIN's text has it, with what it works on: ``Parallel Seq Scan on docs``."""
        from .titles import title

        return title(self.details)

    @property
    def relation(self) -> str | None:
        """The table, CTE or function it reads."""
        return next((str(self.details[name]) for name in _NAMES if name in self.details), None)

    @property
    def index(self) -> str | None:
        """The index it reads."""
        found = self.details.get("Index Name")
        return None if found is None else str(found)

    @property
    def loops(self) -> int | None:
        """How often it ran, in all processes together; 0: never, None: not known."""
        found = self.details.get("Actual Loops")
        return None if found is None else int(found)

    @property
    def rows(self) -> float | None:
        """How many rows it gave, in all loops; None where nothing was measured."""
        found = self.details.get("Actual Rows")
        return None if found is None or self.loops is None else float(found) * self.loops

    @property
    def estimate(self) -> float | None:
        """How many rows the planner thought it would give, in one loop."""
        found = self.details.get("Plan Rows")
        return None if found is None else float(found)

    @property
    def executed(self) -> bool:
        """Whether it ran, as far as is known."""
        return self.loops != 0

    def removed(self, by: str = "Filter") -> float:
        """How many rows ``Filter``, ``Join Filter`` or ``Index Recheck`` removed, in all loops."""
        return float(self.details.get(f"Rows Removed by {by}", 0)) * (self.loops or 0)

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it on this server, in the order in which EXPLAIN prints them."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Remote:
    """What another server did: where, the SQL it was sent (None if not told), its plan."""

    place: str
    sql: str | None
    plan: Plan


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that fired, its calls and their milliseconds together."""

    name: str
    table: str | None
    calls: int
    milliseconds: float


@dataclass(frozen=True, eq=False)
class Plan:
    """A statement's plan; times in milliseconds, None where EXPLAIN did not say.

    ``settings`` are the planner's that differ from their defaults, without ``hnsw.*`` and ``ivfflat.*``, which EXPLAIN
    leaves out; ``document`` is the EXPLAIN (FORMAT JSON) that other viewers read; ``serialization`` is the time of
    turning rows into text for the client, ``jit`` that of compiling, which the nodes' own times contain.
    """

    root: Node
    planning: float | None
    execution: float | None
    serialization: float | None
    jit: float | None
    triggers: tuple[Trigger, ...]
    settings: Mapping[str, str]
    document: Mapping[str, Any]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes on this server, in the order in which EXPLAIN prints them."""
        return tuple(self.root.walk())

    @property
    def everywhere(self) -> Iterator[tuple[Plan, Node]]:
        """Yield all nodes with their plan, those on other servers too."""
        for node in self.nodes:
            yield self, node
            for remote in node.remote:
                yield from remote.plan.everywhere

    @property
    def analyzed(self) -> bool:
        """Whether the statement ran."""
        return any(node.loops is not None for node in self.nodes)

    @property
    def timed(self) -> bool:
        """Whether the nodes have times; EXPLAIN (ANALYZE, TIMING OFF) gives none."""
        return self.root.time is not None

    @property
    def outside(self) -> dict[str, float]:
        """What the execution took outside of the tree, so that with the root's time it adds up to ``execution``."""
        parts = {f"trigger {trigger.name}": trigger.milliseconds for trigger in self.triggers}
        if self.serialization:
            parts["serialization"] = self.serialization
        if self.execution is not None and self.root.time is not None:
            left = self.execution - self.root.time.wall - sum(parts.values())
            parts["start and end"] = max(left, 0.0)
        return parts

    def parents(self) -> dict[int, Node]:
        """Return each node's parent on this server, by the node's number."""
        return {child.number: node for node in self.nodes for child in node.children}


def of_shard(name: str) -> str:
    """Return the table or index that a shard is part of by its name: ``docs`` of ``docs_102008``."""
    return re.sub(r"_\d+$", "", name)


def has_blocks(details: Mapping[str, Any]) -> bool:
    """Whether EXPLAIN told of pages; its text leaves zeros out, its JSON says them."""
    return any(key.endswith(" Blocks") and key.startswith(("Shared ", "Local ", "Temp ")) for key in details)


def blocks_of(details: Mapping[str, Any], own: int) -> Blocks:
    """Return the pages that a node's details tell of, shared and local together."""
    hit, read, dirtied, written = (int(details.get(one, 0)) + int(details.get(other, 0)) for one, other in _BLOCKS)
    temp_read, temp_written = (int(details.get(f"Temp {what} Blocks", 0)) for what in ("Read", "Written"))
    return Blocks(hit, read, dirtied, written, temp_read, temp_written, own)
