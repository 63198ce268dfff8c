"""A plotly figure that is also seen where plotly.js is not: as SVG on static pages, as words in a terminal.

Imported with the first picture, since it imports plotly.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from . import markup
from .drawing import svg
from .safe import head, one_line

_HOW = "this is a picture: .show() opens it in a browser, .write_html(path) keeps it"
_MOST_LINES = 60


class Picture(go.Figure):  # type: ignore[misc]  # plotly has no types
    """A figure whose display carries plotly's own format, an SVG and a text, so that every front end shows one."""

    # plotly's own would open a browser in a terminal, hide the formats below in a notebook, and fetch plotly.js
    _ipython_display_ = None
    _repr_html_ = None

    def _repr_mimebundle_(self, include: object = None, exclude: object = None, **options: object) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(include, exclude, **options)
        traces, layout = [trace.to_plotly_json() for trace in self.data], self.layout.to_plotly_json()
        if drawn := svg(traces, layout):
            bundle["image/svg+xml"] = drawn
        return bundle | {"text/plain": words(traces, layout)}


def words(traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> str:
    """Return what the picture tells when one points at its parts, one line each, none wider than the terminal."""
    width = min(shutil.get_terminal_size().columns, 120)
    # bars tell all there is; the lines beside them tell it again
    told = [trace for trace in traces if trace["type"] == "bar"] or list(traces[:1])
    groups: dict[tuple[int, str], list[str]] = {}  # the bars of one row, each from another trace, stand together
    for i, text in (pair for trace in told for pair in enumerate(trace.get("hovertext", ())) if pair[1]):
        name, *facts = markup.plain(text).split("\n")
        groups.setdefault((i, one_line(name)), []).extend(map(one_line, facts))
    lines = [line for (_, name), facts in groups.items() for line in (name, *(f"    {fact}" for fact in facts))]
    without = len(layout.get("yaxis", {}).get("ticktext", groups)) - len(groups)
    left = [f"… {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
    left += [f"rows without a value: {without}"] if without > 0 else []
    left += [] if groups else ["no rows"]
    title = markup.plain(layout.get("title", {}).get("text", ""))
    return "\n".join([*(_cut(line, width) for line in (title, *lines[:_MOST_LINES])), *left, f"({_HOW})"])


def _cut(line: str, width: int) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return indent + head(line.lstrip(), width - len(indent))
