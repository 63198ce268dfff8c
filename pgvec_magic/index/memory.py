"""How much memory a build takes: what of a graph fits into ``maintenance_work_mem``, and what k-means needs.

From the structures of pgvector's hnswbuild.c, hnswutils.c and ivfkmeans.c on a 64-bit server. The row at which the
graph of a real build left its memory agrees within 1 %, what IVFFlat says that it requires within 2 kB.
"""

from __future__ import annotations

import math

from .size import value_bytes
from .spec import IndexSpec

MIB = 1024 * 1024
# Of a parallel build's memory: what pgvector keeps for the rest of it.
HNSW_MARGIN = 4 * MIB
_POINTERS = 8
_ELEMENT = 128
# A build by one process takes its memory in blocks, each with a header, and each value in it has one as well.
_BLOCK, _BLOCK_HEADER, _CHUNK = MIB, 56, 8
_MOST_IN_PAGE = 291  # rows that a page of a table can hold


def hnsw_row(spec: IndexSpec, *, parallel: bool, non_zero: float | None = None) -> float:
    """Return the mean bytes that one element of the graph takes while it is built."""
    return sum(size * count for size, count in _pieces(spec, parallel, non_zero))


def build_memory(
    spec: IndexSpec, rows: int, *, workers: int = 0, non_zero: float | None = None, pages: int | None = None
) -> int:
    """Return the ``maintenance_work_mem`` in bytes with which the build does not spill, or is not refused.

    ``rows`` are those that are indexed; the ``pages`` of the table bound what IVFFlat expects to sample.
    """
    if spec.method == "ivfflat":
        return _kmeans(spec, rows, pages)
    needed = rows * hnsw_row(spec, parallel=workers > 0, non_zero=non_zero)
    if workers:
        return math.ceil(needed) + HNSW_MARGIN
    return math.ceil(needed / _block(spec, non_zero)) * _BLOCK


def fitting_rows(spec: IndexSpec, memory: int, *, workers: int = 0, non_zero: float | None = None) -> int:
    """Return after how many rows an HNSW build leaves so many bytes of ``maintenance_work_mem``, and slows down."""
    usable = memory - HNSW_MARGIN if workers else memory // _BLOCK * _block(spec, non_zero)
    return max(int(usable / hnsw_row(spec, parallel=workers > 0, non_zero=non_zero)), 0)


def _pieces(spec: IndexSpec, parallel: bool, non_zero: float | None) -> tuple[tuple[float, float], ...]:
    """What an element is made of, as (bytes, how many of them): itself, its layers, its neighbours, its value."""
    header = 0 if parallel else _CHUNK
    upper = 1 / (spec.m - 1)  # how many layers above the lowest an element has, on average
    value = -(-value_bytes(spec.stored_type, spec.stored_dimensions, non_zero) // 8) * 8
    return (
        (_ELEMENT + header, 1),
        (_POINTERS * (1 + upper) + header, 1),
        (8 + 32 * spec.m + header, 1),
        (8 + 16 * spec.m + header, upper),
        (value + header, 1),
    )


def _block(spec: IndexSpec, non_zero: float | None) -> float:
    """The bytes of a block that are used: at its end there is room that the next piece did not fit into."""
    pieces = _pieces(spec, False, non_zero)
    left = sum(size * size * count for size, count in pieces) / sum(size * count for size, count in pieces) / 2
    return _BLOCK - _BLOCK_HEADER - left


def _kmeans(spec: IndexSpec, rows: int, pages: int | None) -> int:
    """The samples, the centroids, their sums and their bounds (Elkan's k-means)."""
    lists, dimensions = spec.lists, spec.stored_dimensions
    wanted = max(10_000, 50 * lists)
    reserved = wanted if pages is None else min(wanted, pages * _MOST_IN_PAGE)
    samples = min(wanted, rows)
    value = -(-value_bytes(spec.stored_type, dimensions) // 8) * 8
    centroids = lists * (2 * value + 4 * dimensions + 12)
    return reserved * value + centroids + 4 * samples * (lists + 2) + 4 * lists * lists
