"""Python values -> what psycopg2 can send, by what the SQL does with them; nothing is registered for the whole process.

Texts, vectors, uuids and JSON are sent as literals without a type, so that the server takes them for what stands
beside them: a vector for a halfvec column, a text for a uuid, an enum or a citext.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import functools
import json
import re
import uuid
from collections.abc import Mapping, Set
from typing import Any

from ..errors import UsageError
from . import vectors

_TIMES = (datetime.date, datetime.time, datetime.datetime, datetime.timedelta)
_PLAIN = frozenset([str, bool, int, float, bytes, decimal.Decimal, *_TIMES])
# numpy counts these finer than Python's own dates and times can, and would give them as integers.
_FINE_UNITS = ("ns", "ps", "fs", "as")
# The distances, bare or as OPERATOR(schema.<=>); a % of SQL text stands twice.
_OPERATOR = r"(?:OPERATOR\s*\([^()]*?)?(?:<->|<\#>|<=>|<\+>|<~>|<%%>)(?:\s*\))?"
_USE = re.compile(
    rf"""(?:(?P<members>\b(?:ANY|ALL|SOME)\s*\()|(?P<unnest>\bunnest\s*\()|(?P<before>{_OPERATOR}))?\s*
    %\((?P<name>[^)]+)\)s
    \s*(?:::\s*(?P<cast>[\w".]+(?:\s+(?:precision|varying))?(?:\([^)]*\))?(?:\s*\[\d*\])*)
      |(?P<after>{_OPERATOR}))?""",
    re.IGNORECASE | re.VERBOSE,
)


class Use(enum.Enum):
    """What a statement does with a parameter, as far as its text tells."""

    UNKNOWN = enum.auto()
    MEMBERS = enum.auto()  # = ANY(:name): the members of a list
    ARRAY = enum.auto()  # unnest(:name), :name::int[]
    VECTOR = enum.auto()  # an operand of a distance, :name::vector
    BITS = enum.auto()  # an operand of hamming's or jaccard's, :name::bit(3)
    JSON = enum.auto()  # :name::jsonb


def bindable(sql: str, params: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters of ``sql`` as psycopg2 can bind them; UsageError for one with no SQL form.

    A list is an array behind ``ANY(``, ``unnest(`` and before ``::type[]``, JSON before ``::jsonb``, a vector beside a
    distance operator and before ``::vector``, bits beside ``<~>`` and ``<%>`` and before ``::bit(n)``; elsewhere it
    is a vector if it holds floats, else an array. A row of a scipy matrix is a sparse vector.
    """
    uses = _uses(sql) if params else {}
    return {name: _named(name, value, uses.get(name, Use.UNKNOWN)) for name, value in params.items()}


def vector_text(vector: Any) -> str:
    """Return a 1-d array as pgvector reads it; pgvector keeps float32, which nine digits give exactly."""
    import numpy as np

    with np.errstate(over="ignore"):  # pgvector says that a value is infinite, and says it better
        single = np.asarray(vector, dtype=np.float32)
    return _vector_format(len(single)) % tuple(single.tolist())


@functools.lru_cache(maxsize=256)
def _uses(sql: str) -> Mapping[str, Use]:
    return {found["name"]: use for found in _USE.finditer(sql) if (use := _use(found)) is not Use.UNKNOWN}


def _use(found: re.Match[str]) -> Use:
    cast = (found["cast"] or "").lower()
    if cast.endswith("]"):
        return Use.ARRAY
    if cast in ("json", "jsonb"):
        return Use.JSON
    operator = found["before"] or found["after"] or ""
    if "<~>" in operator or "<%%>" in operator or re.search(r"\b(var)?bit\b", cast):
        return Use.BITS
    if operator or re.search(r"\b(vector|halfvec|sparsevec)\b", cast):
        return Use.VECTOR
    if found["members"]:
        return Use.MEMBERS
    return Use.ARRAY if found["unnest"] else Use.UNKNOWN


def _named(name: str, value: object, use: Use) -> object:
    try:
        return _bindable(value, use)
    except TypeError as error:
        raise UsageError(f":{name} cannot be sent: {error}") from None


def _bindable(value: Any, use: Use) -> object:
    if type(value) in _PLAIN or value is None:
        return value
    if hasattr(value, "__array__"):  # numpy's scalars and arrays, pandas' Series and Index, tensors
        return _from_array(value, use)
    if isinstance(value, list | tuple | Set | range):
        return _from_list(list(value), use)
    if isinstance(value, Mapping):
        return _sparse(value) if use is Use.VECTOR else _json(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, enum.Enum):
        return _bindable(value.value, use)
    if type(value).__module__.startswith("pgvector."):  # its Vector, HalfVector, SparseVector and Bit
        return value.to_text()
    if hasattr(value, "tocoo"):  # scipy's sparse matrices
        return _sparse(value)
    return None if _is_missing(value) else value


def _is_missing(value: Any) -> bool:
    """Whether it is pandas' NaT or NA; neither equals itself, and NaT would pass for a datetime."""
    return type(value).__name__ in ("NaTType", "NAType")


def _from_array(value: Any, use: Use) -> object:
    import numpy as np
    from psycopg2.extensions import AsIs

    if hasattr(value, "tolist") and not isinstance(value.dtype, np.dtype):
        # pandas' own types and tensors; of the former numpy would make floats where a value is missing
        plain = value.tolist()
        return _from_list(plain, use) if isinstance(plain, list) else _bindable(plain, use)
    array = np.asarray(value)
    kind = array.dtype.kind
    if kind in "mM" and np.datetime_data(array.dtype)[0] in _FINE_UNITS:
        array = array.astype(f"{kind}8[us]")
    if array.ndim == 0:
        return _bindable(array.item(), use)
    if array.ndim == 1 and use is Use.BITS:
        return _bits(array)
    if array.ndim == 1 and (use is Use.VECTOR or (use is Use.UNKNOWN and kind == "f")):
        return AsIs(f"'{vector_text(array)}'")  # which needs no quoting: looking for quotes takes a fifth of the time
    return _from_list(array.tolist(), use)


def _from_list(values: list[Any], use: Use) -> object:
    if use is Use.JSON or any(isinstance(value, Mapping) for value in values):
        return _json(values)
    if use is Use.BITS:
        return _bits(values)
    if use is Use.VECTOR or (use is Use.UNKNOWN and _is_vector(values)):
        return f"[{','.join(str(_bindable(value, use)) for value in values)}]"
    if use is Use.MEMBERS:
        return _from_members([_bindable(value, use) for value in values])
    return [_bindable(value, Use.ARRAY) for value in values]


def _bits(value: Any) -> str:
    import numpy as np

    try:
        return (vectors.bits(value) + np.uint8(ord("0"))).tobytes().decode()
    except ValueError as error:
        raise TypeError(f"a vector {error}") from None


def _sparse(value: Any) -> str:
    try:
        return str(vectors.sparse(value).to_text())
    except ValueError as error:
        raise TypeError(f"a vector {error}") from None


def _is_vector(values: list[Any]) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return numbers and any(isinstance(value, float) for value in values)


def _from_members(values: list[object]) -> object:
    """Return texts as an array literal without a type, which an ARRAY of them has; others as a list."""
    if not any(isinstance(value, str) for value in values):
        return values
    return "{" + ",".join("NULL" if value is None else _member(str(value)) for value in values) + "}"


def _member(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _json(value: object) -> str:
    return json.dumps(value, default=_json_value, ensure_ascii=False)


def _json_value(value: Any) -> object:
    """Return a value that JSON has no form for in one that it has; TypeError when there is none."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Set):
        return list(value)
    if _is_missing(value):
        return None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, uuid.UUID | decimal.Decimal | enum.Enum):
        return str(value.value if isinstance(value, enum.Enum) else value)
    raise TypeError(f"JSON has no form for a {type(value).__name__}")


@functools.lru_cache(maxsize=32)
def _vector_format(dimensions: int) -> str:
    return "[" + ",".join(["%.9g"] * dimensions) + "]"
