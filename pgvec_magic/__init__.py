"""The notebook for Postgres vector search: load text, search it, and see why a row ranked where it did.

What is exported here is imported when it is first used, so that ``%load_ext pgvec_magic`` costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from . import errors
    from .advise import Advice, advise
    from .build import Build, build
    from .catalog.read import table
    from .compare import Comparison, Proof, compare, prove
    from .db import Database, connect, current
    from .dedupe import Groups, duplicates
    from .errors import PgvecError
    from .health import Health, health
    from .index import IndexSpec
    from .load import LoadReport, embed_table, load
    from .overview import tables
    from .panels import panel
    from .recall import RecallCurve, recall
    from .search import Explanation, Result, explain, read_plan, search, sql
    from .trial import Trial, trial

__all__ = [
    "Advice",
    "Build",
    "Comparison",
    "Database",
    "Explanation",
    "Groups",
    "Health",
    "IndexSpec",
    "LoadReport",
    "PgvecError",
    "Proof",
    "RecallCurve",
    "Result",
    "Trial",
    "advise",
    "build",
    "compare",
    "connect",
    "current",
    "duplicates",
    "embed_table",
    "errors",
    "explain",
    "health",
    "load",
    "panel",
    "prove",
    "read_plan",
    "recall",
    "search",
    "sql",
    "table",
    "tables",
    "trial",
]

_MODULES = MappingProxyType(
    {
        "Advice": "advise",
        "Comparison": "compare",
        "Build": "build",
        "Database": "db",
        "Explanation": "search",
        "Groups": "dedupe",
        "Health": "health",
        "IndexSpec": "index",
        "LoadReport": "load",
        "PgvecError": "errors",
        "Proof": "compare",
        "RecallCurve": "recall",
        "Result": "search",
        "Trial": "trial",
        "advise": "advise",
        "compare": "compare",
        "build": "build",
        "connect": "db",
        "current": "db",
        "duplicates": "dedupe",
        "embed_table": "load",
        "explain": "search",
        "health": "health",
        "load": "load",
        "panel": "panels",
        "prove": "compare",
        "read_plan": "search",
        "recall": "recall",
        "search": "search",
        "sql": "search",
        "table": "catalog",
        "tables": "overview",
        "trial": "trial",
    }
)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]


class _Package(ModuleType):
    """A verb and its module share a name, and the name here is the verb's, also once the module is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _MODULES:
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext pgvec_magic``."""
    from . import magic

    magic.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext pgvec_magic``: leaves nothing behind, connections and the embedded server's share included."""
    from . import magic

    magic.unload(shell)
