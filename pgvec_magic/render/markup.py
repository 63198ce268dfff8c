"""The little HTML that plotly reads in its texts (bold, line breaks, colours), as lines of runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one line in one style, its text literal; ``color`` None for that of its surroundings."""

    text: str
    bold: bool = False
    color: str | None = None


def lines(marked: str) -> list[list[Run]]:
    """Return a text as plotly would show it: tags it knows taken as style, other tags dropped, entities decoded."""
    reader = _Reader()
    reader.feed(marked)
    reader.close()
    return reader.lines


def plain(marked: str) -> str:
    """Return the words alone, with line breaks."""
    return "\n".join("".join(run.text for run in line) for line in lines(marked))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[list[Run]] = [[]]
        self._styles = [Run("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.lines.append([])
            return
        style = self._styles[-1]
        if tag in ("b", "strong"):
            style = replace(style, bold=True)
        if found := re.search(r"color:\s*(#[0-9a-fA-F]{3,6}|[a-z]+)", dict(attrs).get("style") or ""):
            style = replace(style, color=found[1])
        self._styles.append(style)

    def handle_endtag(self, tag: str) -> None:
        if tag != "br" and len(self._styles) > 1:
            self._styles.pop()

    def handle_data(self, data: str) -> None:
        self.lines[-1].append(replace(self._styles[-1], text=data))
