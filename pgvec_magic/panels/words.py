"""Lines of a panel: escaped, and in the style of the tables and notices beside them."""

from __future__ import annotations

from html import escape

from .. import render


def framed(html: str) -> str:
    """Return HTML, escaped already, as a part of a panel."""
    return f'<div class="pgvec" style="line-height:1.5;margin:2px 0">{html}</div>'


def line(text: str, severity: str = "info", *, faint: bool = False) -> str:
    """Return a text as one line; what is an error has the sign and the colour of one."""
    said = escape(" ".join(render.clean(text).split()))
    said = f"<small>{said}</small>" if faint else said
    found = render.SEVERITIES[severity]
    mark = f'<b style="color:{found.color}">{found.sign} {found.word}</b> ' if severity == "error" else ""
    return framed(f"{mark}{said}")


_CODE = (
    "padding:2px 8px;border-radius:3px;background-color:rgba(128,128,128,0.15);white-space:pre-wrap;"
    "overflow-wrap:anywhere;box-decoration-break:clone;-webkit-box-decoration-break:clone;"
    "user-select:all;-webkit-user-select:all"
)


def code(text: str) -> str:
    """Return a statement that one click selects."""
    return f'<code style="{_CODE}">{escape(render.clean(text))}</code>'


def page(value: object) -> str:
    """Return the HTML that a value of ours shows itself by."""
    bundle: dict[str, str] = value._repr_mimebundle_()  # type: ignore[attr-defined]
    return bundle["text/html"]
