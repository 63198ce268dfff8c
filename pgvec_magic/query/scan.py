"""How the vector index is scanned, so that a search never silently returns fewer rows than exist."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .request import Search

if TYPE_CHECKING:
    from ..catalog import VectorIndex

Settings = tuple[tuple[str, str], ...]

# A filter that leaves no more rows than this is searched exactly. Measured (python -m benchmarks.filtered) on
# 30,000 × 64 in clusters, k = 10: exact takes 0.4 ms for 150 rows, 2.7 for 1,500, 7 for 9,000 and 12 for 30,000; an
# iterative scan 8 ms where 5 % pass, 3.3 where 10 % do, 1.3 from 20 % on. By time alone the border is at 2,700 rows.
# But where a filter leaves only rows far from the query, the scan takes 5 to 20 ms and has a recall of 0.81 to 0.98
# between 5 and 50 %; up to here, exact costs no more than that and is right.
EXACT_ROWS = 10_000
# How many rows can be sorted in the time in which an index scan walks past one: at the border by time (2,700 rows of
# 30,000 × 64; 5,000 of 100,000 × 128; 4,000 of 100,000 × 384) it is 6, 6 and 4.
WALK_COST = 6
# The least hnsw.ef_search where rows are dropped, grouped or fused after the scan (10 far rows of all but the query's
# own cluster: recall 0.97 with the candidates of such a pass, 0.93 with 40; 400 costs twice as much and gives 0.98).
DEEP_EF_SEARCH = 200
# The largest hnsw.ef_search that pgvector takes, its default, and its default for hnsw.max_scan_tuples.
MAX_EF_SEARCH = 1000
EF_SEARCH = 40
MAX_SCAN_TUPLES = 20_000
ITERATIVE_SINCE = (0, 8)
# pgvector's own, whose settings we know.
_METHODS = ("hnsw", "ivfflat")
# Without it Citus does not send a SET LOCAL to its workers. In force only where Citus is.
CITUS = ("citus.propagate_set_commands", "'local'")


@dataclass(frozen=True, slots=True)
class Scan:
    """``kind`` is as-is, ann (one pass), iterative or exact; ``why`` says in words why it was chosen.

    ``candidates`` are the rows that it hands over to be ordered, grouped or fused.
    """

    kind: str
    candidates: int
    settings: Settings = ()
    why: str = ""

    @property
    def may_stop_early(self) -> bool:
        """Whether rows may exist that the scan did not reach."""
        return self.kind != "exact"


@dataclass(frozen=True, slots=True)
class _Choice:
    """What a choice rests on; ``matching`` of ``rows`` pass the filter and the policies, both estimates or None."""

    search: Search
    indexes: tuple[VectorIndex, ...]
    version: tuple[int, ...]
    in_force: Mapping[str, str]
    matching: int | None
    rows: int | None
    guarded: bool

    @property
    def filtered(self) -> bool:
        """Whether an index scan meets rows that are not to be shown."""
        return bool(self.search.where) or self.guarded

    @property
    def candidates(self) -> int:
        """How many rows the scan hands over: those asked for, and more where some are dropped or moved afterwards."""
        search = self.search
        if search.candidates is not None:
            return max(search.candidates, search.needed)
        if search.per:
            return max(10 * search.needed, 100)
        if search.mode == "hybrid":
            return max(4 * search.needed, 40)
        if self.filtered and not search.as_is:
            return max(4 * search.needed, 40, self._in_first_pass)
        return search.needed

    @property
    def _in_first_pass(self) -> int:
        """How many rows of an index scan's first pass the filter leaves: they are found already, so they are taken."""
        if not self.matching or not self.rows:
            return 0
        return int(DEEP_EF_SEARCH * min(self.matching / self.rows, 1.0))

    @property
    def walked(self) -> float:
        """How many rows an index scan must look at to find the candidates among those that the filter leaves."""
        passing = 1.0 if self.matching is None or not self.rows else max(self.matching, 1) / self.rows
        return max(self.candidates, EF_SEARCH) / min(passing, 1.0)

    @property
    def wants_depth(self) -> bool:
        """Whether rows are dropped, grouped or fused after the scan, and so more than the first must be right."""
        search = self.search
        return self.filtered or bool(search.per) or search.has_threshold or search.mode == "hybrid"

    @property
    def sorted_cheaply(self) -> str | None:
        """Why to look at every row that the filter leaves, or None when an index scan costs less."""
        matching = self.matching if self.filtered else self.rows
        if matching is None or self.search.asks_for_index:
            return None
        if matching > WALK_COST * self.walked and not (self.filtered and matching <= EXACT_ROWS):
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
            self.filtered
            or self.candidates > MAX_EF_SEARCH
            or self._is_relaxed
            or any(index.method == "ivfflat" for index in self.indexes)
            or self.in_force.get("hnsw.iterative_scan", "off") != "off"
        )

    @property
    def _is_relaxed(self) -> bool:
        """Whether rows always come in nearly the right order only, as of a diskann index."""
        return any(index.method not in _METHODS for index in self.indexes)


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
) -> Scan:
    """Return the scan for a search.

    ``version`` is pgvector's, ``in_force`` the settings of the session, ``matching`` the planner's estimate of the rows
    that the filter leaves, and the policies of a table that is ``guarded`` by some (None without both), ``rows`` of the
    table's rows, ``others`` further indexes that Postgres may use in place of ``index``.
    """
    indexes = (index, *others) if index is not None else ()
    choice = _Choice(search, indexes, version, {**in_force, **search.asked}, matching, rows, guarded)
    if search.as_is:
        given = _given(search)
        return Scan(
            "as-is", choice.candidates, _with_citus(choice, given), "" if given or search.asked else "nothing set"
        )
    if search.strategy == "exact":
        return Scan("exact", choice.candidates, why="as asked")
    if index is None:
        return Scan("exact", choice.candidates, why="no index to use")
    if search.strategy == "auto" and (why := choice.sorted_cheaply):
        return Scan("exact", choice.candidates, why=why)
    return _by_index(choice)


