"""The indexes of a table: valid, of the size they should have, used, no two for the same, in memory, good lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import cast

from ..build.settings import shown
from ..catalog import VectorIndex
from ..index import index_bytes, usual_lists
from ..sqltext import quote_literal, quote_qualified
from .check import DECISION, Check, grey
from .facts import Index, Place, Sample, Table
from .making import dropped, rebuilt, relisted, statement

# Actual size by predicted: what deleted rows left is used again, so some of it is no sickness.
_BLOATED, _VERY_BLOATED, _LEAST_BYTES = 1.5, 3.0, 256 * 1024
_USED = 100  # scans of another index from which on one that has none is of no use
_MISSES, _READS = 0.05, 1_000
_OFF, _FEW_IN_LIST = 4, 50  # times as many rows in a list as usual; rows
_FEWEST_LISTS = 5
_CAME, _ALL_CAME, _FEWEST = 0.5, 0.9, 1_000
_PAGE = 8192


def valid(table: Table, place: Place) -> Iterator[Check]:
    """11: every index is valid; one that is not costs every write, and no query uses it."""
    if isinstance(table.indexes, str):
        yield grey(11, table.label, table.indexes)
        return
    broken = [index for index in table.indexes if not index.valid]
    if not broken:
        yield Check(11, table.label, "green", f"{len(table.indexes)} of {len(table.indexes)}", "all indexes are valid")
    for index in broken:
        if index.building:
            yield grey(11, index.name, "it is being built, or another role's build hides which index it is on")
        else:
            yield _invalid(table, index)


def _invalid(table: Table, index: Index) -> Check:
    reason = "every write keeps it up to date, and no search uses it: a build CONCURRENTLY failed"
    if index.whole:
        reason = "a part of the table has no index that belongs to it"
        return Check(11, index.name, "red", "INVALID", f"{reason}: build one there, and ALTER INDEX … ATTACH PARTITION")
    others = [each for each in cast("Sequence[Index]", table.indexes) if each.valid and each.serves == index.serves]
    if others:
        reason = f"{reason}. {others[0].name} does what it should do"
        return Check(11, index.name, "red", "INVALID", reason, (_dropped(index),))
    again = f"REINDEX INDEX CONCURRENTLY {quote_qualified(index.schema, index.name)}"
    return Check(11, index.name, "red", "INVALID", reason, (again,))


def sizes(table: Table, place: Place) -> Iterator[Check]:
    """12: the size of a vector index against the arithmetic of its pages, for the rows there are now."""
    for index in table.info.indexes:
        if not index.valid:
            continue
        predicted = _predicted(table, index)
        if isinstance(predicted, str):
            yield grey(12, index.name, predicted, shown(index.bytes))
            continue
        times = index.bytes / max(predicted, 1)
        value = f"{shown(index.bytes)}, {times:.2f} × predicted"
        if times < _BLOATED or index.bytes - predicted < _LEAST_BYTES:
            yield Check(12, index.name, "green", value, f"about {shown(predicted)} for the rows there are")
            continue
        reason = (
            f"for about {_rows(table, index):,} rows it would have {shown(predicted)}: rows that were deleted or"
            " changed left their pages, through which every search goes"
        )
        state, text = "red" if times >= _VERY_BLOATED else "amber", rebuilt(table.info, index)
        yield Check(12, index.name, state, value, reason, (text,))


def _predicted(table: Table, index: VectorIndex) -> int | str:
    spec = table.specs.get(index.name)
    if spec is None:
        return "an index of another extension, or over another expression, whose size cannot be predicted"
    if isinstance(table.heaps, str):
        return table.heaps
    if not all(heap.counted or heap.live for heap in table.heaps):
        return "nobody has counted the rows yet: ANALYZE does"
    looked = table.samples.get(spec.column)
    if index.where is not None and not all(part.tuples for part in table.parts(index)):
        return "how many rows its condition leaves is not known: ANALYZE counts them"
    if spec.stored_type == "sparsevec" and not isinstance(looked, Sample):
        return "how many numbers of its vectors are not zero is not known"
    parts = (
        [part.tuples for part in table.parts(index)] if index.where is not None else _with_vectors(table, spec.column)
    )
    non_zero = looked.non_zero if isinstance(looked, Sample) else None
    return sum(index_bytes(spec, rows, non_zero) for rows in parts) or index_bytes(spec, 0)


def _with_vectors(table: Table, column: str) -> list[int]:
    """Return the rows of each part that an index has, by what a sample tells of NULL and zeros."""
    looked, heaps = table.samples.get(column), () if isinstance(table.heaps, str) else table.heaps
    share = 1.0
    if isinstance(looked, Sample) and looked.rows:
        share = (looked.vectors - (looked.zeros or 0)) / looked.rows
    return [round(heap.rows * share) for heap in heaps]


def _rows(table: Table, index: VectorIndex) -> int:
    if index.where is not None:
        return sum(part.tuples for part in table.parts(index))
    return sum(_with_vectors(table, table.specs[index.name].column))


def use(table: Table, place: Place) -> Iterator[Check]:
    """13: how often a vector index was used, and whether another is used in its place."""
    since = f" since {place.server.since}" if place.server.since else ""
    counts = {index.name: sum(part.scans for part in table.parts(index)) for index in table.info.indexes}
    for index in table.info.indexes:
        if not index.valid:
            continue
        count, days = counts[index.name], [part.used for part in table.parts(index) if part.used]
        others = [o for o in table.info.indexes if o.name != index.name and _same_column(table, o, index)]
        other = max(others, key=lambda each: counts[each.name], default=None)
        value = f"{count:,} times{since}"
        if count:
            yield Check(13, index.name, "green", value, f"last used on {max(days)}" if days else "it is used")
        elif other is None or counts[other.name] < _USED:
            yield grey(13, index.name, "not used yet, as far as this server counts; a new index never was", value)
        else:
            reason = (
                f"{other.name} on the same column was used {counts[other.name]:,} times: each write keeps this one up"
                " to date for nothing, unless it is new, or a standby, which counts for itself, or a condition needs it"
            )
            text = dropped(table, table.info.schema, index.name)
            yield Check(13, index.name, "amber", value, reason, (text,), DECISION)


def _same_column(table: Table, one: VectorIndex, other: VectorIndex) -> bool:
    return one.valid and table.column(one) is not None and table.column(one) == table.column(other)


def doubles(table: Table, place: Place) -> Iterator[Check]:
    """14: two indexes for the same queries, of which each write keeps both up to date."""
    if isinstance(table.indexes, str):
        yield grey(14, table.label, table.indexes)
        return
    # Those of parts belong to that of the whole, and cannot be dropped alone.
    alone = [each for each in table.indexes if each.valid and (each.whole or each.root == each.name)]
    groups = [list(same) for _, same in groupby(sorted(alone, key=_order), key=_order)]
    doubled = [group for group in groups if len(group) > 1]
    if not doubled:
        yield Check(14, table.label, "green", "none", "no two indexes serve the same queries")
    for group in doubled:
        kept, *more = sorted(group, key=lambda i: (not i.keeps, -i.scans, i.method != "hnsw", i.name))
        for index in more:
            if index.keeps:
                continue
            both = "" if kept.method == index.method else f", {kept.method} and {index.method},"
            reason = (
                f"{kept.name}{both} serves the same queries; every write keeps both up to date, and which one a search"
                f" takes the planner's estimate decides. Scans: {index.scans:,} of this, {kept.scans:,} of that"
            )
            text = dropped(table, index.schema, index.name)
            by_hand = (
                "" if kept.definition.partition(" USING ")[2] == index.definition.partition(" USING ")[2] else DECISION
            )
            size = sum(each.bytes for each in table.indexes if each.root == index.name)
            yield Check(14, index.name, "amber", shown(size), reason, (text,), by_hand)


def _order(index: Index) -> str:
    return repr(index.serves)


def cached(table: Table, place: Place) -> Iterator[Check]:
    """15: what share of an index's pages came from shared_buffers; those there now, where pg_buffercache tells."""
    for index in table.info.indexes:
        parts = table.parts(index)
        if index.valid and parts:
            yield _cached(place, index.name, parts)


