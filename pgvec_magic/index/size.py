"""How large an index will be on disk: the arithmetic by which pgvector packs its pages (hnswbuild.c, ivfbuild.c).

A page of 8,192 bytes has 24 of header and 8 of pgvector's own; each tuple costs a line pointer of 4 besides.
"""

from __future__ import annotations

import math
import random

from .spec import IndexSpec

PAGE = 8192
_USABLE = PAGE - 24 - 8
_POINTER = 4
_ALIGNED = 8
# How many elements of the graph are packed one by one; their levels are drawn, so more of them change little.
_PACKED = 20_000
_HNSW_ELEMENT, _HNSW_NEIGHBOURS, _HNSW_TID = 72, 4, 6
_IVF_LIST, _IVF_TUPLE = 8, 8
_SHORT = 130  # bytes up to which a value in an index tuple has a header of 1 byte instead of 4


def value_bytes(kind: str, dimensions: int, non_zero: float | None = None) -> int:
    """Return the bytes of one value with its header; ``non_zero`` is the mean count of a sparsevec's numbers."""
    if kind == "sparsevec":
        return 16 + 8 * round(non_zero if non_zero is not None else dimensions)
    return 8 + {"vector": 4 * dimensions, "halfvec": 2 * dimensions, "bit": math.ceil(dimensions / 8)}[kind]


def index_bytes(spec: IndexSpec, rows: int, non_zero: float | None = None) -> int:
    """Return the bytes that the index takes for so many different vectors that are not NULL, nor zero for cosine."""
    value = value_bytes(spec.stored_type, spec.stored_dimensions, non_zero)
    pages = _hnsw_pages(rows, value, spec.m) if spec.method == "hnsw" else _ivfflat_pages(rows, value, spec.lists)
    return pages * PAGE


def per_page(spec: IndexSpec, non_zero: float | None = None) -> float:
    """Return how many rows a page takes, 0.5 where a row takes two: the steps of the staircase."""
    value = value_bytes(spec.stored_type, spec.stored_dimensions, non_zero)
    if spec.method == "ivfflat":
        return float(_USABLE // (_ivfflat_tuple(value) + _POINTER))
    element, neighbours = _hnsw_tuples(value, spec.m, 0)
    return max(_USABLE // (element + neighbours + 2 * _POINTER), 0.5)


def _hnsw_tuples(value: int, m: int, level: int) -> tuple[int, int]:
    """Return the bytes of an element and of its list of neighbours, which has 2 m places in the lowest layer."""
    neighbours = _align(_HNSW_NEIGHBOURS + _HNSW_TID * m * (level + 2))
    return _align(_HNSW_ELEMENT + value), neighbours


def _hnsw_pages(rows: int, value: int, m: int) -> int:
    """Pack elements with drawn levels as the build does, and take the others to be like those."""
    packed = min(rows, _PACKED)
    draw, factor = random.Random(1), 1 / math.log(m)
    pages, free = 1, _USABLE
    for _ in range(packed):
        level = int(-math.log(1 - draw.random()) * factor)
        element, neighbours = (size + _POINTER for size in _hnsw_tuples(value, m, level))
        together = element + neighbours
        if free < element or (together <= _USABLE and free < together):
            pages, free = pages + 1, _USABLE
        free -= element
        if free < neighbours:
            pages, free = pages + 1, _USABLE
        free -= neighbours
    return 1 + (pages if rows <= _PACKED else math.ceil(pages * rows / packed))  # and one for the index itself


def _ivfflat_tuple(value: int) -> int:
    return _align(_IVF_TUPLE + (value - 3 if value <= _SHORT else value))


def _ivfflat_pages(rows: int, value: int, lists: int) -> int:
    """A page for the index, the centroids, and the rows of each list on pages of its own, the last half full."""
    centroids = math.ceil(lists / (_USABLE // (_align(_IVF_LIST + value) + _POINTER)))
    in_page = _USABLE // (_ivfflat_tuple(value) + _POINTER)
    mean = rows / lists
    held = mean / in_page + 0.5 if mean > in_page else max(1.0, mean / in_page)
    return 1 + centroids + round(lists * held)


def _align(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
