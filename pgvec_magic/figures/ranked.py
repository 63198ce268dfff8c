"""The rows of a search by their scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from . import elements

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from .elements import Part


def scores(
    labels: Sequence[str],
    values: Sequence[float | None],
    *,
    value_name: str,
    title: str,
    lower_is_better: bool = False,
) -> Figure:
    """Draw each row's number, best on top, with the gap to the next row; the biggest gap stands out.

    Rows come in the order of their rank, the first 50 are drawn; where a value is None or NaN, "no …" is written.
    """
    name = elements.label(value_name, 40)
    known = {i: float(v) for i, v in enumerate(values[: elements.MOST_ROWS]) if v is not None and math.isfinite(v)}
    number = elements.number_format(known.values())
    low, high = elements.span(known.values())
    dots = {
        "type": "scatter",
        "x": list(known.values()),
        "y": list(known),
        "mode": "markers+text",
        "marker": {"size": 11, "color": elements.BLUE},
        "text": [f"  {number(v)}" for v in known.values()],
        "textposition": "middle right",
        "hovertext": [f"#{i + 1} {elements.label(labels[i], 200)}<br>{name} {number(v)}" for i, v in known.items()],
        "hoverinfo": "text",
        "cliponaxis": False,
    }
    unknown = [i for i in range(min(len(labels), elements.MOST_ROWS)) if i not in known]
    words = [elements.words(f"no {name}", 0.01, i, xref="paper", xanchor="left") for i in unknown]
    guides = [elements.line(i, "dot", elements.GREY, x0=low, x1=value, opacity=0.5) for i, value in known.items()]
    gap_words, gap_lines = _gaps(known, number, worse=1 if lower_is_better else -1)
    layout = elements.ranked(labels, title) | {"annotations": words + gap_words, "shapes": guides + gap_lines}
    layout["xaxis"] |= {
        "title": f"{name} ({'smaller' if lower_is_better else 'larger'} is better)",
        "range": [low, high],
    }
    layout["margin"] |= {"r": 210 if gap_lines else 110 if gap_words else 40}
    return elements.figure([dots], layout, labels)


def _gaps(known: Mapping[int, float], number: Callable[[float], str], worse: int) -> tuple[list[Part], list[Part]]:
    """Return the gaps between neighbours, to write at the right edge, and a line for one bigger than all others."""
    gaps = {i: known[j] - known[i] for i, j in pairwise(known) if j == i + 1}
    steps = sorted((worse * gap for gap in gaps.values()), reverse=True)
    biggest = steps[0] if len(steps) > 1 and steps[0] > max(steps[1], 0.0) else None
    at_edge: Part = {"xref": "paper", "xanchor": "left", "xshift": 6}
    words, lines = [elements.heading("gap to the next", 1, **at_edge)] if gaps else [], []
    for i, gap in gaps.items():
        text = ("+" if gap > 0 else "") + number(gap)
        if worse * gap == biggest:
            text = f"<b>{text}</b>  biggest {'drop' if worse < 0 else 'step'} after #{i + 1}"
            lines.append(elements.line(i + 0.5, "dash", elements.ORANGE, x0=0, x1=1, xref="paper"))
        words.append(
            elements.words(
                text, 1, i + 0.5, color=elements.ORANGE if worse * gap == biggest else elements.GREY, **at_edge
            )
        )
    return words, lines
