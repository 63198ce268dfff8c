"""Values as Postgres reads them in text, for the types that travel so and are cast on the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def as_text(value: Any) -> str:
    """Return a value in the form that the input function of its natural type reads."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, Mapping | list | tuple) or hasattr(value, "tolist"):
        return json.dumps(value, default=plain, ensure_ascii=False)
    return str(value)


def as_array(value: Any) -> str:
    """Return a list as an array literal such as ``{"a","b",NULL}``; anything else as its text."""
    values = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(values, list | tuple | set | frozenset):
        return as_text(values)
    return "{" + ",".join(_element(v) for v in values) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list | tuple) or hasattr(value, "tolist"):
        return as_array(value)
    return '"' + as_text(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain(value: Any) -> Any:
    """Return what ``json`` knows in place of a value that it does not: numpy's, times, ids, sets, missing values."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
