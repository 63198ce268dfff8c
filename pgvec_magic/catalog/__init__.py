"""What is in the database: versions, vector tables, their columns, keys, indexes, texts and sizes."""

from .policies import unguarded
from .read import Capabilities, capabilities, changed, forget, matching_rows, table, tables
from .remember import remember_embedder
from .table import Column, TableInfo, TextSource, VectorColumn, VectorIndex

__all__ = [
    "Capabilities",
    "Column",
    "TableInfo",
    "TextSource",
    "VectorColumn",
    "VectorIndex",
    "capabilities",
    "changed",
    "forget",
    "matching_rows",
    "remember_embedder",
    "table",
    "tables",
    "unguarded",
]
