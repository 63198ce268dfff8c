"""What is written for an option, or held by its variable -> its value; ValueError names what was expected."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable, Mapping
from keyword import iskeyword


def anything(value: object) -> object:
    """Return the value as it is."""
    return value


def text(value: object) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text")
    return value


def whole(value: object) -> int:
    """Return a whole number, written or held (numpy's too)."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value.strip()):
        return int(value)
    if isinstance(value, (str, bool)):
        raise ValueError("a whole number")
    try:
        return operator.index(value)  # type: ignore[arg-type]  # what has no __index__ raises
    except TypeError:
        raise ValueError("a whole number") from None


def wholes(value: object) -> tuple[int, ...]:
    """Return whole numbers given with commas between, in a list or an array, or the one that is given."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (whole(value),)
    return tuple(whole(part) for part in value)


def queries(value: object) -> object:
    """Return how many rows are meant, ``history``, or what a variable holds."""
    return whole(value) if isinstance(value, str) and value != "history" else value


def number(value: object) -> float:
    """Return a finite number, written or held (numpy's too)."""
    try:
        read = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        read = math.nan
    if not math.isfinite(read):
        raise ValueError("a number")
    return read


def names(value: object) -> tuple[str, ...]:
    """Return names given with commas between, or as a list of texts."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Iterable):
        raise ValueError("a list of names such as a,b")
    found = tuple(part.strip() if isinstance(part, str) else "" for part in parts)
    if not found or not all(found):
        raise ValueError("a list of names such as a,b")
    return found


def keys(value: object) -> tuple[object, ...]:
    """Return keys of rows: those of a list, an array or a column of a frame, or the one that is given."""
    if isinstance(value, (str, bytes, Mapping)):
        return (value,)
    try:
        return tuple(value)  # type: ignore[arg-type]  # what cannot be iterated is one key, numpy's 0-d arrays too
    except TypeError:
        return (value,)


def weights(value: object) -> tuple[float, ...]:
    """Return the numbers of a list such as 0.6,0.4."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError("two numbers such as 0.6,0.4")
    return tuple(number(part) for part in value)


def settings(value: object) -> tuple[tuple[str, str], ...]:
    """Return the pairs of a text ``name=value`` or of a dict."""
    if isinstance(value, Mapping):
        return tuple((str(name), setting_text(held)) for name, held in value.items())
    name, equals, written = value.partition("=") if isinstance(value, str) else ("", "", "")
    if not equals or not written.strip():
        raise ValueError("a setting such as hnsw.ef_search=100")
    return ((name.strip(), written.strip()),)


def setting_text(value: object) -> str:
    """Return a Python value as a setting is written: on and off for truth values."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def identifier(value: object) -> str:
    """Return the name of a Python variable."""
    if not isinstance(value, str) or not value.isidentifier() or iskeyword(value):
        raise ValueError("a name that a Python variable can have")
    return value
