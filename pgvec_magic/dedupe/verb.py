"""The verb: a table in, groups of its near-identical rows out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from numbers import Real

from .. import catalog
from .. import metric as metrics
from ..catalog import TableInfo
from ..db import Database
from ..errors import UsageError
from ..query import Search
from ..query.target import Target, VectorSource, find_target
from ..rows import Count, Source
from ..sqltext import quote_ident
from .assemble import assembled
from .exact import compare_all
from .found import Found
from .groups import Groups
from .indexed import ask_all, steps

# With no more rows than this each is compared with every other, index or not. Measured on two cores: 100,000 × 128 take
# 15 s exactly and 86 s by an HNSW index, on a busy machine 98 s and 182 s. Twice the rows take four times as long the
# one way and twice the other, so that the ways meet at 580,000 rows, and at 190,000 on the busy machine.
EXACT_ROWS = 200_000

Progress = Callable[[int, int, float], None]


def duplicates(
    db: Database,
    table: str,
    max_distance: float = 0.05,
    column: str | None = None,
    metric: str | None = None,
    where: str | Iterable[str] | None = None,
    params: Mapping[str, object] | None = None,
    progress: Progress | None = None,
) -> Groups:
    """Return groups of rows that are near-identical: within ``max_distance`` of each other, directly or through others.

    ``metric`` is that of the column's index if none is given, ``where`` one or several SQL conditions that both rows
    of a pair must meet, with ``:name`` for ``params``. ``progress(rows done, rows in all, seconds)`` follows the work.
    Up to 200,000 rows every pair is looked at; of more, each row's nearest by the column's index. Without an index that
    serves it every pair is looked at whatever the rows, which takes long and is said before. Nothing is written.

    Raises UsageError for what cannot be meant, for a table without a key and for more than 1,000,000 near pairs of
    different vectors; QueryError.
    """
    started = time.perf_counter()
    _check_distance(max_distance)
    catalog.changed(db, table)  # what was read a moment ago may be out of date, and the rest takes long enough
    search = Search(
        table=table,
        vector="each row's own",
        column=column,
        metric=metric,
        where=(where,) if isinstance(where, str) else tuple(where or ()),
        params=params or {},
        max_distance=max_distance,
    )
    search, target, notes = _meant(search, catalog.table(db, table))
    source = Source(db, target, search.where, search.params)
    count = source.count()

    def told(share: float) -> None:
        if progress is not None:
            progress(round(share * count.with_vector), count.with_vector, time.perf_counter() - started)

    found = _find(source, search, count, float(max_distance), told)
    return assembled(source, found, count, search, (*notes, *found.notes), started)


def _find(source: Source, search: Search, count: Count, most: float, told: Callable[[float], None]) -> Found:
    if count.with_vector <= EXACT_ROWS:
        return compare_all(source, count, most, told)
    if asked := steps(source, search, most):
        return ask_all(source, count, most, asked, told)
    print(_long(source, count))
    return compare_all(source, count, most, told)


def _long(source: Source, count: Count) -> str:
    """Return what a person should know before every pair of so many rows is compared."""
    times = (count.with_vector / EXACT_ROWS) ** 2
    return (
        f"comparing each of {count.with_vector:,} rows with every other: {times:,.0f} times the work of"
        f" {EXACT_ROWS:,} rows, which an interrupt ends. {_way_out(source.target.table, source.target.need_vectors())}"
    )


def _way_out(table: TableInfo, vectors: VectorSource) -> str:
    """Return how so many rows are compared in less time."""
    column, schema = vectors.column, vectors.extension_schema
    if vectors.plain:
        names = " or ".join(index.name for index in vectors.plain)
        return f"Postgres would not use the index {names} here: take fewer rows, with where="
    if metrics.too_wide(column.name, column.type, column.dimensions or 0):
        return f"No index takes {column.dimensions:,} dimensions of {column.type}: take fewer rows, with where="
    opclass = f"{quote_ident(schema) + '.' if schema else ''}{vectors.metric.opclass(column.type)}"
    index = f"CREATE INDEX ON {table.sql_name} USING hnsw ({quote_ident(column.name)} {opclass})"
    return f"An index makes it much less: {index}"


def _check_distance(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise UsageError(f"max_distance: {value!r} is not a number of 0 or more")


def _meant(search: Search, table: TableInfo) -> tuple[Search, Target, tuple[str, ...]]:
    """Return the request and what it works on, and what to say of them; UsageError for what has no duplicates."""
    if not table.key:
        what = (
            "add a PRIMARY KEY" if table.kind == "table" else f"compare the rows of the table behind the {table.kind}"
        )
        raise UsageError(f"{table.label} has no key, by which duplicates tells rows apart", what)
    notes: tuple[str, ...] = ()
    if search.metric is None and find_target(search, table).need_vectors().metric.name == "ip":
        search = replace(search, metric="cosine")
        notes = ("compared by cosine: by ip, for which the column is indexed, a row need not be nearest to itself",)
    target = find_target(search, table)
    if target.need_vectors().metric.name == "ip":
        raise UsageError(
            "by ip a row need not be nearest to itself, so it does not tell what is alike", "use cosine or l2"
        )
    return search, target, notes
