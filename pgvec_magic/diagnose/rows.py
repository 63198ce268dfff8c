"""Rules on what a scan of a vector index gave: fewer rows than asked for, or not quite in order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from ..catalog import Index
from ..plan import Node
from ..plan.words import count, rows
from ..sqltext import quote_qualified
from .cures import cure_in, partial_index
from .facts import Facts, seen
from .finding import Cure, Finding

_MOST_EF_SEARCH = 1_000
_MOST_MULTIPLIER = 1_000
_NEARLY = 0.95
_FAR_FROM_ALL = 0.5
_MANY_NULLS = 0.1
_FAR = 1_000  # rows
_TAKES_ALL = ("Sort", "Hash", "Aggregate")
_ITERATIVE = "SET LOCAL hnsw.iterative_scan = 'relaxed_order'"


def short(facts: Facts) -> Iterator[Finding]:
    """Yield why a search gave fewer rows than it was asked for; nothing where it gave them all."""
    for scan in facts.ann_scans:
        limit = facts.limit(scan)
        if limit is None or not limit.loops or limit.rows is None or scan.rows is None:
            continue
        if any(facts.is_generic(key) for key in facts.keys(scan, "Order By")):
            continue  # what the LIMIT is was not known either
        wanted = facts.asked(limit) * limit.loops
        if limit.rows < wanted and not _was_stopped(facts, limit):
            found = _why_short(facts, scan, limit.rows, wanted)
            yield from [found] if found else []


def _was_stopped(facts: Facts, limit: Node) -> bool:
    """Whether somebody above had enough before: another LIMIT, or a join that looks for one partner only."""
    for above in facts.users(limit):
        if above.kind in _TAKES_ALL:
            return False
        if above.details.get("Join Type") in ("Semi", "Anti"):
            return True
        if _has_enough(facts, above):
            return True
    if facts.whole is None or facts.at is None:
        return False
    return any(_has_enough(facts.whole, above) for above in facts.whole.above(facts.at))  # of all shards together


def _has_enough(facts: Facts, node: Node) -> bool:
    return node.kind == "Limit" and (node.rows or 0) >= facts.asked(node) * (node.loops or 1)


def _has_no_more(facts: Facts, scan: Node) -> bool:
    """Whether the scan saw nearly all that the index has: no vector index has rows without a vector."""
    index = facts.index(scan)
    if index is None or (index.method == "hnsw" and not index.rows):  # not counted: did it end before it had to?
        return seen(scan) < _NEARLY * float(facts.setting("hnsw.ef_search", "40"))
    return seen(scan) >= _NEARLY * index.rows * (1 - index.nulls)


def _without_vector(facts: Facts, scan: Node, got: float, wanted: float) -> Finding | None:
    index = facts.index(scan)
    if index is None or index.nulls < _MANY_NULLS:
        return None
    why = (
        f"{index.nulls:.0%} of the rows of {index.table} have no vector, so no index has them and no search finds them:"
        f" {count(got)} of {rows(wanted)} came"
    )
    return Finding("R50", "warning", why, f"%vembed {index.table} --text … gives them one", scan.number)


def _why_short(facts: Facts, scan: Node, got: float, wanted: float) -> Finding | None:
    index = facts.index(scan)
    if scan.removed() and _is_threshold(facts, scan):
        return _beyond(scan, got, wanted)
    if _has_no_more(facts, scan):
        return _without_vector(facts, scan, got, wanted)
    if index is not None and index.method == "ivfflat":
        return _ivfflat(facts, scan, index, got, wanted)
    if index is not None and index.method != "hnsw":
        return None  # it has other settings
    mode = facts.setting("hnsw.iterative_scan", "off")
    if mode != "off":
        return _gave_up(facts, scan, got, wanted)
    return _filtered(facts, scan, got, wanted) if scan.removed() else _too_few(facts, scan, got, wanted)


def _is_threshold(facts: Facts, scan: Node) -> bool:
    """Whether all that the filter asks is how far a row may be: behind the first that is too far there is none."""
    condition, key = str(scan.details.get("Filter", "")), facts.keys(scan, "Order By")[0]
    return " AND " not in condition and f"{key.left} {key.operator} {key.right}" in condition


def _beyond(scan: Node, got: float, wanted: float) -> Finding | None:
    if seen(scan) < _FAR:
        return None
    why = (
        f"the scan went on through {rows(seen(scan))} for {count(wanted)} within the distance, and there are"
        f" {count(got)}: it does not know that those behind are farther still"
    )
    fix = "take the nearest with LIMIT in WITH … AS MATERIALIZED (…), and the condition on the distance around it"
    return Finding("R43", "warning", why, fix, scan.number)


def _filtered(facts: Facts, scan: Node, got: float, wanted: float) -> Finding:
    relation, removed = facts.relation(scan), scan.removed()
    guarded = relation is not None and relation.row_security
    what = "the policy or the filter" if guarded else "the filter"
    why = (
        f"the index gave {rows((scan.rows or 0) + removed)}, about as many as hnsw.ef_search ="
        f" {facts.setting('hnsw.ef_search', '40')} lets it, and {what} removed {count(removed)} of them:"
        f" {count(got)} of {rows(wanted)} are left"
    )
    fix = _ITERATIVE if facts.iterates else "an index on the filter's column and an exact search, or pgvector 0.8"
    index, cure = facts.index(scan), cure_in(fix)
    if index and not guarded and (before := partial_index(index, scan)):
        cure = replace(cure, built=Cure(before=before)) if cure else Cure(before=before)
    return Finding("R42" if guarded else "R41", "error", why, fix, scan.number, cure)


def _too_few(facts: Facts, scan: Node, got: float, wanted: float) -> Finding | None:
    depth, relation = int(facts.setting("hnsw.ef_search", "40")), facts.relation(scan)
    given = (scan.rows or 0) / max(scan.loops or 1, 1)
    if relation is not None and relation.dead and given < _NEARLY * depth <= given + relation.dead:
        why = (
            f"the index gave {rows(given)} though hnsw.ef_search = {depth}, and the table has {relation.dead:,} dead"
            f" rows, which still take their places among those: {count(got)} of {rows(wanted)} are left"
        )
        fix = f"VACUUM {quote_qualified(relation.schema, relation.name)}"
        return Finding("R47", "error", why, fix, scan.number)
    if given < _NEARLY * depth:
        return None  # it is not the depth that ended the scan
    needed = wanted / max(scan.loops or 1, 1) + facts.offset
    behind = f" behind {count(facts.offset)} that are skipped" if facts.offset else ""
    why = (
        f"a scan gives at most hnsw.ef_search = {depth} rows, and {count(wanted)} are asked for{behind}:"
        f" {count(got)} came"
    )
    fix = _ITERATIVE if needed > _MOST_EF_SEARCH else f"SET LOCAL hnsw.ef_search = {round(needed)}"
    return Finding("R40", "error", why, fix, scan.number)


def _gave_up(facts: Facts, scan: Node, got: float, wanted: float) -> Finding | None:
    most, far, index = int(facts.setting("hnsw.max_scan_tuples", "20000")), seen(scan), facts.index(scan)
    if far >= _NEARLY * most:
        why = (
            f"the scan went on until it had seen {rows(far)}, as hnsw.max_scan_tuples = {most} says, and the filter"
            f" left {count(got)} of {rows(wanted)}"
        )
        fix = "search exactly, by an index on the filter's column; or SET LOCAL hnsw.max_scan_tuples higher"
        return Finding("R43", "error", why, fix, scan.number, Cure(settings=(("enable_indexscan", "off"),)))
    if index is None or far > _FAR_FROM_ALL * index.rows:
        return None  # it may have seen all there is: how many that is, is an estimate
    why = (
        f"the scan stopped after {rows(far)}, before hnsw.max_scan_tuples = {most}: the memory for what it has seen,"
        f" work_mem × hnsw.scan_mem_multiplier, was full; {count(got)} of {rows(wanted)} came"
    )
    enough = math.ceil(float(facts.setting("hnsw.scan_mem_multiplier", "1")) * most / max(far, 1))
    fix = f"SET LOCAL hnsw.scan_mem_multiplier = {min(enough, _MOST_MULTIPLIER)}"
    return Finding("R44", "error", why, fix, scan.number)


def _ivfflat(facts: Facts, scan: Node, index: Index, got: float, wanted: float) -> Finding | None:
    if facts.setting("ivfflat.iterative_scan", "off") != "off":
        most = int(facts.setting("ivfflat.max_probes", "32768"))
        if most >= index.lists:
            return None  # it has looked into all
        why = f"the scan looks into ivfflat.max_probes = {most} of {index.lists} lists: {count(got)} of {rows(wanted)}"
        fix = f"SET LOCAL ivfflat.max_probes = {index.lists}"
        return Finding("R43", "error", f"{why} came", fix, scan.number)
    probes = int(facts.setting("ivfflat.probes", "1"))
    removed = f", and the filter removed {count(scan.removed())} of them" if scan.removed() else ""
    why = (
        f"the {'list' if probes == 1 else f'{probes} lists'} that ivfflat.probes = {probes} looks into had"
        f" {rows((scan.rows or 0) + scan.removed())}{removed}: {count(got)} of {rows(wanted)} came"
    )
    iterative = "SET LOCAL ivfflat.iterative_scan = 'relaxed_order'"
    fix = iterative if facts.iterates else f"SET LOCAL ivfflat.probes = {min(4 * probes, index.lists)}"
    return Finding("R41" if scan.removed() else "R40", "error", why, fix, scan.number)


def lists(facts: Facts) -> Iterator[Finding]:
    """Yield where an IVFFlat index compares every row: it then takes longer than reading the table."""
    probes = int(facts.setting("ivfflat.probes", "1"))
    for scan in facts.ann_scans:
        index = facts.index(scan)
        if index is None or index.method != "ivfflat" or not scan.executed:
            continue
        most = index.lists
        if probes >= most:
            why = f"ivfflat.probes = {probes} is as many as the index has lists, {most}: then every row is compared"
            fix = f"SET LOCAL ivfflat.probes = {round(most**0.5)}"
            yield Finding("R30", "info", why, fix, scan.number)


def order(facts: Facts) -> Iterator[Finding]:
    """Yield where rows may come slightly out of order: a relaxed scan that nothing sorts again."""
    for scan in facts.ann_scans:
        index = facts.index(scan)
        family = "ivfflat" if index is not None and index.method == "ivfflat" else "hnsw"
        if facts.setting(f"{family}.iterative_scan", "off") != "relaxed_order" or not scan.executed:
            continue
        if any(above.kind in ("Sort", "Aggregate") for above in (*facts.above(scan), *facts.readers(scan))):
            continue
        why = f"{family}.iterative_scan = relaxed_order gives rows nearly in order, and nothing sorts them again"
        fix = "put it into WITH … AS MATERIALIZED (…) and ORDER BY distance + 0 outside; or strict_order"
        cure = Cure(settings=(("hnsw.iterative_scan", "strict_order"),)) if family == "hnsw" else None
        yield Finding("R45", "warning", why, fix, scan.number, cure)
