"""Python values <-> SQL: what psycopg2 does not know, without registering anything for the whole process."""

from __future__ import annotations

import datetime
import decimal
import functools
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_PLAIN = (str, bool, int, float, bytes, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal)
_LIST_OPERAND = re.compile(r"\b(?:ANY|ALL|SOME|unnest)\s*\(\s*%\(([^)]+)\)s", re.IGNORECASE)


class Literal:
    """A value that is already SQL text; psycopg2 asks it for its quoted form."""

    def __init__(self, sql: str) -> None:
        self._sql = sql

    def __conform__(self, protocol: object) -> Literal:
        """Return itself: it follows psycopg2's ISQLQuote protocol."""
        return self

    def getquoted(self) -> bytes:
        """Return the SQL text, encoded."""
        return self._sql.encode()


def bindable(sql: str, params: Mapping[str, object]) -> dict[str, object]:
    """Return parameters as psycopg2 can bind them; a list inside ``ANY(…)`` stays a list, one of floats is a vector."""
    lists = set(_LIST_OPERAND.findall(sql))
    return {name: _bindable(value, name in lists) for name, value in params.items()}


def _bindable(value: Any, as_list: bool) -> object:
    if type(value) in _PLAIN or value is None:
        return value
    if isinstance(value, Mapping):
        return _json(value)
    if isinstance(value, uuid.UUID):
        return Literal(f"'{value}'::uuid")
    if hasattr(value, "to_text"):  # pgvector's Vector, HalfVector, SparseVector and Bit
        return Literal(f"'{value.to_text()}'")
    if hasattr(value, "tolist"):  # numpy's scalars and arrays, pandas' Series and Index
        return _from_numpy(value, as_list)
    if isinstance(value, list | tuple | set | frozenset):
        return _from_list(list(value), as_list)
    if _is_missing(value):
        return None
    return value


def _is_missing(value: Any) -> bool:
    """Whether it is pandas' NaT or NA; neither equals itself, and NaT would pass for a datetime."""
    return type(value).__name__ in ("NaTType", "NAType")


def _from_numpy(value: Any, as_list: bool) -> object:
    if getattr(value, "ndim", 0) == 0:
        return _bindable(value.item(), as_list)
    if value.ndim == 1 and value.dtype.kind == "f" and not as_list:
        return Literal(f"'{vector_text(value)}'")
    return _from_list(value.tolist(), as_list)


def _from_list(values: list[Any], as_list: bool) -> object:
    if values and not as_list and all(_is_number(v) for v in values) and any(isinstance(v, float) for v in values):
        return Literal(f"'[{','.join(map(repr, values))}]'")
    if any(isinstance(v, Mapping) for v in values):
        return _json(values)
    return [_bindable(v, as_list=True) for v in values]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _json(value: object) -> object:
    from psycopg2.extras import Json

    return Json(value)


def vector_text(vector: Any) -> str:
    """Return a 1-d array as pgvector reads it; pgvector keeps float32, which nine digits give exactly."""
    return _vector_format(len(vector)) % tuple(vector.tolist())


@functools.lru_cache(maxsize=32)
def _vector_format(dimensions: int) -> str:
    return "[" + ",".join(["%.9g"] * dimensions) + "]"


def read_vector(text: str | None, cursor: object = None) -> np.ndarray | None:
    """Return pgvector's text form as a float32 array, shape (dimensions,)."""
    import numpy as np

    return None if text is None else np.array(text[1:-1].split(","), dtype=np.float32)
