"""Columns and rows as HTML or text: everything escaped, vectors as ``dim, norm, first 3 …``, the size bounded."""

from .document import details, document
from .grid import Grid
from .page import html
from .safe import clean
from .terminal import text
from .values import text_of

__all__ = ["Grid", "clean", "details", "document", "html", "text", "text_of"]
