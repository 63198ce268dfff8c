"""What all pictures share: colours, words, lines, numbers, and the figure itself.

The parts are plain dicts that plotly checks once, in ``figure``: added one by one, 100 rows take 14 s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Blue and orange are apart for every kind of colour blindness; all three are at least 3:1 on white and on black.
BLUE, ORANGE, GREY = "#2f86d1", "#d9730d", "#7d828a"
FAINT = "rgba(128,128,128,0.3)"
MOST_ROWS = 50

Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sketch:
    """A picture before it is drawn: the parts and the layout of plotly, or an SVG, which needs no plotly."""

    parts: list[Part]
    layout: Part

    def figure(self) -> Figure:
        """Return the figure of plotly."""
        from ..render.picture import Picture

        return Picture({"data": self.parts, "layout": self.layout})

    def svg(self) -> str:
        """Return the picture for a page without scripts; pointing at a part tells of it."""
        from ..render.drawing import svg

        return svg(self.parts, self.layout) or ""


def figure(parts: list[Part], layout: Part, labels: Sequence[str]) -> Figure:
    """Return the figure of parts and a layout; without labels it says that there are no rows."""
    if labels:
        return Sketch(parts, layout).figure()
    nothing = words("no rows", 0.5, 0.5, xref="paper", yref="paper")
    axes = {name: {"visible": False} for name in ("xaxis", "yaxis")}
    return Sketch([], layout | axes | {"annotations": [nothing], "shapes": []}).figure()


def ranked(labels: Sequence[str], title: str, places: int = 0) -> Part:
    """Return a layout of one row a label, best on top, in colours for any background; ``places`` rows high."""
    shown = [label(name, 44) for name in labels[:MOST_ROWS]]
    places = max(places, len(shown), 1)
    cut = f" (the first {MOST_ROWS} of {len(labels):,} rows)" if len(labels) > MOST_ROWS else ""
    return {
        "template": "none",
        "title": {"text": label(title, 100) + cut, "x": 0, "xref": "container", "pad": {"l": 12}},
        "font": {"color": GREY, "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": BLUE},
        "showlegend": False,
        "height": 130 + (30 if places <= 25 else 22) * places,
        "margin": {"l": 20, "r": 40, "t": 64, "b": 50},
        "xaxis": {"showgrid": False, "zeroline": False, "ticks": "outside", "tickcolor": FAINT, "linecolor": FAINT},
        "yaxis": {
            "range": [places - 0.4, -0.6],
            "tickvals": list(range(len(shown))),
            "ticktext": [f"{name}  <b>#{i + 1}</b> " for i, name in enumerate(shown)],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
    }


def words(text: str, x: float, y: float, *, color: str = GREY, **place: Any) -> Part:
    """Return words that stand at a place."""
    return {"text": text, "x": x, "y": y, "showarrow": False, "font": {"color": color, "size": 12}} | place


def heading(text: str, x: float, **place: Any) -> Part:
    """Return words that stand above the picture."""
    return words(text, x, 1, yref="paper", yanchor="bottom", **place)


def line(y: float, dash: str, color: str, **ends: Any) -> Part:
    """Return a level line behind the rest."""
    return {
        "type": "line",
        "y0": y,
        "y1": y,
        "layer": "below",
        "line": {"color": color, "dash": dash, "width": 1.2},
    } | ends


def number_format(values: Iterable[float]) -> Callable[[float], str]:
    """Return a function that writes such numbers: as many decimals as four digits of the largest need, no more."""
    numbers = list(values)
    largest = max(map(abs, numbers), default=0.0) or 1.0
    decimals = min(max(3 - math.floor(math.log10(largest)), 0), 8)
    while decimals > 0 and all(round(v, decimals) == round(v, decimals - 1) for v in numbers):
        decimals -= 1
    return lambda value: f"{value:.{decimals}f}".replace("-", "−")


def span(values: Iterable[float]) -> tuple[float, float]:
    """Return the axis's ends: what the numbers span, not from zero, for the gaps are the message."""
    numbers = list(values) or [0.0]
    low, high = min(numbers), max(numbers)
    room = (high - low) or abs(high) or 1.0
    return low - 0.08 * room, high + 0.22 * room


def label(text: str, most: int) -> str:
    """Return a text so that plotly shows it literally: it reads tags, entities and, where MathJax is, ``$…$``."""
    line = "".join(c for c in " ".join(text[: 4 * most].split()) if c.isprintable())
    line = line if len(line) <= most else line[: most - 1].rstrip() + "…"
    return escape(line, quote=False).replace("$", "&#36;")
