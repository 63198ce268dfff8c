"""The ways of one search side by side, as a value that says which to use."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .. import figures, render
from ..plan import milliseconds

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

# What is recommended finds at least this share of the exact answer.
LEAST_RECALL = 0.95
# Medians within this factor are the same, and then the first of the list is the better one: exact stands on top.
_SAME = 1.25
# auto is good enough when it takes at most so much longer than the fastest, or only so many seconds more.
_NEAR, _SO_LITTLE = 1.5, 0.0001
_COLUMNS = ("way", "median ms", "p95 ms", "rows", "recall", "pages", "vector index", "ask for it by")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a way of searching gave; ``seconds`` are those of each run on the wire, ``pages`` of 8 kB.

    ``recall`` is the share of the exact answer, by distance; None where that is empty or took too long.
    ``indexes`` are the vector indexes of its plan, ``why`` tells of ``auto`` what it chose.
    """

    name: str
    option: str
    rows: int
    recall: float | None
    seconds: tuple[float, ...]
    pages: int | None
    indexes: tuple[str, ...]
    why: str = ""

    @property
    def median(self) -> float:
        """The median of the runs, in seconds."""
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        """The time that 95 % of the runs did not exceed, in seconds, by nearest rank."""
        return sorted(self.seconds)[math.ceil(0.95 * len(self.seconds)) - 1]

    @property
    def time(self) -> str:
        """The median as people read it."""
        return milliseconds(1000 * self.median)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The ways of one search, measured in turn; ``rows`` is how many there are to find, None where that is not known.

    ``left_out`` says which ways are not there and why.
    """

    title: str
    ways: tuple[Outcome, ...]
    rows: int | None
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Outcome:
        """The fastest of the ways that find all rows and at least 0.95 of the exact answer; ``auto`` is none of them.

        Where the exact answer is not known, the one with most rows.
        """
        asked = [way for way in self.ways if way.name != "auto"]
        good = [way for way in asked if self.is_good(way)] or [max(asked, key=lambda way: way.rows)]
        fastest = min(way.median for way in good)
        return next(way for way in good if way.median <= fastest * _SAME)

    def is_good(self, way: Outcome) -> bool:
        """Whether a way finds what there is to find."""
        finds = way.recall is not None and way.recall >= LEAST_RECALL
        return self.rows is not None and way.rows >= self.rows and (finds or not self.rows)

    def way(self, name: str) -> Outcome | None:
        """Return what a way gave, None where it was left out."""
        return next((way for way in self.ways if way.name == name), None)

    @property
    def verdict(self) -> str:
        """Which way to use and why, in words."""
        best, auto = self.best, self.way("auto")
        if self.rows is None:
            said = f"{best.name}: {best.time} and {self._found(best)}"
            return f"{said}; the exact answer took too long, so how right that is, is not known"
        if auto and self.is_good(auto) and auto.median <= max(best.median * _NEAR, best.median + _SO_LITTLE):
            return f"leave it to auto ({auto.why}): {auto.time} and {self._found(auto)}, as fast as any that finds all"
        return f"use {best.option}: {best.name}, {best.time} and {self._found(best)}"

    @cached_property
    def df(self) -> pd.DataFrame:
        """A row a way, as measured."""
        import pandas as pd

        return pd.DataFrame([self._cells(way) for way in self.ways], columns=list(_COLUMNS)).set_index("way")

    def figure(self) -> go.Figure:
        """Draw the time of each way; those that do not find all stand out."""
        found = [
            figures.Timed(way.name, 1000 * way.median, 1000 * way.p95, self._short(way), self.is_good(way))
            for way in self.ways
        ]
        return figures.ways(found, title=self.title, runs=self._runs)

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    @property
    def _runs(self) -> int:
        return min(len(way.seconds) for way in self.ways)

    def _found(self, way: Outcome) -> str:
        if self.rows is None:
            return f"{way.rows:,} rows"
        if way.rows >= self.rows:
            rows = f"all {way.rows:,} rows" if way.rows != 1 else "the only row"
        else:
            rows = f"{way.rows:,} of {self.rows:,} rows"
        return rows + (f", recall {way.recall:.2f}" if way.recall is not None and way.recall < 1 else "")

    def _short(self, way: Outcome) -> str:
        recall = "" if way.recall is None else f" · recall {way.recall:.2f}"
        return f"{way.time} · {way.rows:,} of {way.rows if self.rows is None else self.rows:,} rows{recall}"

    def _cells(self, way: Outcome) -> tuple[object, ...]:
        times = (round(1000 * way.median, 3), round(1000 * way.p95, 3))
        index = ", ".join(way.indexes) or "none: exact"
        return (way.name, *times, way.rows, way.recall, way.pages, index, way.option)

    def _said(self) -> Iterator[str]:
        yield self.verdict
        if lacking := [f"{way.name} {self._found(way)}" for way in self.ways if not self.is_good(way)]:
            yield f"not all is found by: {'; '.join(lacking)}" if self.rows is not None else "nothing is proved"
        if self.left_out:
            yield f"left out: {'; '.join(self.left_out)}"
        yield from self.notes

    def _grid(self) -> render.Grid:
        rows = [
            (*cells[:4], "–" if cells[4] is None else f"{cells[4]:.2f}", *cells[5:])
            for cells in map(self._cells, self.ways)
        ]
        runs = f"{self._runs} {'run' if self._runs == 1 else 'runs'} of each way, in turn"
        shown = _COLUMNS[:-1]
        most = max(1000 * way.median for way in self.ways)
        return render.Grid(
            shown,
            [row[: len(shown)] for row in rows],
            (self.title, runs),
            tuple(self._said()),
            bars={"median ms": (0.0, most)},
            counts=frozenset(["rows", "pages"]),
        )
