"""The signs of an SVG: texts, lines, boxes, dots; everything in them escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from . import markup
from .safe import clean
from .safe import width as width_of

LINE_HEIGHT = 1.3
_DASHES = {"dot": "2 3", "dash": "6 4"}


def text(marked: str, x: float, y: float, *, anchor: str = "start", size: float = 12, color: str | None = None) -> str:
    """Return a text of one or more lines, the first of them standing on ``y``."""
    shown = "".join(
        f'<tspan x="{x:.1f}" y="{y + i * LINE_HEIGHT * size:.1f}">{"".join(map(_run, line))}</tspan>'
        for i, line in enumerate(markup.lines(marked))
    )
    fill = f' fill="{safe(color)}"' if color else ""
    return f'<text xml:space="preserve" font-size="{size:g}" text-anchor="{anchor}"{fill}>{shown}</text>'


def _run(run: markup.Run) -> str:
    style = (' font-weight="600"' if run.bold else "") + (f' fill="{run.color}"' if run.color else "")
    return f"<tspan{style}>{safe(run.text)}</tspan>" if style else safe(run.text)


def text_width(marked: str, size: float = 12) -> float:
    """Return about how many pixels wide a text will be."""
    return max(0.55 * size * width_of(line) for line in markup.plain(marked).split("\n"))


def line(
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    *,
    width: float = 1,
    dash: str | None = None,
    opacity: float = 1,
) -> str:
    """Return a straight line."""
    dashes = f' stroke-dasharray="{_DASHES[dash]}"' if dash in _DASHES else ""
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f'stroke="{safe(color)}" stroke-width="{width:g}" opacity="{opacity:g}"{dashes}/>'
    )


def box(
    one: tuple[float, float], other: tuple[float, float], color: str, opacity: float = 1, *, radius: float = 0
) -> str:
    """Return a filled box between two corners."""
    (x0, x1), (y0, y1) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    round_corners = f' rx="{radius:g}"' if radius else ""
    return (
        f'<rect x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}"{round_corners} '
        f'fill="{safe(color)}" opacity="{opacity:g}"/>'
    )


def told(drawn: str, words: str, step: int | None = None) -> str:
    """Return a sign that tells something when one points at it; ``step`` is its number, for what listens to clicks."""
    number = "" if step is None else f' data-step="{step}"'
    return f"<g{number}><title>{safe(words)}</title>{drawn}</g>" if words else drawn


def marker(at: tuple[float, float], marker: Mapping[str, Any], color: str, opacity: float) -> str:
    """Return a dot, or a cross where plotly's symbol is one."""
    (x, y), half = at, marker.get("size", 6) / 2
    if marker.get("symbol", "circle").startswith("x"):
        falling = line((x - half, y - half), (x + half, y + half), color, opacity=opacity)
        return falling + line((x - half, y + half), (x + half, y - half), color, opacity=opacity)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{half:g}" fill="{safe(color)}" opacity="{opacity:g}"/>'


def safe(text: str) -> str:
    """Return a text that is neither markup nor a control character in an SVG."""
    return escape(clean(text))
