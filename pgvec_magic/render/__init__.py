"""Columns and rows as HTML or text: everything escaped, vectors as ``dim, norm, first 3 …``, the size bounded."""

from .document import details, document
from .grid import Grid, Notice
from .notice import notice
from .page import html
from .safe import clean
from .severity import SEVERITIES
from .terminal import text
from .values import bytes_text, text_of

__all__ = [
    "SEVERITIES",
    "Grid",
    "Notice",
    "bytes_text",
    "clean",
    "details",
    "document",
    "html",
    "notice",
    "text",
    "text_of",
]
