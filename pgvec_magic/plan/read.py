"""The text of a plan, in any of its forms -> ``Plan``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..errors import UsageError
from . import fromtext
from .frames import unframed
from .node import Plan
from .tree import plan_of

_PASTE = "paste all of what EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) printed, or its text"


def read(source: str | Mapping[str, Any] | list[Any]) -> Plan:
    """Return the plan in EXPLAIN's output: text as psql and others print it, JSON as text, or what JSON holds.

    Raises UsageError for what is no plan of Postgres.
    """
    try:
        return _read(source)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        what = "it goes too deep" if isinstance(error, RecursionError) else str(error)
        raise UsageError(f"this begins as a plan, but cannot be read to its end: {what}", _PASTE) from error


def _read(source: str | Mapping[str, Any] | list[Any]) -> Plan:
    if not isinstance(source, str):
        return plan_of(_document(source))
    if source.lstrip()[:1] in ("[", "{"):
        with suppress(ValueError):  # it may be framed
            return plan_of(_document(json.loads(source)))
    lines = unframed(source)
    if not lines:
        raise UsageError("the plan is empty", _PASTE)
    text = "\n".join(lines)
    begins = text.lstrip()
    if begins[0] in "[{":
        return plan_of(_document(_json(begins)))
    if begins.startswith(("<explain", "<?xml", "- Plan:")):
        kind = "YAML" if begins[0] == "-" else "XML"
        raise UsageError(f"this plan is in {kind}, which is not read here", _PASTE)
    return plan_of(fromtext.document(lines))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"this plan begins as JSON and is none: {error}", f"is its end missing? {_PASTE}") from error


def _document(found: Any) -> Mapping[str, Any]:
    """Return the object of one statement, whatever lists it stands in."""
    while isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, list) and sum(isinstance(each, Mapping | list) for each in found) > 1:
        raise UsageError(f"this holds {len(found)} plans", "read one at a time")
    if isinstance(found, Mapping) and "Node Type" in found:
        found = {"Plan": found}
    plan = found.get("Plan") if isinstance(found, Mapping) else None
    if not isinstance(plan, Mapping) or "Node Type" not in plan:
        raise UsageError("this JSON holds no plan of Postgres: there is no Plan with a Node Type in it", _PASTE)
    return dict(found)
