"""How much memory a build takes: what of a graph fits into ``maintenance_work_mem``, and what k-means needs.

From the structures of pgvector's hnswbuild.c, hnswutils.c and ivfbuild.c on a 64-bit server; the row at which the graph
of a real build left its memory agrees within 0.2 %.
"""

from __future__ import annotations

import math

from .size import value_bytes
from .spec import IndexSpec

# Of a parallel build's memory: what pgvector keeps for the rest of it.
HNSW_MARGIN = 4 * 1024 * 1024
_POINTERS = 8
_CHUNK = 8  # the allocator's header; parallel builds take memory without it


def hnsw_row(spec: IndexSpec, *, parallel: bool, non_zero: float | None = None) -> float:
    """Return the mean bytes that one element of the graph takes while it is built."""
    value = -(-value_bytes(spec.stored_type, spec.stored_dimensions, non_zero) // 8) * 8
    upper = 1 / (spec.m - 1)  # how many layers above the lowest an element has, on average
    neighbours = (8 + 32 * spec.m) + upper * (8 + 16 * spec.m)
    row = 128 + _POINTERS * (1 + upper) + neighbours + value
    return row if parallel else row + _CHUNK * (4 + upper)


def build_memory(spec: IndexSpec, rows: int, *, workers: int = 0, non_zero: float | None = None) -> int:
    """Return the ``maintenance_work_mem`` in bytes with which the build does not spill, or is not refused."""
    if spec.method == "ivfflat":
        return _kmeans(spec, rows)
    needed = rows * hnsw_row(spec, parallel=workers > 0, non_zero=non_zero)
    return math.ceil(needed) + (HNSW_MARGIN if workers else 0)


def fitting_rows(spec: IndexSpec, memory: int, *, workers: int = 0, non_zero: float | None = None) -> int:
    """Return after how many rows an HNSW build leaves so many bytes of ``maintenance_work_mem``, and slows down."""
    usable = memory - (HNSW_MARGIN if workers else 0)
    return max(int(usable / hnsw_row(spec, parallel=workers > 0, non_zero=non_zero)), 0)


def _kmeans(spec: IndexSpec, rows: int) -> int:
    """The samples, the centroids and their bounds (Elkan's k-means)."""
    lists, dimensions = spec.lists, spec.stored_dimensions
    samples = min(max(10_000, 50 * lists), rows)
    value = -(-value_bytes(spec.stored_type, dimensions) // 8) * 8
    return value * (2 * lists + samples) + 4 * lists * dimensions + 4 * samples * lists + 4 * lists * lists
