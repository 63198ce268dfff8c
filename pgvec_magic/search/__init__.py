"""Searching: one call in, one ``Result`` out."""

from .explaining import explain, explained, read_plan
from .explanation import Explanation
from .people import sql
from .result import Result
from .run import dry_run, search

__all__ = ["Explanation", "Result", "dry_run", "explain", "explained", "read_plan", "search", "sql"]
