"""Which Postgres type a column of a source becomes; types by their names in ``pg_type``."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_BY_CLASS: tuple[tuple[type, str], ...] = (
    (str, "text"),
    (bool, "bool"),  # before int, of which it is one
    (int, "int8"),
    (float, "float8"),
    (decimal.Decimal, "numeric"),
    (datetime.datetime, "timestamptz"),  # before date, of which it is one
    (datetime.date, "date"),
    (datetime.time, "time"),
    (datetime.timedelta, "interval"),
    (uuid.UUID, "uuid"),
    (bytes, "bytea"),
    (dict, "jsonb"),
    (list, "jsonb"),
    (tuple, "jsonb"),
)
_BY_NUMPY_KIND = {"b": "bool", "i": "int8", "u": "int8", "f": "float8", "M": "timestamptz", "m": "interval"}
# What holds every value of several types; a mixture that is not here becomes text.
_WIDER = {
    frozenset({"int8", "float8"}): "float8",
    frozenset({"int8", "numeric"}): "numeric",
    frozenset({"float8", "numeric"}): "numeric",
    frozenset({"int8", "float8", "numeric"}): "numeric",
    frozenset({"date", "timestamptz"}): "timestamptz",
}
LARGEST = 2**63 - 1


def of_series(series: pd.Series[Any]) -> str | None:
    """Return the type for all values of a column; None when every value is null."""
    if series.dtype == "category":
        return of_series(series.cat.categories.to_series())
    kind = getattr(series.dtype, "kind", "O")
    if kind == "u" and len(series) and series.max() > LARGEST:
        return "numeric"
    if kind in _BY_NUMPY_KIND:
        return _BY_NUMPY_KIND[kind]
    values = series[series.notna()].tolist()
    classes = set(map(type, values))
    kinds = set(map(_of_class, classes))
    if int in classes and any(type(v) is int and not -LARGEST <= v <= LARGEST for v in values):
        kinds.add("numeric")
    return merged(kinds)


def merged(kinds: Iterable[str | None]) -> str | None:
    """Return the type that holds the values of all these types; None when all are None."""
    found = frozenset(kind for kind in kinds if kind is not None)
    if len(found) <= 1:
        return next(iter(found), None)
    return _WIDER.get(found, "text")


def _of_class(cls: type) -> str:
    import numpy as np

    for known, name in _BY_CLASS:
        if issubclass(cls, known):
            return name
    if issubclass(cls, np.generic):
        return _BY_NUMPY_KIND.get(np.dtype(cls).kind, "text")
    return "jsonb" if issubclass(cls, np.ndarray) else "text"


def of_arrow(kind: pa.DataType) -> str:
    """Return the type for a column of a parquet file."""
    import pyarrow.types as t

    if t.is_dictionary(kind):
        return of_arrow(kind.value_type)
    tests = (
        (t.is_uint64, "numeric"),
        (t.is_integer, "int8"),
        (t.is_floating, "float8"),
        (t.is_boolean, "bool"),
        (t.is_decimal, "numeric"),
        (t.is_timestamp, "timestamptz"),
        (t.is_date, "date"),
        (t.is_time, "time"),
        (t.is_duration, "interval"),
        (lambda k: t.is_binary(k) or t.is_large_binary(k) or t.is_fixed_size_binary(k), "bytea"),
        (t.is_nested, "jsonb"),
    )
    return next((name for test, name in tests if test(kind)), "text")
