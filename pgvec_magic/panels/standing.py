"""The indexes that a table has: one is chosen, to be measured, rebuilt or dropped."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from ..build import Indexes
from ..catalog import VectorIndex
from .rows import RowView
from .words import line, page


class Standing(widgets.VBox):  # type: ignore[misc]  # it has no types
    """The list, and what can be done with the chosen index: each ``on_`` is called with it when it is to be done.

    To drop one takes a second click, which says what is lost.
    """

    def __init__(
        self,
        on_measure: Callable[[VectorIndex], None],
        on_rebuild: Callable[[VectorIndex], None],
        on_drop: Callable[[VectorIndex], None],
    ) -> None:
        self.indexes: Indexes | None = None
        self.view = RowView()
        self.measure = widgets.Button(description="Measure recall", icon="line-chart")
        self.rebuild = widgets.Button(description="Rebuild", icon="refresh", tooltip="REINDEX CONCURRENTLY")
        self.drop = widgets.Button(description="Drop", icon="trash")
        self.keep = widgets.Button(description="Keep it", layout={"display": "none"})
        self.asked, self.none = widgets.HTML(), widgets.HTML()
        self._on_drop = on_drop
        self._buttons = widgets.HBox(
            [self.measure, self.rebuild, self.drop, self.keep, self.asked], layout={"margin": "0 0 8px 0"}
        )
        super().__init__([self.view, self.none, self._buttons])
        self.measure.on_click(lambda _: self._do(on_measure))
        self.rebuild.on_click(lambda _: self._do(on_rebuild))
        self.drop.on_click(lambda _: self._drop())
        self.keep.on_click(lambda _: self._ask(False))
        self.view.observe(lambda _: self._ask(False), "row")

    @property
    def chosen(self) -> VectorIndex | None:
        """The index that is chosen."""
        if not self.indexes or self.view.row is None or self.view.row >= len(self.indexes):
            return None
        return self.indexes[self.view.row]

    def show(self, indexes: Indexes, name: str | None = None) -> None:
        """Show a list, with the index of that name chosen, else the first."""
        self.indexes = indexes
        names = [index.name for index in indexes]
        self.view.row = None
        self.view.page = page(indexes) if names else ""
        self.none.value = "" if names else "".join(map(line, ("no vector index yet", *indexes.notes)))
        self.view.row = (names.index(name) if name in names else 0) if names else None
        self._buttons.layout.display = None if names else "none"
        self._ask(False)

    def lock(self, busy: bool) -> None:
        """Let nothing be clicked while something is done."""
        for each in (self.measure, self.rebuild, self.drop, self.keep):
            each.disabled = busy
        self._ask(False)

    def _do(self, what: Callable[[VectorIndex], None]) -> None:
        if self.chosen is not None:
            what(self.chosen)

    def _drop(self) -> None:
        if self.keep.layout.display == "none":
            self._ask(True)
        else:
            self._do(self._on_drop)

    def _ask(self, asking: bool) -> None:
        """Ask whether it shall be dropped, or no more."""
        index = self.chosen
        asking = asking and index is not None
        self.keep.layout.display = None if asking else "none"
        self.drop.button_style = "danger" if asking else ""
        self.drop.description = "Yes, drop it" if asking else "Drop"
        self.asked.value = line(f"drop {index.name}? Only a build brings it back") if asking and index else ""
