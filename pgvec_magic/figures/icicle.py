"""The steps of a plan by their time, each below the one that it works for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import elements
from .elements import Sketch
from .steps import WHITE, Step, bars, key, plain

if TYPE_CHECKING:
    from .elements import Part

_CHARACTER = 0.0085  # of the picture's width
# White words are readable on all three, at least 4.5:1, whatever the page behind.
_VECTOR, _PLAIN, _NOT_ITS_OWN = (180, 83, 9), (29, 104, 173), (95, 107, 120)


def icicle(found: Sequence[Step], *, unit: str, title: str) -> Sketch:
    """Draw steps as an icicle: as wide as they took, the statement on top, what each waited for below it.

    Scans of vector indexes have a sign and a colour; the greyer a step, the less of its length is its own.
    """
    depths = max(step.depth for step in found) + 1
    whole = max(step.start + step.length for step in found) or 1.0
    top = (70 if title else 30) if (said := _key(found)) or title else 4
    layout = plain(title, top + 50 + 34 * depths, (depths - 0.4, -0.6)) | {
        "margin": {"l": 16, "r": 16, "t": top, "b": 50},
        "bargap": 0.08,
        "annotations": [*(_name(step, whole) for step in found if _fits(step, whole)), *said],
    }
    layout["xaxis"] = layout["xaxis"] | {"title": {"text": unit}, "range": [0, whole]}
    places = {"x": [step.length for step in found], "y": [step.depth for step in found]}
    drawn = bars(found, [_color(step) for step in found]) | places | {"base": [step.start for step in found]}
    return Sketch([drawn], layout)


def _color(step: Step) -> str:
    """Return a colour between grey and its own by how much of the length is the step's own."""
    share = step.own / step.length if step.length else 0.0
    full = _VECTOR if step.is_vector_scan else _PLAIN
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(_NOT_ITS_OWN, full, strict=True))


def _fits(step: Step, whole: float) -> bool:
    return step.length / whole > 6 * _CHARACTER


def _name(step: Step, whole: float) -> Part:
    room = int(step.length / whole / _CHARACTER) - 1
    return elements.words(
        elements.label(step.name, room), step.start, step.depth, color=WHITE, xanchor="left", xshift=5
    )


def _key(found: Sequence[Step]) -> list[Part]:
    """Return what the signs mean, and what is wrong at steps too short for a word."""
    signs = [f'<span style="color:{elements.ORANGE}">{key(found)}</span>'] if key(found) else []
    for mark in dict.fromkeys(mark for step in found for mark in step.marks):
        signs.append(f'<span style="color:{mark.color}">{mark.sign}</span> {elements.label(mark.title, 44)}')
    return [elements.heading("   ".join(signs), 0, xref="paper", xanchor="left")] if signs else []
