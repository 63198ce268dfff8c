"""Plain values as plotly pictures: one function a picture, readable on dark, on light and in print.

The parts are plain dicts that plotly checks once, in ``_figure``: added one by one, 100 rows take 14 s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Blue and orange are apart for every kind of colour blindness; all three are at least 3:1 on white and on black.
BLUE, ORANGE, GREY = "#2f86d1", "#d9730d", "#7d828a"
_FAINT = "rgba(128,128,128,0.3)"
_MOST_ROWS = 50

_Part = dict[str, Any]


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
    name = _label(value_name, 40)
    known = {i: float(v) for i, v in enumerate(values[:_MOST_ROWS]) if v is not None and math.isfinite(v)}
    number = _number_format(known.values())
    low, high = _span(known.values())
    dots = {
        "type": "scatter",
        "x": list(known.values()),
        "y": list(known),
        "mode": "markers+text",
        "marker": {"size": 11, "color": BLUE},
        "text": [f"  {number(v)}" for v in known.values()],
        "textposition": "middle right",
        "hovertext": [f"#{i + 1} {_label(labels[i], 200)}<br>{name} {number(v)}" for i, v in known.items()],
        "hoverinfo": "text",
        "cliponaxis": False,
    }
    unknown = [i for i in range(min(len(labels), _MOST_ROWS)) if i not in known]
    words = [_words(f"no {name}", 0.01, i, xref="paper", xanchor="left") for i in unknown]
    guides = [_line(i, "dot", GREY, x0=low, x1=value, opacity=0.5) for i, value in known.items()]
    gap_words, gap_lines = _gaps(known, number, worse=1 if lower_is_better else -1)
    layout = _ranked(labels, title) | {"annotations": words + gap_words, "shapes": guides + gap_lines}
    layout["xaxis"] |= {
        "title": f"{name} ({'smaller' if lower_is_better else 'larger'} is better)",
        "range": [low, high],
    }
    layout["margin"] |= {"r": 210 if gap_lines else 110 if gap_words else 40}
    return _figure([dots], layout, labels)


def _gaps(known: Mapping[int, float], number: Callable[[float], str], worse: int) -> tuple[list[_Part], list[_Part]]:
    """Return the gaps between neighbours, to write at the right edge, and a line for one bigger than all others."""
    gaps = {i: known[j] - known[i] for i, j in pairwise(known) if j == i + 1}
    steps = sorted((worse * gap for gap in gaps.values()), reverse=True)
    biggest = steps[0] if len(steps) > 1 and steps[0] > max(steps[1], 0.0) else None
    at_edge: _Part = {"xref": "paper", "xanchor": "left", "xshift": 6}
    words, lines = [_heading("gap to the next", 1, **at_edge)] if gaps else [], []
    for i, gap in gaps.items():
        text = ("+" if gap > 0 else "") + number(gap)
        if worse * gap == biggest:
            text = f"<b>{text}</b>  biggest {'drop' if worse < 0 else 'step'} after #{i + 1}"
            lines.append(_line(i + 0.5, "dash", ORANGE, x0=0, x1=1, xref="paper"))
        words.append(_words(text, 1, i + 0.5, color=ORANGE if worse * gap == biggest else GREY, **at_edge))
    return words, lines


# --- hybrid ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Leg:
    """One half of a hybrid search: what it adds to each row's score, and where it ranked the row itself."""

    name: str
    color: str
    x: int
    shares: Sequence[float | None]
    ranks: Sequence[int | None]

    def where(self, rank: int | None) -> str:
        return f"not found by {self.name}" if rank is None else f"{self.name} rank {rank}"


