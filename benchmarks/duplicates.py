"""Near-identical rows of 100,000 × 128: seconds, and the share of the pairs that comparing all of them finds.

200 clusters; each tenth row has a twin that is moved a little, some within the distance and some beyond it, 1,000 rows
are copies of others and 500 are one. The truth is numpy's, every pair in float64. ``python -m benchmarks.duplicates``
also prints what both ways take with the index there, from which EXACT_ROWS of dedupe.verb is taken.
"""

from __future__ import annotations

import io
import time

import numpy as np

from pgvec_magic.db import Copy, Database
from pgvec_magic.dedupe import Groups, duplicates, verb
from pgvec_magic.query import Query

from .place import database

ROWS, DIMENSIONS, CLUSTERS, MOST = 100_000, 128, 200, 0.05
TABLE = f"CREATE TABLE points (id int PRIMARY KEY, content text, embedding vector({DIMENSIONS}) NOT NULL)"
INDEX = "CREATE INDEX ON points USING hnsw (embedding vector_cosine_ops)"
_BLOCK = 1_000


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    points = _points()
    expected = _truth(points)
    with database() as (db, _):
        _fill(db, points)
        seconds, groups = _timed(db)
    share = len(_pairs(groups) & expected) / len(expected)
    what = f"duplicates of {ROWS:,} × {DIMENSIONS}"
    return [
        (f"{what}: seconds", f"{seconds:.0f} s ({groups.how})", "≤ 60 s"),
        (f"{what}: pairs found of {len(expected):,}", f"{share:.4f}", "≥ 0.98"),
    ]


def _points() -> np.ndarray:
    rng = np.random.default_rng(11)
    centres = rng.normal(size=(CLUSTERS, DIMENSIONS))
    points = centres[rng.integers(CLUSTERS, size=ROWS)] + 0.5 * rng.normal(size=(ROWS, DIMENSIONS))
    twins = points[: ROWS // 10]
    points[-len(twins) :] = twins + rng.uniform(0, 0.35, (len(twins), 1)) * rng.normal(size=twins.shape)
    points[20_000:21_000] = points[30_000:31_000]
    points[40_000:40_500] = points[40_000]
    return points.astype(np.float32)


def _truth(points: np.ndarray) -> set[tuple[int, int]]:
    """Every pair within the distance, block by block."""
    directions = points.astype(np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    found = set()
    for start in range(0, len(points), _BLOCK):
        i, j = np.nonzero(directions[start : start + _BLOCK] @ directions[start:].T >= 1 - MOST)
        found |= {(a + start, b + start) for a, b in zip(i.tolist(), j.tolist(), strict=True) if a < b}
    return found


def _fill(db: Database, points: np.ndarray) -> None:
    lines = (f"{i}\trow {i}\t[{','.join(map(str, point.tolist()))}]\n" for i, point in enumerate(points))
    db.transaction([Query(TABLE), Copy("COPY points FROM STDIN", io.BytesIO("".join(lines).encode()))])
    db.run(Query("VACUUM ANALYZE points"))


def _timed(db: Database) -> tuple[float, Groups]:
    started = time.perf_counter()
    groups = duplicates(db, "points", MOST)
    return time.perf_counter() - started, groups


def _pairs(groups: Groups) -> set[tuple[int, int]]:
    return set(zip(groups.pairs["a"].tolist(), groups.pairs["b"].tolist(), strict=True))


def main() -> None:
    """Print both ways: seconds and the share of the pairs."""
    points = _points()
    expected = _truth(points)
    with database() as (db, _):
        _fill(db, points)
        db.run(Query(INDEX, settings=(("maintenance_work_mem", "'1GB'"),)))
        for most_exact in (verb.EXACT_ROWS, 0):
            verb.EXACT_ROWS = most_exact
            seconds, groups = _timed(db)
            print(f"{groups.how}: {seconds:.1f} s, {len(_pairs(groups) & expected) / len(expected):.4f} of the pairs")


if __name__ == "__main__":
    main()
