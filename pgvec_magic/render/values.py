"""One value as plain text: numbers, times, JSON, bytes, and vectors as ``dim, norm, first 3 …``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime, time
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

from .safe import head


def text_of(value: object, width: int = 80) -> str:
    """Return a value as short plain text on one line, at most ``width`` terminal columns wide."""
    return head(plain_text(value), width)


def plain_text(value: object) -> str:
    """Return a value as text of any length, which is not yet safe to show."""
    if isinstance(value, str):
        return value
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_number(value):
        return number_texts([value])[0] or ""
    if isinstance(value, datetime | time):
        return _clock_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{memoryview(value).nbytes:,} bytes"
    if (vector := _vector_text(value)) is not None:
        return vector
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _clock_text(value: datetime | time) -> str:
    precision = "milliseconds" if value.microsecond else "seconds"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec=precision)
    return value.isoformat(timespec=precision)


def bytes_text(count: float) -> str:
    """Return a size in bytes as people write it, such as ``1.4 GB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


# --- numbers ---------------------------------------------------------------------------------------------------------


def is_number(value: object) -> bool:
    """Tell whether a value is a number to align right; true and false are not."""
    return type(value) in (int, float) or (isinstance(value, Real | Decimal) and not isinstance(value, bool))


def number_texts(values: Sequence[Any], digits: int = 4) -> list[str | None]:
    """Return numbers with one count of decimals: ``digits`` significant ones for the largest, no zeros all share."""
    floats = [None if v is None or _is_exact(v) else float(v) for v in values]
    decimals = _decimals([v for v in floats if v is not None and math.isfinite(v)], digits)
    return [
        None if value is None else str(value) if number is None else _float_text(number, decimals)
        for value, number in zip(values, floats, strict=True)
    ]


def _is_exact(value: Any) -> bool:
    """Tell whether a number is shown with all its digits: integers, and decimals such as money."""
    if type(value) in (int, float):  # the common cases, before the slow look at abstract classes
        return type(value) is int
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        return isinstance(exponent, int) and -4 <= exponent <= 0
    return isinstance(value, Integral)


def _decimals(values: Sequence[float], digits: int) -> int:
    largest = max(map(abs, values), default=0.0) or 1.0
    most = min(max(digits - 1 - math.floor(math.log10(largest)), 2), 8)
    return max((len(f"{v:.{most}f}".rstrip("0").partition(".")[2]) for v in values), default=1) or 1


def _float_text(value: float, decimals: int) -> str:
    lost_or_too_long = 0 < abs(value) < 0.5 * 10**-decimals or abs(value) >= 1e15
    return f"{value:.3g}" if lost_or_too_long else f"{value:.{decimals}f}"


# --- vectors ---------------------------------------------------------------------------------------------------------


def _vector_text(value: Any) -> str | None:
    """Return an embedding as dimensions, norm and first numbers; None when the value is no embedding.

    Known by their shape (numpy arrays, pgvector's classes, lists of more than 8 floats): nothing is imported for it.
    """
    if getattr(value, "ndim", None) == 1 and value.dtype.kind == "b":
        return _bits_text(value.tolist())
    if getattr(value, "ndim", None) == 1 and value.dtype.kind in "fiu":
        wide = value.astype("float64")  # squares of float16 and uint8 overflow
        return _dense_text(len(wide), math.sqrt(wide @ wide), wide[:3].tolist())
    if isinstance(value, list):
        is_vector = len(value) > 8 and all(isinstance(v, float) for v in value)
        return _dense_text(len(value), math.hypot(*value), value[:3]) if is_vector else None
    if not hasattr(value, "to_text") or not hasattr(value, "to_list"):
        return None
    if hasattr(value, "indices"):
        return _sparse_text(value.dimensions(), value.indices(), value.values())
    numbers = value.to_list()
    if numbers and isinstance(numbers[0], bool):
        return _bits_text(numbers)
    return _dense_text(len(numbers), math.hypot(*numbers), numbers[:3])


def _dense_text(dimensions: int, norm: float, first: Sequence[float]) -> str:
    more = " …" if dimensions > len(first) else ""
    return f"{dimensions}-d, norm {_norm_text(norm)}, [{', '.join(f'{v:.3f}' for v in first)}{more}]"


def _sparse_text(dimensions: int, indices: Sequence[int], values: Sequence[float]) -> str:
    # Postgres counts a sparse vector's places from 1, pgvector's Python class from 0
    first = ", ".join(f"{i + 1}: {v:.3f}" for i, v in zip(indices[:3], values[:3], strict=True))
    more = " …" if len(values) > 3 else ""
    return f"{dimensions}-d, {len(values)} not zero, norm {_norm_text(math.hypot(*values))}, {{{first}{more}}}"


def _bits_text(bits: Sequence[bool]) -> str:
    first = "".join("01"[bit] for bit in bits[:16])
    return f"{len(bits)} bits, {sum(bits)} set, {first}{'…' if len(bits) > 16 else ''}"


def _norm_text(norm: float) -> str:
    return f"{norm:.1e}" if 0 < norm < 0.005 else f"{norm:.2f}"