def shares(
    labels: Sequence[str],
    vector_shares: Sequence[float | None],
    keyword_shares: Sequence[float | None],
    vector_ranks: Sequence[int | None],
    keyword_ranks: Sequence[int | None],
    *,
    title: str,
) -> Figure:
    """Draw a hybrid search: what each leg adds to a row's score, and how its ranks in the legs became its own.

    Rows come in the order of their rank, the first 50 are drawn; None stands for a row that a leg did not find.
    """
    names = [_label(label, 200) for label in labels[:_MOST_ROWS]]
    legs = (
        _Leg("vector", BLUE, 0, vector_shares[:_MOST_ROWS], vector_ranks[:_MOST_ROWS]),
        _Leg("keyword", ORANGE, 2, keyword_shares[:_MOST_ROWS], keyword_ranks[:_MOST_ROWS]),
    )
    places = _places(len(names), legs)
    words = [word for leg in legs for word in _leg_words(leg, places)]
    layout = _ranked(labels, title, places=len(places)) | {
        "barmode": "stack",
        "bargap": 0.45,
        "xaxis2": {"domain": [0.6, 1], "range": [-0.5, 2.5], "visible": False},
        "annotations": [*_totals(legs), _heading("result", 1, xref="x2"), *words],
    }
    layout["xaxis"] |= {"domain": [0, 0.5], "title": "RRF score", "rangemode": "tozero"}
    moves = [_moves(names, leg, places, is_found=found) for leg in legs for found in (False, True)]
    return _figure([*(_bars(names, leg) for leg in legs), *moves, _result_ranks(names)], layout, labels)


def _places(rows: int, legs: Iterable[_Leg]) -> dict[int | None, int]:
    """Return each rank's place from the top: those beyond the rows shown follow in order, not found comes last."""
    ranks = {rank for leg in legs for rank in leg.ranks}
    beyond = sorted(rank for rank in ranks if rank is not None and rank > rows)
    known: list[int | None] = [*range(1, rows + 1), *beyond]
    return {rank: place for place, rank in enumerate([*known, None] if None in ranks else known)}


def _bars(names: Sequence[str], leg: _Leg) -> _Part:
    number = _number_format(share for share in leg.shares if share is not None)
    return {
        "type": "bar",
        "name": leg.name,
        "orientation": "h",
        "x": [share or 0.0 for share in leg.shares],
        "y": list(range(len(names))),
        "marker": {"color": leg.color, "line": {"width": 0}},
        "hoverinfo": "text",
        "hovertext": [
            f"#{i + 1} {name}<br>{leg.where(rank)}: adds {number(share or 0.0)} to the score"
            for i, (name, share, rank) in enumerate(zip(names, leg.shares, leg.ranks, strict=True))
        ],
    }


def _totals(legs: Sequence[_Leg]) -> list[_Part]:
    """Return the scores at the ends of the bars, and the heading that tells the two colours."""
    totals = [sum(share or 0.0 for share in row) for row in zip(*(leg.shares for leg in legs), strict=True)]
    number = _number_format(totals)
    parts = " + ".join(f'<span style="color:{leg.color}">■ {leg.name}</span>' for leg in legs)
    heading = _heading(f"score = {parts}", 0, xanchor="left")
    return [heading, *(_words(number(total), total, i, xanchor="left", xshift=4) for i, total in enumerate(totals))]


def _moves(names: Sequence[str], leg: _Leg, places: Mapping[int | None, int], *, is_found: bool) -> _Part:
    """Return lines from the rows' ranks in the leg to those in the result; dotted ones for rows it did not find."""
    rows = [(i, rank) for i, rank in enumerate(leg.ranks) if (rank is not None) == is_found]
    hover = [f"{names[i]}<br>{leg.where(rank)} → #{i + 1} in the result" for i, rank in rows]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "xaxis": "x2",
        "x": [x for _ in rows for x in (leg.x, 1, None)],  # None lifts the pen
        "y": [y for i, rank in rows for y in (places[rank], i, None)],
        "line": {"color": leg.color if is_found else GREY, "width": 1.5, "dash": "solid" if is_found else "dot"},
        "marker": {"size": 7, "symbol": "circle" if is_found else "x-thin-open"},
        "opacity": 1.0 if is_found else 0.6,
        "hoverinfo": "text",
        "hovertext": [text for text in hover for _ in range(3)],
    }


def _leg_words(leg: _Leg, places: Mapping[int | None, int]) -> list[_Part]:
    """Return the leg's heading and the ranks it gave, beside their points."""
    outside: _Part = {"xanchor": "right", "xshift": -9} if leg.x == 0 else {"xanchor": "left", "xshift": 9}
    found = sorted({rank for rank in leg.ranks if rank is not None})
    words = [_words(f"#{rank}", leg.x, places[rank], xref="x2", color=leg.color, **outside) for rank in found]
    if None in leg.ranks:
        below: _Part = {"yanchor": "top", "yshift": -4}
        words.append(_words(f"not found<br>by {leg.name}", leg.x, places[None], xref="x2", **below))
    return [_heading(f"{leg.name} rank", leg.x, xref="x2", color=leg.color), *words]


