"""The default strategy ``auto`` beside every other way to run the same filtered search: rows, recall, time.

100,000 × 128, k = 10, an HNSW index, and btrees on the columns of the filters. The rows are in 200 clusters, or spread
evenly in all directions, where every row is nearly as far as any other: the hardest there is for a graph. The queries
are new points of the same kind. A filter has nothing to do with the clusters (``independent``), keeps those around the
query's own (``near``) or others only (``far``). The evenly spread table is measured once more with the setting stored
on its index that ``pv.recall`` found to reach a recall of 0.85.

All ways take turns, in an order drawn anew for each round. Times are those on the wire, of all statements that look for
rows; ``wall`` is all of ``search()``, for auto with the planner's estimate, a message of its own (which another search
with the same filter would not send within seconds). ``python -m benchmarks.auto`` also prints every way, and what a
pass costs by its depth, from which the constants of query.scan are taken.
"""

from __future__ import annotations

import io
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pgvec_magic.db import Copy, Database
from pgvec_magic.query import Query
from pgvec_magic.recall import recall
from pgvec_magic.search import Result, dry_run, search

from .place import database

ROWS, DIMENSIONS, CLUSTERS, QUERIES, ROUNDS, K = 100_000, 128, 200, 20, 3, 10
TABLES = {"clustered": CLUSTERS, "uniform": 0}
PERCENTS = {"independent": (0.01, 0.1, 1, 5, 20, 50, 100), "near": (1, 5, 20, 50), "far": (1, 5, 20, 50)}
GOOD = 0.95
# What an index of evenly spread rows reaches at all, with hnsw.ef_search = 1000.
STORED = 0.85
COLUMNS = f"(id int PRIMARY KEY, spread int, cluster int, embedding vector({DIMENSIONS}) NOT NULL)"
INDEXES = ("(spread)", "(cluster)", "USING hnsw (embedding vector_cosine_ops)")
# To look at every row that passes; one pass of the index, as Postgres makes it by itself (40 deep); scans that go on
# until there are k rows, in either order that pgvector knows, from a pass of 40 or of 200; and ours of them.
WAYS: dict[str, dict[str, Any]] = {
    "exact": {"strategy": "exact"},
    "one pass": {"as_is": True},
    "relaxed": {"as_is": True, "set": {"hnsw.iterative_scan": "relaxed_order"}},
    "strict": {"as_is": True, "set": {"hnsw.iterative_scan": "strict_order"}},
    "relaxed, 200": {"as_is": True, "ef_search": 200, "set": {"hnsw.iterative_scan": "relaxed_order"}},
    "strict, 200": {"as_is": True, "ef_search": 200, "set": {"hnsw.iterative_scan": "strict_order"}},
    "iterative": {"strategy": "iterative"},
}
SAME_DEPTH = "one pass, as deep"
DEPTHS = (40, 100, 200, 400, 800)


@dataclass(frozen=True, slots=True)
class Case:
    """A query, and a condition on the rows."""

    vector: np.ndarray
    where: str


@dataclass(frozen=True, slots=True)
class Way:
    """What one way gave over all queries: the fewest rows, the mean recall, median seconds on the wire and in all."""

    rows: int
    recall: float
    seconds: float
    wall: float


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    with database() as (db, _):
        return [figure for table in TABLES for figure, _ in _figures(db, table, fill(db, table))]


def _figures(
    db: Database, table: str, queries: list[tuple[np.ndarray, int]]
) -> Iterator[tuple[tuple[str, str, str], dict[str, Way]]]:
    yield from _by_filter(db, table, table, queries)
    if not TABLES[table]:
        recall(db, table, target=STORED).apply("index")
        yield from _by_filter(db, table, f"{table} with its setting stored", queries)


def _by_filter(
    db: Database, table: str, name: str, queries: list[tuple[np.ndarray, int]]
) -> Iterator[tuple[tuple[str, str, str], dict[str, Way]]]:
    for kind, percents in PERCENTS.items():
        for percent in percents if TABLES[table] or kind == "independent" else ():
            ways = measure(db, table, list(cases(queries, kind, percent)))
            yield _figure(f"{name}, {kind}, {percent:g} %", ways), ways


def _figure(name: str, ways: dict[str, Way]) -> tuple[str, str, str]:
    auto = ways["auto"]
    good = {way: taken for way, taken in ways.items() if taken.recall >= GOOD and way != "auto"}
    fastest = min(good, key=lambda way: good[way].seconds)
    wall = min(taken.wall for taken in good.values())
    plain = ways.get(SAME_DEPTH, ways["one pass"]).recall
    recall = (
        f"{auto.recall:.3f}" if name.startswith("clustered") else f"{auto.recall:.3f} (one pass as deep {plain:.3f})"
    )
    times = f"{auto.seconds * 1000:.2f} ms, {auto.seconds / good[fastest].seconds:.2f}× {fastest}"
    measured = f"{auto.rows} rows, recall {recall}, {times} (wall {auto.wall * 1000:.1f} ms, {auto.wall / wall:.2f}×)"
    reach = f"≥ {GOOD}" if name.startswith("clustered") else "≥ one pass"
    return (
        f"auto, {name} of {ROWS:,} × {DIMENSIONS}",
        measured,
        f"{K} rows, recall {reach}, ≤ 1.5× the fastest ≥ {GOOD}",
    )


