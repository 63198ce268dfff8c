"""A result with fewer rows than asked: find out why, get the rest where there is one, and say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..query import Scan, Search
from .result import Result

Again = Callable[[Search, Scan], Result]


def complete(result: Result, again: Again) -> Result:
    """Return a short result with what is missing: found by an exact search, or explained.

    ``again`` runs a changed request on the same table and vector.
    """
    assert result.found is not None, "only a search can be short"
    search, scan = result.found.search, result.found.scan
    notes: list[str] = []
    if scan.may_stop_early and search.strategy == "auto" and search.mode != "keyword":
        before = len(result)
        result = again(search, Scan("exact", scan.candidates, why=f"the index scan gave {before} of {search.k} rows"))
        if len(result) == search.k:
            return _with(result, [f"the index scan gave only {before} rows; searched again exactly"])
        notes.append(f"the index scan gave {before} rows; searched again exactly to be sure")
    return _with(result, [*notes, _missing(result), *_cut_away(result, again)])


def _with(result: Result, notes: list[str]) -> Result:
    return replace(result, notes=(*result.notes, *notes))


def _missing(result: Result) -> str:
    assert result.found is not None, "only a search can be short"
    search, scan = result.found.search, result.found.scan
    missing = f"{search.k - len(result)} of {search.k} rows are missing"
    if search.mode == "keyword":
        return f"{missing}: no more rows match the words{_and_filter(search)}"
    if search.mode == "hybrid":
        return f"{missing}: neither leg found more rows{_and_filter(search)}"
    if scan.kind == "exact":
        return f"{missing}: no more rows exist{_that(search)}"
    return f"{missing}: the scan may have stopped before it found them (--exact looks at every row)"


def _that(search: Search) -> str:
    if search.min_score is not None or search.max_distance is not None:
        return " within the threshold"
    return " that the filter leaves" if search.where else ""


def _and_filter(search: Search) -> str:
    return " and the filter" if search.where else ""


def _cut_away(result: Result, again: Again) -> list[str]:
    """Say the best score beyond a threshold: whether it is just too strict shows at a glance."""
    assert result.found is not None, "only a search can be short"
    search, scan, metric = result.found.search, result.found.scan, result.found.target.metric
    if search.min_score is None and search.max_distance is None:
        return []
    found = 0 if search.mode == "hybrid" else len(result) + search.offset
    if search.mode == "hybrid" and any(rank is not None for rank in result.column("vector_rank")):
        return []
    beyond = replace(
        search,
        mode="vector",
        text=None if search.vector is not None or search.similar_to else search.text,
        min_score=None,
        max_distance=None,
        per=None,
        k=1,
        offset=found,
    )
    best = again(beyond, scan)
    if not best.rows:
        return []
    name = "score" if metric.similarity else "distance"
    return [f"the threshold cut away the rest; the best {name} there is {best.column(name)[0]:.3f}"]
