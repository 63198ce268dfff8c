"""The size of an index by the dimensions of its vectors: it grows in steps, for a page holds whole rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ..render import bytes_text
from . import elements

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from .elements import Part

_COLOURS = (elements.BLUE, elements.ORANGE)
# The highest steps have words, where they are at least this share of all.
_MOST_NAMED, _LEAST_NAMED = 2, 0.05
# Share of the width up to which the words at the table's place stand right of it: there the stairs are higher.
_EDGE = 0.6


@dataclass(frozen=True, slots=True)
class Stair:
    """The steps of a type: of each some (dimensions, bytes) from beginning to end, and how many rows a page has.

    Within a step the size grows a little, with the elements that are in more than one layer.
    """

    name: str
    steps: Sequence[tuple[Sequence[tuple[int, float]], float]]


def staircase(stairs: Sequence[Stair], here: tuple[int, int, str] | None, *, title: str, what: str) -> Figure:
    """Draw the stairs, one line a type; ``here`` is the table's own place: dimensions, bytes, and of which type.

    ``what`` is counted along the picture.
    """
    most = max(size for stair in stairs for points, _ in stair.steps for _, size in points)
    unit, name = _unit(most)
    widest = max(stair.steps[-1][0][-1][0] for stair in stairs)
    parts = [_line(stair, at, unit) for at, stair in enumerate(stairs)]
    parts += [_place(here, unit)] if here else []
    layout: Part = elements.ranked([], title) | {
        "height": 420,
        "margin": {"l": 70, "r": 40, "t": 76, "b": 60},
        "annotations": [*_names(stairs), *_heights(stairs[0], most, unit), *_here(here, unit, widest)],
        "xaxis": _AXIS | {"title": what, "range": [0, widest * 1.02]},
        "yaxis": _AXIS | {"title": name, "range": [0, most / unit * 1.15]},
    }
    return elements.figure(parts, layout, [title])


_AXIS: Part = {
    "showgrid": False,
    "zeroline": False,
    "ticks": "outside",
    "tickcolor": elements.FAINT,
    "linecolor": elements.FAINT,
}


def _unit(most: float) -> tuple[int, str]:
    """Return what the axis counts in: so that its numbers are short."""
    return next(((1024**power, name) for power, name in ((3, "GB"), (2, "MB"), (1, "kB")) if most >= 2 * 1024**power))


def _line(stair: Stair, at: int, unit: int) -> Part:
    """From the end of a step the line goes straight up."""
    told = [(x, size / unit, _hover(stair.name, x, size, held)) for points, held in stair.steps for x, size in points]
    xs, ys, hovers = zip(*told, strict=True)
    ends = {points[-1][0] for points, _ in stair.steps}
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(xs),
        "y": list(ys),
        "line": {"color": _COLOURS[at], "width": 2},
        "hoverinfo": "text",
        "hovertext": [text if x in ends else "" for x, text in zip(xs, hovers, strict=True)],
    }


def _hover(kind: str, dimensions: int, size: float, held: float) -> str:
    return f"{kind}, to {dimensions:,}<br>{bytes_text(size)}: {_held(held)}"


def _held(held: float) -> str:
    return "2 pages a row" if held < 1 else f"{held:g} row{'s' * (held != 1)} a page"


def _place(here: tuple[int, int, str], unit: int) -> Part:
    dimensions, size, kind = here
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [dimensions],
        "y": [size / unit],
        "marker": {"size": 12, "symbol": "circle", "color": elements.GREY},
        "hoverinfo": "text",
        "hovertext": [f"this table<br>{kind}({dimensions:,}): {bytes_text(size)}"],
        "cliponaxis": False,
    }


def _here(here: tuple[int, int, str] | None, unit: int, widest: int) -> list[Part]:
    if here is None:
        return []
    dimensions, size, kind = here
    text = f"<b>this table: {kind}({dimensions:,}), {bytes_text(size)}</b>"
    side = {"xanchor": "left"} if dimensions < _EDGE * widest else {}
    return [elements.words(text, dimensions, size / unit, yanchor="top", yshift=-8, **side)]


def _names(stairs: Sequence[Stair]) -> list[Part]:
    return [
        elements.heading(
            f'<span style="color:{_COLOURS[at]}">●</span> {stair.name}', 0.06 + at * 0.15, xref="paper", xanchor="left"
        )
        for at, stair in enumerate(stairs)
    ]


def _heights(stair: Stair, most: float, unit: int) -> list[Part]:
    """At the highest steps, the dimension from which the next one is, and what a page holds up to there."""
    rises = [(above[0][1] - below[-1][1], below[-1], held) for (below, held), (above, _) in pairwise(stair.steps)]
    high = sorted((rise for rise in rises if rise[0] > _LEAST_NAMED * most), reverse=True)[:_MOST_NAMED]
    return [
        elements.words(f"{last:,}: {_held(held)}", last, size / unit, xanchor="right", yanchor="bottom", yshift=2)
        for _, (last, size), held in high
    ]
