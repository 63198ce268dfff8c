"""What is wrong, as a box of a page: sign, word and colour say how grave it is, and the fix can be copied."""

from __future__ import annotations

from html import escape

from .grid import Notice
from .safe import clean, one_line
from .severity import SEVERITIES, Severity

_FIX = (
    "padding:2px 8px;border-radius:3px;background-color:rgba(128,128,128,0.15);"
    "white-space:pre-wrap;overflow-wrap:anywhere;user-select:all;-webkit-user-select:all"
)


def notice(note: Notice) -> str:
    """Return the box, everything in it escaped; one click on the fix selects all of it."""
    severity = SEVERITIES[note.severity]
    head = (
        f'<div><b><span style="color:{severity.color}">{severity.sign} {severity.word}</span>'
        f" {escape(note.rule)} · {escape(one_line(note.title))}</b></div>"
    )
    parts = [head, f"<div>{escape(one_line(note.why))}</div>", _fix(note)]
    if note.link:
        parts.append(f'<div><small style="opacity:.72">more: {escape(note.link)}</small></div>')
    return f'<div style="{_frame(severity)}">{"".join(parts)}</div>'


def _frame(severity: Severity) -> str:
    return (
        f"border-left:4px solid {severity.color};background-color:rgba(128,128,128,0.07);"
        "padding:6px 12px;margin:0 0 8px;max-width:60em"
    )


def _fix(note: Notice) -> str:
    if not note.fix:
        return ""
    if not note.fix_is_code:
        return f"<div><b>Fix:</b> {escape(one_line(note.fix))}</div>"
    return f'<div><b>Fix:</b> <code style="{_FIX}">{escape(clean(note.fix))}</code></div>'
