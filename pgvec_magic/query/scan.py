"""How the vector index is scanned, so that a search never silently returns fewer rows than exist."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .coarse import MAX_EF_SEARCH, coarse_rows, takes_all_found
from .request import Search
from .settings import METHODS, Settings, as_stored, depth, given, passes, with_citus

if TYPE_CHECKING:
    from ..catalog import VectorIndex


# Measured with python -m benchmarks.auto: 100,000 × 128, k = 10. One pass of an HNSW index takes 0.4 ms when it is 40
# deep, 0.45 for 100, 0.55 for 200, 0.9 for 400 and 3 for 800 where the rows are in clusters, and 2, 3, 5, 10 and 21 ms
# where they are spread evenly; exact takes 1 ms for 1,000 rows. So one row deeper costs as much as sorting 2 rows (in
# clusters) to 26 (even). Between them, where either may be wrong by the same factor, nearer to exact, which is right;
# more where searches before took longer (search.costs), up to 50: a pass of 1,000 beside comparing 50,000 even rows.
WALK_COST, MOST_WALK_COST = 10.0, 50.0
# One pass is at least so deep where a filter drops rows: in clusters 1.15 times the time of 40, and on even data a
# recall of 0.37 in place of 0.16. 200 would take 1.4 times as long as 40.
FILTERED_EF_SEARCH = 100
# The least hnsw.ef_search where rows are cut, grouped or fused after the scan, and of an iterative one (10 far rows of
# all but the query's own cluster: recall 0.97 with the candidates of such a pass, 0.93 with 40).
DEEP_EF_SEARCH = 200
# A pass that finds too few says that what the filter leaves is far from the query. There an iterative scan takes 5 to
# 11 ms and has a recall of 0.78 to 0.88, from 20 % on; exact is right, and takes 40 to 55 ms for so many rows.
FAR_ROWS = 100_000
# Where one pass cannot tell, for it would have to be deeper than pgvector allows or the index is no HNSW index, so many
# rows are searched exactly: in 10 ms, as long as an iterative scan may take.
EXACT_ROWS = 10_000
# pgvector's defaults for hnsw.ef_search and hnsw.max_scan_tuples.
EF_SEARCH = 40
MAX_SCAN_TUPLES = 20_000
ITERATIVE_SINCE = (0, 8)


@dataclass(frozen=True, slots=True)
class Scan:
    """``kind`` is as-is, ann (one pass), iterative or exact; ``why`` says in words why it was chosen.

    ``candidates`` are the rows that it hands over to be ordered, grouped or fused; where it gives too few, ``deeper``
    finds more, or else an exact scan. ``read`` are those that it takes in the order of an index on an expression, to be
    put in that of the vectors; None where the index has that. ``compared`` is about how many rows an exact one computes
    distances of, where somebody has counted.
    """

    kind: str
    candidates: int
    settings: Settings = ()
    why: str = ""
    deeper: Scan | None = None
    compared: int | None = None
    read: int | None = None

    @property
    def may_stop_early(self) -> bool:
        """Whether rows may exist that the scan did not reach."""
        return self.kind != "exact"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a choice rests on; ``matching`` of ``rows`` pass the filter and the policies, both estimates or None."""

    search: Search
    indexes: tuple[VectorIndex, ...]
    version: tuple[int, ...]
    in_force: Mapping[str, str]
    matching: int | None
    rows: int | None
    guarded: bool
    walk_cost: float

    @property
    def filtered(self) -> bool:
        """Whether an index scan meets rows that are not to be shown."""
        return bool(self.search.where) or self.guarded

    @property
    def form(self) -> str:
        """How the vectors stand in the indexes."""
        return self.indexes[0].form if self.indexes else "vector"

    @property
    def wanted(self) -> int:
        """How many rows the scan must give: those handed over, and more where their order is that of an expression."""
        search = self.search
        if self.form == "vector" or (search.mode == "vector" and (search.candidates or 0) > search.needed):
            return self.handed
        return max(self.handed, coarse_rows(self.form, search.needed))

    @property
    def found_anyway(self) -> int:
        """How many rows a pass finds whatever is wanted, where each of them may be among the nearest."""
        if self.filtered or not takes_all_found(self.indexes[0]):
            return 0
        return self.search.ef_search or self.depth_in_force

    @property
    def handed(self) -> int:
        """How many rows are handed over: those asked for, and more where some are dropped or fused afterwards."""
        search = self.search
        if search.candidates is not None:
            return max(search.candidates, search.needed)
        if search.per:
            return max(10 * search.needed, 100)
        return max(4 * search.needed, 40) if search.mode == "hybrid" else search.needed

    @property
    def candidates(self) -> int:
        """How many rows a scan in nearly the right order hands over, so that the nearest are among them."""
        if not self.filtered or self.search.candidates is not None or self.search.per:
            return self.wanted
        in_first_pass = self._in_first_pass if self.search.mode == "vector" else 0
        return max(self.wanted, 4 * self.search.needed, 40, in_first_pass)

    @property
    def _in_first_pass(self) -> int:
        """How many rows of an index scan's first pass the filter leaves: they are found already, so they are taken."""
        return 0 if self.passing is None else int(DEEP_EF_SEARCH * self.passing)

    @property
    def passing(self) -> float | None:
        """The share of the table's rows that is searched, or None where nobody has counted."""
        if not self.filtered:
            return 1.0
        return min(max(self.matching, 1) / self.rows, 1.0) if self.matching is not None and self.rows else None

    @property
    def depth(self) -> int:
        """The hnsw.ef_search of one pass."""
        return max(self.walked, self._least_depth)

    @property
    def walked(self) -> int:
        """How many rows one pass must go through to find those wanted in 19 of 20 searches, if the filter is even.

        What it finds then has a Poisson distribution: its mean is what is wanted, and twice the deviation.
        """
        wanted = self.wanted + len(self.search.similar_to)
        if self.filtered and self.passing is not None:
            wanted = math.ceil((wanted + 2 * math.isqrt(wanted)) / self.passing)
        return max(wanted, self.depth_in_force)

    @property
    def depth_in_force(self) -> int:
        """The session's hnsw.ef_search, or what is stored on an index, which nothing goes below."""
        return max(int(self.in_force.get("hnsw.ef_search", EF_SEARCH)), *self.stored("hnsw"))

    def stored(self, method: str) -> list[int]:
        """How far one pass looks by what is stored on the indexes of a method; 0 for nothing."""
        return [0, *(index.baseline.value for index in self.indexes if index.method == method and index.baseline)]

    @property
    def _least_depth(self) -> int:
        """More than pgvector's default where rows are dropped, cut, grouped or fused, so that later ones count."""
        search = self.search
        if search.per or search.has_threshold or search.mode == "hybrid" or self.passing is None:
            return DEEP_EF_SEARCH
        return FILTERED_EF_SEARCH if self.filtered else 1

    @property
    def searched(self) -> int | None:
        """How many rows the filter leaves, or the table has; None where nobody has counted."""
        return self.matching if self.filtered else self.rows

    @property
    def sorted_cheaply(self) -> str | None:
        """Why to look at every row that the filter leaves, or None when an index scan costs less."""
        matching = self.searched
        if matching is None or self.search.asks_for_index:
            return None
        cannot_tell = self.filtered and self.wants_iterative
        if matching > max(self.walk_cost * self.walked, EXACT_ROWS if cannot_tell else 0):
            return None
        rows = f"about {matching:,} {'row' if matching == 1 else 'rows'}"
        if self.guarded:
            return f"{'the filter and ' if self.search.where else ''}the table's policies leave {rows}"
        return f"the filter leaves {rows}" if self.search.where else f"there are {rows}"

    @property
    def wants_iterative(self) -> bool:
        """Whether the scan goes on when its first pass has not found enough."""
        if self.search.strategy != "auto":
            return self.search.strategy == "iterative" or self._is_relaxed
        if "hnsw.iterative_scan" in self.search.asked:
            return self.search.asked["hnsw.iterative_scan"] != "off"
        # An IVFFlat scan may find fewer rows than asked in the lists that it probes, whatever the filter. With a
        # setting that is in force rows may come in nearly the right order.
        return (
            self.depth > MAX_EF_SEARCH
            or (self.filtered and (self.passing is None or self.search.asks_for_index))
            or self._is_relaxed
            or any(index.method == "ivfflat" for index in self.indexes)
            or self.in_force.get("hnsw.iterative_scan", "off") != "off"
        )

    @property
    def _is_relaxed(self) -> bool:
        """Whether rows always come in nearly the right order only, as of a diskann index."""
        return any(index.method not in METHODS for index in self.indexes)


