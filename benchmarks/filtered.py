"""Filtered searches with the defaults, beside the exact answer: recall, missing rows, and what either way costs.

30,000 × 64 in 100 clusters; the queries are new points of the same clusters. A filter has nothing to do with the
clusters (``independent``), keeps those around the query's own (``near``), or keeps others only (``far``: then the walk
begins among rows that the filter removes, and the nearest that it leaves are nearly alike, which is hard).
``python -m benchmarks.filtered`` also prints the times from which EXACT_ROWS and WALK_COST of query.scan are taken.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pgvec_magic.db import Copy, Database
from pgvec_magic.query import Query
from pgvec_magic.search import Result, search

from .place import database

ROWS, DIMENSIONS, CLUSTERS, QUERIES, K = 30_000, 64, 100, 40, 10
PERCENTS = (0.5, 1, 5, 30, 100)
KINDS = ("independent", "near", "far")
TIMED_PERCENTS = (0.5, 1, 2, 5, 10, 20, 30, 50, 100)
TABLE = f"""
CREATE TABLE points (id int PRIMARY KEY, spread int, cluster int, embedding vector({DIMENSIONS}) NOT NULL)
"""
INDEXES = (
    "CREATE INDEX ON points USING hnsw (embedding vector_cosine_ops)",
    "CREATE INDEX ON points (spread)",
    "CREATE INDEX ON points (cluster)",
    "ANALYZE points",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A query, and a condition on the rows."""

    vector: np.ndarray
    where: str


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table: one a selectivity, the worst of the three kinds of filter."""
    with database() as (db, _):
        queries = _fill(db)
        return [_figure(db, queries, percent) for percent in PERCENTS]


def _figure(db: Database, queries: list[tuple[np.ndarray, int]], percent: float) -> tuple[str, str, str]:
    recalls, missing = {}, 0
    for kind in KINDS:
        pairs = [_both(db, case) for case in _cases(queries, kind, percent)]
        recalls[kind] = statistics.mean(_recall(found, exact) for found, exact in pairs)
        missing += sum(len(exact) - len(found) for found, exact in pairs)
    shown = ", ".join(f"{kind} {recall:.3f}" for kind, recall in recalls.items())
    name = f"filtered search, {percent:g} % of {ROWS:,} × {DIMENSIONS} pass: recall@{K}"
    return name, f"{min(recalls.values()):.3f} ({shown}); rows missing: {missing}", "≥ 0.95, 0 missing"


def _fill(db: Database) -> list[tuple[np.ndarray, int]]:
    """Make the table, and return queries with the clusters they are of."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(CLUSTERS, DIMENSIONS))
    cluster = rng.integers(CLUSTERS, size=ROWS + QUERIES)
    points = (centres[cluster] + 0.5 * rng.normal(size=(len(cluster), DIMENSIONS))).astype(np.float32)
    spread = rng.permutation(ROWS)
    lines = (f"{i}\t{spread[i]}\t{cluster[i]}\t[{','.join(map(str, points[i].tolist()))}]\n" for i in range(ROWS))
    stream = io.BytesIO("".join(lines).encode())
    db.transaction([Query(TABLE), Copy("COPY points FROM STDIN", stream)])
    for statement in INDEXES:
        db.run(Query(statement))
    return [(points[i], int(cluster[i])) for i in range(ROWS, ROWS + QUERIES)]


def _cases(queries: list[tuple[np.ndarray, int]], kind: str, percent: float) -> Iterator[Case]:
    for vector, cluster in queries:
        if kind == "independent":
            yield Case(vector, f"spread < {round(ROWS * percent / 100)}")
            continue
        count = max(1, round(CLUSTERS * percent / 100))
        first = cluster if kind == "near" else cluster + 1
        kept = {(first + i) % CLUSTERS for i in range(count)} - (set() if kind == "near" else {cluster})
        half = " AND spread % 2 = 0" if percent < 1 else ""
        yield Case(vector, f"cluster IN ({', '.join(map(str, sorted(kept)))}){half}")


def _both(db: Database, case: Case) -> tuple[Result, Result]:
    found = search(db, "points", vector=case.vector, where=case.where, k=K)
    return found, search(db, "points", vector=case.vector, where=case.where, k=K, exact=True)


def _recall(found: Result, exact: Result) -> float:
    """The share of the exact answer that was found, by distance, so that rows as near as each other count alike."""
    within = exact.column("distance")[-1] + 1e-9
    return sum(distance <= within for distance in found.column("distance")) / len(exact)


def _timings(db: Database, queries: list[tuple[np.ndarray, int]]) -> Iterator[str]:
    """Median over queries of the best of five rounds of either way, in turn."""
    for kind in KINDS:
        for percent in TIMED_PERCENTS:
            times: dict[str, list[float]] = {"exact": [], "iterative": [], "auto": []}
            recalls: dict[str, list[float]] = {"iterative": [], "auto": []}
            for case in _cases(queries[:12], kind, percent):
                found = {way: _timed(db, case, way) for way in times}
                for way in recalls:
                    recalls[way].append(_recall(found[way], found["exact"]))
                for way in times:
                    times[way].append(min(_timed(db, case, way).seconds for _ in range(5)))
            shown = "  ".join(f"{way} {statistics.median(seconds) * 1000:6.2f} ms" for way, seconds in times.items())
            reached = "  ".join(f"{way} {statistics.mean(each):.3f}" for way, each in recalls.items())
            yield f"{kind:12} {percent:5g} %  {shown}  recall@{K}: {reached}"


def _timed(db: Database, case: Case, way: str) -> Result:
    return search(db, "points", vector=case.vector, where=case.where, k=K, strategy=way)


def main() -> None:
    """Print the figures, then the times of both ways."""
    with database() as (db, _):
        queries = _fill(db)
        for percent in PERCENTS:
            print(*_figure(db, queries, percent), sep="  |  ")
        for line in _timings(db, queries):
            print(line, flush=True)


if __name__ == "__main__":
    main()