def _by_index(choice: _Choice) -> Scan:
    candidates, iterative, why = choice.candidates, choice.wants_iterative, ""
    if iterative and choice.version < ITERATIVE_SINCE:
        iterative, why = False, "iterative scans need pgvector 0.8"
    too_many = candidates > (MAX_SCAN_TUPLES if iterative else MAX_EF_SEARCH)
    if too_many and choice.search.strategy == "auto":
        return Scan("exact", candidates, why=why or f"{candidates:,} rows are more than an index scan gives")
    settings = (*_passes(choice, iterative), *_depth(choice))
    return Scan("iterative" if iterative else "ann", candidates, _with_citus(choice, settings), why)


def _passes(choice: _Choice, iterative: bool) -> Settings:
    """The settings that let a scan go on after its first pass, or keep it from that where it would."""
    methods = _known_methods(choice)
    if iterative:
        return tuple((f"{method}.iterative_scan", "relaxed_order") for method in methods)
    names = [f"{method}.iterative_scan" for method in methods]
    return tuple((name, "off") for name in names if choice.in_force.get(name, "off") != "off")


def _depth(choice: _Choice) -> Settings:
    """The settings that say how far one pass looks; never below a value in force, unless the person says so."""
    chosen = {}
    methods = _known_methods(choice)
    if "hnsw" in methods:
        least = choice.candidates + len(choice.search.similar_to)
        least = max(DEEP_EF_SEARCH, least) if choice.wants_depth else least
        in_force = int(choice.in_force.get("hnsw.ef_search", EF_SEARCH))
        chosen["hnsw.ef_search"] = str(max(min(least, MAX_EF_SEARCH), in_force))
    if "ivfflat" in methods:
        lists = max(index.lists for index in choice.indexes if index.method == "ivfflat")
        chosen["ivfflat.probes"] = str(max(math.isqrt(lists), int(choice.in_force.get("ivfflat.probes", 1))))
    return tuple((chosen | dict(_given(choice.search))).items())


def _known_methods(choice: _Choice) -> list[str]:
    return [method for method in _METHODS if any(index.method == method for index in choice.indexes)]


def _given(search: Search) -> Settings:
    """How far a pass looks, as the person said."""
    given = {"hnsw.ef_search": search.ef_search, "ivfflat.probes": search.probes}
    return tuple((name, str(value)) for name, value in given.items() if value is not None)


def _with_citus(choice: _Choice, settings: Settings) -> Settings:
    sent = bool(settings or choice.search.asked) and CITUS[0] in choice.in_force
    return (CITUS, *settings) if sent else settings
