"""Indexes on an expression: how many rows are taken in their order, so that the nearest are among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..catalog import VectorIndex

# The largest hnsw.ef_search that pgvector takes.
MAX_EF_SEARCH = 1000
# How many rows are taken in the order of an index on an expression and put in that of the whole vectors: so many times
# those wanted, and how many at least. Halves only swap near ties; from the first dimensions, and still less from bits,
# nobody can tell how far down the nearest are. Measured with python -m benchmarks.quantised.
_COARSE = {"halfvec": (2, 20), "subvector": (20, 200), "binary": (40, 400)}
# Of these every row that a pass has found is taken: a deeper pass finds nothing more otherwise.
_VAGUE = ("subvector", "binary")
_LEAST_TIMES = 4


def coarse_rows(form: str, needed: int) -> int:
    """Return how many rows are taken in the order of an index of that form, so that those needed are among them."""
    times, least = _COARSE.get(form, (1, 1))
    return max(min(times * needed, MAX_EF_SEARCH), min(times, _LEAST_TIMES) * needed, least)


def takes_all_found(index: VectorIndex) -> bool:
    """Whether a search takes every row that a pass of an index finds, for each of them may be among the nearest."""
    return index.form in _VAGUE and index.method == "hnsw"