def _cached(place: Place, name: str, parts: Sequence[Index]) -> Check:
    pages = max(sum(part.bytes for part in parts) // _PAGE, 1)
    asked = sum(part.hit + part.read for part in parts)
    resident, word = _resident(place, parts, pages)
    if asked < _READS:
        return grey(15, name, f"too few pages were asked for to tell; {word}", f"{asked:,} pages")
    # The first time that a page is asked for it has to be read, by the build already.
    share = 1 - max(sum(part.read for part in parts) - pages, 0) / asked
    value, told = f"{share:.1%}", f"of {asked:,} pages that were asked for came from shared_buffers; {word}"
    if share >= 1 - _MISSES or (resident is not None and resident >= 1 - _MISSES):
        return Check(15, name, "green", value, told)
    warmed = _warmed(place, parts)
    way = "pg_prewarm reads the index in" if warmed else "it does not fit, or pg_prewarm, which reads it in, is missing"
    return Check(15, name, "amber", value, f"{told}. The others were waited for; {way}", warmed)


def _resident(place: Place, parts: Sequence[Index], pages: int) -> tuple[float | None, str]:
    """Return the share of an index that is in shared_buffers now, and that in words."""
    if isinstance(place.buffered, str):
        return None, place.buffered
    share = sum(place.buffered.get((part.schema, part.name), 0) for part in parts) / pages
    return share, f"{share:.0%} of it is there now"


def _warmed(place: Place, parts: Sequence[Index]) -> tuple[str, ...]:
    """Return what reads an index into shared_buffers; nothing where it does not fit, or pg_prewarm is not there."""
    extensions, offered = place.server.extensions, "pg_prewarm" in place.server.offered
    if sum(part.bytes for part in parts) > place.server.buffers or not (offered or "pg_prewarm" in extensions):
        return ()
    schema = extensions.get("pg_prewarm")
    first = () if schema else ("CREATE EXTENSION pg_prewarm",)
    function = quote_qualified(schema, "pg_prewarm") if schema else "pg_prewarm"
    named = (quote_literal(quote_qualified(part.schema, part.name)) for part in parts)
    return (*first, *(f"SELECT {function}({name})" for name in named))


def lists(table: Table, place: Place) -> Iterator[Check]:
    """19: the lists of IVFFlat against the rows, and the rows that came after the lists were found."""
    found = [index for index in table.info.indexes if index.method == "ivfflat" and index.valid]
    if not found:
        yield grey(19, table.label, "it has no IVFFlat index")
    for index in found:
        yield from _lists(table, index)


def _lists(table: Table, index: VectorIndex) -> Iterator[Check]:
    rows, usual = table.rows, usual_lists(table.rows)
    each, value = rows / index.lists, f"{index.lists:,} lists, {rows:,} rows"
    if index.where is None and index.lists > 1 and (each < _FEW_IN_LIST or each > _OFF * max(rows / usual, 1_000)):
        yield _relisted(table, index, value, usual)
        return
    came = table.drift.get(index.name, "its table is not among the largest, which were looked at")
    if isinstance(came, str):
        yield grey(19, index.name, f"whether rows came after its lists were found is not known: {came}", value)
        return
    share = came[1] / max(came[0], 1)
    told = f"{share:.0%} of {came[0]:,} rows looked at came, or were changed, after its lists were found"
    if share < _CAME or rows < _FEWEST:
        yield Check(19, index.name, "green", value, told)
        return
    reason = f"{told}, and lists do not follow new vectors: searches miss neighbours"
    # A row that was changed may have the vector that it had.
    changed = 0 if isinstance(table.heaps, str) else sum(heap.changed for heap in table.heaps)
    state = "red" if share >= _ALL_CAME and changed < _CAME * rows else "amber"
    yield Check(19, index.name, state, value, reason, (rebuilt(table.info, index),))


def _relisted(table: Table, index: VectorIndex, value: str, usual: int) -> Check:
    rows, spec = table.rows, relisted(table, index)
    state = "red" if index.lists > rows else "amber"
    gone = dropped(table, table.info.schema, index.name)
    each = f"{rows / index.lists:,.1f} rows a list: some 1,000 are usual"
    if usual < _FEWEST_LISTS or spec is None:
        reason = f"{each}. So few rows are read whole as fast: load the others first, then build an index"
        return Check(19, index.name, state, value, reason, (gone,))
    reason = f"{each}, here {usual:,} lists"
    return Check(19, index.name, state, value, reason, (statement(table, spec), gone), builds=spec)


def _dropped(index: Index) -> str:
    return f"DROP INDEX CONCURRENTLY {quote_qualified(index.schema, index.name)}"
