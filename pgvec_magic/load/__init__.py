"""Rows from anywhere into a table with vectors: read, checked, embedded and copied, batch by batch."""

from .report import LoadReport
from .verb import embed_table, load

__all__ = ["LoadReport", "embed_table", "load"]
