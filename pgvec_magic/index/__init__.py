"""A vector index as a value: its CREATE INDEX, its size on disk, and the memory that its build takes; pure."""

from .memory import build_memory, fitting_rows
from .read import read_spec
from .size import index_bytes, per_page
from .spec import FORMS, METHODS, IndexSpec, usual_lists

__all__ = [
    "FORMS",
    "METHODS",
    "IndexSpec",
    "build_memory",
    "fitting_rows",
    "index_bytes",
    "per_page",
    "read_spec",
    "usual_lists",
]
