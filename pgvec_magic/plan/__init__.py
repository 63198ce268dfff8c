"""EXPLAIN output of any version, as JSON or as text -> a frozen tree with times that add up; no database."""

from .changes import changes
from .elide import elide
from .estimates import misestimate, stopped_early
from .node import Blocks, Node, Plan, Remote, Time, Trigger, of_shard
from .read import read
from .words import facts, measured, milliseconds

__all__ = [
    "Blocks",
    "Node",
    "Plan",
    "Remote",
    "Time",
    "Trigger",
    "changes",
    "elide",
    "facts",
    "measured",
    "milliseconds",
    "misestimate",
    "of_shard",
    "read",
    "stopped_early",
]
