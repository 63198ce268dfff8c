"""How the vector index is scanned, so that a search never silently returns fewer rows than exist."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .request import Search

if TYPE_CHECKING:
    from ..catalog import VectorIndex

# A filter that leaves no more rows than this is searched exactly: sorting them costs less than walking a graph past
# everything that the filter removes (benchmarks/filtered.py measures both).
EXACT_ROWS = 10_000
# The largest hnsw.ef_search that pgvector takes, and its default for hnsw.max_scan_tuples.
MAX_EF_SEARCH = 1000
MAX_SCAN_TUPLES = 20_000
ITERATIVE_SINCE = (0, 8)


@dataclass(frozen=True, slots=True)
class Scan:
    """``kind`` is as-is, ann (one pass), iterative or exact; ``why`` says in words why it was chosen."""

    kind: str
    candidates: int
    settings: tuple[tuple[str, str], ...] = ()
    why: str = ""

    @property
    def may_stop_early(self) -> bool:
        """Whether rows may exist that the scan did not reach."""
        return self.kind in ("ann", "iterative")


def choose_scan(
    search: Search,
    index: VectorIndex | None,
    version: tuple[int, ...],
    in_force: Mapping[str, str],
    matching: int | None = None,
) -> Scan:
    """Return the scan for a search.

    ``version`` is pgvector's, ``in_force`` the settings of the session, ``matching`` the planner's estimate of the rows
    that the filter leaves (None without a filter).
    """
    candidates = _candidates(search)
    if search.as_is:
        return Scan("as-is", candidates, why="Postgres as it is: no setting, one statement")
    if search.strategy == "exact":
        return Scan("exact", candidates, why="asked for")
    if index is None:
        return Scan("exact", candidates, why="no index for this column and metric")
    if search.strategy == "auto" and matching is not None and matching <= EXACT_ROWS:
        return Scan("exact", candidates, why=f"the filter leaves about {matching:,} rows")
    iterative = _wants_iterative(search, index, candidates)
    if iterative and version < ITERATIVE_SINCE:
        return _without_iterative(search, index, in_force, candidates)
    if iterative and candidates > MAX_SCAN_TUPLES and search.strategy == "auto":
        return Scan("exact", candidates, why=f"{candidates:,} candidates are more than an index scan visits")
    settings = _depth(search, index, in_force, candidates)
    if iterative:
        settings = ((f"{index.method}.iterative_scan", "relaxed_order"), *settings)
    return Scan("iterative" if iterative else "ann", candidates, settings)


def _candidates(search: Search) -> int:
    """Rows that the scan hands over to be ordered, grouped or fused."""
    if search.candidates is not None:
        return max(search.candidates, search.needed)
    if search.as_is and search.mode == "vector":
        return search.needed
    if search.per:
        return max(10 * search.needed, 100)
    if search.filtered or search.mode == "hybrid":
        return max(4 * search.needed, 40)
    return search.needed


def _wants_iterative(search: Search, index: VectorIndex, candidates: int) -> bool:
    if search.strategy != "auto":
        return search.strategy == "iterative"
    # An IVFFlat scan may find fewer rows than asked in the lists that it probes, whatever the filter.
    return search.filtered or index.method == "ivfflat" or candidates > MAX_EF_SEARCH


def _without_iterative(search: Search, index: VectorIndex, in_force: Mapping[str, str], candidates: int) -> Scan:
    if candidates > MAX_EF_SEARCH:
        return Scan("exact", candidates, why="iterative scans need pgvector 0.8")
    return Scan("ann", candidates, _depth(search, index, in_force, candidates), "iterative scans need pgvector 0.8")


def _depth(
    search: Search, index: VectorIndex, in_force: Mapping[str, str], candidates: int
) -> tuple[tuple[str, str], ...]:
    """Return the setting that says how far one pass looks; never below the value in force, unless asked for."""
    if index.method == "hnsw":
        least = max(200, candidates) if search.filtered else candidates
        chosen = max(min(least, MAX_EF_SEARCH), int(in_force.get("hnsw.ef_search", "40")))
        return (("hnsw.ef_search", str(search.ef_search or chosen)),)
    if index.method == "ivfflat":
        chosen = max(math.isqrt(index.lists), 1, int(in_force.get("ivfflat.probes", "1")))
        return (("ivfflat.probes", str(search.probes or chosen)),)
    return ()
