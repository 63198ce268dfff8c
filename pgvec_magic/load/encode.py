"""Columns of a frame -> COPY's binary form, a column at a time.

A field is one column's payloads: an array, one item a row, where no value is missing, else a list of bytes with None
for NULL. Vectors are an array (n, d): float32 for vector, float16 for halfvec, bool for bit; a list for sparsevec. What
cannot be encoded is told by position, with the reason.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from .literal import as_text, plain
from .wire import items, payload, side_by_side, vector_parts

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from .wire import Bad, Field

    Column = pd.Series[Any]

T = TypeVar("T")
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8  # no flags, no extension
_EPOCH = 946_684_800_000_000  # 2000-01-01 in microseconds of Unix time
_DAY = 86_400_000_000


def field(column: Column, kind: str) -> tuple[Field, Bad]:
    """Return a column as the type ``kind`` (a name of ``ENCODED``), and what cannot be that, by position."""
    return ENCODED[kind](column)


def rows(fields: Mapping[str, Field], count: int) -> bytes:
    """Return ``count`` rows of these fields, complete with header and trailer."""
    import numpy as np

    pieces: list[list[bytes]] = []
    block: list[NDArray[Any]] = [np.full(count, len(fields), ">i2")]
    for values in fields.values():
        if isinstance(values, list):
            lengths, payloads = _measured(values)
            pieces += [side_by_side([*block, lengths]), payloads]
            block = []
        else:
            parts = vector_parts(values) if values.ndim == 2 else [values]
            width = sum(part[:1].nbytes for part in parts) if count else 0
            block += [np.full(count, width, ">i4"), *parts]
    if block:
        pieces.append(side_by_side(block))
    return b"".join([_SIGNATURE, *chain.from_iterable(zip(*pieces, strict=True)), b"\xff\xff"])


def _measured(values: list[bytes | None]) -> tuple[NDArray[Any], list[bytes]]:
    """Return the lengths of payloads as COPY wants them, -1 for NULL, and the payloads themselves."""
    import numpy as np

    payloads = values if None not in values else [value or b"" for value in values]
    lengths = np.fromiter(map(len, payloads), ">i4", len(values))  # type: ignore[arg-type]
    if payloads is not values:
        lengths[[value is None for value in values]] = -1
    return lengths, payloads  # type: ignore[return-value]


def _with_nulls(array: NDArray[Any], nulls: NDArray[np.bool_]) -> Field:
    if not nulls.any():
        return array
    return [None if null else item for item, null in zip(items(array), nulls.tolist(), strict=True)]


def _each(column: Column, convert: Callable[[Any], T], what: str, missing: T) -> tuple[list[T], Bad]:
    """Convert the values one by one; ``missing`` stands for nulls and for what cannot be converted."""
    bad: Bad = {}
    out = []
    for i, (value, null) in enumerate(zip(column.tolist(), column.isna().tolist(), strict=True)):
        converted = missing
        if not null:
            try:
                converted = convert(value)
            except (ValueError, TypeError, OverflowError, AttributeError):
                bad[i] = f"{column.name}: {_shown(value)} is not {what}"
        out.append(converted)
    return out, bad


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 50 else f"{text[:50]}…"


def _integer(bits: int) -> Callable[[Column], tuple[Field, Bad]]:
    largest = 2 ** (bits - 1) - 1
    what = f"a whole number of {bits} bits"

    def whole(value: Any) -> int:
        number = int(value)
        if (isinstance(value, float) and number != value) or not -largest - 1 <= number <= largest:
            raise ValueError
        return number

    def encoded(column: Column) -> tuple[Field, Bad]:
        import numpy as np

        nulls = column.isna().to_numpy()
        if bits == 64 and (column.dtype.kind == "i" or column.dtype in ("uint8", "uint16", "uint32")):
            return _with_nulls(column.to_numpy(np.int64, na_value=0).astype(">i8"), nulls), {}
        values, bad = _each(column, whole, what, 0)
        return _with_nulls(np.array(values, f">i{bits // 8}"), nulls), bad

    return encoded


def _float(bits: int) -> Callable[[Column], tuple[Field, Bad]]:
    def encoded(column: Column) -> tuple[Field, Bad]:
        import numpy as np

        bad: Bad = {}
        if column.dtype.kind in "iuf":
            values = column.to_numpy(np.float64, na_value=np.nan)
        else:
            listed, bad = _each(column, float, "a number", 0.0)
            values = np.array(listed, np.float64)
        with np.errstate(over="ignore"):
            packed = values.astype(f">f{bits // 8}")
        for i in np.flatnonzero(np.isinf(packed) & ~np.isinf(values)).tolist():
            bad[i] = f"{column.name}: {values[i]} is too large for {bits} bits"
        return _with_nulls(packed, column.isna().to_numpy()), bad

    return encoded


def _boolean(column: Column) -> tuple[Field, Bad]:
    import numpy as np

    words = {True: True, False: False, "true": True, "false": False, "t": True, "f": False}

    def truth(value: Any) -> bool:
        return words[value.lower() if isinstance(value, str) else value]

    def known(value: Any) -> bool:
        try:
            return truth(value)
        except KeyError:
            raise ValueError from None

    values, bad = _each(column, known, "true or false", False)
    return _with_nulls(np.array(values, "?"), column.isna().to_numpy()), bad


def _text(column: Column) -> tuple[Field, Bad]:
    values = column.tolist()
    with contextlib.suppress(TypeError, UnicodeEncodeError):  # not all are texts, or they are no good ones
        if "\0" not in "".join(values):
            return list(map(str.encode, values)), {}
    return _each(column, _characters, "text that Postgres can hold (a NUL, or half of a surrogate pair)", None)


def _characters(value: Any) -> bytes | None:
    encoded = as_text(value).encode()
    if b"\0" in encoded:
        raise ValueError
    return encoded


def _document(prefix: bytes) -> Callable[[Column], tuple[Field, Bad]]:
    def document(value: Any) -> bytes | None:
        if isinstance(value, str):
            json.loads(value)
            text = value
        else:
            text = json.dumps(value, default=plain, ensure_ascii=False, allow_nan=False)
        if prefix and "\\u0000" in text:
            raise ValueError
        return prefix + text.encode()

    return lambda column: _each(column, document, "a JSON value that Postgres can hold", None)


def _microseconds(column: Column) -> tuple[NDArray[np.int64], Bad]:
    """Return microseconds since 2000; a time without a zone is taken as UTC."""
    import numpy as np
    import pandas as pd

    if column.dtype.kind == "M":
        stamps = pd.to_datetime(column, utc=True)
    else:
        stamps = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    bad = {
        int(i): f"{column.name}: {_shown(column.iloc[i])} is not a time (ISO 8601)"
        for i in np.flatnonzero((stamps.isna() & column.notna()).to_numpy())
    }
    return stamps.dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64) - _EPOCH, bad


def _timestamp(column: Column) -> tuple[Field, Bad]:
    stamps, bad = _microseconds(column)
    return _with_nulls(stamps.astype(">i8"), column.isna().to_numpy()), bad


def _date(column: Column) -> tuple[Field, Bad]:
    stamps, bad = _microseconds(column)
    return _with_nulls((stamps // _DAY).astype(">i4"), column.isna().to_numpy()), bad


def _vector(kind: str) -> Callable[[Column], tuple[Field, Bad]]:
    """Read vectors beside those of the load: some may be missing, and each may have dimensions of its own."""
    return lambda column: _each(column, lambda value: payload(value, kind), f"a {kind}", None)


def _uuid(column: Column) -> tuple[Field, Bad]:
    def packed(value: Any) -> bytes | None:
        return (value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))).bytes

    return _each(column, packed, "a UUID", None)


def _bytes(column: Column) -> tuple[Field, Bad]:
    def packed(value: Any) -> bytes | None:
        if isinstance(value, int):  # bytes(3) would be three zeros
            raise TypeError
        return bytes(value)

    return _each(column, packed, "bytes", None)


ENCODED: Mapping[str, Callable[[Column], tuple[Field, Bad]]] = MappingProxyType(
    {
        "int2": _integer(16),
        "int4": _integer(32),
        "int8": _integer(64),
        "float4": _float(32),
        "float8": _float(64),
        "bool": _boolean,
        "text": _text,
        "varchar": _text,
        "bpchar": _text,
        "json": _document(b""),
        "jsonb": _document(b"\x01"),
        "timestamptz": _timestamp,
        "timestamp": _timestamp,
        "date": _date,
        "uuid": _uuid,
        "bytea": _bytes,
        "vector": _vector("vector"),
        "halfvec": _vector("halfvec"),
        "sparsevec": _vector("sparsevec"),
        "bit": _vector("bit"),
        "varbit": _vector("bit"),
    }
)
