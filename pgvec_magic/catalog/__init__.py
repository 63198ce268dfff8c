"""What is in the database: versions, vector tables, their columns, keys, indexes, texts and sizes."""

from .fingerprint import SETTINGS, Fingerprint, Index, Relation, asking, fingerprint, fingerprint_told
from .policies import unguarded
from .read import Capabilities, capabilities, changed, forget, matching_rows, table, tables
from .remember import remember_embedder
from .table import Column, TableInfo, TextSource, VectorColumn, VectorIndex

__all__ = [
    "SETTINGS",
    "Capabilities",
    "Column",
    "Fingerprint",
    "Index",
    "Relation",
    "TableInfo",
    "TextSource",
    "VectorColumn",
    "VectorIndex",
    "asking",
    "capabilities",
    "changed",
    "fingerprint",
    "fingerprint_told",
    "forget",
    "matching_rows",
    "remember_embedder",
    "table",
    "tables",
    "unguarded",
]
