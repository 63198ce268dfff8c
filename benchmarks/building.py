"""Builds of indexes: ours beside a plain CREATE INDEX that spills, the price of watching, predictions and facts."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from pgvec_magic.build import build
from pgvec_magic.db import Copy, Database
from pgvec_magic.index import IndexSpec, index_bytes
from pgvec_magic.query import Query

from .place import database

ROWS = 20_000
PAGE = 8192
# What makes an index large or small: type, dimensions, m, lists. (ef_construction only costs time.)
SIZES: tuple[dict[str, Any], ...] = (
    {"dimensions": 16, "m": 4},
    {"dimensions": 64, "m": 16},
    {"dimensions": 128, "m": 8},
    {"dimensions": 182, "m": 16},
    {"dimensions": 183, "m": 16},
    {"dimensions": 300, "m": 20},
    {"dimensions": 600, "m": 5},
    {"dimensions": 300, "m": 8, "type": "halfvec"},
    {"dimensions": 600, "m": 5, "form": "halfvec"},
    {"dimensions": 600, "m": 8, "form": "binary", "metric": "hamming"},
    {"dimensions": 300, "m": 12, "form": "subvector", "kept": 100},
    {"dimensions": 512, "m": 12, "type": "bit", "metric": "hamming"},
    {"dimensions": 64, "m": 8, "type": "sparsevec"},
    {"dimensions": 64, "method": "ivfflat", "lists": 20},
    {"dimensions": 128, "method": "ivfflat", "lists": 100},
    {"dimensions": 300, "method": "ivfflat", "lists": 40, "form": "halfvec"},
    {"dimensions": 2000, "method": "ivfflat", "lists": 20, "type": "bit", "metric": "hamming"},
)
# Workers, bytes of maintenance_work_mem, of which Postgres wants 32 MB for each process, and dimensions.
SPILLS = ((0, 8 << 20, 64), (0, 12 << 20, 64), (1, 64 << 20, 1000))
LARGE_ROWS, LARGE_DIMENSIONS = 20_000, 1000
WATCHED_ROUNDS = 12


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    with database() as (db, _):
        return [*_predicted(db), *_spilling(db), _faster(db), _watched(db)]


def _fill(db: Database, table: str, rows: int, dimensions: int, kind: str = "vector", options: str = "") -> None:
    """Make a table of normally distributed vectors, by binary COPY; other types are made of them."""
    rng = np.random.default_rng(dimensions)
    form = [("columns", ">i2"), ("bytes", ">i4"), ("dim", ">i2"), ("unused", ">i2"), ("v", ">f4", dimensions)]
    sent = np.zeros(rows, dtype=form)
    sent["columns"], sent["bytes"], sent["dim"] = 1, 4 + 4 * dimensions, dimensions
    sent["v"] = rng.normal(size=(rows, dimensions))
    stream = io.BytesIO(b"PGCOPY\n\xff\r\n\0" + bytes(8) + sent.tobytes() + b"\xff\xff")
    made = f"CREATE TABLE {table} (embedding vector({dimensions})) {options}"
    db.transaction(
        [Query(f"DROP TABLE IF EXISTS {table}"), Query(made), Copy(f"COPY {table} FROM STDIN (FORMAT binary)", stream)]
    )
    if kind != "vector":
        value = "binary_quantize(embedding)" if kind == "bit" else f"embedding::{kind}"
        db.run(Query(f"ALTER TABLE {table} ALTER COLUMN embedding TYPE {kind}({dimensions}) USING {value}"))
    db.run(Query(f"ANALYZE {table}"))


def _predicted(db: Database) -> Iterator[tuple[str, str, str]]:
    """The pages of every index of ``SIZES``."""
    off = []
    for number, size in enumerate(SIZES):
        kind, dimensions, m = size.get("type", "vector"), size["dimensions"], size.get("m", 16)
        table = f"{kind}_{dimensions}"
        _fill(db, table, ROWS, dimensions, kind)
        made = IndexSpec(
            table=table, column="embedding", ef_construction=2 * m, name=f"i{number}", **{"metric": "l2", **size}
        )
        db.run(Query(made.sql()))
        (real,) = db.run(Query(f"SELECT pg_relation_size('i{number}')")).rows[0]
        off.append(index_bytes(made, ROWS) / real - 1)
        db.run(Query(f"DROP TABLE {table}"))
    worst = max(off, key=abs)
    yield (
        f"predicted against real index pages, {len(off)} builds of {ROWS:,} rows",
        f"off by {abs(worst):.2%} at most",
        "each within 1 %",
    )


def _spilling(db: Database) -> Iterator[tuple[str, str, str]]:
    """After how many rows the graph leaves its memory."""
    for workers, memory, dimensions in SPILLS:
        _fill(db, "docs", ROWS, dimensions)
        made = IndexSpec(table="docs", column="embedding", dimensions=dimensions, metric="l2", ef_construction=40)
        running = build(db, made, memory=memory, workers=workers)
        expected, report = running.job.settings.spills_after, running.wait()
        assert report.workers == workers, "it was built by as many processes as asked for"
        assert expected is not None, "so little memory does not hold it"
        assert report.spilled_after is not None, "so little memory does not hold it"
        real = report.spilled_after
        yield (
            f"predicted against real spill point, {f'{workers} worker' if workers else 'serial'}, {memory >> 20} MB",
            f"{expected:,} against {real:,} rows ({abs(expected / real - 1):.2%})",
            "within 1 %",
        )


def _faster(db: Database) -> tuple[str, str, str]:
    """A build that spills at PostgreSQL's own 64 MB, and ours of the same index."""
    _fill(db, "large", LARGE_ROWS, LARGE_DIMENSIONS)
    made = IndexSpec(table="large", column="embedding", dimensions=LARGE_DIMENSIONS, metric="l2", ef_construction=40)
    started = time.perf_counter()
    rows = db.run(Query(made.sql(), settings=(("maintenance_work_mem", "'64MB'"),)))
    plain = time.perf_counter() - started
    assert any("no longer fits" in notice for notice in rows.notices), "it spills"
    db.run(Query("DROP INDEX large_embedding_idx"))
    report = build(db, made).wait()
    assert report.spilled_after is None, "ours does not"
    db.run(Query("DROP TABLE large"))
    return (
        f"build of {LARGE_ROWS:,} × {LARGE_DIMENSIONS} that spills at 64 MB: ours against CREATE INDEX",
        f"{plain / report.seconds:.1f}× faster ({report.seconds:.1f} s, {plain:.1f} s)",
        "≥ 1.7×",
    )


def _watched(db: Database) -> tuple[str, str, str]:
    """The medians of the same build, watched and not, in turn: one differs from the next by 5 %."""
    _fill(db, "docs", ROWS, 64)
    made = IndexSpec(table="docs", column="embedding", dimensions=64, metric="l2")
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(WATCHED_ROUNDS):
        for watched in (True, False) if number % 2 else (False, True):
            running = build(db, made)
            for _progress in running if watched else ():
                pass
            report = running.wait()
            seconds[watched].append(report.seconds)
            db.run(Query(f"DROP INDEX {report.index}"))
    usual = {watched: statistics.median(times) for watched, times in seconds.items()}
    return (
        f"watching a build of {ROWS:,} × 64",
        f"{usual[True] / usual[False] - 1:+.1%} ({usual[True]:.2f} s watched, {usual[False]:.2f} s unwatched)",
        "≤ 2 % longer",
    )


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ", flush=True)
