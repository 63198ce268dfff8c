"""Several ways to do the same by their time, and whether they do all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import elements

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True, slots=True)
class Timed:
    """A way: the median and the 95th percentile of its runs in milliseconds, words beside it, whether it finds all."""

    name: str
    median: float
    p95: float
    words: str
    finds_all: bool


def ways(found: Sequence[Timed], *, title: str, runs: int) -> Figure:
    """Draw the median time of each way as a bar, and from its end a line to the 95th percentile."""
    most = max((each.p95 for each in found), default=1.0) or 1.0
    colors = [elements.BLUE if each.finds_all else elements.ORANGE for each in found]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [each.median for each in found],
        "y": list(range(len(found))),
        "marker": {"color": colors},
        "hoverinfo": "text",
        "hovertext": [_hover(each) for each in found],
    }
    layout = elements.ranked([each.name for each in found], title) | {"bargap": 0.45}
    layout["yaxis"] |= {"ticktext": [f"{elements.label(each.name, 44)} " for each in found]}
    runs_of = f"median of {runs} {'run' if runs == 1 else 'runs'}, the line: 95th percentile"
    layout["xaxis"] |= {"title": f"milliseconds ({runs_of})", "range": [0, most * 1.04]}
    layout["margin"] |= {"r": 250}
    layout["shapes"] = [
        elements.line(i, "solid", elements.GREY, x0=each.median, x1=each.p95) for i, each in enumerate(found)
    ]
    layout["annotations"] = [
        elements.words(elements.label(each.words, 80), each.p95, i, xanchor="left", xshift=8)
        for i, each in enumerate(found)
    ]
    layout["annotations"] += _legend(found)
    return elements.figure([bars], layout, [each.name for each in found])


def _hover(way: Timed) -> str:
    facts = (elements.label(way.words, 110), f"95 % within {way.p95:.3g} ms")
    return "<br>".join([f"<b>{elements.label(way.name, 80)}</b>", *facts])


def _legend(found: Sequence[Timed]) -> list[elements.Part]:
    if all(each.finds_all for each in found):
        return []
    font = {"color": elements.ORANGE, "size": 12}
    return [elements.heading("● finds less than there is", 0, xref="paper", xanchor="left", font=font)]
