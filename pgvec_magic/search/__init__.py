"""Searching: one call in, one ``Result`` out."""

from .people import sql
from .result import Result
from .run import dry_run, search

__all__ = ["Result", "dry_run", "search", "sql"]
