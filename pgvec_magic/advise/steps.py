"""The size of an HNSW index by the dimensions of its vectors: a staircase, for a page holds whole rows only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import figures, metric
from ..index import IndexSpec, index_bytes, per_page

if TYPE_CHECKING:
    import plotly.graph_objects as go

# How far past the table's own place the picture goes.
_ROOM = 1.25
_LEAST = 1_024
# Rows that are packed for a step, which is drawn and not read to the byte: as many as all would take a second.
_PACKED = 2_000
# At how many places the size is looked at within a step, where it has so many.
_WITHIN = 6


def staircase(table: str, kind: str, dimensions: int, rows: int) -> go.Figure:
    """Draw the bytes of an index of so many rows against the dimensions, as the column's type and as halfvec."""
    most = max(int(dimensions * _ROOM), _LEAST if kind != "bit" else 8 * _LEAST)
    kinds = [kind, *(["halfvec"] if kind == "vector" else [])]
    stairs = [stair(each, rows, min(most, metric.MOST_INDEXED[each])) for each in kinds]
    here = next((at for at in zip(stairs, kinds, strict=True) if dimensions <= metric.MOST_INDEXED[at[1]]), None)
    mark = (dimensions, _bytes(here[1], rows, dimensions), here[1]) if here else None
    title = f"the index of {table}: {rows:,} rows by the size of their vectors (HNSW, m = 16)"
    what = "numbers that are not zero" if kind == "sparsevec" else "dimensions"
    return figures.staircase(stairs, mark, title=title, what=what)


def stair(kind: str, rows: int, most: int) -> figures.Stair:
    """Return the steps of one type up to ``most`` dimensions; of a step the rows that a page holds are the same."""
    steps: list[tuple[list[tuple[int, float]], float]] = []
    first = 1
    while first <= most:
        held = per_page(_spec(kind, first))
        last = _last(lambda at, held=held: per_page(_spec(kind, at)) == held, first, most)  # type: ignore[misc]
        places = range(first, last + 1, max((last - first) // _WITHIN, 1))
        steps.append(([(at, _about(kind, rows, at)) for at in dict.fromkeys((*places, last))], held))
        first = last + 1
    return figures.Stair(kind, steps)


def _about(kind: str, rows: int, dimensions: int) -> float:
    packed = min(rows, _PACKED)
    return _bytes(kind, packed, dimensions) * rows / max(packed, 1)


def _last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the last number for which it holds, which it does for ``low`` and then up to there."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _bytes(kind: str, rows: int, dimensions: int) -> int:
    return index_bytes(_spec(kind, dimensions), rows)


def _spec(kind: str, dimensions: int) -> IndexSpec:
    base = IndexSpec(table="t", column="c", dimensions=1, type=kind, metric=metric.usual(kind))
    return dataclasses.replace(base, dimensions=dimensions)
