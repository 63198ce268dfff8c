"""Near-identical rows as a value that shows itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import figures, render

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_SHOWN = 20


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Groups:
    """Groups of near-identical rows of a table, those with most rows first; ``len`` counts the groups.

    ``df`` has the rows by group (its index, from 1): first the row to keep, which has most rows near it, then the
    others by their ``distance`` to it. ``pairs`` has the keys ``a`` and ``b`` of the rows within ``max_distance`` of
    each other, nearest first. ``rows`` is how many were compared, ``how`` in which way, ``notes`` what to know.
    """

    table: str
    metric: str
    max_distance: float
    rows: int
    df: pd.DataFrame
    pairs: pd.DataFrame
    how: str
    key: tuple[str, ...]
    text: str | None
    distance: str
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def redundant(self) -> pd.DataFrame:
        """The rows that may go: all but the first of each group and those farther from it than ``max_distance``."""
        is_first = ~self.df.index.duplicated()
        redundant: pd.DataFrame = self.df[~is_first & (self.df[self.distance] <= self.max_distance)]
        return redundant

    def figure(self) -> go.Figure:
        """Draw how far the pairs are apart, up to the threshold, and how many rows the groups have."""
        title = f"{self._counted()} of {self.table}: {len(self.redundant):,} may go"
        return figures.duplicates(
            self.pairs["distance"].tolist(),
            self._sizes(),
            max_distance=self.max_distance,
            value_name=f"{self.metric} distance",
            title=title,
        )

    def __len__(self) -> int:
        return int(self.df.index.nunique())

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    def _sizes(self) -> list[int]:
        sizes: list[int] = self.df.index.value_counts(sort=False).sort_index().tolist()
        return sizes

    def _counted(self) -> str:
        groups, rows = len(self), len(self.df)
        return f"{groups:,} {'group' if groups == 1 else 'groups'} of {rows:,} near-identical rows"

    def _grid(self) -> render.Grid:
        """One line a group: the row to keep, and beside it the one that is farthest from it."""
        caption = (
            f"{self._counted()}, of {self.rows:,} compared in {self.table}",
            f"{self.metric} distance up to {self.max_distance:g}",
            self.how,
            f"{len(self.redundant):,} may go (.redundant)",
            f"{self.seconds:.1f} s",
        )
        notes = self.notes
        if len(self) > _SHOWN:
            notes = (*notes, f"the {_SHOWN} largest groups of {len(self):,} are shown: .df has the rows of all")
        shown = self.df[self.df.index <= _SHOWN]
        rows = [self._line(shown.loc[[number]]) for number in range(1, min(len(self), _SHOWN) + 1)]
        columns = ("rows", "keep", *([self.text] if self.text else []), "farthest", *self._farthest())
        index = range(1, len(rows) + 1)
        counts = frozenset(["rows"])
        return render.Grid(columns if rows else (), rows, caption, notes, index, counts=counts)

    def _farthest(self) -> list[str]:
        return [f"its {name}" for name in (*([self.text] if self.text else []), self.distance)]

    def _line(self, rows: pd.DataFrame) -> tuple[object, ...]:
        keep, *_, farthest = rows.to_dict("records")
        return (len(rows), *self._named(keep), *self._named(farthest), farthest[self.distance])

    def _named(self, row: Mapping[Any, object]) -> list[object]:
        key = ", ".join(render.text_of(row[name], 40) for name in self.key)
        text = row[self.text] if self.text else None
        return [key, *([None if text != text else text] if self.text else [])]  # a frame has NaN for NULL
