"""Where the axes of a plotly picture are, and where a value is on them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .signs import text_width

Part = Mapping[str, Any]
KINDS = {"linear", "log", "category"}
_MARGIN = {"l": 80, "r": 80, "t": 100, "b": 80}


@dataclass(frozen=True, slots=True)
class Axis:
    """Numbers ``first`` to ``last`` (their logarithms, positions of ``names``) on pixels ``start`` to ``end``."""

    first: float
    last: float
    start: float
    end: float
    kind: str = "linear"
    names: tuple[str, ...] = ()
    options: Part | None = None

    def at(self, value: float | str) -> float:
        """Return the pixel of a value."""
        number = float(self.names.index(value)) if isinstance(value, str) else float(value)
        if self.kind == "log":
            number = math.log10(number) if number > 0 else self.first
        return self.start + (number - self.first) / ((self.last - self.first) or 1.0) * (self.end - self.start)

    def share(self, part: float) -> float:
        """Return the pixel at a share of the length, 0 to 1."""
        return self.start + part * (self.end - self.start)

    def ticks(self) -> list[tuple[float | str, str]]:
        """Return (value, label): those that the layout names, else every name, power of ten or about five numbers."""
        options = self.options or {}
        if "tickvals" in options:
            return list(zip(options["tickvals"], options.get("ticktext", map(str, options["tickvals"])), strict=True))
        if self.kind == "category":
            return [(name, name) for name in self.names]
        low, high = sorted((self.first, self.last))
        if self.kind == "log":
            return [(10.0**i, f"{10**i:,}") for i in range(max(math.ceil(low), 0), math.floor(high) + 1)]
        return [(value, f"{value:,.10g}".replace("-", "−")) for value in _round_numbers(low, high)]


def _round_numbers(low: float, high: float) -> list[float]:
    rough = (high - low) / 5 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [round(i * step, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def placed(traces: Sequence[Part], layout: Part, width: int, height: int) -> dict[str, Axis]:
    """Return the axes by the names that traces use (``x``, ``y2``), and ``x paper``, ``y paper`` for what is around."""
    margin = _MARGIN | dict(layout.get("margin", {}))
    left = margin["l"]
    if (vertical := layout.get("yaxis", {})).get("automargin"):
        left += max(map(text_width, vertical.get("ticktext", ())), default=0)
    room = {"x": (left, width - margin["r"]), "y": (height - margin["b"], margin["t"])}
    axes = {f"{letter} paper": Axis(0, 1, *ends) for letter, ends in room.items()}
    for name in _names(traces, layout):
        options = layout.get(f"{name[0]}axis{name[1:]}", {})
        paper = axes[f"{name[0]} paper"]
        start, end = map(paper.share, options.get("domain", (0, 1)))
        on_it = [trace for trace in traces if trace.get(f"{name[0]}axis", name[0]) == name]
        kind = options.get("type", "linear")
        names = _categories(on_it, name[0]) if kind == "category" else ()
        ends = options.get("range") or ((-0.5, len(names) - 0.5) if names else _range(on_it, layout, name[0]))
        axes[name] = Axis(ends[0], ends[1], start, end, kind, names, options)
    return axes


def _names(traces: Sequence[Part], layout: Part) -> list[str]:
    named = [name.replace("axis", "") for name in layout if name.startswith(("xaxis", "yaxis"))]
    used = [trace.get(f"{letter}axis", letter) for trace in traces for letter in "xy"]
    return list(dict.fromkeys(["x", "y", *named, *used]))


def _categories(traces: Sequence[Part], letter: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for trace in traces for value in trace[letter]))


def _range(traces: Sequence[Part], layout: Part, letter: str) -> tuple[float, float]:
    """Return the ends of an axis that names none: what is on it, with some room; lengths of bars start at zero."""
    values = [float(v) for trace in traces for v in trace[letter] if v is not None]
    bars = [trace for trace in traces if trace["type"] == "bar"]
    lengths = [trace for trace in bars if along(trace) == letter]
    if lengths and layout.get("barmode") == "stack":
        values += [sum(v or 0.0 for v in column) for column in zip(*(t[letter] for t in lengths), strict=True)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if lengths:
        return min(low, 0.0), max(high, 0.0) * 1.05 or 1.0
    room = between(values) / 2 if bars else 0.05 * ((high - low) or 1.0)
    return low - room, high + room


def along(bar: Part) -> str:
    """Return the letter of the axis that a bar's length is on."""
    return "x" if bar.get("orientation") == "h" else "y"


def between(places: Sequence[float | str]) -> float:
    """Return the smallest distance of neighbours: how much room a bar has."""
    known = sorted({float(place) for place in places if not isinstance(place, str)})
    return min((b - a for a, b in pairwise(known)), default=1.0)
