"""A vector index as a value: its CREATE INDEX, its size on disk, and the memory that its build takes; pure."""

from .memory import HNSW_MARGIN, build_memory, fitting_rows
from .size import index_bytes, per_page
from .spec import FORMS, METHODS, IndexSpec

__all__ = ["FORMS", "HNSW_MARGIN", "METHODS", "IndexSpec", "build_memory", "fitting_rows", "index_bytes", "per_page"]
