"""The advice with its price: one suggestion is chosen, and its options may be changed before it is built."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from html import escape

import ipywidgets as widgets

from .. import render
from ..advise import Advice, Suggestion
from ..advise.advice import seconds_text
from ..errors import PgvecError, UsageError
from ..index import IndexSpec, build_memory, index_bytes
from .rows import RowView
from .words import code, framed, line


class Choices(widgets.VBox):  # type: ignore[misc]  # it has no types
    """The suggestions, and of the chosen one why, the options and the SQL; ``on_change`` is called after each change.

    ``spec`` is what would be built: None for advice to build nothing, and for options that pgvector refuses.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.advice: Advice | None = None
        self.spec: IndexSpec | None = None
        self.reason = "no advice yet"
        self.view = RowView()
        self.why, self.price, self.beside = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.m = widgets.IntText(description="m", **_sized("8em"))
        self.ef_construction = widgets.IntText(description="ef_construction", **_sized("14em"))
        self.lists = widgets.IntText(description="lists", **_sized("11em"))
        self.name = widgets.Text(description="name", placeholder="chosen for you", **_sized("20em"))
        self.concurrently = widgets.Checkbox(description="others may write meanwhile", indent=False, **_sized("auto"))
        self._options = widgets.HBox(
            [self.m, self.ef_construction, self.lists, self.name, self.concurrently],
            layout={"flex_flow": "row wrap", "align_items": "center"},
        )
        self._on_change, self._choosing = on_change, False
        super().__init__([self.view, self.beside, self.why, self._options, self.price])
        self.view.observe(lambda _: self._was_chosen(), "row")
        for each in (self.m, self.ef_construction, self.lists, self.name, self.concurrently):
            each.observe(lambda _: self._was_changed(), "value")

    @property
    def chosen(self) -> Suggestion | None:
        """The suggestion that is chosen."""
        if self.advice is None or self.view.row is None or self.view.row >= len(self.advice.suggestions):
            return None
        return self.advice.suggestions[self.view.row]

    def show(self, advice: Advice) -> None:
        """Show advice, with what was chosen before chosen again, else what it recommends."""
        wanted = self.chosen.title if self.chosen else advice.recommended.title
        titles = [each.title for each in advice]
        row = titles.index(wanted if wanted in titles else advice.recommended.title)
        self.view.row = None
        self.advice, self.view.page = advice, render.html(_table(advice))
        self.beside.value = _beside(advice)
        self.view.row = row

    def refuse(self, error: PgvecError) -> None:
        """Say why there is no advice."""
        self.advice = self.spec = self.view.row = None
        self.view.page = self.price.value = self.beside.value = ""
        self._options.layout.display = "none"
        self.why.value, self.reason = line(str(error)), "there is no advice to build by"
        self._on_change()

    def lock(self, busy: bool) -> None:
        """Let nothing be changed while something is done."""
        for each in self._options.children:
            each.disabled = busy

    def _was_chosen(self) -> None:
        """Put the options of the suggestion into the fields."""
        if self.chosen is None:
            return
        spec = self.chosen.spec
        self._options.layout.display = None if spec else "none"
        self._choosing = True
        if spec is not None:
            for each, method in ((self.m, "hnsw"), (self.ef_construction, "hnsw"), (self.lists, "ivfflat")):
                each.value = getattr(spec, each.description)
                each.layout.display = None if spec.method == method else "none"
            self.name.value = spec.name or ""
        self._choosing = False
        self._was_changed()

    def _was_changed(self) -> None:
        """Read the options, and tell what they cost."""
        if self.chosen is None or self._choosing:
            return
        self.why.value = framed(f"<div>{escape(render.clean(self.chosen.why))}</div>")
        self.spec, self.reason = None, ""
        try:
            self.spec = self._with_options(self.chosen.spec)
        except UsageError as error:
            self.reason = str(error)
        self.price.value = self._priced(self.chosen)
        self._on_change()

    def _with_options(self, spec: IndexSpec | None) -> IndexSpec | None:
        if spec is None:
            self.reason = "there is nothing to build"
            return None
        numbers = {"m": self.m.value, "ef_construction": self.ef_construction.value, "lists": self.lists.value}
        changed = dataclasses.replace(spec, name=self.name.value.strip() or None, **numbers)
        if self.chosen and self.chosen.exists and _is_alike(changed, spec):
            self.reason = "this index is there already: Rebuild makes it anew"
        return changed

    def _priced(self, chosen: Suggestion) -> str:
        """Return what the index will cost with these options, and the statement that builds it."""
        if self.spec is None:
            return ""
        statement = self.spec.sql(concurrently=self.concurrently.value)
        return framed(f"<div>{escape(self._cost(chosen, self.spec))}</div><div>{code(statement)}</div>")

    def _cost(self, chosen: Suggestion, spec: IndexSpec) -> str:
        """Return the price of the suggestion, changed as the predictions for these options are."""
        assert self.advice is not None, "a suggestion is one of an advice"
        assert chosen.spec is not None, "what is built has a spec"
        rows, non_zero = self.advice.rows, self.advice.non_zero
        sizes = [index_bytes(each, rows, non_zero) for each in (spec, chosen.spec)]
        memory = [build_memory(each, rows, non_zero=non_zero) for each in (spec, chosen.spec)]
        parts = [
            f"about {render.bytes_text(known * now / before)} {what}"
            for known, (now, before), what in ((chosen.bytes, sizes, "on disk"), (chosen.memory, memory, "to build it"))
            if known is not None and before
        ]
        return " · ".join(parts)


def _sized(width: str) -> dict[str, dict[str, str]]:
    return {"layout": {"width": width}, "style": {"description_width": "auto"}}


def _is_alike(one: IndexSpec, other: IndexSpec) -> bool:
    return dataclasses.replace(one, name=None) == dataclasses.replace(other, name=None)


def _table(advice: Advice) -> render.Grid:
    rows = [
        (
            f"{each.title}{' · recommended' * each.recommended}{' · there already' * each.exists}",
            *(("", "") if each.spec is None else (_bytes(each.bytes), _bytes(each.memory))),
            "" if each.seconds is None else seconds_text(each.seconds),
            each.recall,
        )
        for each in advice.suggestions
    ]
    caption = (f"advice for {advice.column}", f"{advice.rows:,} vectors", advice.metric)
    return render.Grid(("index", "size", "memory", "build", "recall"), rows, caption)


def _bytes(count: int | None) -> str:
    return "" if count is None else render.bytes_text(count)


def _beside(advice: Advice) -> str:
    """Return what the filters of searches would want, and what the advice stands on: both open when clicked."""
    wanted = [f"<div>{escape(render.clean(each.why))}</div><div>{code(each.sql)}</div>" for each in advice.filters]
    stands = [f"<div>{escape(render.clean(note))}</div>" for note in advice.notes]
    titles = ", ".join(each.title for each in advice.filters)
    parts = ((f"indexes for filters: {titles}", wanted), ("what this stands on", stands))
    return framed("".join(_folded(title, lines) for title, lines in parts if lines))


def _folded(title: str, lines: list[str]) -> str:
    summary = f"<summary><small>{escape(render.clean(title))}</small></summary>"
    return f"<details>{summary}<div>{''.join(lines)}</div></details>"
