"""A plotly picture as SVG, for pages that cannot run plotly.js: nbconvert, GitHub, a notebook that is not trusted.

It draws what our pictures are made of (bars, dots, lines, texts); any other picture gives None, since half of one would
be untrue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from . import markup, signs
from .axes import KINDS, Axis, Part, along, between, placed

WIDTH = 860  # pixels: what a page has for an output in a window of 1,000
_FONT = "system-ui,'Segoe UI',Helvetica,Arial,sans-serif"
_GREY = "#7d828a"
_MOST_POINTS = 5_000
_TRACES, _SHAPES = {"bar", "scatter"}, {"line", "rect"}


@dataclass(frozen=True, slots=True)
class _Frame:
    """The axes, and the colour of what has none of its own."""

    axes: Mapping[str, Axis]
    color: str

    def at(self, letter: str, reference: str | None, value: float) -> float:
        """Return the pixel of a value in an axis's units, or of a share of an axis (``x2 domain``) or of the paper."""
        name, _, of_domain = (reference or letter).partition(" ")
        if name == "paper":
            return self.axes[f"{letter} paper"].share(value)
        return self.axes[name].share(value) if of_domain else self.axes[name].at(value)

    def point(self, trace: Part, x: float, y: float) -> tuple[float, float]:
        """Return the pixels of a point of a trace."""
        return self.axes[trace.get("xaxis", "x")].at(x), self.axes[trace.get("yaxis", "y")].at(y)


def svg(traces: Sequence[Part], layout: Part) -> str | None:
    """Return the picture, ``WIDTH`` pixels wide and as high as the layout says; None when it holds anything else."""
    if not _drawable(traces, layout):
        return None
    height = int(layout.get("height", 450))
    color = layout.get("font", {}).get("color", _GREY)
    frame = _Frame(placed(traces, layout, WIDTH, height), color)
    parts = [*_axes(frame), *_shapes(frame, layout.get("shapes", ())), *_bars(frame, traces, layout)]
    for trace in traces:
        if trace["type"] == "scatter":
            parts += _scatter(frame, trace)
    parts += [_annotation(frame, words) for words in layout.get("annotations", ())]
    title = layout.get("title", {}).get("text", "")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" font-family="{_FONT}" fill="{signs.safe(color)}">'
    )
    name = f"<title>{signs.safe(markup.plain(title))}</title>"
    heading = [signs.text(title, 12, 24, size=17)] if title else []
    return "\n".join([head, name, *parts, *heading, "</svg>"])


def _drawable(traces: Sequence[Part], layout: Part) -> bool:
    kinds = {name: part.get("type", "linear") for name, part in layout.items() if name.startswith(("xaxis", "yaxis"))}
    return (
        all(trace["type"] in _TRACES and "fill" not in trace for trace in traces)
        and all(shape["type"] in _SHAPES for shape in layout.get("shapes", ()))
        and set(kinds.values()) <= KINDS
        and all(_fits(trace, letter, kinds) for trace in traces for letter in "xy")
        and sum(len(trace["y"]) for trace in traces) <= _MOST_POINTS
    )


def _fits(trace: Part, letter: str, kinds: Mapping[str, str]) -> bool:
    """Whether there are names on an axis of names alone: elsewhere plotly would read dates and numbers from them."""
    axis = f"{letter}axis{trace.get(f'{letter}axis', letter)[1:]}"
    has_names = any(isinstance(value, str) for value in trace[letter])
    return has_names == (kinds.get(axis) == "category")


def _axes(frame: _Frame) -> Iterator[str]:
    for name, axis in frame.axes.items():
        options = axis.options
        if options is None or options.get("visible") is False:
            continue
        is_x = name[0] == "x"
        edge = frame.axes[options.get("anchor", "y" if is_x else "x")].start
        color = options.get("linecolor", "none")
        ends = ((axis.start, edge), (axis.end, edge)) if is_x else ((edge, axis.start), (edge, axis.end))
        yield signs.line(*ends, color)
        for value, label in axis.ticks():
            at = axis.at(value)
            tick = ((at, edge), (at, edge + 5)) if is_x else ((edge, at), (edge - 5, at))
            if options.get("ticks") == "outside":
                yield signs.line(*tick, options.get("tickcolor", "none"))
            place = ((at, edge + 18), "middle") if is_x else ((edge - 8, at + 4), "end")
            yield signs.text(label, *place[0], anchor=place[1])
        title = options.get("title", {}).get("text", "")
        if title:
            where = ((axis.start + axis.end) / 2, edge + 42) if is_x else (edge, axis.end - 10)
            yield signs.text(title, *where, anchor="middle", size=14)


def _shapes(frame: _Frame, shapes: Iterable[Part]) -> Iterator[str]:
    for shape in shapes:
        one, other = (
            (frame.at("x", shape.get("xref"), shape[f"x{i}"]), frame.at("y", shape.get("yref"), shape[f"y{i}"]))
            for i in (0, 1)
        )
        opacity, line = shape.get("opacity", 1), shape.get("line", {})
        if shape["type"] == "rect":
            yield signs.box(one, other, shape.get("fillcolor", "none"), opacity)
        else:
            color = line.get("color", frame.color)
            yield signs.line(one, other, color, width=line.get("width", 2), dash=line.get("dash"), opacity=opacity)


