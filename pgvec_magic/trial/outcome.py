"""The kinds of index side by side, as a value that says which to take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import figures, render
from ..recall import Point
from ..recall.curve import drawn

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from ..index import IndexSpec

TARGET = 0.95
# Times within this factor are the same.
_SAME = 1.25
# A setting stands behind a recall, and before the time that it takes.
_NOW, _REACHED, _GROWN = "recall (now)", f"for {TARGET:g}", "+ 50 %"
_COLUMNS = ("index", "build s", "memory", "size", _NOW, "p50 ms", "p95 ms", _REACHED, _GROWN, "rebuilt")


@dataclass(frozen=True, slots=True)
class Outcome:
    """An index that was tried: seconds to build, bytes of build memory that it takes, bytes on disk.

    ``points`` are recall and latency by setting on the rows it was built of, ``today`` that of the setting that
    searches use now. ``grown`` is the same after half as many rows more, which took ``insert_seconds``, ``rebuilt``
    after REINDEX, which took ``rebuild_seconds``.
    """

    name: str
    spec: IndexSpec
    build_seconds: float
    memory: int
    bytes: int
    points: tuple[Point, ...]
    today: Point
    grown: Point
    insert_seconds: float
    rebuilt: Point
    rebuild_seconds: float

    @property
    def lowest(self) -> Point | None:
        """The lowest setting that reaches 0.95, None where none does."""
        return next((point for point in self.points if point.recall >= TARGET), None)


@dataclass(frozen=True, slots=True, repr=False)
class Trial:
    """Kinds of index on a copy of ``rows`` rows, two thirds of which they were built of; ``exact`` seconds without any.

    ``left_out`` says which kinds are not there and why.
    """

    table: str
    column: str
    metric: str
    k: int
    rows: int
    of: int
    queries: int
    exact: float
    outcomes: tuple[Outcome, ...]
    seconds: float
    left_out: tuple[str, ...] = ()

    @property
    def best(self) -> Outcome:
        """The fastest of those that reach 0.95; of equally fast ones the one that is built faster."""
        reach = [(each.lowest.p50, each) for each in self.outcomes if each.lowest]
        if not reach:
            return max(self.outcomes, key=lambda each: each.points[-1].recall)
        fastest = min(p50 for p50, _ in reach)
        return min((each for p50, each in reach if p50 <= _SAME * fastest), key=lambda each: each.build_seconds)

    @property
    def verdict(self) -> str:
        """Which to take, and why, in words."""
        best, lowest = self.best, self.best.lowest
        if lowest is None:
            last = best.points[-1]
            return f"none reaches recall {TARGET:g}; {best.name} comes nearest: {last.recall:.3f} with {last.name}"
        said = f"take {best.name}: recall {lowest.recall:.3f} in {1000 * lowest.p50:.2f} ms with {lowest.name}"
        said += f" (an exact search takes {1000 * self.exact:.2f} ms)"
        if lowest.p50 * _SAME >= self.exact:
            said = f"take none: an exact search takes {1000 * self.exact:.2f} ms on these rows"
            said += f", {best.name} {1000 * lowest.p50:.2f} ms with {lowest.name}"
        others = [each for each in self.outcomes if each is not best]
        return "; ".join([said, *(self._beside(each, best) for each in others)])

    @staticmethod
    def _beside(other: Outcome, best: Outcome) -> str:
        build = f"built in {other.build_seconds:.2g} s, not {best.build_seconds:.2g}"
        if other.lowest is None or best.lowest is None:
            return f"{other.name} does not reach {TARGET:g} ({build})"
        return f"{other.name} takes {1000 * other.lowest.p50:.2f} ms for that with {other.lowest.name} ({build})"

    @property
    def df(self) -> pd.DataFrame:
        """One row a kind, as measured; seconds, bytes, shares."""
        import pandas as pd

        rows = [
            {
                "index": each.name,
                "build": each.build_seconds,
                "memory": each.memory,
                "bytes": each.bytes,
                "setting": each.today.name,
                "recall": each.today.recall,
                "p50": each.today.p50,
                "p95": each.today.p95,
                "lowest": each.lowest.name if each.lowest else None,
                "lowest p50": each.lowest.p50 if each.lowest else None,
                "recall grown": each.grown.recall,
                "recall rebuilt": each.rebuilt.recall,
            }
            for each in self.outcomes
        ]
        return pd.DataFrame(rows).set_index("index")

    def figure(self) -> go.Figure:
        """Draw recall against the time of a search, a kind a line, today's setting of each marked."""
        lines = [drawn(each.name, each.points, each.today.value) for each in self.outcomes]
        title = f"recall@{self.k} of {self.table}: {self.queries:,} queries on a copy of {self._built_of:,} rows"
        return figures.recall(lines, k=self.k, title=title, target=TARGET)

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    @property
    def _built_of(self) -> int:
        return self.rows * 2 // 3

    def _grid(self) -> render.Grid:
        rows: list[tuple[object, ...]] = [_row(each) for each in self.outcomes]
        rows.append(("none: exact", "", "", "", "1", f"{1000 * self.exact:.2f}", "", "", "", ""))
        caption = (
            f"indexes for {self.table}.{self.column} ({self.metric})",
            f"a copy of {self.rows:,} of {self.of:,} rows",
            f"{self.queries} queries, recall@{self.k}",
            f"{self.seconds:.0f} s",
        )
        return render.Grid(_COLUMNS, rows, caption, tuple(self._said()))

    def _said(self) -> Iterator[str]:
        yield self.verdict
        yield "beside recall and times stands the setting: ef_search of HNSW, probes of IVFFlat; now is today's"
        yield (
            f"built of {self._built_of:,} rows by one process; then the other {self.rows - self._built_of:,} came"
            f" ({_GROWN}), then REINDEX (rebuilt)"
        )
        if self.rows + self.queries < self.of:
            yield (
                f"with all {self.of:,} rows builds and searches take longer, not each kind by as much, and recall may"
                " be lower: a larger --sample tells more"
            )
        if self.left_out:
            yield f"left out: {'; '.join(self.left_out)}"


def _row(each: Outcome) -> tuple[object, ...]:
    lowest = each.lowest
    return (
        each.name,
        f"{each.build_seconds:.2f}",
        render.bytes_text(each.memory),
        render.bytes_text(each.bytes),
        f"{each.today.recall:.3f} ({each.today.value})",
        f"{1000 * each.today.p50:.2f}",
        f"{1000 * each.today.p95:.2f}",
        f"{lowest.value}: {1000 * lowest.p50:.2f} ms" if lowest else "none",
        f"{each.grown.recall:.3f}",
        f"{each.rebuilt.recall:.3f}",
    )
