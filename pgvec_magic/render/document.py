"""Pieces of HTML as a page that stands by itself."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .safe import clean

_STYLE = (
    "body{max-width:980px;margin:24px auto;padding:0 16px;font:14px/1.5 system-ui,sans-serif;color-scheme:light dark}"
)


def document(title: str, parts: Iterable[str]) -> str:
    """Return a page of parts that are HTML already; nothing is fetched, and nothing runs."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return "\n".join([f"<!doctype html><html><head>{head}</head><body>", *parts, "</body></html>\n"])


def details(summary: str, text: str) -> str:
    """Return a text under a heading that opens it."""
    body = f'<pre style="white-space:pre-wrap;overflow-wrap:anywhere">{escape(clean(text))}</pre>'
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"