def _bars(frame: _Frame, traces: Sequence[Part], layout: Part) -> Iterator[str]:
    panels: dict[tuple[str, str], list[Part]] = {}
    for trace in traces:
        if trace["type"] == "bar":
            panels.setdefault((trace.get("xaxis", "x"), trace.get("yaxis", "y")), []).append(trace)
    for bars in panels.values():
        yield from _panel(frame, bars, layout)


def _panel(frame: _Frame, bars: Sequence[Part], layout: Part) -> Iterator[str]:
    """Return the bars on one pair of axes: stacked, or those at one place side by side."""
    across = ["y" if along(bar) == "x" else "x" for bar in bars]
    places = [place for bar, letter in zip(bars, across, strict=True) for place in bar[letter]]
    is_stacked = layout.get("barmode") == "stack"
    columns = 1 if is_stacked or len(set(places)) == len(places) else len(bars)
    room = between(places) * (1 - layout.get("bargap", 0.2)) / columns
    ends: dict[float | str, float] = {}
    for i, (bar, letter) in enumerate(zip(bars, across, strict=True)):
        shift = (i - (columns - 1) / 2) * room if columns > 1 else 0.0
        half = bar.get("width", room) / 2
        texts = bar.get("text", [""] * len(bar[letter]))
        bases, colors = bar.get("base", [0.0] * len(texts)), _colors(bar, len(texts), frame.color)
        told, steps = bar.get("hovertext", [""] * len(texts)), bar.get("customdata", [None] * len(texts))
        signs_of = zip(bar[letter], bar[along(bar)], texts, bases, colors, told, steps, strict=True)
        for place, length, text, base, color, hover, step in signs_of:
            start = ends.get(place, 0.0) if is_stacked else base
            ends[place] = start + (length or 0.0)
            middle = _position(frame, bar, letter, place) + shift
            drawn = _bar(frame, bar, color, middle, half, (start, ends[place]), text)
            yield signs.told("".join(drawn), markup.plain(hover), step)


def _position(frame: _Frame, bar: Part, letter: str, place: float | str) -> float:
    names = frame.axes[bar.get(f"{letter}axis", letter)].names
    return float(names.index(place)) if isinstance(place, str) else float(place)


def _colors(trace: Part, count: int, usual: str) -> Sequence[str]:
    """Return the colour of each of a trace's signs."""
    color = trace.get("marker", {}).get("color") or trace.get("line", {}).get("color") or usual
    return color if isinstance(color, list | tuple) else [color] * count


def _bar(
    frame: _Frame, bar: Part, color: str, middle: float, half: float, length: tuple[float, float], text: str
) -> Iterator[str]:
    (a, b), (low, high) = length, (middle - half, middle + half)
    is_flat = along(bar) == "x"
    one, other = (
        frame.point(bar, *((a, low) if is_flat else (low, a))),
        frame.point(bar, *((b, high) if is_flat else (high, b))),
    )
    yield signs.box(one, other, color, radius=bar.get("marker", {}).get("cornerradius", 0))
    if text and is_flat:
        yield signs.text(text, other[0] + 4, (one[1] + other[1]) / 2 + 4)
    elif text:
        yield signs.text(text, (one[0] + other[0]) / 2, other[1] - 5, anchor="middle")


def _scatter(frame: _Frame, trace: Part) -> Iterator[str]:
    pairs = zip(trace["x"], trace["y"], strict=True)
    points = [None if x is None or y is None else frame.point(trace, x, y) for x, y in pairs]
    mode, opacity = trace.get("mode", "lines+markers"), trace.get("opacity", 1)
    line, marker = trace.get("line", {}), trace.get("marker", {})
    colors = _colors(trace, len(points), frame.color)
    style: dict[str, Any] = {"width": line.get("width", 2), "dash": line.get("dash"), "opacity": opacity}
    if "lines" in mode:
        ink = line.get("color") or next(iter(colors), frame.color)
        yield from (signs.line(a, b, ink, **style) for a, b in pairwise(points) if a and b)
    if "markers" in mode:
        dots = zip(points, colors, strict=True)
        yield from (signs.marker(point, marker, own, opacity) for point, own in dots if point)
    if "text" in mode:
        yield from (_beside(trace, p, text) for p, text in zip(points, trace["text"], strict=True) if p)


def _beside(trace: Part, point: tuple[float, float], text: str) -> str:
    font = trace.get("textfont", {})
    anchor = "start" if "right" in trace.get("textposition", "") else "middle"
    return signs.text(text, point[0], point[1] + 4, anchor=anchor, size=font.get("size", 12), color=font.get("color"))


def _annotation(frame: _Frame, words: Part) -> str:
    font = words.get("font", {})
    size = font.get("size", 12)
    x = frame.at("x", words.get("xref"), words["x"]) + words.get("xshift", 0)
    y = frame.at("y", words.get("yref"), words["y"]) - words.get("yshift", 0)
    high = signs.LINE_HEIGHT * size * len(markup.lines(words["text"]))
    top = {"top": y, "bottom": y - high}.get(words.get("yanchor", "middle"), y - high / 2)
    anchor = {"left": "start", "right": "end"}.get(words.get("xanchor", "center"), "middle")
    return signs.text(words["text"], x, top + size, anchor=anchor, size=size, color=font.get("color"))
