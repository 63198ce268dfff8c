"""Recall against the time of a search: one line an index, one point a setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import elements

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from .elements import Part

# An index more than these has the colour of another, and its own mark.
_COLOURS = (elements.BLUE, elements.ORANGE, elements.GREY)
_MARKS = ("circle", "square", "diamond", "triangle-up", "x")


@dataclass(frozen=True, slots=True)
class Curve:
    """An index and its points: milliseconds, recall, the ends of its interval, the setting, what hover says.

    ``now`` is the place of the setting that is used today.
    """

    name: str
    points: Sequence[tuple[float, float, float, float, str, str]]
    now: int | None = None


def recall(curves: Sequence[Curve], *, k: int, title: str, target: float | None = None) -> Figure:
    """Draw curves with the 95 % intervals, time on a logarithmic axis; a ring is around each setting of today."""
    parts = [_line(curve, at) for at, curve in enumerate(curves)]
    parts += [_ring(curve) for curve in curves if curve.now is not None]
    points = [point for curve in curves for point in curve.points]
    wanted = [target] if target is not None else []
    least = min([low for _, _, low, *_ in points] + wanted, default=0.0)
    bottom = max(0.0, least - 0.12 * (1.0 - least) - 0.01)
    layout: Part = elements.ranked([], title) | {
        "height": 420,
        "margin": {"l": 70, "r": 30, "t": 76, "b": 60},
        "annotations": [*_names(curves), *(_target_words(value) for value in wanted)],
        "shapes": [
            *(elements.line(value, "dash", elements.GREY, x0=0, x1=1, xref="paper") for value in wanted),
            *(bar for at, curve in enumerate(curves) for bar in _intervals(curve, at)),
        ],
        "xaxis": _AXIS | _TIME | _ticks(points),
        "yaxis": _AXIS | {"title": f"recall@{k}", "range": [bottom, 1 + 0.12 * (1 - bottom)], "tickformat": ".2~f"},
    }
    return elements.figure(parts, layout, [title] if points else [])


_AXIS: Part = {
    "showgrid": False,
    "zeroline": False,
    "ticks": "outside",
    "tickcolor": elements.FAINT,
    "linecolor": elements.FAINT,
}

_TIME: Part = {"type": "log", "title": "milliseconds of a search, median", "tickformat": "~g"}


def _line(curve: Curve, at: int) -> Part:
    times, recalls, _, _, settings, hovers = zip(*curve.points, strict=True)
    colour = _COLOURS[at % len(_COLOURS)]
    return {
        "type": "scatter",
        "mode": "lines+markers+text",
        "x": list(times),
        "y": list(recalls),
        "text": [f"{name} now" if place == curve.now else name for place, name in enumerate(settings)],
        "textposition": "top left" if at % 2 == 0 else "bottom right",
        "textfont": {"color": colour, "size": 11},
        "line": {"color": colour, "width": 1.5},
        "marker": {"color": colour, "size": 8, "symbol": _MARKS[at % len(_MARKS)]},
        "hoverinfo": "text",
        "hovertext": [f"{elements.label(curve.name, 60)}<br>{elements.label(text, 300)}" for text in hovers],
        "cliponaxis": False,
    }


def _intervals(curve: Curve, at: int) -> list[Part]:
    """The 95 % intervals, behind the points."""
    line = {"color": _COLOURS[at % len(_COLOURS)], "width": 2}
    upright: Part = {"type": "line", "layer": "below", "line": line, "opacity": 0.7}
    return [upright | {"x0": time, "x1": time, "y0": low, "y1": high} for time, _, low, high, *_ in curve.points]


def _ring(curve: Curve) -> Part:
    time, recall, *_ = curve.points[curve.now or 0]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [time],
        "y": [recall],
        "marker": {"size": 18, "symbol": "circle-open", "color": elements.GREY, "line": {"width": 2}},
        "hoverinfo": "skip",
        "cliponaxis": False,
    }


def _names(curves: Sequence[Curve]) -> list[Part]:
    """The indexes' names above the picture, side by side, in the colours of their lines."""
    share = 1 / max(len(curves), 1)
    return [
        elements.heading(
            f'<span style="color:{_COLOURS[at % len(_COLOURS)]}">●</span> {elements.label(curve.name, 40)}',
            at * share,
            xref="paper",
            xanchor="left",
        )
        for at, curve in enumerate(curves)
    ]


def _target_words(value: float) -> Part:
    return elements.words(f"target {value:g}", 0, value, xref="paper", xanchor="left", yanchor="bottom", xshift=4)


def _ticks(points: Sequence[tuple[float, float, float, float, str, str]]) -> Part:
    """Return an axis's ends and its ticks at 1, 2 and 5 of each power of ten."""
    times = [time for time, *_ in points] or [1.0]
    low, high = math.log10(min(times)) - 0.15, math.log10(max(times)) + 0.15
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    return {"range": [low, high], "tickvals": [tick for tick in ticks if low <= math.log10(tick) <= high]}
