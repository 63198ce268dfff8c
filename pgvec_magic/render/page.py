"""A table as HTML that stands by itself: no script, nothing fetched, readable where the style sheet is stripped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape

from .grid import Column, Grid, Notice, columns, left_out
from .notice import notice
from .safe import clean, head, one_line

# Apart for every kind of colour blindness, at least 3:1 on white and on black; the figures use the same two.
BLUE, ORANGE = "#2f86d1", "#d9730d"

_ON_ONE_LINE, _ONE_NAME = 24, 44  # characters: what never breaks, and what breaks between its parts only
_PARTS = re.compile(r"(?<=\w)([./:_-])(?=\w)")
_MOST_OF_A_TEXT = 1_000
_MOST_OF_ALL_TEXTS = 400_000  # characters, so that a saved notebook stays small

# What must survive a page that strips style sheets (GitHub, notebooks that are not trusted) stands inline instead.
_STYLE = """<style>
.pgvec{color:inherit;font:13px/1.5 var(--jp-ui-font-family,system-ui,"Segoe UI",sans-serif);margin:4px 0 10px}
.pgvec .pgvec-facts{margin:0 0 6px;opacity:.72}
.pgvec .pgvec-facts b{font-weight:600}
.pgvec .pgvec-scroll{overflow-x:auto}
.pgvec .pgvec-scroll table{border:0;font-size:inherit;color:inherit;width:auto;table-layout:auto}
.pgvec .pgvec-scroll th,.pgvec .pgvec-scroll td{padding:5px 10px;vertical-align:top;max-width:44em;background:none;
color:inherit;border:0;border-bottom:1px solid rgba(128,128,128,.2);font-variant-numeric:tabular-nums;line-height:1.4}
.pgvec .pgvec-scroll thead th{border-bottom-color:rgba(128,128,128,.55);font-weight:600}
.pgvec .pgvec-scroll tbody th{font-weight:400;opacity:.6}
.pgvec .pgvec-scroll tbody tr:nth-child(n){background:none}
.pgvec .pgvec-scroll tbody tr:nth-child(n):hover{background:rgba(47,134,209,.09)}
.pgvec small,.pgvec i{font-size:inherit;opacity:.65}
.pgvec details{min-width:14em}
.pgvec details div{max-height:22em;overflow-y:auto}
.pgvec summary{cursor:pointer;list-style:none}
.pgvec summary::-webkit-details-marker{display:none}
.pgvec summary::after{content:" more";color:var(--jp-content-link-color,#2f86d1)}
.pgvec details[open] summary::after{content:"less"}
.pgvec details[open] summary span{display:none}
.pgvec svg{display:block;max-width:100%;height:auto;margin:0 0 6px}
.pgvec svg text{pointer-events:none}
.pgvec [data-step]:hover rect{filter:brightness(1.15)}
.pgvec code{font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace);font-size:12px;color:inherit}
</style>"""

_NULL = "<i>NULL</i>"
_MISSING = "<small>–</small>"
_LEFT, _RIGHT = ' style="text-align:left;white-space:nowrap"', ' style="text-align:right;white-space:nowrap"'
_TABLE = ' style="border-collapse:collapse;margin:0"'
_NAME = ' style="text-align:left;min-width:12em"'
_WRAPPED = ' style="text-align:left;overflow-wrap:anywhere"'
_TRACK = (
    ' style="display:inline-block;width:60px;height:8px;margin-right:4px;border-radius:2px;text-align:left;'
    'background-color:rgba(128,128,128,0.2)"'
)


def html(grid: Grid, *, picture: str = "") -> str:
    """Return the table as one self-contained ``<div>``, its size bounded, everything in it escaped.

    ``picture`` is an SVG that stands above the table.
    """
    parts = ['<div class="pgvec">', _STYLE, _facts(grid), *map(_note, grid.notes), picture]
    if grid.columns:
        parts.append(_table(columns(grid)))
    if more := left_out(grid):
        parts.append(f"<div><small>{more}</small></div>")
    return "\n".join([*filter(None, parts), "</div>"])


def _facts(grid: Grid) -> str:
    first, *rest = [escape(one_line(fact)) for fact in grid.caption] or [""]
    return f'<div class="pgvec-facts">{" · ".join([f"<b>{first}</b>", *rest])}</div>' if first else ""


def _note(note: str | Notice) -> str:
    if isinstance(note, Notice):
        return notice(note)
    style = f"border-left:3px solid {ORANGE};background-color:rgba(217,115,13,0.1);padding:4px 10px;margin:0 0 6px"
    return f'<div style="{style}"><b>Note:</b> {escape(one_line(note))}</div>'


def _table(shown: list[Column]) -> str:
    colours = iter((BLUE, ORANGE))
    headings = "".join(_heading(c, next(colours, "") if c.kind == "leg" else "") for c in shown)
    long = [c for c in shown if c.kind == "text" and any(len(t or "") > 60 for t in c.texts)]
    start = max(60, min(180, 400 // max(len(long), 1)))  # about three lines
    most = min(_MOST_OF_ALL_TEXTS // max(len(long) * len(shown[0].texts), 1), _MOST_OF_A_TEXT)
    cells = [[_text_cell(t, start, most) for t in c.texts] if c.kind == "text" else _CELLS[c.kind](c) for c in shown]
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in zip(*cells, strict=True))
    table = f"<table{_TABLE}>\n<thead><tr>{headings}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    return f'<div class="pgvec-scroll">{table}</div>'


def _heading(column: Column, colour: str) -> str:
    dot = f'<span style="color:{colour}">●</span> ' if colour else ""
    side = _LEFT if column.kind == "text" else _RIGHT
    hint = f' title="{escape(one_line(column.hint))}"' if column.hint else ""
    return f'<th scope="col"{side}{hint}>{dot}{escape(column.title)}</th>'


# --- the cells of a column -------------------------------------------------------------------------------------------


def _index_cells(column: Column) -> list[str]:
    return [f'<th scope="row"{_RIGHT}>{_short(text)}</th>' for text in column.texts]


def _number_cells(column: Column) -> list[str]:
    return [f"<td{_RIGHT}>{_NULL if text is None else _short(text)}</td>" for text in column.texts]


def _bar_cells(column: Column) -> list[str]:
    pairs = zip(column.texts, column.fills, strict=True)
    return [f"<td{_RIGHT}>{_bar(fill)}{_MISSING if text is None else _short(text)}</td>" for text, fill in pairs]


def _bar(fill: float | None) -> str:
    if fill is None:
        return ""
    inside = (
        f'<span style="display:block;height:100%;width:{fill:.0%};background-color:{BLUE};border-radius:2px"></span>'
    )
    return f"<span{_TRACK}>{inside}</span> "


def _leg_cells(column: Column) -> list[str]:
    return [f"<td{_RIGHT}>{_MISSING if text is None else _leg(_short(text))}</td>" for text in column.texts]


def _leg(text: str) -> str:
    rank, _, number = text.partition(" ")
    return f"<b>{rank}</b> <small>{number}</small>"


def _text_cell(text: str | None, start: int, most: int) -> str:
    """Return a text: short ones whole, long ones by their beginning, which opens to the text itself."""
    if text is None:
        return f"<td{_LEFT}>{_NULL}</td>"
    if len(text) <= start:
        return _whole_cell(one_line(text))
    if most < 2 * start:  # so many texts that opening one is not worth its bytes
        return f"<td{_WRAPPED}>{escape(head(text, start))}</td>"
    rest = f" … ({len(text):,} characters)" if len(text) > most else ""
    whole = f'<div style="white-space:pre-wrap">{escape(clean(text[:most]))}{rest}</div>'
    return f"<td{_WRAPPED}><details><summary><span>{escape(head(text, start))}</span></summary>{whole}</details></td>"


def _whole_cell(line: str) -> str:
    if len(line) <= _ON_ONE_LINE:
        return f"<td{_LEFT}>{escape(line)}</td>"
    if len(line) <= _ONE_NAME:  # of a dotted name or a path, so that it leaves room for texts
        parted = _PARTS.sub(r"\1<wbr>", escape(line))
        return f"<td{_NAME}>{parted}</td>"
    return f"<td{_WRAPPED}>{escape(line)}</td>"


def _short(text: str | None) -> str:
    return escape(head(text or "", 60))


_CELLS: Mapping[str, Callable[[Column], list[str]]] = {
    "index": _index_cells,
    "number": _number_cells,
    "bar": _bar_cells,
    "leg": _leg_cells,
}
