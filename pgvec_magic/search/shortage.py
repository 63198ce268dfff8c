"""A result with fewer rows than asked: find out why, get the rest where there is one, and say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .. import catalog
from ..query import Scan, Search, bm25, keyword
from .result import Found, Result
from .watching import Seen, vectorless, watch

Again = Callable[[Found], Result]


def complete(result: Result, wanted: Search, again: Again) -> Result:
    """Return a short result with what is missing: found by an exact search, or explained.

    ``wanted`` is what the person asked for, of which the result may be the first step; ``again`` runs a changed request
    on the same vector.
    """
    result = _with_all_words(result, again)
    found = _found(result)
    if len(result) == found.search.k and not _leg_is_short(found):
        return result
    beyond, seen = _beyond(found, result, again), Seen()
    while beyond is None and _goes_on(result):
        result = _further(result, again)
        beyond = _beyond(found, result, again)
    is_short = _shown(result, wanted) < wanted.k
    if beyond is None and _may_have_stopped(_found(result)) and (is_short or _leg_is_short(_found(result))):
        seen = watch(result)
        result = replace(result, findings=seen.causes, proof=seen.proof)
    if beyond and is_short:
        return replace(result, notes=(*result.notes, _cut_away(result, beyond)))
    return _told(result, wanted, seen)


def _told(result: Result, wanted: Search, seen: Seen) -> Result:
    """Return a result with a sentence on why rows are missing, unless something else has said it."""
    found, shown = _found(result), _shown(result, wanted)
    if (seen.causes and seen.rows != len(result)) or (
        found.words in ("none", "no words") and found.search.mode == "keyword"
    ):
        return result
    missing = f"{wanted.k - shown:,} of {wanted.k:,} rows are missing"
    if seen.proof and not seen.causes:
        if shown >= wanted.k:
            missing = f"the vector leg has {found.leg} of {found.scan.candidates} rows"
        note = f"{missing}: the scan ended before it found them, an exact search finds {seen.found:,}"
    elif shown >= wanted.k:
        return result
    elif _may_have_stopped(found) and seen.found is None:
        note = f"{missing}: the scan ended before it found them, if they exist (--exact looks at every row)"
    else:
        note = f"{missing}: {_there_are(result)}"
        result = replace(result, findings=(*result.findings, *vectorless(result)))
    return replace(result, notes=(*result.notes, note))


def _shown(result: Result, wanted: Search) -> int:
    """How many rows a person gets, of a result that may be the first step only."""
    return max(_found(result).search.offset + len(result) - wanted.offset, 0)


def _with_all_words(result: Result, again: Again) -> Result:
    """Return a result whose BM25 leg is whole: where the index scan ended before, each row was scored."""
    found = _found(result)
    if not _words_may_end_early(result):
        return result
    text = replace(found.target.need_text(), indexed=False)
    scored = again(replace(found, target=replace(found.target, text=text)))
    return scored if _found(scored).words_found > found.words_found else result


def _words_may_end_early(result: Result) -> bool:
    """Whether the index scan of a BM25 leg may have left out rows that belong into it."""
    found = _found(result)
    search, table = found.search, found.target.table
    if search.mode == "vector" or not keyword.is_bm25(found.target) or not found.target.need_text().indexed:
        return False
    most = found.scan.candidates if search.per or search.mode == "hybrid" else search.needed
    if found.words_found >= most:
        return bool(search.per) and len(result) < search.k
    if not (search.where or table.row_security or most > bm25.MOST_SCANNED):
        return False
    if table.rows is not None and table.rows < bm25.MOST_SCANNED // 2:  # an estimate; so few cannot be too many
        return False
    matching = catalog.matching_rows(result.db, found.target.relation, list(search.where), search.params)
    if matching <= bm25.CHEAPLY_SCORED or table.row_security:  # what policies hide from us cannot be counted
        return True
    reached = result.db.run(bm25.last_scanned(search.text or "", found.target))
    return any(is_match for (is_match,) in reached.rows)


def _leg_is_short(found: Found) -> bool:
    """Whether the vector leg of a hybrid search had fewer rows than it looks for, which the words may hide."""
    return found.leg is not None and found.leg < found.scan.candidates and found.scan.may_stop_early


def _may_have_stopped(found: Found) -> bool:
    """Whether the vector index scan of a short result may have ended before rows that exist."""
    if found.search.mode == "hybrid" and not found.search.per and found.leg is not None:
        return _leg_is_short(found)
    return found.search.mode != "keyword" and found.scan.may_stop_early


def _goes_on(result: Result) -> bool:
    """Whether a short result is looked for once more; its length is that of the last scan."""
    found = _found(result)
    if len(result) == found.search.k and not _leg_is_short(found):
        return False
    return _may_have_stopped(found) and found.search.strategy == "auto" and not found.search.as_is


def _further(result: Result, again: Again) -> Result:
    """Return what the next, deeper scan finds; its seconds are those of all scans."""
    found = _found(result)
    gave = f"{len(result)} of {found.search.k}"
    if _leg_is_short(found) and len(result) == found.search.k:
        gave = f"{found.leg} of {found.scan.candidates}"
    exact = Scan("exact", found.scan.candidates, why=f"the index scan gave {gave} rows")
    deeper = again(replace(found, scan=found.scan.deeper or exact))
    return replace(deeper, seconds=result.seconds + deeper.seconds)


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
    best = again(replace(_found(result), search=without))
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


def _there_are(result: Result) -> str:
    found, search = _found(result), _found(result).search
    total = search.offset + len(result)
    what, of = ("value", f" of {search.per}") if search.per else ("row", "")
    what = f"{what}{'' if total == 1 else 's'}{of}"
    if len(result) or not search.offset:
        there = f"there {'is' if total == 1 else 'are'} {f'only {total:,}' if total else 'no'} {what}"
    else:
        there = f"there are no more than {total:,} {what}"
    hint = " (with OR between them, any of the words will do)" if _asks_for_all(found) else ""
    return f"{there}{_which(found)}{hint}"


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
    within = f" within the {' and the '.join(limits)}" if limits else ""
    policies = ", as far as the table's policies show its rows to this role" if found.target.table.row_security else ""
    return with_what + besides + within + policies


def _asks_for_all(found: Found) -> bool:
    return found.search.mode == "keyword" and found.words == "all"


def _found(result: Result) -> Found:
    assert result.found is not None, "only a search can be short"
    return result.found
