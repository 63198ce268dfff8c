"""The verb: a table in, recall and latency by setting out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .. import catalog
from ..catalog import Capabilities, TableInfo, VectorIndex
from ..db import Database
from ..errors import UsageError
from ..query import Search
from ..query.target import Target, find_target
from ..rows import Source
from .cold import measure_cold
from .curve import RecallCurve, check_target
from .measure import check_plans, measure
from .point import Point
from .queries import Queries, find_queries
from .truth import Neighbours, neighbours
from .ways import Way, as_values, chosen, names_of, reranked, sweep, today, ways

# Rows or searches done, how many in all, seconds so far, and which of the two are counted.
Progress = Callable[[int, int, float, str], None]


def recall(
    db: Database,
    table: str,
    *,
    k: int = 10,
    ef_search: int | Sequence[int] | None = None,
    probes: int | Sequence[int] | None = None,
    queries: object = 200,
    where: str | Iterable[str] | None = None,
    params: Mapping[str, object] | None = None,
    column: str | None = None,
    metric: str | None = None,
    index: str | Iterable[str] | None = None,
    target: float | None = None,
    cold: bool = False,
    progress: Progress | None = None,
) -> RecallCurve:
    """Measure what share of the true nearest ``k`` rows an index finds, for each value of its setting.

    ``queries`` are so many rows at random, each without itself, or vectors or texts in a list, array or frame, or
    ``"history"``: the searches made through this connection. ``where`` holds for the truth too. Without ``ef_search``
    and ``probes`` usual values are measured of the column's usual index, or of those that ``index`` names. Every value
    answers the same queries. The plan is looked at before and after: QueryError where the index is not used. With
    ``cold`` today's setting is measured once more, the index and the table put out of Postgres' memory before each of
    20 queries. Nothing is written. Raises UsageError for what cannot be meant.
    """
    started = time.perf_counter()
    check_target(target)
    conditions = _several(where)
    search = Search(
        table=table, vector="each query's", k=k, column=column, metric=metric, where=conditions, params=params or {}
    )
    given = {"hnsw": as_values("ef_search", ef_search), "ivfflat": as_values("probes", probes)}
    catalog.changed(db, table)  # what was read a moment ago may be out of date
    able, work = catalog.capabilities(db), _target(search, catalog.table(db, table))
    indexes = chosen(work, _several(index), given)
    source = Source(db, work, search.where, search.params)
    asked = find_queries(Source(db, work, (), {}), queries)
    every, notes = _ways(db, search, work, able, indexes, given, asked)
    rows = source.count().with_vector
    read, searched = _Told(progress, "rows"), _Told(progress, "searches")
    truth = neighbours(source, asked.vectors, asked.own, k, lambda done: read(done, rows))
    points = measure(db, every, asked, truth, searched)
    usual = [way for way, _ in every if way.value == today(way.index, able, k)]
    chilled, why_not = measure_cold(db, usual, asked.vectors) if cold else ([], [])
    said = [*asked.notes, *notes, *map(str, chilled), *why_not, *_filtered(search, truth)]
    said += _drift(search, indexes, points)
    return RecallCurve(
        db=db,
        table=work.table,
        column=work.need_vectors().column.name,
        metric=work.need_vectors().metric.name,
        k=k,
        points=tuple(points),
        queries=sum(bool(nearest.distances) for nearest in truth),
        asked=asked.said,
        rows=rows,
        where=search.where,
        today={index.name: today(index, able, k) for index in indexes},
        target=target,
        seconds=time.perf_counter() - started,
        cold=tuple(chilled),
        notes=tuple(said),
    )


@dataclass(slots=True)
class _Told:
    """Tells whoever follows the work how far a part of it is, from when that begins to be told."""

    progress: Progress | None
    unit: str
    started: float | None = None

    def __call__(self, done: int, steps: int) -> None:
        if self.progress is not None:
            self.started = self.started or time.perf_counter()
            self.progress(done, steps, time.perf_counter() - self.started, self.unit)


def _target(search: Search, table: TableInfo) -> Target:
    if not table.key:
        raise UsageError(f"{table.label} has no key, by which rows are told apart", "measure the table behind it")
    return find_target(search, table)


def _several(given: str | Iterable[str] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(dict.fromkeys(given or ()))


def _ways(
    db: Database,
    search: Search,
    target: Target,
    able: Capabilities,
    indexes: Sequence[VectorIndex],
    given: Mapping[str, list[int] | None],
    asked: Queries,
) -> tuple[list[tuple[Way, frozenset[str]]], list[str]]:
    """Return what to measure, with what plans call its index, and which settings are left out and why."""
    rows = search.k + 1 if asked.of_rows else search.k  # a row finds itself
    every, notes = [], []
    for index in indexes:
        names = names_of(db, index, target)
        values = given[index.method] or sweep(index, able, rows, search.k)
        used, said = check_plans(db, ways(search, target, able, index, values, rows), names, asked.vectors[0])
        every += [(way, names) for way in used]
        notes += [*said, *reranked(index, rows)]
        if index.method == "hnsw" and values[0] < rows:
            notes.append(f"ef_search = {values[0]} gives no more rows than that: {rows} are asked for")
    return every, notes


def _filtered(search: Search, truth: Sequence[Neighbours]) -> list[str]:
    """Say what the filter means for the numbers."""
    if not search.where:
        return []
    empty = sum(not nearest.distances for nearest in truth)
    said = ["each search is one pass of the index, unless iterative scans are in force; searches here go on"]
    return said + ([f"{empty} queries have no row within the filter: left out"] if empty else [])


def _drift(search: Search, indexes: Sequence[VectorIndex], points: Sequence[Point]) -> list[str]:
    """Say what is stored on an index beside what it is today."""
    said = []
    for index in indexes:
        stored = index.baseline
        now = next((p for p in points if stored and p.index == index.name and p.value == stored.value), None)
        if stored is None or now is None or stored.k != search.k or search.where:
            continue
        verdict = "it has fallen" if stored.recall > now.high else "as then, within the interval"
        verdict = "better than then" if stored.recall < now.low else verdict
        said.append(
            f"stored on {index.name}: {now.name} had recall@{stored.k} {stored.recall:.3f} on {stored.on} with"
            f" {stored.rows:,} rows; today {now.recall:.3f}: {verdict}"
        )
    return said
