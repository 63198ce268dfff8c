"""The notebook for Postgres vector search: load text, search it, and see why a row ranked where it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import errors
from .catalog import table
from .db import Database, connect, current
from .errors import PgvecError
from .load import LoadReport, load
from .overview import tables
from .search import Result, search, sql

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = [
    "Database",
    "LoadReport",
    "PgvecError",
    "Result",
    "connect",
    "current",
    "errors",
    "load",
    "search",
    "sql",
    "table",
    "tables",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext pgvec_magic``."""
    from . import magic

    magic.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext pgvec_magic``: leaves nothing behind, connections and the embedded server's share included."""
    from . import magic

    magic.unload(shell)
