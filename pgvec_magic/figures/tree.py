"""The steps of a plan as a tree: a card each, what flows between them, and what is wrong at its side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import elements
from .elements import Sketch
from .steps import WHITE, Step, bars, key, plain

if TYPE_CHECKING:
    from .elements import Part

# White words are readable on all four, at least 4.5:1. The shares are those from which viewers of plans warn.
HEAT = ((0.9, "#b91c1c"), (0.4, "#b45309"), (0.1, "#1d68ad"), (0.0, "#5f6b78"))
_NEVER_RAN = "rgba(128,128,128,0.18)"
_SIDE, _WIDTH = 16, 828  # pixels, in a picture as wide as a page
_CARD, _GAP = 44, 22
_ROW = _CARD + _GAP
_HALF = _CARD / _ROW / 2
_INDENT, _MOST_INDENT = 36, 260
_INSET = 4
_CHARACTER = 6.6


@dataclass(frozen=True, slots=True)
class _Card:
    """A step's place: its row, its left edge, where the line from below meets it, and the card that it works for."""

    step: Step
    row: int
    left: float
    stem: float
    parent: _Card | None
    is_only: bool


def tree(found: Sequence[Step], *, unit: str, title: str) -> Sketch:
    """Draw steps as cards: its share of the whole in number, colour and length, then rows, pages and loops.

    A line between two is the thicker the more rows went up; what is wrong at a step stands beside its card.
    """
    wide = 0.62 * _WIDTH if any(step.marks for step in found) else 0.84 * _WIDTH
    cards = _placed(found)
    whole = sum(step.own for step in found) or 1.0
    shares = [step.own / whole for step in found]
    right = max(card.left for card in cards) + wide
    top = 74 if title else 34
    height = top + _ROW * len(cards)
    words = [word for card, share in zip(cards, shares, strict=True) for word in _words(card, share, right)]
    layout = plain(title, height, (len(cards) - 0.5, -0.5)) | {
        "margin": {"l": _SIDE, "r": _SIDE, "t": top, "b": 0},
        "shapes": [line for card in cards for line in _lines(card)],
        "annotations": [elements.heading(_key(found, unit), 0, xref="paper", xanchor="left"), *words],
    }
    layout["xaxis"] = {"visible": False, "range": [0, max(_WIDTH, right)]}
    return Sketch([_cards(cards, shares, right), _lengths(cards, shares, right)], layout)


def _placed(found: Sequence[Step]) -> list[_Card]:
    """Return the cards: what has one step below has it straight below, of several each is moved to the right."""
    parents: list[int | None] = []
    path: list[int] = []
    for i, step in enumerate(found):
        del path[step.depth :]
        parents.append(path[-1] if path else None)
        path.append(i)
    levels = [0] * len(found)
    for i, parent in enumerate(parents):
        levels[i] = 0 if parent is None else levels[parent] + (parents.count(parent) > 1)
    indent = min(_INDENT, _MOST_INDENT / max(*levels, 1))
    cards: list[_Card] = []
    for i, (step, parent) in enumerate(zip(found, parents, strict=True)):
        above = None if parent is None else cards[parent]
        left = levels[i] * indent
        cards.append(_Card(step, i, left, left + indent / 2, above, parents.count(parent) == 1))
    return cards


def _cards(cards: Sequence[_Card], shares: Sequence[float], right: float) -> Part:
    drawn = bars([card.step for card in cards], list(map(_color, cards, shares)))
    drawn["marker"]["cornerradius"] = 4
    places = {"x": [right - card.left for card in cards], "y": [card.row for card in cards]}
    return drawn | places | {"base": [card.left for card in cards], "width": 2 * _HALF}


def _color(card: _Card, share: float) -> str:
    return next(color for least, color in HEAT if share >= least) if card.step.ran else _NEVER_RAN


def _lengths(cards: Sequence[_Card], shares: Sequence[float], right: float) -> Part:
    """Return the shares as lengths, along the lower edges of the cards."""
    return {
        "type": "bar",
        "orientation": "h",
        "x": [share * (right - card.left - 2 * _INSET) for card, share in zip(cards, shares, strict=True)],
        "y": [card.row + _HALF - 3 / _ROW for card in cards],
        "base": [card.left + _INSET for card in cards],
        "width": 3 / _ROW,
        "marker": {"color": "rgba(255,255,255,0.75)", "line": {"width": 0}},
        "hoverinfo": "skip",
    }


def _lines(card: _Card) -> Iterator[Part]:
    """Yield the way that the rows of a card went to the one above."""
    above = card.parent
    if above is None:
        return
    wide = 1.0 if not card.step.rows else min(1.5 + 1.5 * math.log10(1 + card.step.rows), 10.0)
    ink = {"color": elements.GREY, "width": wide} | ({} if card.step.ran else {"dash": "dot"})
    x, bottom, top = above.stem, above.row + _HALF, card.row - _HALF
    line = {"type": "line", "layer": "below", "line": ink, "opacity": 0.7}
    yield line | {"x0": x, "x1": x, "y0": bottom, "y1": top if card.is_only else card.row}
    if not card.is_only:
        yield line | {"x0": x, "x1": card.left, "y0": card.row, "y1": card.row}


def _words(card: _Card, share: float, right: float) -> Iterator[Part]:
    step, color = card.step, WHITE if card.step.ran else elements.GREY
    room = int((right - card.left) / _CHARACTER) - 10
    name, brief = elements.label(step.name, room), elements.label(" · ".join(step.brief), room)
    ink = {"color": color, "align": "left", "xanchor": "left"}
    yield elements.words(f"<b>{name}</b><br>{brief}", card.left, card.row, xshift=12, **ink)
    if step.ran:
        ink = {"color": color, "align": "right", "xanchor": "right"}
        yield elements.words(f"<b>{_percent(share)}</b><br>{step.took}", right, card.row, xshift=-10, **ink)
    if step.marks:
        room = int((_WIDTH - right) / _CHARACTER) - 5
        said = [
            f'<span style="color:{mark.color}"><b>{mark.sign}</b></span> {elements.label(mark.title, room)}'
            for mark in step.marks[:3]
        ]
        yield elements.words("<br>".join(said), right, card.row, xshift=12, align="left", xanchor="left")


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %") if share >= 0.005 or not share else "< 1 %"


def _key(found: Sequence[Step], unit: str) -> str:
    names = ("90 % or more", "40 %", "10 %", "less")
    heat = " ".join(
        f'<span style="color:{color}">■</span> {name}' for (_, color), name in zip(HEAT, names, strict=True)
    )
    return "   ".join(filter(None, [f"share of {unit}: {heat}", "thicker line: more rows", key(found)]))
