"""The steps of a plan by their time, each below the one that it works for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import elements

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from .elements import Part

_CHARACTER = 0.0085  # of the picture's width
# White words are readable on all three, at least 4.5:1, whatever the page behind.
_MARKED, _PLAIN, _NOT_ITS_OWN = (180, 83, 9), (29, 104, 173), (95, 107, 120)


@dataclass(frozen=True, slots=True)
class Step:
    """A step: where it begins and how long it is in the unit of the picture, how deep it lies, what to say of it."""

    label: str
    facts: Sequence[str]
    depth: int
    start: float
    length: float
    own: float
    is_marked: bool = False


def steps(found: Sequence[Step], *, unit: str, title: str, marked: str) -> Figure:
    """Draw steps as an icicle: as wide as they took, the statement on top, what each waited for below it.

    ``marked`` names what the marked ones are; the greyer a step, the less of its length is its own.
    """
    depths = max((step.depth for step in found), default=0) + 1
    whole = max((step.start + step.length for step in found), default=1.0) or 1.0
    layout = elements.ranked([], title) | {
        "height": 120 + 34 * depths,
        "margin": {"l": 16, "r": 16, "t": 70, "b": 50},
        "barmode": "overlay",
        "bargap": 0.08,
        "annotations": [_name(step, whole) for step in found if _fits(step, whole)],
    }
    layout["xaxis"] = layout["xaxis"] | {"title": unit, "range": [0, whole]}
    layout["yaxis"] = {"visible": False, "range": [depths - 0.4, -0.6]}
    if any(step.is_marked for step in found):
        layout["annotations"].append(
            elements.heading(
                f"● {marked}", 0, xref="paper", xanchor="left", font={"color": elements.ORANGE, "size": 12}
            )
        )
    return elements.figure([_bars(found)], layout, [step.label for step in found])


def _bars(found: Sequence[Step]) -> Part:
    return {
        "type": "bar",
        "orientation": "h",
        "x": [step.length for step in found],
        "y": [step.depth for step in found],
        "base": [step.start for step in found],
        "marker": {"color": [_color(step) for step in found], "line": {"width": 1, "color": "rgba(128,128,128,0.6)"}},
        "hoverinfo": "text",
        "hovertext": [
            "<br>".join([f"<b>{elements.label(step.label, 80)}</b>", *(elements.label(f, 110) for f in step.facts)])
            for step in found
        ],
    }


def _color(step: Step) -> str:
    """Return a colour between grey and its own by how much of the length is the step's own."""
    share = step.own / step.length if step.length else 0.0
    full = _MARKED if step.is_marked else _PLAIN
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(_NOT_ITS_OWN, full, strict=True))


def _fits(step: Step, whole: float) -> bool:
    return step.length / whole > 6 * _CHARACTER


def _name(step: Step, whole: float) -> Part:
    room = int(step.length / whole / _CHARACTER) - 1
    return elements.words(
        elements.label(step.label, room), step.start, step.depth, color="#ffffff", xanchor="left", xshift=5
    )