def _result_ranks(names: Sequence[str]) -> _Part:
    return {
        "type": "scatter",
        "mode": "markers+text",
        "xaxis": "x2",
        "x": [1] * len(names),
        "y": list(range(len(names))),
        "marker": {"size": 20, "color": GREY},
        "text": [str(i + 1) for i in range(len(names))],
        "textfont": {"color": "white", "size": 11},
        "hoverinfo": "text",
        "hovertext": [f"#{i + 1} {name}" for i, name in enumerate(names)],
    }


# --- what all pictures share -----------------------------------------------------------------------------------------


def _figure(parts: list[_Part], layout: _Part, labels: Sequence[str]) -> Figure:
    import plotly.graph_objects as go

    if labels:
        return go.Figure({"data": parts, "layout": layout})
    nothing = _words("no rows", 0.5, 0.5, xref="paper", yref="paper")
    axes = {name: {"visible": False} for name in ("xaxis", "yaxis")}
    return go.Figure({"data": [], "layout": layout | axes | {"annotations": [nothing], "shapes": []}})


def _ranked(labels: Sequence[str], title: str, places: int = 0) -> _Part:
    """Return a layout of one row a label, best on top, in colours for any background; ``places`` rows high."""
    shown = [_label(label, 44) for label in labels[:_MOST_ROWS]]
    places = max(places, len(shown), 1)
    cut = f" (the first {_MOST_ROWS} of {len(labels):,} rows)" if len(labels) > _MOST_ROWS else ""
    return {
        "template": "none",
        "title": {"text": _label(title, 100) + cut, "x": 0, "xref": "container", "pad": {"l": 12}},
        "font": {"color": GREY, "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": BLUE},
        "showlegend": False,
        "height": 130 + (30 if places <= 25 else 22) * places,
        "margin": {"l": 20, "r": 40, "t": 64, "b": 50},
        "xaxis": {"showgrid": False, "zeroline": False, "ticks": "outside", "tickcolor": _FAINT, "linecolor": _FAINT},
        "yaxis": {
            "range": [places - 0.4, -0.6],
            "tickvals": list(range(len(shown))),
            "ticktext": [f"{label}  <b>#{i + 1}</b> " for i, label in enumerate(shown)],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
    }


def _words(text: str, x: float, y: float, *, color: str = GREY, **place: Any) -> _Part:
    return {"text": text, "x": x, "y": y, "showarrow": False, "font": {"color": color, "size": 12}} | place


def _heading(text: str, x: float, **place: Any) -> _Part:
    return _words(text, x, 1, yref="paper", yanchor="bottom", **place)


def _line(y: float, dash: str, color: str, **ends: Any) -> _Part:
    return {
        "type": "line",
        "y0": y,
        "y1": y,
        "layer": "below",
        "line": {"color": color, "dash": dash, "width": 1.2},
    } | ends


def _number_format(values: Iterable[float]) -> Callable[[float], str]:
    """Return a function that writes such numbers: as many decimals as four digits of the largest need, no more."""
    numbers = list(values)
    largest = max(map(abs, numbers), default=0.0) or 1.0
    decimals = min(max(3 - math.floor(math.log10(largest)), 0), 8)
    while decimals > 0 and all(round(v, decimals) == round(v, decimals - 1) for v in numbers):
        decimals -= 1
    return lambda value: f"{value:.{decimals}f}".replace("-", "−")


def _span(values: Iterable[float]) -> tuple[float, float]:
    """Return the axis's ends: what the numbers span, not from zero, for the gaps are the message."""
    numbers = list(values) or [0.0]
    low, high = min(numbers), max(numbers)
    room = (high - low) or abs(high) or 1.0
    return low - 0.08 * room, high + 0.22 * room


def _label(text: str, most: int) -> str:
    """Return a text so that plotly shows it literally: it reads tags, entities and, where MathJax is, ``$…$``."""
    line = "".join(c for c in " ".join(text[: 4 * most].split()) if c.isprintable())
    line = line if len(line) <= most else line[: most - 1].rstrip() + "…"
    return escape(line, quote=False).replace("$", "&#36;")
