"""A table as plain text: aligned columns, block bars, never wider than the terminal."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import dataclass

from .grid import Column, Grid, Notice, columns, left_out
from .safe import head, one_line
from .safe import width as width_of
from .severity import SEVERITIES

_GAP = "  "
_BAR = 8  # characters of a full bar
_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_LEAST = 12  # a text is not squeezed further: then columns are left out


def text(grid: Grid, width: int | None = None) -> str:
    """Return the table as text of at most ``width`` columns; without one, the terminal's, at most 120."""
    width = width or min(shutil.get_terminal_size().columns, 120)
    lines = textwrap.wrap(" · ".join(map(one_line, grid.caption)), width)
    if grid.columns:
        lines += _table([_block(column, width) for column in columns(grid)], width)
    if more := left_out(grid):
        lines.append(more)
    for note in grid.notes:
        lines += _notice(note, width) if isinstance(note, Notice) else _hanging(f"! {one_line(note)}", width)
    return "\n".join(lines)


def _notice(note: Notice, width: int) -> list[str]:
    """Return what is wrong in lines: the fix stands alone, so that it can be copied."""
    severity = SEVERITIES[note.severity]
    lines = ["", *_hanging(f"{severity.sign} {severity.word} {note.rule}: {one_line(note.title)}", width)]
    lines += _hanging(f"  {one_line(note.why)}", width)
    lines += _hanging(f"  → {one_line(note.fix)}", width, "    ") if note.fix else []
    return [*lines, *(["  " + head(f"more: {note.link}", width - 2)] if note.link else [])]


def _hanging(line: str, width: int, indent: str = "  ") -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent=indent)


@dataclass(frozen=True, slots=True)
class _Block:
    """A column on its way to the terminal: the heading and one line a row, safe; ``wide`` is the widest of them."""

    lines: list[str]
    wide: int
    is_text: bool
    is_ours: bool

    @property
    def least(self) -> int:
        return min(self.wide, _LEAST) if self.is_text else self.wide


def _block(column: Column, width: int) -> _Block:
    missing = "NULL" if column.kind in ("text", "number") else "–"
    texts = [missing if t is None else head(t, width) for t in column.texts]
    if column.kind == "bar":
        texts = [f"{t} {_bar(fill):<{_BAR}}" for t, fill in zip(texts, column.fills, strict=True)]
    lines = [column.title, *texts]
    is_ours = column.kind in ("index", "bar", "leg")
    return _Block(lines, max(map(width_of, lines)), column.kind == "text", is_ours)


def _bar(fill: float | None) -> str:
    full, rest = divmod(round((fill or 0.0) * _BAR * 8), 8)
    return "█" * full + _EIGHTHS[rest]


def _table(blocks: list[_Block], width: int) -> list[str]:
    """Return the lines of the table; what does not fit is squeezed, then left out and named."""
    kept = list(range(len(blocks)))
    while len(kept) > 1 and _total([blocks[i].least for i in kept]) > width:
        kept.remove(_dispensable(blocks, kept))
    shown = [blocks[i] for i in kept]
    widths = _widths(shown, width)
    rows = [_line(shown, widths, row) for row in zip(*(block.lines for block in shown), strict=True)]
    rows.insert(1, _GAP.join("─" * wide for wide in widths))
    names = ", ".join(block.lines[0] for i, block in enumerate(blocks) if i not in kept)
    return [*rows, *([head(f"… not shown, too narrow: {names}", width)] if names else [])]


def _dispensable(blocks: list[_Block], kept: list[int]) -> int:
    """Return the column to leave out: of a ranked table its narrowest, which says least, of any other the last."""
    others = [i for i in kept if not blocks[i].is_ours]
    if not others or len(others) == len(kept):
        return kept[-1]
    return min(others, key=lambda i: blocks[i].wide)


def _total(widths: list[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _widths(blocks: list[_Block], width: int) -> list[int]:
    """Return the columns' widths: the widest text gives way until the line fits."""
    widths = [block.wide for block in blocks]
    while (over := _total(widths) - width) > 0:
        most = max(range(len(blocks)), key=lambda i: widths[i] - blocks[i].least)
        if widths[most] <= blocks[most].least:  # one column alone, wider than the terminal
            return [min(wide, width) for wide in widths]
        widths[most] -= max(1, over // len(blocks))
    return widths


def _line(blocks: list[_Block], widths: list[int], row: tuple[str, ...]) -> str:
    return _GAP.join(map(_padded, blocks, widths, row)).rstrip()


def _padded(block: _Block, wide: int, line: str) -> str:
    line = line if width_of(line) <= wide else head(line, wide)
    blank = " " * (wide - width_of(line))
    return line + blank if block.is_text else blank + line
