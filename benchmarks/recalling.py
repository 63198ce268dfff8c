"""The exact neighbours of 200 queries in 200,000 × 256 rows in one pass, against as many exact SQL scans.

The rows are in 500 clusters. ``python -m benchmarks.recalling`` also prints a curve.
"""

from __future__ import annotations

import time

import numpy as np

from pgvec_magic import catalog
from pgvec_magic.db import Database
from pgvec_magic.load import load
from pgvec_magic.query import Query, Search, build, choose_scan
from pgvec_magic.query.target import find_target
from pgvec_magic.recall import recall
from pgvec_magic.recall.truth import Neighbours, neighbours
from pgvec_magic.rows import Source

from .place import database

ROWS, DIMENSIONS, CLUSTERS, QUERIES, K = 200_000, 256, 500, 200, 10
_LOADED = 20_000
# Ties by distance: float32 does not tell rows apart that are nearer to each other than this.
_SAME = 2e-7


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    with database() as (db, _):
        queries = _fill(db)
        ours, truth = _in_one_pass(db, queries)
        theirs, answers = _by_scans(db, queries)
    same = sum(_agree(nearest, answer) for nearest, answer in zip(truth, answers, strict=True))
    what = f"truth for {QUERIES} queries on {ROWS:,} × {DIMENSIONS}"
    return [
        (f"{what} against SQL scans", f"{theirs / ours:.1f}× faster ({ours:.1f} s, {theirs:.0f} s)", "≥ 4×"),
        (f"{what}: the same neighbours", f"{same} of {len(answers)}", "all"),
    ]


def _fill(db: Database) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(CLUSTERS, DIMENSIONS)).astype(np.float32)

    def points(rows: int) -> np.ndarray:
        spread = rng.normal(size=(rows, DIMENSIONS)).astype(np.float32)
        return centres[rng.integers(CLUSTERS, size=rows)] + np.float32(0.6) * spread

    db.run(Query(f"CREATE TABLE points (id bigserial PRIMARY KEY, embedding vector({DIMENSIONS}) NOT NULL)"))
    for start in range(0, ROWS, _LOADED):
        rows = [{"id": start + i, "embedding": point} for i, point in enumerate(points(_LOADED))]
        load(db, "points", rows, id="id", column="embedding")
    db.run(Query("VACUUM ANALYZE points"))
    return list(points(QUERIES))


def _search(vector: object) -> Search:
    return Search(table="points", vector=vector, k=K, strategy="exact")


def _in_one_pass(db: Database, queries: list[np.ndarray]) -> tuple[float, list[Neighbours]]:
    source = Source(db, find_target(_search(queries[0]), catalog.table(db, "points")), (), {})
    source.count()  # so that both find the table in memory
    started = time.perf_counter()
    found = neighbours(source, queries, [None] * len(queries), K, lambda rows: None)
    return time.perf_counter() - started, found


def _by_scans(db: Database, queries: list[np.ndarray]) -> tuple[float, list[list[float]]]:
    target, version = find_target(_search(queries[0]), catalog.table(db, "points")), catalog.capabilities(db)
    answers = []
    started = time.perf_counter()
    for query in queries:
        search = _search(query)
        scan = choose_scan(search, None, version.vector or (), version.in_force)
        answers.append([row[-1] for row in db.run(build(search, target, scan, query)).rows])
    return time.perf_counter() - started, answers


def _agree(nearest: Neighbours, answer: list[float]) -> bool:
    return len(answer) == K and np.allclose(nearest.distances, answer, rtol=1e-6, atol=_SAME)


def main() -> None:
    """Print the figures, and a curve with its picture."""
    for row in figures():
        print(" | ".join(row))
    with database() as (db, _):
        _fill(db)
        db.run(Query("CREATE INDEX ON points USING hnsw (embedding vector_cosine_ops)"))
        curve = recall(db, "points", target=0.95)
        print(curve)
        curve.figure().write_html("recall.html")


if __name__ == "__main__":
    main()
