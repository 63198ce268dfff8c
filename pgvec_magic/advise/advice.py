"""Advice as a value that shows and draws itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import render
from ..errors import UsageError
from .steps import staircase

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ..index import IndexSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """An index that could be made, or none, with its price; None and empty for what is not known.

    ``bytes`` are the index on disk, ``memory`` what ``maintenance_work_mem`` must hold while it is built, ``seconds``
    about how long that takes one process; ``recall`` says what is known of it and where that comes from. ``sql`` and
    ``line``, of ``%vindex``, build it. ``exists`` tells of one that is there already.
    """

    title: str
    why: str
    spec: IndexSpec | None = None
    sql: str = ""
    bytes: int | None = None
    memory: int | None = None
    seconds: float | None = None
    recall: str = ""
    recommended: bool = False
    exists: bool = False
    line: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Advice:
    """Which index a table wants: ``suggestions`` for its vectors, best first, and plain indexes for its ``filters``.

    ``rows`` are those with a vector; ``type``, ``dimensions`` and ``metric`` are the column's, ``non_zero`` how many
    numbers a sparsevec has on average. ``notes`` tell what was looked at, and what could not be.
    """

    table: str
    column: str
    rows: int
    suggestions: tuple[Suggestion, ...]
    filters: tuple[Suggestion, ...] = ()
    notes: tuple[str, ...] = ()
    type: str = "vector"
    dimensions: int = 1
    metric: str = "cosine"
    non_zero: float | None = None

    @property
    def recommended(self) -> Suggestion:
        """What to take."""
        return next(each for each in self.suggestions if each.recommended)

    def figure(self) -> go.Figure:
        """Draw the size of an HNSW index by the dimensions of its vectors, with the steps and this table's place.

        UsageError for a table without a vector.
        """
        if not self.rows:
            raise UsageError(f"{self.table} has no vectors yet, so an index of it has no size to draw")
        return staircase(self.table, self.type, round(self.non_zero or self.dimensions), self.rows)

    def __iter__(self) -> Iterator[Suggestion]:
        return iter(self.suggestions)

    def __repr__(self) -> str:
        return "\n".join(render.text(grid) for grid in self.grids())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/html": "\n".join(map(render.html, self.grids())), "text/plain": repr(self)}

    def grids(self) -> list[render.Grid]:
        """Return what is shown: the indexes for the vectors, and those for filters where some are missing."""
        columns = ("advice", "build", "memory", "size", "recall", "why", "how")
        caption = (
            f"advice for {self.table}.{self.column}",
            f"{self.rows:,} vectors of {self.dimensions:,} dimensions ({self.type}, {self.metric})",
        )
        best = self.recommended
        how = "it is there" if best.exists else f"{best.line} builds it" if best.line else ""
        take = "; ".join(filter(None, [f"take {best.title}: {best.why}", how]))
        grids = [render.Grid(columns, [_row(each) for each in self.suggestions], caption, (take, *self.notes))]
        if self.filters:
            rows = [(each.title, each.why, each.sql) for each in self.filters]
            grids.append(render.Grid(("for filters", "why", "how"), rows))
        return grids


def _row(each: Suggestion) -> tuple[object, ...]:
    return (
        f"{'→ ' * each.recommended}{each.title}{' (there)' * each.exists}",
        "" if each.spec is None else "not known" if each.seconds is None else seconds_text(each.seconds),
        "" if each.memory is None else render.bytes_text(each.memory),
        "" if each.bytes is None else render.bytes_text(each.bytes),
        each.recall,
        each.why,
        each.line,
    )


def seconds_text(seconds: float) -> str:
    """Return an estimate of a time as people say it."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 100:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 6000 else f"about {seconds / 3600:.1f} h"
