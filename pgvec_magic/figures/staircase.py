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
# Steps lower than this share of the highest are too small for words.
_LEAST_NAMED = 0.2


@dataclass(frozen=True, slots=True)
class Stair:
    """The steps of a type: of each its last dimension, the bytes of the index there, and how many rows a page has."""

    name: str
    steps: Sequence[tuple[int, int, float]]


def staircase(stairs: Sequence[Stair], here: tuple[int, int, str] | None, *, title: str) -> Figure:
    """Draw the stairs, one line a type; ``here`` is the table's own place: dimensions, bytes, and of which type."""
    most = max(size for stair in stairs for _, size, _ in stair.steps)
    unit, name = _unit(most)
    widest = max(stair.steps[-1][0] for stair in stairs)
    parts = [_line(stair, at, unit) for at, stair in enumerate(stairs)]
    parts += [_place(here, unit)] if here else []
    layout: Part = elements.ranked([], title) | {
        "height": 420,
        "margin": {"l": 70, "r": 40, "t": 76, "b": 60},
        "annotations": [*_names(stairs), *_heights(stairs[0], most, unit), *_here(here, unit, widest)],
        "xaxis": _AXIS | {"title": "dimensions", "range": [0, widest * 1.02]},
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


def _unit(most: int) -> tuple[int, str]:
    """Return what the axis counts in: so that its numbers are short."""
    return next(((1024**power, name) for power, name in ((3, "GB"), (2, "MB"), (1, "kB")) if most >= 2 * 1024**power))


def _line(stair: Stair, at: int, unit: int) -> Part:
    """A step is level to its end, where the line goes straight up."""
    starts = [1, *(last + 1 for last, _, _ in stair.steps[:-1])]
    points = [
        (x, size / unit, _hover(stair.name, start, last, size, held))
        for start, (last, size, held) in zip(starts, stair.steps, strict=True)
        for x in (start, last)
    ]
    xs, ys, hovers = zip(*points, strict=True)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(xs),
        "y": list(ys),
        "line": {"color": _COLOURS[at], "width": 2},
        "hoverinfo": "text",
        "hovertext": ["" if place % 2 else text for place, text in enumerate(hovers)],
    }


def _hover(kind: str, first: int, last: int, size: int, held: float) -> str:
    return f"{kind}, {first:,} to {last:,} dimensions<br>{bytes_text(size)}: {_held(held)}"


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
    left = dimensions > widest / 2
    side: Part = {"xanchor": "right" if left else "left", "xshift": -10 if left else 10}
    return [elements.words(text, dimensions, size / unit, yanchor="top", yshift=-8, **side)]


def _names(stairs: Sequence[Stair]) -> list[Part]:
    return [
        elements.heading(
            f'<span style="color:{_COLOURS[at]}">●</span> {stair.name}', at * 0.2, xref="paper", xanchor="left"
        )
        for at, stair in enumerate(stairs)
    ]


def _heights(stair: Stair, most: int, unit: int) -> list[Part]:
    """At the higher steps, the dimension from which the next one is, and what a page holds up to there."""
    return [
        elements.words(f"{last:,}: {_held(held)}", last, size / unit, xanchor="right", yanchor="bottom", yshift=2)
        for (last, size, held), (_, above, _) in pairwise(stair.steps)
        if above - size > _LEAST_NAMED * most or size > 2 * _LEAST_NAMED * most
    ]
