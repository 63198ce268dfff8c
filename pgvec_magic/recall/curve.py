"""Recall by setting as a value that shows, draws and applies itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from .. import figures, render
from ..catalog import TableInfo
from ..db import Database
from ..errors import UsageError, did_you_mean
from . import applying
from .cold import Cold
from .point import Point
from .ways import NOT_MEASURED

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

TARGET = 0.95
# The largest values that pgvector takes.
_MOST = {"ef_search": 1_000, "probes": 32_768}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RecallCurve:
    """What share of the true nearest ``k`` rows an index finds, and how fast, for each value of its setting.

    ``points`` come by index and value, ``queries`` is how many were asked and ``asked`` which, ``rows`` how many rows
    the truth was taken from, ``today`` each index's value that searches use now, ``target`` the recall that is wanted,
    ``cold`` what searches take that find nothing in Postgres' memory, where that was asked for.
    """

    db: Database
    table: TableInfo
    column: str
    metric: str
    k: int
    points: tuple[Point, ...]
    queries: int
    asked: str
    rows: int
    where: tuple[str, ...]
    today: Mapping[str, int]
    target: float | None
    seconds: float
    cold: tuple[Cold, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def df(self) -> pd.DataFrame:
        """One row a setting; times are seconds, ``short`` and recall are shares."""
        import pandas as pd

        return pd.DataFrame.from_records([asdict(point) for point in self.points])

    @property
    def indexes(self) -> tuple[str, ...]:
        """The indexes that were measured."""
        return tuple(dict.fromkeys(point.index for point in self.points))

    def lowest(self, target: float | None = None, index: str | None = None) -> Point:
        """Return the lowest setting whose recall is ``target`` (0.95) or more; of several indexes' the fastest.

        UsageError where none is: with whether a larger one is left to try, or it is not the setting.
        """
        wanted = check_target(self.target if target is None else target)
        named = self._indexes(index)
        met = [[point for point in self.points if point.index == name and point.recall >= wanted] for name in named]
        lowest = [points[0] for points in met if points]
        if not lowest:
            raise self._unmet(wanted, named)
        return min(lowest, key=lambda point: point.p50)

    def statement(self, scope: str = "index", target: float | None = None, index: str | None = None) -> str:
        """Return the SQL that ``apply`` runs; raises as it does."""
        return applying.statement(self.db, self, self.lowest(target, index), scope)

    def apply(self, scope: str = "index", target: float | None = None, index: str | None = None) -> str:
        """Store the lowest setting that meets the target, print and return the SQL before it is run.

        ``index``: with its recall, in the index's comment, for the searches of this package; ``database`` or ``role``:
        for every client that connects from now on. Raises UsageError where no setting meets it, and without the right.
        """
        statement = self.statement(scope, target, index)
        print(statement)
        applying.run(self.db, statement, self.table)
        return statement

    def figure(self) -> go.Figure:
        """Draw recall against the time of a search, an index a line, with the intervals and today's setting marked."""
        lines = [drawn(index, self._of(index), self.today[index]) for index in self.indexes]
        title = (
            f"recall@{self.k} of {self.table.label}: {self.queries:,} queries{' within the filter' * bool(self.where)}"
        )
        return figures.recall(lines, k=self.k, title=title, target=self.target)

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    def _of(self, index: str) -> list[Point]:
        return [point for point in self.points if point.index == index]

    def _indexes(self, index: str | None) -> tuple[str, ...]:
        if index is None:
            return self.indexes
        if index not in self.indexes:
            raise UsageError(f"{index!r} was not measured", did_you_mean(index, self.indexes))
        return (index,)

    def _unmet(self, wanted: float, named: tuple[str, ...]) -> UsageError:
        best = max((self._of(name)[-1] for name in named), key=lambda point: point.recall)
        reached = f"the largest measured, {best.name}, reaches {best.recall:.3f}"
        if best.value >= _MOST[best.setting] or self._at_end(best):
            cure = "rows that no path of the index leads to, a filter, or too small an m and ef_construction"
            cure = "a filter, or lists that no longer fit the rows" if best.setting == "probes" else cure
            return UsageError(
                f"no {best.setting} reaches {wanted:g}: {reached}", f"so it is not {best.setting}. Look for {cure}"
            )
        return UsageError(f"none of them reaches {wanted:g}: {reached}", f"measure larger ones: {best.setting}=[…]")

    def _at_end(self, best: Point) -> bool:
        """Whether a larger value of the default sweep would have been measured, if the index were used with it."""
        return any(f"{best.setting} = " in note and NOT_MEASURED in note for note in self.notes)

    def _grid(self) -> render.Grid:
        several = len(self.indexes) > 1
        columns = (*(["index"] if several else []), self._setting, f"recall@{self.k}", "95 %", *_COLUMNS)
        rows = [(*([p.index] if several else []), *_row(p, self.today[p.index])) for p in self.points]
        caption = (
            f"recall@{self.k} of {self.table.label}.{self.column} ({self.metric})",
            ", ".join(self.indexes),
            self.asked,
            *([f"filter: {' AND '.join(self.where)}"] if self.where else []),
            f"truth from {self.rows:,} rows",
            f"{self.seconds:.1f} s",
        )
        return render.Grid(columns, rows, caption, (*self._met(), *self.notes))

    @property
    def _setting(self) -> str:
        settings = {point.setting for point in self.points}
        return settings.pop() if len(settings) == 1 else "setting"

    def _met(self) -> tuple[str, ...]:
        if self.target is None:
            return ()
        try:
            best = self.lowest()
        except UsageError as error:
            return (": ".join(filter(None, [error.message, error.hint])),)
        on = f" on {best.index}" if len(self.indexes) > 1 else ""
        return (f"the lowest that reaches {self.target:g}: {best.name}{on} (.apply stores it)",)


_COLUMNS = ("least", "p5", "short", "p50 ms", "p95 ms", "pages")


def _row(point: Point, today: int) -> tuple[object, ...]:
    return (
        f"{point.value} (now)" if point.value == today else str(point.value),
        f"{point.recall:.3f}",
        f"{point.low:.3f}–{point.high:.3f}",
        f"{point.minimum:.2f}",
        f"{point.p5:.2f}",
        f"{point.short:.0%}",
        f"{point.p50 * 1000:.2f}",
        f"{point.p95 * 1000:.2f}",
        "" if point.pages is None else f"{point.pages:,.0f}",
    )


def drawn(name: str, points: Sequence[Point], today: int) -> figures.Curve:
    """Return an index's points as the picture takes them, with the value that is used today marked."""
    places = [(p.p50 * 1000, p.recall, p.low, p.high, str(p.value), _hover(p)) for p in points]
    return figures.Curve(name, places, next((at for at, p in enumerate(points) if p.value == today), None))


def _hover(point: Point) -> str:
    return (
        f"{point.name}: recall {point.recall:.3f} ({point.low:.3f} to {point.high:.3f}), at least {point.minimum:.2f};"
        f" {point.p50 * 1000:.2f} ms, 1 of 20 over {point.p95 * 1000:.2f} ms; short: {point.short:.0%}"
    )


def check_target(target: float | None) -> float:
    """Return the recall to reach, 0.95 where none is given; UsageError for what is no share."""
    wanted = TARGET if target is None else target
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or not 0 < wanted <= 1:
        raise UsageError(f"target: {target!r} is not a share between 0 and 1", "such as 0.95")
    return float(wanted)
