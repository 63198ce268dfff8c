"""A result with fewer rows than asked watches itself: whether there are more, why they did not come, and the proof."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from ..diagnose import FUNCTIONS, OPERATORS, Facts, Finding, no_vector, numbers, short, zeros
from ..errors import PgvecError, QueryError
from ..plan.words import rows
from ..query import Query, Scan, build, counted, without_vector
from ..query.statement import VECTOR
from ..sqltext import command, quote_qualified, tokens
from .result import Found, Result
from .second import Second, second

# Without plain index scans no vector index is read; what would take their place must not be discouraged as well.
EXACTLY = (("enable_indexscan", "off"), ("enable_seqscan", "on"), ("enable_sort", "on"))
# The LIMIT of a whole statement stands at its end: a glance, before the statement is really read.
_LIMIT_AT_END = re.compile(r"\bLIMIT\s+(\d+)(\s+OFFSET\s+\d+)?[\s;]*$", re.IGNORECASE)
_END = 200  # characters
_CANCELED = "57014"  # the SQLSTATE of a statement that took too long
_Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Seen:
    """``found`` is how many rows an exact search finds, in hybrid for the vector leg; None where it is not known.

    ``causes`` say why fewer came, ``proof`` is the exact search and ``rows`` how many it gives; empty and None where
    it finds no more. In hybrid that may be as many as came: words fill up what vectors lack.
    """

    found: int | None = None
    causes: tuple[Finding, ...] = ()
    proof: Query | None = None
    rows: int | None = None


def watch(result: Result) -> Seen:
    """Look a second time at a search that is short, and whose scan may have ended before it found all."""
    found = _found(result)
    exact = build(found.search, found.target, Scan("exact", found.scan.candidates), result.params[VECTOR])
    return _seen(result, exact, *_wanted(found))


def vectorless(result: Result) -> tuple[Finding, ...]:
    """Return what is to be said of rows that a search by distance cannot find, as they have no vector."""
    found = _found(result)
    if found.search.mode != "vector" or not found.target.need_vectors().column.nullable:
        return ()
    column, table = found.target.need_vectors().column, found.target.table
    try:
        look = second(result.db, result.query, result.seconds)
        ((missing,),) = look.rows(without_vector(found.search, found.target)) if look else ((0,),)
    except PgvecError:
        return ()
    if not missing:
        return ()
    then = "and a search by distance finds rows with one only"
    knows = table.text_column is not None and column.embedder is not None
    fix = f"%vembed {table.label} --text {table.text_column} --column {column.name}" if knows else None
    return (no_vector(missing, column.name, then, fix),)


def watched(result: Result) -> Result:
    """Return the result of a statement with what is to be said where it has fewer rows than its LIMIT."""
    asked = _asked(result)
    if asked is None:
        return result
    exact = replace(result.query, settings=(*result.query.settings, *EXACTLY))
    seen = _seen(result, exact, asked, "asked for")
    if seen.causes or seen.found is None:
        return replace(result, findings=(*result.findings, *seen.causes), proof=seen.proof)
    missing = f"{asked - len(result):,} of {asked:,} rows are missing"
    why = "there are no more that the statement selects"
    if seen.proof:
        why = f"the scan ended before it found them, an exact search finds {seen.found:,}"
    return replace(result, notes=(*result.notes, f"{missing}: {why}"), proof=seen.proof)


def _seen(result: Result, exact: Query, wanted: int, what: str) -> Seen:
    """Explain a short result, and look at all rows where it came from an index; all unknown where that fails."""
    try:
        look = second(result.db, result.query, result.seconds)
        facts = look.facts() if look else None
    except PgvecError:
        return Seen()
    if look is None or facts is None or (result.found is None and any(node.remote for node in facts.plan.nodes)):
        return Seen()  # settings of ours do not reach other servers
    if not any(facts.is_ann(node) for _, node in facts.plan.everywhere):
        return Seen(_size(result))
    try:
        all_rows = look.rows(exact)
    except QueryError as error:
        return Seen(causes=_unproved(facts, look, error))
    more = _size_of(result.found, all_rows)
    if more <= _size(result):
        return Seen(more)
    told = f"an exact search finds {_of(more, wanted, what)}"
    causes = _causes(facts) or _unindexed(result, all_rows, facts, look)
    told_causes = tuple(replace(cause, why=f"{cause.why}; {told}") for cause in causes)
    return Seen(more, told_causes, exact, len(all_rows))


def _causes(facts: Facts) -> tuple[Finding, ...]:
    return tuple(short(facts))[:1]  # of several parts of a table each may have its own


def _unproved(facts: Facts, look: Second, error: QueryError) -> tuple[Finding, ...]:
    first_line = error.message.partition("\n")[0]
    why = f"takes longer than {look.seconds:.1f} s" if error.sqlstate == _CANCELED else f"fails: {first_line}"
    told = f"whether there are more is not known, for to look at every row {why}"
    return tuple(replace(cause, severity="warning", why=f"{cause.why}; {told}") for cause in _causes(facts))


def _unindexed(result: Result, all_rows: _Rows, facts: Facts, look: Second) -> tuple[Finding, ...]:
    """Return whether what is missing are rows that the index does not have."""
    if result.found is not None:
        undefined = sum(row[-1] != row[-1] for row in all_rows) if result.found.search.mode == "vector" else 0
        return (zeros(undefined, result.found.target.need_vectors().column.name),) if undefined else ()
    for scan in facts.ann_scans:
        index = facts.index(scan)
        if index is None:
            continue
        table = quote_qualified(index.schema, index.table)
        asked = f"SELECT count(*) FROM {table} WHERE ({index.key}) IS NULL".replace("%", "%%")
        try:
            ((missing,),) = look.rows(replace(result.query, sql=asked, params={}))
        except PgvecError:
            continue
        if missing:
            then = f"and the index {index.name} does not have them: {rows(len(result))} came"
            return (no_vector(missing, index.key, then, f"AND {index.key} IS NOT NULL, if they are not wanted"),)
    return ()


def _asked(result: Result) -> int | None:
    """Return the LIMIT of a statement that orders by a distance and gave fewer rows; None for any other."""
    query = result.query
    glance = _LIMIT_AT_END.search(counted(query.sql[-_END:], query.params))
    if glance is None or int(glance[1]) <= len(result) or command(query.sql) not in ("SELECT", "WITH"):
        return None
    sql = counted(query.sql, query.params)
    words = {token.text.replace("%%", "%") for token in tokens(sql) if token.kind not in ("string", "comment")}
    if OPERATORS.isdisjoint(words) and words.isdisjoint(FUNCTIONS):
        return None
    said = [int(number.value) for number in numbers(sql, "LIMIT") if number.depth == 0]
    return said[-1] if said and said[-1] > len(result) else None


def _by_leg(found: Found) -> bool:
    """Whether it is the vector leg of a hybrid search that a scan may leave short."""
    return found.search.mode == "hybrid" and not found.search.per


def _size(result: Result) -> int:
    return (result.found.leg or 0) if result.found is not None and _by_leg(result.found) else len(result)


def _size_of(found: Found | None, all_rows: _Rows) -> int:
    if found is None or not _by_leg(found):
        return len(all_rows)
    return int(all_rows[0][-1]) if all_rows else 0


def _wanted(found: Found) -> tuple[int, str]:
    """Return how many rows a scan was to find, and what they are."""
    if _by_leg(found):
        return found.scan.candidates, "of the vector leg"
    return found.search.k, f"values of {found.search.per} asked for" if found.search.per else "asked for"


def _of(more: int, wanted: int, what: str) -> str:
    return f"all {wanted:,} {what}" if more >= wanted else f"{more:,} of the {wanted:,} {what}"


def _found(result: Result) -> Found:
    assert result.found is not None, "only a search can be watched as one"
    return result.found
