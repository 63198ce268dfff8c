"""The steps of a plan, as the pictures of it take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..render.severity import SEVERITIES
from . import elements

if TYPE_CHECKING:
    from .elements import Part

VECTOR_SIGN = "◆"
WHITE = "#ffffff"
MOST_STEPS = 100  # of which a page has the picture unasked


@dataclass(frozen=True, slots=True)
class Mark:
    """What is wrong at a step: the rule's id, how grave it is (error, warning, info), and what it is."""

    rule: str
    severity: str
    title: str

    @property
    def sign(self) -> str:
        """The sign of how grave it is, and the rule."""
        return f"{SEVERITIES[self.severity].sign} {self.rule}"

    @property
    def color(self) -> str:
        """The colour of how grave it is."""
        return SEVERITIES[self.severity].color


@dataclass(frozen=True, slots=True)
class Step:
    """A step, in the order in which EXPLAIN prints them.

    Where it begins and how long it is, of which ``own`` without the steps below, in the unit of the picture; how deep
    it lies; all that is to be said of it (``facts``), and that in a few words (``brief``). ``rows`` is what it gave.
    """

    label: str
    facts: Sequence[str]
    depth: int
    start: float
    length: float
    own: float
    is_vector_scan: bool = False
    ran: bool = True
    took: str = ""
    brief: Sequence[str] = ()
    rows: float | None = None
    marks: Sequence[Mark] = ()

    @property
    def name(self) -> str:
        """The label with the sign of a vector scan, and those of what is wrong."""
        signs = [mark.sign for mark in self.marks] + ([VECTOR_SIGN] if self.is_vector_scan else [])
        return " ".join([*signs, self.label])

    @property
    def told(self) -> str:
        """All that is to be said of it, as plotly shows it at the pointer."""
        wrong = [f"{mark.sign} {mark.title}" for mark in self.marks]
        return "<br>".join(
            [f"<b>{elements.label(self.label, 80)}</b>", *(elements.label(f, 110) for f in (*wrong, *self.facts))]
        )


def bars(found: Sequence[Step], colors: Sequence[str]) -> Part:
    """Return level bars, one a step, that tell of it and know its number."""
    return {
        "type": "bar",
        "orientation": "h",
        "marker": {"color": list(colors), "line": {"width": 1, "color": "rgba(128,128,128,0.6)"}},
        "customdata": list(range(len(found))),
        "hoverinfo": "text",
        "hovertext": [step.told for step in found],
    }


def plain(title: str, height: int, depths: Sequence[float]) -> Part:
    """Return a layout of bars without names at their side."""
    return elements.ranked([], title) | {
        "height": height,
        "barmode": "overlay",
        "yaxis": {"visible": False, "range": list(depths)},
    }


def key(found: Iterable[Step]) -> str:
    """Return what the signs in a picture mean."""
    return f"{VECTOR_SIGN} vector index" if any(step.is_vector_scan for step in found) else ""
