"""The forms of an index side by side: vectors as they are, as halfvec, as bits, and their first 256 dimensions.

50,000 × 768 in 100 clusters, in each of which the rows lie evenly: there are more of them than candidates, and bits and
first dimensions tell them apart as badly as can be. The queries are new points of the same clusters. Each index is
searched with the defaults, so with the candidates that are chosen for it, re-ranked on the full vectors; the truth is
the exact search's.
"""

from __future__ import annotations

import io
import statistics
import time
from typing import Any

import numpy as np

from pgvec_magic.build import build, spec_for
from pgvec_magic.db import Copy, Database
from pgvec_magic.query import Query
from pgvec_magic.search import search

from .place import database

ROWS, DIMENSIONS, CLUSTERS, QUERIES, K = 50_000, 768, 100, 100, 10
FORMS: tuple[dict[str, Any], ...] = (
    {"form": "vector"},
    {"form": "halfvec"},
    {"form": "subvector", "kept": 256},
    {"form": "binary"},
)
_LOADED = 5_000


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table: one a form."""
    with database() as (db, _):
        queries = _fill(db)
        truth = [_distances(db, query, exact=True)[0] for query in queries]
        found = [_measured(db, form, queries, truth) for form in FORMS]
    whole = found[0][0]
    what = f"of {ROWS:,} × {DIMENSIONS}, with the candidates that are chosen: recall@{K}, size, median"
    return [
        (
            f"HNSW index as {_named(form)} {what}",
            f"{recall:.3f}, {size >> 20} MB (1/{whole / size:.1f}), {seconds * 1000:.1f} ms",
            "≥ 0.95 at ≤ 1/8 of the size" if form["form"] == "binary" else "",
        )
        for form, (size, recall, seconds) in zip(FORMS, found, strict=True)
    ]


def _named(form: dict[str, Any]) -> str:
    return f"{form['form']}({form['kept']})" if "kept" in form else str(form["form"])


def _fill(db: Database) -> list[np.ndarray]:
    """Make the table by binary COPY, and return the queries."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(CLUSTERS, DIMENSIONS)).astype(np.float32)
    form = [("columns", ">i2"), ("id_bytes", ">i4"), ("id", ">i4")]
    form += [("bytes", ">i4"), ("dim", ">i2"), ("unused", ">i2"), ("v", ">f4", DIMENSIONS)]  # type: ignore[list-item]

    def points(rows: int) -> np.ndarray:
        spread = rng.normal(size=(rows, DIMENSIONS)).astype(np.float32)
        return np.asarray(centres[rng.integers(CLUSTERS, size=rows)] + np.float32(0.6) * spread)

    db.run(Query(f"CREATE TABLE points (id int PRIMARY KEY, embedding vector({DIMENSIONS}) NOT NULL)"))
    for start in range(0, ROWS, _LOADED):
        sent = np.zeros(_LOADED, dtype=form)
        sent["columns"], sent["id_bytes"], sent["id"] = 2, 4, np.arange(start, start + _LOADED)
        sent["bytes"], sent["dim"], sent["v"] = 4 + 4 * DIMENSIONS, DIMENSIONS, points(_LOADED)
        stream = io.BytesIO(b"PGCOPY\n\xff\r\n\0" + bytes(8) + sent.tobytes() + b"\xff\xff")
        db.transaction([Copy("COPY points FROM STDIN (FORMAT binary)", stream)])
    db.run(Query("VACUUM ANALYZE points"))
    return list(points(QUERIES))


def _distances(db: Database, query: np.ndarray, *, exact: bool = False) -> tuple[list[float], float]:
    """Return the distances of the nearest rows, and the seconds on the wire."""
    found = search(db, "points", vector=query, k=K, exact=exact, columns=["id"])
    assert (found.found.scan.kind == "exact") is exact, "each is what it is called"  # type: ignore[union-attr]
    return found.column("distance"), found.seconds


def _measured(
    db: Database, form: dict[str, Any], queries: list[np.ndarray], truth: list[list[float]]
) -> tuple[int, float, float]:
    """Return the bytes of an index of a form, the mean recall of searches by it, and their median seconds, warm."""
    started = time.perf_counter()
    report = build(
        db, spec_for(db, "points", metric="hamming" if form["form"] == "binary" else "cosine", **form)
    ).wait()
    print(f"built as {_named(form)} in {time.perf_counter() - started:.0f} s", flush=True)
    plan = search(db, "points", vector=queries[0], k=K, columns=["id"]).explain()
    assert any(node.index == report.index for node in plan.plan.nodes), "the index is used"
    for query in queries:
        _distances(db, query)
    answers = [_distances(db, query) for query in queries]
    recalls = [_recall(found, exact) for (found, _), exact in zip(answers, truth, strict=True)]
    (size,) = db.run(Query("SELECT pg_relation_size(%(name)s::regclass)", {"name": report.index})).rows[0]
    db.run(Query(f"DROP INDEX {report.index}"))
    return size, statistics.mean(recalls), statistics.median(seconds for _, seconds in answers)


def _recall(found: list[float], exact: list[float]) -> float:
    """The share of the exact answer that was found, by distance: rows as near as each other count alike."""
    within = exact[-1] + 2e-7
    return sum(distance <= within for distance in found) / len(exact)


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
