"""A vector index as a value: its CREATE INDEX, its size on disk, and the memory that its build takes; pure."""

from ..metric import FORMS
from .memory import build_memory, fitting_rows
from .read import Key, read_key, read_spec
from .size import index_bytes, per_page
from .spec import METHODS, IndexSpec, usual_lists

__all__ = [
    "FORMS",
    "METHODS",
    "IndexSpec",
    "Key",
    "build_memory",
    "fitting_rows",
    "index_bytes",
    "per_page",
    "read_key",
    "read_spec",
    "usual_lists",
]
