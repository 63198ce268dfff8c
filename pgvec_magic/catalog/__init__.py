"""What is in the database: versions, vector tables, their columns, keys, indexes, texts and sizes."""

from .baseline import Baseline, baseline_statement
from .building import Built, built
from .fingerprint import SETTINGS, UPDATES, Fingerprint, Index, Relation, asking, fingerprint, fingerprint_told
from .history import past_filters, past_searches, remember_search
from .norms import Norms
from .policies import unguarded
from .read import Capabilities, capabilities, changed, forget, matching_rows, table, tables
from .remember import remember_embedder
from .sparse import non_zero
from .table import Column, TableInfo, TextSource, VectorColumn, VectorIndex

__all__ = [
    "SETTINGS",
    "UPDATES",
    "Baseline",
    "Built",
    "Capabilities",
    "Column",
    "Fingerprint",
    "Index",
    "Norms",
    "Relation",
    "TableInfo",
    "TextSource",
    "VectorColumn",
    "VectorIndex",
    "asking",
    "baseline_statement",
    "built",
    "capabilities",
    "changed",
    "fingerprint",
    "fingerprint_told",
    "forget",
    "matching_rows",
    "non_zero",
    "past_filters",
    "past_searches",
    "remember_embedder",
    "remember_search",
    "table",
    "tables",
    "unguarded",
]
