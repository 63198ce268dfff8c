"""Rules on what a search costs that gave the right rows."""

from __future__ import annotations

from collections.abc import Iterator

from ..plan.words import count, milliseconds, rows
from .facts import Facts, seen
from .finding import Cure, Finding

_PAGE = 8192
_COLD, _PART = 50, 0.25  # pages, and their share of all that a scan looked at, some of them several times
_WALKED, _SORTED = (
    1_000,
    6,
)  # rows that a scan saw, and how many can be sorted in the time of one (query.scan.WALK_COST)
_SENT, _MUCH = 1.0, 0.3  # milliseconds of turning rows into text, and their share of all


def cold(facts: Facts) -> Iterator[Finding]:
    """Yield scans that found most of their index outside of Postgres' own memory."""
    for scan in facts.ann_scans:
        blocks, index = scan.blocks, facts.index(scan)
        if blocks is None or blocks.read < max(_COLD, _PART * (blocks.hit + blocks.read)):
            continue
        memory = _bytes(facts.setting("shared_buffers", ""))
        large = index is not None and memory and index.bytes > memory
        why = f"{blocks.read:,} of {blocks.hit + blocks.read:,} pages were not in Postgres' memory"
        if large and index is not None:
            why += f", shared_buffers, which is smaller than the index, {index.bytes / 2**20:,.0f} MB"
        name = index.name if index is not None else scan.index
        fix = "a halfvec or a binary index is smaller; or more memory" if large else f"SELECT pg_prewarm('{name}')"
        yield Finding("R79", "warning" if large else "info", why, fix, scan.number)


def walked(facts: Facts) -> Iterator[Finding]:
    """Yield scans that went past many rows for few, where comparing all that pass the filter is less work."""
    for scan in facts.ann_scans:
        limit, index, relation = facts.limit(scan), facts.index(scan), facts.relation(scan)
        if limit is None or index is None or relation is None or seen(scan) < _WALKED or not scan.removed():
            continue
        given = scan.rows or 0.0
        passing = max(scan.estimate or 0.0, given / (given + scan.removed()) * relation.rows)
        if (limit.rows or 0) < facts.asked(limit) * (limit.loops or 1) or passing > _SORTED * seen(scan):
            continue
        why = (
            f"the scan went past {rows(seen(scan))} to find {count(given)} that pass the filter, and only about"
            f" {count(passing)} of the table do: to compare these is less work, and misses none"
        )
        fix = "ORDER BY (distance) + 0, with an index on the filter's column"
        yield Finding("P01", "warning", why, fix, scan.number, Cure(settings=(("enable_indexscan", "off"),)))


def sent(facts: Facts) -> Iterator[Finding]:
    """Yield searches that spend most of their time on turning vectors into text for the client."""
    plan, took = facts.plan, facts.plan.serialization
    searches = bool(facts.ann_scans or facts.exact_sorts)
    if not searches or took is None or plan.execution is None or took < max(_SENT, _MUCH * plan.execution):
        return
    output = [str(name).rpartition(".")[2] for name in plan.root.details.get("Output", [])]
    vectors = sorted({key for index in facts.vector_indexes if (key := index.key) in output})
    if vectors:
        why = (
            f"{milliseconds(took)} of {milliseconds(plan.execution)} went into turning the rows into text, with"
            f" {' and '.join(vectors)}, which is all numbers, among the columns"
        )
        yield Finding("P02", "warning", why, f"leave {' and '.join(vectors)} out of the SELECT list", 0)


def _bytes(size: str) -> int:
    """Return the bytes of a setting such as ``128MB``; 0 where it is not known."""
    number = size.rstrip("kMGTB")
    units = {"B": 1, "kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
    return int(number) * units.get(size[len(number) :], _PAGE) if number else 0
