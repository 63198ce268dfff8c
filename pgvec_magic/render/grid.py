"""A table to show, and its columns as both the page and the terminal show them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .safe import head
from .values import is_number, number_texts, plain_text

MOST_COLUMNS = 50


@dataclass(frozen=True, slots=True)
class Notice:
    """What is wrong: how grave (error, warning, info), by which rule, what, why, what mends it, where more stands."""

    severity: str
    rule: str
    title: str
    why: str
    fix: str | None = None
    link: str = ""

    @property
    def fix_is_code(self) -> bool:
        """Whether the fix can be copied and run: SQL, or a magic; others are told in words."""
        return re.match(r"%%?v|[A-Z]{2,}\b(?! index)", self.fix or "") is not None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table to show; ``caption`` holds short facts, ``notes`` what must be seen, ``index`` the ranks.

    ``bars``: column -> (value of an empty bar, value of a full bar).  ``legs``: heading -> (rank column, number
    column), shown as one, ``#3 · 0.412``, or ``–`` where the rank is None.  With an index both stand right behind it.
    ``counts``: columns that tell how many, ``1,234``; other integers may be ids, whose digits stand as they are.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]
    caption: tuple[str, ...] = ()
    notes: tuple[str | Notice, ...] = ()
    index: Sequence[object] | None = None
    bars: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    legs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    counts: frozenset[str] = frozenset()
    max_rows: int = 100


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and one text a row, not yet safe, None for no value; ``fills`` are the lengths of bars, 0 to 1."""

    title: str
    kind: Literal["index", "bar", "leg", "number", "text"]
    texts: list[str | None]
    fills: list[float | None] = field(default_factory=list)
    hint: str = ""


def columns(grid: Grid) -> list[Column]:
    """Return the shown columns in their order: of a ranked table rank, bars and legs first."""
    rows = grid.rows[: grid.max_rows]
    in_legs = {grid.columns.index(name) for pair in grid.legs.values() for name in pair}
    plain = [
        _column(name, [row[i] for row in rows], grid.bars.get(name), is_count=name in grid.counts)
        for i, name in enumerate(grid.columns[:MOST_COLUMNS])
        if i not in in_legs
    ]
    legs = [_leg(grid, rows, title) for title in grid.legs]
    if grid.index is None:
        return [*legs, *plain]
    ranks = Column("#", "index", _column("#", list(grid.index[: grid.max_rows]), None).texts)
    bars = [column for column in plain if column.kind == "bar"]
    return [ranks, *bars, *legs, *(column for column in plain if column.kind != "bar")]


def _column(name: str, values: list[object], bar: tuple[float, float] | None, *, is_count: bool = False) -> Column:
    present = [v for v in values if v is not None]
    title = head(name, 60)
    if not present or not all(map(is_number, present)):
        return Column(title, "text", [None if v is None else plain_text(v) for v in values])
    if is_count:
        return Column(title, "number", [None if v is None else f"{v:,}" for v in values])
    if bar is None:
        return Column(title, "number", number_texts(values))
    return Column(title, "bar", number_texts(values), [_fill(v, *bar) for v in values])


def _fill(value: Any, empty: float, full: float) -> float | None:
    """Return how much of a bar is full, 0 to 1; None where there is nothing to draw."""
    if value is None or not math.isfinite(value):
        return None
    part = (float(value) - empty) / (full - empty) if full != empty else 1.0
    return min(max(0.0, part), 1.0)  # zero first: -0.0 would make an invalid width


def _leg(grid: Grid, rows: Sequence[tuple[object, ...]], title: str) -> Column:
    """Return one leg of a hybrid search as a column: where it had the row, and by what number."""
    rank, number = (grid.columns.index(name) for name in grid.legs[title])
    ranks = number_texts([row[rank] for row in rows])
    numbers = number_texts([row[number] for row in rows], digits=3)
    texts = list(map(_leg_text, ranks, numbers))
    hint = f"{' · '.join(grid.legs[title])}; – where the {title} search did not find the row"
    return Column(head(title, 60), "leg", texts, hint=hint)


def _leg_text(rank: str | None, number: str | None) -> str | None:
    if rank is None:
        return None
    return f"#{rank}" if number is None else f"#{rank} · {number}"


def left_out(grid: Grid) -> str:
    """Return what of the table is not shown, as one short line, or an empty string."""
    hidden = {"rows": len(grid.rows) - grid.max_rows, "columns": len(grid.columns) - MOST_COLUMNS}
    said = " and ".join(f"{n:,} more {what}" for what, n in hidden.items() if n > 0)
    return f"… {said}: .df has all" if said else ""