def choose_scan(
    search: Search,
    index: VectorIndex | None,
    version: tuple[int, ...],
    in_force: Mapping[str, str],
    matching: int | None = None,
    *,
    rows: int | None = None,
    others: Sequence[VectorIndex] = (),
    guarded: bool = False,
    walk_cost: float = WALK_COST,
) -> Scan:
    """Return the scan for a search.

    ``version`` is pgvector's, ``in_force`` the settings of the session, ``matching`` the planner's estimate of the rows
    that the filter leaves, and the policies of a table that is ``guarded`` by some (None without both), ``rows`` of the
    table's rows, ``others`` further indexes that Postgres may use in place of ``index``, ``walk_cost`` how many rows
    are compared in the time in which a pass of it goes one row deeper.
    """
    indexes = (index, *others) if index is not None else ()
    choice = Choice(search, indexes, version, {**in_force, **search.asked}, matching, rows, guarded, walk_cost)
    if search.as_is:
        sent = with_citus(choice, given(search))
        return _scan("as-is", choice, choice.wanted, sent, "" if sent or search.asked else "nothing set")
    if search.strategy == "exact":
        return Scan("exact", choice.handed, why="as asked")
    if index is None:
        return Scan("exact", choice.handed, why="no index to use")
    if search.strategy == "auto" and (why := choice.sorted_cheaply):
        return Scan("exact", choice.handed, why=why, compared=choice.searched)
    return _by_index(choice)


