"""A result with fewer rows than asked: find out why, get the rest where there is one, and say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..query import Scan, Search
from .result import Found, Result

Again = Callable[[Search, Scan], Result]


def complete(result: Result, again: Again) -> Result:
    """Return a short result with what is missing: found by an exact search, or explained.

    ``again`` runs a changed request on the same table and vector.
    """
    found = _found(result)
    if len(result) == found.search.k and not _leg_is_short(found):
        return result
    beyond = _beyond(found, result, again)
    if beyond is None and _may_have_stopped(found) and found.search.strategy == "auto" and not found.search.as_is:
        result = _exactly(found, result, again)
        beyond = _beyond(found, result, again)
    missing = found.search.k - len(result)
    said = found.words in ("none", "no words") and found.search.mode == "keyword"
    notes = [_cut_away(result, beyond) if beyond else _missing(result)] if missing and not said else []
    return replace(result, notes=(*result.notes, *notes))


def _leg_is_short(found: Found) -> bool:
    """Whether the vector leg of a hybrid search had fewer rows than it looks for, which the words may hide."""
    return found.leg is not None and found.leg < found.scan.candidates and found.scan.may_stop_early


def _may_have_stopped(found: Found) -> bool:
    """Whether the index scan of a short result may have ended before rows that exist."""
    if found.search.mode == "hybrid" and not found.search.per and found.leg is not None:
        return _leg_is_short(found)
    return found.search.mode != "keyword" and found.scan.may_stop_early


def _exactly(found: Found, result: Result, again: Again) -> Result:
    gave = f"{len(result)} of {found.search.k}"
    if _leg_is_short(found) and len(result) == found.search.k:
        gave = f"{found.leg} of {found.scan.candidates}"
    return again(found.search, Scan("exact", found.scan.candidates, why=f"the index scan gave {gave} rows"))


def _beyond(found: Found, result: Result, again: Again) -> Result | None:
    """The next row behind a threshold: where there is one, it was the threshold that cut the result short."""
    search = found.search
    if not search.has_threshold or search.mode == "keyword":
        return None
    if search.mode == "hybrid" and any(rank is not None for rank in result.column("vector_rank")):
        return None
    without = replace(
        search,
        mode="vector",
        text=None if search.vector is not None or search.similar_to else search.text,
        min_score=None,
        max_distance=None,
        k=1,
        offset=0 if search.mode == "hybrid" else search.offset + len(result),
        per=search.per if search.mode == "vector" else None,
    )
    best = again(without, _found(result).scan)
    return best if best.rows and best.column("distance")[0] is not None else None


def _cut_away(result: Result, beyond: Result) -> str:
    search, rank = _found(result).search, _found(beyond).search.offset + 1
    name = "score" if search.min_score is not None else "distance"
    limit = f"{name} {search.min_score if name == 'score' else search.max_distance}"
    number = f"{beyond.column(name)[0]:.3f}"
    if rank == 1:
        leg = " of the vector leg" if search.mode == "hybrid" else ""
        return f"the threshold, {limit}, cut every row{leg} away: the best has {name} {number}"
    return f"the threshold, {limit}, cut the rest away: row {rank} would have {name} {number}"


def _missing(result: Result) -> str:
    found, search = _found(result), _found(result).search
    total = search.offset + len(result)
    missing = f"{search.k - len(result):,} of {search.k:,} rows are missing"
    if _may_have_stopped(found):
        return f"{missing}: the scan ended before it found them, if they exist (--exact looks at every row)"
    what, of = ("value", f" of {search.per}") if search.per else ("row", "")
    what = f"{what}{'' if total == 1 else 's'}{of}"
    if len(result) or not search.offset:
        there = f"there {'is' if total == 1 else 'are'} {f'only {total:,}' if total else 'no'} {what}"
    else:
        there = f"there are no more than {total:,} {what}"
    hint = " (with OR between them, any of the words will do)" if _asks_for_all(found) else ""
    return f"{missing}: {there}{_which(found)}{hint}"


def _which(found: Found) -> str:
    """Say of the rows that there are what they have in common, in the words of the request."""
    search = found.search
    if search.mode == "vector":
        with_what = " with a vector" if found.target.need_vectors().column.nullable else ""
    elif search.mode == "keyword":
        with_what = " with all the words" if found.words == "all" else " with any of the words"
    else:
        with_what = " that either leg finds"
    besides = " besides those searched from" if search.similar_to else ""
    limits = [name for name, given in (("filter", search.where), ("threshold", search.has_threshold)) if given]
    return with_what + besides + (f" within the {' and the '.join(limits)}" if limits else "")


def _asks_for_all(found: Found) -> bool:
    return found.search.mode == "keyword" and found.words == "all"


def _found(result: Result) -> Found:
    assert result.found is not None, "only a search can be short"
    return result.found
