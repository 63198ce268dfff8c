"""Near-identical pairs by distance, and their groups by size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from . import elements

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from .elements import Part


_BINS = 40


def duplicates(
    distances: Sequence[float], sizes: Sequence[int], *, max_distance: float, value_name: str, title: str
) -> Figure:
    """Draw how far near-identical pairs are apart, up to the threshold, and how many groups have how many rows.

    Pairs at distance 0 have a bar of their own, left of the others; where counts differ much, the axis is logarithmic.
    """
    bars, ticks = _distance_bars(distances, max_distance, value_name)
    groups = _size_bars(sizes)
    place: Part = {"yref": "paper", "xanchor": "right", "yanchor": "top", "xshift": -4}
    threshold = {"dash": "dash", "width": 1.5, "color": elements.ORANGE}
    upright = {"type": "line", "x0": max_distance, "x1": max_distance, "y0": 0, "y1": 1, "yref": "paper"}
    layout = _plain_layout(title) | {
        "bargap": 0.08,
        "annotations": [
            elements.heading("pairs by distance", 0, xref="x domain", xanchor="left"),
            elements.heading("groups by rows", 0, xref="x2 domain", xanchor="left"),
            elements.words("max_distance", max_distance, 1, color=elements.ORANGE, **place),
        ],
        "shapes": [upright | {"line": threshold}],
        "xaxis2": {**_AXIS, "domain": [0.7, 1], "type": "category", "title": "rows in the group"},
        "yaxis": {**_AXIS, **_count_axis(count for bar in bars for count in bar["y"])},
        "yaxis2": {**_AXIS, **_count_axis(groups["y"]), "anchor": "x2"},
    }
    layout["xaxis"] = {**_AXIS, "domain": [0, 0.6], "title": elements.label(value_name, 40), **ticks}
    return elements.figure([*bars, groups], layout, [title] if sizes else [])


_AXIS: Part = {
    "showgrid": False,
    "zeroline": False,
    "ticks": "outside",
    "tickcolor": elements.FAINT,
    "linecolor": elements.FAINT,
}


def _plain_layout(title: str) -> Part:
    """Return the layout of a picture that has no rows."""
    return elements.ranked([], title) | {"height": 380, "margin": {"l": 60, "r": 20, "t": 76, "b": 56}}


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count:,} pairs"


def _distance_bars(distances: Sequence[float], most: float, name: str) -> tuple[list[Part], Part]:
    """Return bars of pairs by distance, identical ones apart and in their own colour, and the ticks of the axis."""
    width = (most or 1.0) / _BINS
    counts = [0] * _BINS
    for distance in distances:
        if distance > 0:
            counts[min(int(distance / width), _BINS - 1)] += 1
    number = elements.number_format([width])
    edges = [(i * width, (i + 1) * width) for i in range(_BINS)]
    near = {
        "type": "bar",
        "x": [(low + high) / 2 for low, high in edges],
        "y": counts,
        "width": width * 0.92,
        "marker": {"color": elements.BLUE, "line": {"width": 0}},
        "hoverinfo": "text",
        "hovertext": [
            f"{elements.label(name, 40)} {number(low)} to {number(high)}: {_pairs(count)}" if count else ""
            for count, (low, high) in zip(counts, edges, strict=True)
        ],
    }
    identical = len(distances) - sum(counts)
    same = {
        "type": "bar",
        "x": [-2.5 * width],
        "y": [identical],
        "width": 2 * width,
        "marker": {"color": elements.ORANGE, "line": {"width": 0}},
        "text": [f"{identical:,} at 0"],
        "textposition": "outside",
        "constraintext": "none",
        "cliponaxis": False,
        "hoverinfo": "text",
        "hovertext": [f"{elements.label(name, 40)} 0: {_pairs(identical)}"],
    }
    room: Part = {"range": [-5 * width, (most or 1.0) * 1.03]}
    return [same, near] if identical else [near], room


def _size_bars(sizes: Sequence[int]) -> Part:
    """Return bars of groups by their count of rows; from 8 on in ranges, each twice as wide as the last."""
    counts: dict[str, int] = {}
    for size in sorted(sizes):
        low = 2 ** (size.bit_length() - 1)
        name = f"{size}" if size < 8 else f"{low:,}–{2 * low - 1:,}"
        counts[name] = counts.get(name, 0) + 1
    return {
        "type": "bar",
        "xaxis": "x2",
        "yaxis": "y2",
        "x": list(counts),
        "y": list(counts.values()),
        "marker": {"color": elements.BLUE, "line": {"width": 0}},
        "text": [f"{count:,}" for count in counts.values()],
        "textposition": "outside",
        "cliponaxis": False,
        "hoverinfo": "text",
        "hovertext": [f"groups of {name} rows: {count:,}" for name, count in counts.items()],
    }


def _count_axis(counts: Iterable[int]) -> Part:
    """Return an axis for counts, logarithmic where the largest would hide the smallest."""
    known = [count for count in counts if count]
    least, most = min(known, default=1), max(known, default=1)
    if most <= 50 * least:
        return {"range": [0, 1.15 * most], "tickformat": ",d"}
    return {"type": "log", "dtick": 1, "tickformat": ",d", "range": [math.log10(0.7), math.log10(most) + 0.4]}