def _by_index(choice: Choice) -> Scan:
    iterative, why = choice.wants_iterative, ""
    if iterative and choice.version < ITERATIVE_SINCE:
        iterative, why = False, "iterative scans need pgvector 0.8"
    rows = choice.candidates if iterative else choice.wanted
    if rows > (MAX_SCAN_TUPLES if iterative else MAX_EF_SEARCH) and choice.search.strategy == "auto":
        return Scan("exact", choice.handed, why=why or f"{rows:,} rows are more than an index scan gives")
    if iterative:
        return _iterative(choice)
    settings = (*passes(choice, iterative=False), *depth(choice, choice.depth))
    found = _scan("ann", choice, rows, with_citus(choice, settings), why or as_stored(choice, settings))
    return replace(found, deeper=_deeper(choice))


def _iterative(choice: Choice, why: str = "") -> Scan:
    least = max(DEEP_EF_SEARCH, choice.candidates) if choice.filtered else choice.depth
    settings = (*passes(choice, iterative=True), *depth(choice, least))
    why = why or as_stored(choice, settings)
    return _scan("iterative", choice, choice.candidates, with_citus(choice, settings), why)


def _scan(kind: str, choice: Choice, rows: int, settings: Settings, why: str) -> Scan:
    """Return a scan that gives so many rows: they are handed over as they come, or the best of them by the vectors."""
    if choice.form == "vector":
        return Scan(kind, rows, settings, why)
    rows, most = max(rows, choice.found_anyway), _most_found(choice, settings) if kind == "ann" else math.inf
    return Scan(kind, choice.handed, settings, why, read=max(int(min(rows, most)), choice.handed))


def _most_found(choice: Choice, settings: Settings) -> float:
    """How many rows one pass finds at most with the settings that are sent: to ask for more would be to miss some."""
    goes_on = choice.in_force.get("hnsw.iterative_scan", "off") != "off"
    if goes_on or any(index.method != "hnsw" for index in choice.indexes):
        return math.inf
    sent = {**choice.in_force, **dict(settings), **choice.search.asked}
    return int(sent.get("hnsw.ef_search", EF_SEARCH))


def _deeper(choice: Choice) -> Scan | None:
    """What follows on a pass that found too few: an iterative scan where the rows are too many to sort them."""
    too_many = choice.filtered and (choice.matching or 0) > FAR_ROWS and choice.version >= ITERATIVE_SINCE
    return _iterative(choice, "one pass of the index found too few rows") if too_many else None
