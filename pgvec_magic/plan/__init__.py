"""EXPLAIN output of any version, as JSON or as text -> a frozen tree with times that add up; no database."""

from .node import Blocks, Node, Plan, Remote, Time, Trigger
from .read import read

__all__ = ["Blocks", "Node", "Plan", "Remote", "Time", "Trigger", "read"]
