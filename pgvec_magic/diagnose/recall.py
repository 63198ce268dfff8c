"""Rules on whether the rows that an index gave are the nearest: how it was built, what vectors are in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import Index
from ..plan import Node
from ..plan.words import count, rows
from ..sqltext import quote_qualified
from .facts import Facts, seen
from .finding import Cure, Finding

_PAGE = 8192
_FEW_OF_LIST = 10  # rows a list, below which its centre is hardly a mean of anything
_WHOLE, _TIMES = 0.25, 10  # the share of an index that a scan reads, and of what its lists should have
_STRICT = 10  # rows that are thrown away for each that is kept, from which on strictness costs recall
_FEW_ZEROS = 0.02
_UNEQUAL = 2  # the longest vector in lengths of the shortest, up to which inner products make a graph as others do
_SAME, _COPIES = 0.05, 100  # the share of rows with one and the same vector, and how many these are at least
_POOL = 4  # times the rows that are wanted: the least to order again
_OF_BITS = ("<~>", "<%>")


def untrained(facts: Facts) -> Iterator[Finding]:
    """Yield IVFFlat indexes whose lists were made of too few rows, or of others than are there now."""
    for scan, index in _scanned(facts):
        if index.method == "ivfflat" and index.rows:
            found = _many_lists(facts, scan, index) or _uneven(facts, scan, index)
            yield from [found] if found else []


def _many_lists(facts: Facts, scan: Node, index: Index) -> Finding | None:
    if index.rows >= _FEW_OF_LIST * index.lists:
        return None
    better = max(index.rows // 1_000, 1)
    name = quote_qualified(index.schema, index.name)
    why = (
        f"{index.name} has {index.lists:,} lists for {index.rows:,} rows, {index.rows / index.lists:.2g} a list, and"
        f" ivfflat.probes = {facts.setting('ivfflat.probes', '1')} of them are looked into"
    )
    before = (f"ALTER INDEX {name} SET (lists = {better})", f"REINDEX INDEX {name}")
    return Finding("R48", "warning", why, "; ".join(before), scan.number, Cure(before=before))


def _uneven(facts: Facts, scan: Node, index: Index) -> Finding | None:
    """Whether few lists had much of the index: its centres are not where the rows are."""
    probes = int(facts.setting("ivfflat.probes", "1"))
    if not scan.loops or scan.blocks is None or facts.setting("ivfflat.iterative_scan", "off") != "off":
        return None
    pages, all_pages = scan.blocks.own / scan.loops - seen(scan), index.bytes / _PAGE
    if pages < max(_WHOLE, _TIMES * probes / index.lists) * all_pages:
        return None
    why = (
        f"{probes} of the {index.lists:,} lists of {index.name} had {pages / all_pages:.0%} of its pages: the lists"
        " were made before these rows came, or of few of them"
    )
    name, better = quote_qualified(index.schema, index.name), max(probes, round(index.lists**0.5))
    fix = f"REINDEX INDEX CONCURRENTLY {name}; SET LOCAL ivfflat.probes = {better}"
    cure = Cure(settings=(("ivfflat.probes", str(better)),), before=(f"REINDEX INDEX {name}",))
    return Finding("R48", "warning", why, fix, scan.number, cure)


def strict(facts: Facts) -> Iterator[Finding]:
    """Yield where a strictly ordered scan threw nearer rows away because it met them late."""
    if facts.setting("hnsw.iterative_scan", "off") != "strict_order":
        return
    depth = int(facts.setting("hnsw.ef_search", "40"))
    for scan, index in _scanned(facts):
        if index.method != "hnsw" or seen(scan) <= depth or scan.removed() < _STRICT * (scan.rows or 0):
            continue
        why = (
            f"the scan went on behind the first hnsw.ef_search = {depth} rows and kept {rows(scan.rows or 0)} of"
            f" {count((scan.rows or 0) + scan.removed())}; with strict_order it drops what it finds late, though it is"
            " nearer"
        )
        fix = "hnsw.iterative_scan = relaxed_order in WITH … AS MATERIALIZED (…), ORDER BY distance + 0 around it"
        yield Finding("R46", "info", why, fix, scan.number)


def lengths(facts: Facts) -> Iterator[Finding]:
    """Yield vectors that have no direction, the query's and the table's, and inner products of unequal lengths."""
    for scan in facts.ann_scans:
        key, index = facts.keys(scan, "Order By")[0], facts.index(scan)
        if key.operator == "<=>" and (_is_zero(key.left) or _is_zero(key.right)):
            why = "the vector to search from is all zeros: it has no direction, and no row is nearer to it than another"
            yield Finding("R50", "error", why, "search from the vector of a text", scan.number)
        elif index is not None and index.norms:
            yield from _unequal(scan, index) if key.operator == "<#>" else _zeros(scan, index)


def _zeros(scan: Node, index: Index) -> Iterator[Finding]:
    found = index.norms
    if found is None or found.zeros < _FEW_ZEROS * found.rows:
        return
    why = (
        f"{found.zeros:,} of {found.rows:,} vectors that were looked at are all zeros: by cosine they are near to"
        f" nothing, so {index.name} leaves them out and this search never finds their rows"
    )
    yield Finding("R50", "warning", why, "embed these rows again, or set their vectors to NULL", scan.number)


def _unequal(scan: Node, index: Index) -> Iterator[Finding]:
    found = index.norms
    if found is None or not found.least or found.most <= _UNEQUAL * found.least:
        return
    why = (
        f"the order is that of the inner product, and the vectors are {found.least:.3g} to {found.most:.3g} long ("
        f"{found.rows:,} were looked at): the long ones come first whatever the query, and the index misses others"
    )
    fix = "normalise the vectors (l2_normalize), or an index of the cosine distance and ORDER BY … <=> …"
    yield Finding("R51", "warning", why, fix, scan.number)


def repeated(facts: Facts) -> Iterator[Finding]:
    """Yield tables in which one and the same vector stands very often."""
    for scan, index in _scanned(facts):
        if index.copies < _SAME or index.copies * index.rows < _COPIES:
            continue
        why = (
            f"about {index.copies * index.rows:,.0f} rows of {index.table}, {index.copies:.0%}, have the same vector:"
            " near it a scan finds little else"
        )
        fix = f'pv.duplicates(db, "{index.table}") shows them; empty texts and failed embeddings often are such'
        yield Finding("R52", "info", why, fix, scan.number)


def coarse(facts: Facts) -> Iterator[Finding]:
    """Yield searches by one bit a number that nothing orders again by the whole vectors, or too few rows of them."""
    for scan in facts.ann_scans:
        key, limit = facts.keys(scan, "Order By")[0], facts.limit(scan)
        if "binary_quantize(" not in key.text or key.operator not in _OF_BITS or not scan.executed:
            continue
        if not _is_ordered_again(facts, scan):
            why = f"the order is that of {key.text.split('(')[0]}(…), one bit for each number, and nothing orders again"
            fix = "take 20 × LIMIT rows so in a sub-query, and ORDER BY the distance of the whole vectors around it"
            yield Finding("R53", "warning", why, fix, scan.number)
        elif limit is not None and (wanted := _outer(facts, limit)) and facts.asked(limit) < _POOL * wanted:
            why = f"{rows(facts.asked(limit))} found by bits are ordered again for the best {count(wanted)}: too few"
            fix = f"LIMIT {20 * wanted:.0f} inside, with hnsw.ef_search as high"
            yield Finding("R53", "warning", why, fix, scan.number)


def _is_ordered_again(facts: Facts, scan: Node) -> bool:
    sorts = [n for n in (*facts.above(scan), *facts.readers(scan)) if n.kind in ("Sort", "Incremental Sort")]
    return any(key.operator not in _OF_BITS for sort in sorts for key in facts.keys(sort)[:1])


def _outer(facts: Facts, limit: Node) -> float | None:
    around = [n for n in (*facts.above(limit), *facts.readers(limit)) if n.kind == "Limit"]
    return facts.asked(around[-1]) if around else None


def _scanned(facts: Facts) -> Iterator[tuple[Node, Index]]:
    """Yield the scans of vector indexes that are known, with these."""
    for scan in facts.ann_scans:
        index = facts.index(scan)
        if index is not None and scan.executed:
            yield scan, index


def _is_zero(operand: str) -> bool:
    return re.match(r"\(?'\[(-?0,?)+\]'", operand) is not None
