"""Filtered searches with the defaults, beside the exact answer: recall and missing rows.

30,000 × 64 in 100 clusters; the queries are new points of the same clusters. A filter has nothing to do with the
clusters (``independent``), keeps those around the query's own (``near``), or keeps others only (``far``: then the walk
begins among rows that the filter removes, and the nearest that it leaves are nearly alike, which is hard).
Their times, on more rows and beside every other way, are those of benchmarks.auto.
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


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
