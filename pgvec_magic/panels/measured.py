"""The recall curve of an index, and the setting that reaches a target, to be stored on it."""

from __future__ import annotations

import dataclasses

import ipywidgets as widgets

from ..errors import PgvecError
from ..recall import RecallCurve
from .words import code, framed, line, page

_TARGETS = (0.8, 0.9, 0.95, 0.98, 0.99)


class Measured(widgets.VBox):  # type: ignore[misc]  # it has no types
    """A curve's picture and numbers; ``statement`` is the SQL that stores what reaches the target, None for nothing."""

    def __init__(self) -> None:
        self.curve: RecallCurve | None = None
        self.statement: str | None = None
        self.target = widgets.Dropdown(
            options=_TARGETS, value=0.95, description="recall to reach", style={"description_width": "auto"}
        )
        self.target.layout.width = "14em"
        self.picture, self.numbers, self.best = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.store = widgets.Button(description="Store it on the index", icon="save", layout={"width": "auto"})
        shown = [self.picture, widgets.HBox([self.target, self.store]), self.best, self.numbers]
        super().__init__(shown, layout={"display": "none"})
        self.target.observe(lambda _: self._draw(), "value")

    def show(self, curve: RecallCurve) -> None:
        """Show a curve."""
        self.curve = curve
        self.numbers.value = page(curve)
        self._draw()
        self.layout.display = None

    def clear(self) -> None:
        """Forget the curve: its index is another, or gone."""
        self.curve = self.statement = None
        self.layout.display = "none"

    def _draw(self) -> None:
        """Draw the curve with the target, and say which setting reaches it."""
        if self.curve is None:
            return
        curve = dataclasses.replace(self.curve, target=self.target.value)
        self.picture.value = framed(curve.figure()._repr_mimebundle_().get("image/svg+xml", ""))
        try:
            best = curve.lowest()
            self.statement = curve.statement("index")
            said = f"{best.name} is the lowest that reaches {self.target.value:g}"
            said += f": recall {best.recall:.3f}, {best.p50 * 1000:.2f} ms a search"
            self.best.value = line(said) + framed(code(self.statement))
        except PgvecError as error:
            self.statement, self.best.value = None, line(str(error))
        self.store.disabled = self.statement is None
