"""What a person should know about a result that is not short."""

from __future__ import annotations

from collections.abc import Iterable

from ..query import keyword, words
from ..query.target import SIGNS_ONLY, is_whole, serves
from .result import Found

# Said of stop words while the statement is planned, several times over; the result says it once, in its own words.
_TEXT_SEARCH_NOTICE = "NOTICE:  text-search query"
# Why a vector cannot be looked for in an index that has every row.
_LOST = {
    "halfvec": "its numbers are too large for a halfvec (65,504 at most), or too small to be told apart there",
    "subvector": "its first dimensions, which the index has, are all zero",
}
_INDEXED_KINDS = ("table", "partitioned table", "materialized view")


def notes(found: Found, notices: Iterable[str], undefined: int) -> tuple[str, ...]:
    """Return the server's notices and ours; ``undefined`` rows are so that the metric has no distance for them."""
    said = [notice for notice in notices if not notice.startswith(_TEXT_SEARCH_NOTICE)]
    said += _renamed(found)
    if undefined:
        rows = "1 row has" if undefined == 1 else f"{undefined:,} rows have"
        said.append(f"{rows} a vector of zeros, to which there is no cosine distance: last, without a number")
    said += [*_unused(found), *_by_bits(found)]
    if found.target.text is not None:
        said += [*_cut(found), *_phrase(found), *_words(found), *_unindexed(found)]
    return tuple(said)


def _renamed(found: Found) -> list[str]:
    names = found.target.names
    return [
        f"the table has a column {ours!r} of its own: ours is {names[ours]!r}"
        for ours in found.ours
        if names[ours] != ours
    ]


def _unused(found: Found) -> list[str]:
    """Say why an index on the column is there and no use, where every row was looked at for want of one."""
    source, search = found.target.vectors, found.search
    if source is None or source.indexes or search.strategy == "exact":
        return []
    said = []
    for index in found.target.table.indexes:
        if not index.valid or index.column != source.column.name:
            continue
        if index.form == "binary" and not serves(index, source.column, source.metric):
            said.append(f"{index.name} is no use by {source.metric.name}: {SIGNS_ONLY}")
        elif not serves(index, source.column, source.metric):
            continue
        elif is_whole(index, source.column):
            said.append(f"{index.name} is no use for this vector: {_LOST[index.form]}")
        else:
            is_filtered = search.where or found.target.table.row_security
            why = "Postgres does not take it for this" if is_filtered else "it is no use without that filter"
            said.append(f"{index.name} has the rows WHERE {index.where} alone: {why}")
    return said


def _by_bits(found: Found) -> list[str]:
    """Say what inner products by bits rest on."""
    source = found.target.vectors
    if source is None or source.metric.name != "ip" or found.scan.read is None or source.indexes[0].form != "binary":
        return []
    return [
        "bits tell directions, not lengths: by ip that finds the nearest of vectors of one length (normalised) only"
    ]


def _cut(found: Found) -> list[str]:
    text = found.search.text or ""
    return [f"the text is long: only its first {words.MOST_WORDS} words were looked for"] if words.is_cut(text) else []


def _phrase(found: Found) -> list[str]:
    if not keyword.is_bm25(found.target) or not words.has_phrase(found.search.text or ""):
        return []
    return ["BM25 knows no phrases: the words in quotes were looked for one by one"]


def _words(found: Found) -> list[str]:
    """Say that a looser question was asked than the person's, or why words found nothing."""
    within = " within the filter" if found.search.where else ""
    what = "these have" if found.search.mode == "keyword" else "the keyword leg found rows with"
    nothing = (
        "" if found.search.mode == "keyword" else ": the keyword leg is empty, the order is the vector leg's alone"
    )
    wanted = "any of the words"
    if words.UNWANTED in words.params(found.search.text or ""):
        wanted += " without one that is excluded"
    return {
        "any": [f"no row{within} has all the words: {what} any of them"],
        "none": [f"no row{within} has {wanted}{nothing}"],
        "no words": [f"in {found.target.need_text().language} the text has no word to look for{nothing}"],
    }.get(found.words or "", [])


def _unindexed(found: Found) -> list[str]:
    table, text = found.target.table, found.target.need_text()
    if text.indexed:
        return []
    if keyword.is_bm25(found.target):
        left = "that the filter leaves" if found.search.where else "of the table"
        return [f"the BM25 index scan did not reach all rows that belong here, so each one {left} was scored"]
    said = "no text index serves this search, so every row is parsed for it"
    if table.kind not in _INDEXED_KINDS:
        return [said]
    return [f"{said}: CREATE INDEX ON {table.sql_name} USING gin ({text.expression})"]
