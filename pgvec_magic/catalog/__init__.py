"""What is in the database: versions, vector tables, their columns, keys, indexes, texts and sizes."""

from .read import Capabilities, capabilities, forget, matching_rows, remember_embedder, table, tables
from .table import Column, TableInfo, TextSource, VectorColumn, VectorIndex

__all__ = [
    "Capabilities",
    "Column",
    "TableInfo",
    "TextSource",
    "VectorColumn",
    "VectorIndex",
    "capabilities",
    "forget",
    "matching_rows",
    "remember_embedder",
    "table",
    "tables",
]
