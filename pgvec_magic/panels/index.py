"""The index panel: a table's indexes, advice with its price, a build that is watched, and the recall after it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from itertools import pairwise
from typing import Any

import ipywidgets as widgets

from .. import catalog, render
from ..advise import advise
from ..build import Build, BuildReport, build, drop, indexes, reindex
from ..catalog import TableInfo, VectorIndex
from ..db import Database
from ..errors import PgvecError, QueryError
from ..recall import RecallCurve, applying, recall
from .choices import Choices
from .measured import Measured
from .standing import Standing
from .words import framed, line, page
from .work import STOPPED, Work

_MOST_PHASES = 4
_LONG_ENOUGH_SECONDS = 0.5


class IndexPanel(widgets.VBox):  # type: ignore[misc]  # it has no types
    """The indexes of a table, and the way to one more.

    What takes time is done beside the notebook, on connections of its own; it goes on when the panel is closed, until
    it is done, canceled, or the kernel ends. ``report`` is what the last build did, ``curve`` what was measured last.
    """

    def __init__(self, db: Database, table: str) -> None:
        """UsageError when there is no such table."""
        self._db, self._table = db, table
        self.report: BuildReport | None = None
        self._make()
        self._look()
        head = widgets.HBox([self.head, self.again], layout={"align_items": "center"})
        shown = [head, self.column, self.standing, self.choices, widgets.HBox([self.build, self.why_not])]
        super().__init__([*shown, self.work, self.reported, self.measured])

    @property
    def curve(self) -> RecallCurve | None:
        """The recall that was measured last."""
        return self.measured.curve

    def _make(self) -> None:
        """Make the parts and link them."""
        self.head, self.reported, self.why_not = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.column = widgets.Dropdown(description="column", layout={"display": "none", "width": "20em"})
        self.again = widgets.Button(icon="rotate-right", tooltip="look again", layout={"width": "2.8em"})
        self.work = Work()
        self.standing = Standing(self._measure, self._rebuild, self._drop)
        self.choices = Choices(self._settle)
        self.measured = Measured()
        self.build = widgets.Button(description="Build", icon="play", button_style="primary", disabled=True)
        self.column.observe(lambda change: self._column_was_chosen(change.old), "value")
        self.again.on_click(lambda _: self.work.begin("looking …", self._look))
        self.build.on_click(lambda _: self._build())
        self.measured.store.on_click(lambda _: self._store())
        self.work.observe(lambda _: self._settle(), "busy")

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Show what is there now."""
        self._list()
        self._advise()

    def _list(self, name: str | None = None) -> None:
        """Show the table and its indexes, that of the name chosen."""
        found = indexes(self._db, self._table)
        info = catalog.table(self._db, self._table)
        self.head.value = _head(info)
        self.standing.show(found, name)
        columns = tuple(column.name for column in info.vectors or info.bits)
        if columns != self.column.options:
            self.column.options = columns
            self.column.value = next(iter(columns), None)
        self.column.layout.display = None if len(columns) > 1 else "none"

    def _advise(self) -> None:
        """Ask for advice on a connection beside, for it measures: nobody's cell waits for that."""
        try:
            with contextlib.closing(self._db.clone(f"{self._db.name} (advice)")) as beside:
                self.work.stops_by(beside.cancel)
                beside.cache |= self._db.cache  # the searches that were made here are part of it
                self.choices.show(advise(beside, self._table, self.column.value))
        except PgvecError as error:
            self.choices.refuse(error)

    def _column_was_chosen(self, before: str | None) -> None:
        if before is not None:
            self.work.begin("looking …", self._advise)

    def _settle(self) -> None:
        """Let be clicked what can be done now."""
        busy, reason = self.work.busy, self.choices.reason
        self.standing.lock(busy)
        self.choices.lock(busy)
        self.column.disabled = self.again.disabled = busy
        self.build.disabled = busy or bool(reason)
        self.why_not.value = line(reason) if reason and not busy else ""
        self.measured.store.disabled = busy or self.measured.statement is None

    # --- what is done beside the notebook ----------------------------------------------------------------------------

    def _build(self) -> None:
        spec, concurrently = self.choices.spec, self.choices.concurrently.value
        if spec is not None:
            self.work.begin(
                "counting the rows …", lambda: self._follow(build(self._db, spec, concurrently=concurrently))
            )

    def _rebuild(self, index: VectorIndex) -> None:
        self.work.begin("counting the rows …", lambda: self._follow(reindex(self._db, self._table, index.name)))

    def _measure(self, index: VectorIndex) -> None:
        self.work.begin("reading the table …", lambda: self._curve_of(index))

    def _drop(self, index: VectorIndex) -> None:
        self.work.begin(f"dropping {index.name} …", lambda: self._dropped(index))

    def _store(self) -> None:
        statement, curve = self.measured.statement, self.measured.curve
        if statement is not None and curve is not None:
            self.work.begin("storing …", lambda: self._stored(statement, curve))

    def _follow(self, begun: Build) -> None:
        """Show a build to its end, then what it did, and the recall that its index has."""
        self._forget()
        self.work.stops_by(begun.cancel)
        phases: dict[str, float] = {}
        try:
            with begun:
                for progress in begun:
                    phases.setdefault(progress.phase, progress.seconds)
                    self.work.tell(progress.share, str(progress), _over(phases))
        except PgvecError:
            with contextlib.suppress(PgvecError):
                self._list()
            raise
        self.report = begun.report
        self.reported.value = page(begun.report)
        self._list(begun.job.name)
        self._advise()
        if self.standing.chosen and not self.work.stopped:
            self._curve_of(self.standing.chosen)

    def _curve_of(self, index: VectorIndex) -> None:
        self.measured.clear()
        with contextlib.closing(self._db.clone(f"{self._db.name} (recall)")) as beside:
            self.work.stops_by(beside.cancel)
            asked: dict[str, Any] = {"column": index.column, "metric": index.column_metric, "where": index.where}
            try:
                curve = recall(beside, self._table, index=index.name, **asked, progress=self._told)
            except QueryError as error:
                raise _no_more() if self.work.stopped else error from None
        self.measured.show(replace(curve, db=self._db))

    def _told(self, done: int, steps: int, seconds: float, unit: str) -> None:
        if self.work.stopped:
            raise _no_more()
        left = f" · about {seconds * (steps - done) / done:,.0f} s left" if done and seconds > 1 else ""
        self.work.tell(done / steps if steps else None, f"measuring recall: {done:,} of {steps:,} {unit}{left}")

    def _dropped(self, index: VectorIndex) -> None:
        gone = drop(self._db, self._table, index.name)
        self._forget()
        self.reported.value = page(gone)
        self._look()

    def _stored(self, statement: str, curve: RecallCurve) -> None:
        applying.run(self._db, statement, curve.table)
        self.work.say("stored: searches of this package use it from now on")

    def _forget(self) -> None:
        """Take away what was said of another index."""
        self.report, self.reported.value = None, ""
        self.measured.clear()

    def _repr_mimebundle_(self, **options: object) -> dict[str, Any]:
        """Give what pages without a kernel show beside the widget."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        shown = [each for each in (self.standing.indexes, self.choices.advice, self.report, self.curve) if each]
        html = [self.head.value, *map(page, shown), self.measured.picture.value if self.curve else ""]
        return bundle | {"text/html": "\n".join(html), "text/plain": "\n\n".join(map(repr, shown))}


def _head(info: TableInfo) -> str:
    parts = [f"about {info.rows:,} rows" if info.rows is not None else "rows not counted yet"]
    parts += [f"{column.name} {column.type}({column.dimensions or '?'})" for column in info.vectors or info.bits]
    parts += [render.bytes_text(info.bytes)]
    facts = " · ".join(escape(render.clean(part)) for part in parts)
    return framed(f"<b style='font-size:15px'>{escape(render.clean(info.label))}</b> <small>{facts}</small>")


def _over(phases: Mapping[str, float]) -> str:
    """Return the phases that are over and took a while; ``phases`` is when each began."""
    took = [(name, ended - began) for (name, began), (_, ended) in pairwise(phases.items())]
    said = [f"✔ {name} {seconds:,.1f} s" for name, seconds in took if seconds >= _LONG_ENOUGH_SECONDS]
    return " · ".join(said[-_MOST_PHASES:])


def _no_more() -> QueryError:
    return QueryError("measuring was stopped", sqlstate=STOPPED)
