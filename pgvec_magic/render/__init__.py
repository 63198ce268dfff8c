"""Columns and rows as HTML or text: everything escaped, vectors as ``dim, norm, first 3 …``, the size bounded."""

from .grid import Grid
from .page import html
from .terminal import text
from .values import text_of

__all__ = ["Grid", "html", "text", "text_of"]
