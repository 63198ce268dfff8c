"""The rows of a hybrid search by what its legs gave them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import elements

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from .elements import Part


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
    names = [elements.label(label, 200) for label in labels[: elements.MOST_ROWS]]
    legs = (
        _Leg("vector", elements.BLUE, 0, vector_shares[: elements.MOST_ROWS], vector_ranks[: elements.MOST_ROWS]),
        _Leg("keyword", elements.ORANGE, 2, keyword_shares[: elements.MOST_ROWS], keyword_ranks[: elements.MOST_ROWS]),
    )
    places = _places(len(names), legs)
    words = [word for leg in legs for word in _leg_words(leg, places)]
    layout = elements.ranked(labels, title, places=len(places)) | {
        "barmode": "stack",
        "bargap": 0.45,
        "xaxis2": {"domain": [0.6, 1], "range": [-0.5, 2.5], "visible": False},
        "annotations": [*_totals(legs), elements.heading("result", 1, xref="x2"), *words],
    }
    layout["xaxis"] |= {"domain": [0, 0.5], "title": "RRF score", "rangemode": "tozero"}
    moves = [_moves(names, leg, places, is_found=found) for leg in legs for found in (False, True)]
    return elements.figure([*(_bars(names, leg) for leg in legs), *moves, _result_ranks(names)], layout, labels)


def _places(rows: int, legs: Iterable[_Leg]) -> dict[int | None, int]:
    """Return each rank's place from the top: those beyond the rows shown follow in order, not found comes last."""
    ranks = {rank for leg in legs for rank in leg.ranks}
    beyond = sorted(rank for rank in ranks if rank is not None and rank > rows)
    known: list[int | None] = [*range(1, rows + 1), *beyond]
    return {rank: place for place, rank in enumerate([*known, None] if None in ranks else known)}


def _bars(names: Sequence[str], leg: _Leg) -> Part:
    number = elements.number_format(share for share in leg.shares if share is not None)
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


def _totals(legs: Sequence[_Leg]) -> list[Part]:
    """Return the scores at the ends of the bars, and the heading that tells the two colours."""
    totals = [sum(share or 0.0 for share in row) for row in zip(*(leg.shares for leg in legs), strict=True)]
    number = elements.number_format(totals)
    parts = " + ".join(f'<span style="color:{leg.color}">■ {leg.name}</span>' for leg in legs)
    heading = elements.heading(f"score = {parts}", 0, xanchor="left")
    return [
        heading,
        *(elements.words(number(total), total, i, xanchor="left", xshift=4) for i, total in enumerate(totals)),
    ]


def _moves(names: Sequence[str], leg: _Leg, places: Mapping[int | None, int], *, is_found: bool) -> Part:
    """Return lines from the rows' ranks in the leg to those in the result; dotted ones for rows it did not find."""
    rows = [(i, rank) for i, rank in enumerate(leg.ranks) if (rank is not None) == is_found]
    hover = [f"{names[i]}<br>{leg.where(rank)} → #{i + 1} in the result" for i, rank in rows]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "xaxis": "x2",
        "x": [x for _ in rows for x in (leg.x, 1, None)],  # None lifts the pen
        "y": [y for i, rank in rows for y in (places[rank], i, None)],
        "line": {
            "color": leg.color if is_found else elements.GREY,
            "width": 1.5,
            "dash": "solid" if is_found else "dot",
        },
        "marker": {"size": 7, "symbol": "circle" if is_found else "x-thin-open"},
        "opacity": 1.0 if is_found else 0.6,
        "hoverinfo": "text",
        "hovertext": [text for text in hover for _ in range(3)],
    }


def _leg_words(leg: _Leg, places: Mapping[int | None, int]) -> list[Part]:
    """Return the leg's heading and the ranks it gave, beside their points."""
    outside: Part = {"xanchor": "right", "xshift": -9} if leg.x == 0 else {"xanchor": "left", "xshift": 9}
    found = sorted({rank for rank in leg.ranks if rank is not None})
    words = [elements.words(f"#{rank}", leg.x, places[rank], xref="x2", color=leg.color, **outside) for rank in found]
    if None in leg.ranks:
        below: Part = {"yanchor": "top", "yshift": -4}
        words.append(elements.words(f"not found<br>by {leg.name}", leg.x, places[None], xref="x2", **below))
    return [elements.heading(f"{leg.name} rank", leg.x, xref="x2", color=leg.color), *words]


def _result_ranks(names: Sequence[str]) -> Part:
    return {
        "type": "scatter",
        "mode": "markers+text",
        "xaxis": "x2",
        "x": [1] * len(names),
        "y": list(range(len(names))),
        "marker": {"size": 20, "color": elements.GREY},
        "text": [str(i + 1) for i in range(len(names))],
        "textfont": {"color": "white", "size": 11},
        "hoverinfo": "text",
        "hovertext": [f"#{i + 1} {name}" for i, name in enumerate(names)],
    }