def fill(db: Database, table: str) -> list[tuple[np.ndarray, int]]:
    """Make a table, and return queries with the clusters they are of."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(CLUSTERS, DIMENSIONS)) * bool(TABLES[table])
    cluster = rng.integers(CLUSTERS, size=ROWS + QUERIES)
    points = (centres[cluster] + 0.5 * rng.normal(size=(len(cluster), DIMENSIONS))).astype(np.float32)
    spread = rng.permutation(ROWS)
    lines = (f"{i}\t{spread[i]}\t{cluster[i]}\t[{','.join(map(str, points[i].tolist()))}]\n" for i in range(ROWS))
    stream = io.BytesIO("".join(lines).encode())
    db.transaction([Query(f"CREATE TABLE {table} {COLUMNS}"), Copy(f"COPY {table} FROM STDIN", stream)])
    for index in INDEXES:
        db.run(Query(f"CREATE INDEX ON {table} {index}", settings=(("maintenance_work_mem", "'512MB'"),)))
    db.run(Query(f"VACUUM ANALYZE {table}"))
    return [(points[i], int(cluster[i])) for i in range(ROWS, ROWS + QUERIES)]


def cases(queries: list[tuple[np.ndarray, int]], kind: str, percent: float) -> Iterator[Case]:
    """Return each query with the filter of a kind that so many percent of the rows pass."""
    count = round(CLUSTERS * percent / 100)
    for vector, cluster in queries:
        if kind == "independent":
            yield Case(vector, f"spread < {round(ROWS * percent / 100)}")
            continue
        first = cluster if kind == "near" else cluster + 1
        kept = sorted((first + i) % CLUSTERS for i in range(count))
        yield Case(vector, f"cluster IN ({', '.join(map(str, kept))})")


def measure(db: Database, table: str, given: list[Case], ways: dict[str, dict[str, Any]] = WAYS) -> dict[str, Way]:
    """Run every case in every way and in auto's, and return what each gave."""
    taken: dict[str, list[tuple[int, float, float, float]]] = {}
    for case in given:
        for way, of_case in _one_case(db, table, case, ways):
            taken.setdefault(way, []).append(of_case)
    return {way: _summed(each) for way, each in taken.items()}


def _one_case(
    db: Database, table: str, case: Case, ways: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, tuple[int, float, float, float]]]:
    """Yield each way with its rows, recall and median seconds."""
    options = {"vector": case.vector, "where": case.where, "k": K, "columns": ["id"]}
    depth = dict(dry_run(db, table, **options).settings).get("hnsw.ef_search")
    as_deep = {SAME_DEPTH: {"as_is": True, "ef_search": int(depth)}} if depth else {}
    turns = [("auto", {}), *ways.items(), *as_deep.items()]
    times: dict[str, list[tuple[float, float]]] = {}
    found: dict[str, Result] = {}
    for _ in range(ROUNDS):
        for way, asked in random.sample(turns, len(turns)):
            db.cache.pop("matching rows", None)  # each estimate is a new one
            started = time.perf_counter()
            found[way] = search(db, table, **options, **asked)
            times.setdefault(way, []).append((found[way].seconds, time.perf_counter() - started))
    for way, result in found.items():
        seconds, wall = (statistics.median(each) for each in zip(*times[way], strict=True))
        yield way, (len(result), _recall(result, found["exact"]), seconds, wall)


def _summed(each: list[tuple[int, float, float, float]]) -> Way:
    rows, recall, seconds, wall = zip(*each, strict=True)
    return Way(min(rows), statistics.mean(recall), statistics.median(seconds), statistics.median(wall))


def _recall(found: Result, exact: Result) -> float:
    """The share of the exact answer that was found, by distance, so that rows as near as each other count alike."""
    within = exact.column("distance")[-1] + 1e-9
    return sum(distance <= within for distance in found.column("distance")) / len(exact)


def _depths(db: Database, table: str, queries: list[tuple[np.ndarray, int]]) -> Iterator[str]:
    """What one pass costs and finds by its depth, beside exact."""
    ways = {"exact": WAYS["exact"], **{f"{depth} deep": {"as_is": True, "ef_search": depth} for depth in DEPTHS}}
    for percent in (2, 5, 10, 20, 50, 100):
        found = measure(db, table, list(cases(queries, "independent", percent)), ways)
        shown = (f"{way} {found[way].seconds * 1000:.2f} ms {found[way].recall:.3f}" for way in ways)
        yield f"{table:9} {percent:5g} %  {'  '.join(shown)}"


def main() -> None:
    """Print the figures with every way, then the costs by depth."""
    with database() as (db, _):
        for table in TABLES:
            queries = fill(db, table)
            for figure, ways in _figures(db, table, queries):
                print(*figure, sep="  |  ")
                for way, found in ways.items():
                    times = f"{found.seconds * 1000:7.2f} ms  wall {found.wall * 1000:7.2f} ms"
                    print(f"    {way:18} {found.rows:3} rows  recall {found.recall:.3f}  {times}", flush=True)
            for line in _depths(db, table, queries):
                print(line, flush=True)


if __name__ == "__main__":
    main()
