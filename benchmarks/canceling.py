"""Builds that are stopped: in every phase of every kind, how soon the server is idle, and whether anything is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pgvec_magic.build import Build, build, reindex
from pgvec_magic.db import Database
from pgvec_magic.index import IndexSpec
from pgvec_magic.query import Query

from .building import _fill
from .place import database

ROWS, DIMENSIONS, TRIES = 6_000, 128, 3
HNSW = IndexSpec(table="docs", column="embedding", dimensions=DIMENSIONS, metric="l2", m=32, ef_construction=200)
LISTS = IndexSpec(table="docs", column="embedding", dimensions=DIMENSIONS, metric="l2", method="ivfflat", lists=500)
_ACTIVE = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgvec_magic build%%' AND state = 'active'"
_INVALID = "SELECT count(*) FROM pg_index WHERE indrelid = 'docs'::regclass AND NOT indisvalid"
_INDEXES = "SELECT count(*) FROM pg_index WHERE indrelid = 'docs'::regclass"
_CONTENT = "SELECT count(*), md5(string_agg(embedding::text, '')) FROM docs"
KINDS: dict[str, Callable[[Database], Build]] = {
    "HNSW": lambda db: build(db, HNSW, workers=0),
    "HNSW, in parallel": lambda db: build(db, HNSW, workers=2),
    "HNSW that spills": lambda db: build(db, HNSW, workers=0, memory="4MB"),
    "HNSW, concurrently": lambda db: build(db, HNSW, concurrently=True),
    "IVFFlat": lambda db: build(db, LISTS, workers=0),
    "IVFFlat, in parallel": lambda db: build(db, LISTS, workers=2),
    "IVFFlat, concurrently": lambda db: build(db, LISTS, concurrently=True),
    "a rebuild": lambda db: reindex(db, "docs"),
}


@dataclass(frozen=True, slots=True)
class Stop:
    """How long the server went on after a cancel in a phase, and whether all was as before."""

    phase: str
    seconds: float
    clean: bool


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    with database() as (db, _):
        _fill(db, "docs", ROWS, DIMENSIONS)
        stops = [stop for kind in KINDS for stop in _stops(db, kind)]
    slowest = max(stop.seconds for stop in stops)
    dirty = sum(not stop.clean for stop in stops)
    return [
        (
            f"a build canceled, {len(KINDS)} kinds, {len(stops)} phases that could be met",
            f"idle on the server after {slowest:.2f} s at most; something left: {dirty}",
            "≤ 1 s each, 0",
        )
    ]


def _stops(db: Database, kind: str) -> Iterator[Stop]:
    if kind == "a rebuild":
        build(db, HNSW).wait()
    for phase in _phases(KINDS[kind](db)):
        if stop := _stopped(db, KINDS[kind], phase):
            yield stop
    db.run(Query("DROP INDEX IF EXISTS docs_embedding_idx"))


def _phases(running: Build) -> list[str]:
    """The phases of a build that runs to its end."""
    seen: dict[str, None] = {}
    while running.running:
        seen.setdefault(running.progress.phase)
    running.wait()
    report = running.report
    assert report is not None, "it was waited for"
    if not running.job.is_rebuilt:
        running._db.run(Query(f"DROP INDEX {report.index}"))
    return [phase for phase in seen if phase not in ("over", "finishing", "out of sight")]


def _stopped(db: Database, begin: Callable[[Database], Build], phase: str) -> Stop | None:
    """Cancel a build in a phase; None where it is over too soon to be met."""
    before = _state(db)
    for _ in range(TRIES):
        running = begin(db)
        while running.running and running.progress.phase != phase:
            pass
        canceling = threading.Thread(target=running.cancel)
        started = time.perf_counter()
        canceling.start()
        while db.run(Query(_ACTIVE)).rows[0][0]:
            time.sleep(0.002)
        seconds = time.perf_counter() - started
        canceling.join()
        if running.report is None:
            return Stop(phase, seconds, _state(db) == before)
        if not running.job.is_rebuilt:
            db.run(Query(f"DROP INDEX {running.report.index}"))
    return None


def _state(db: Database) -> tuple[object, ...]:
    return tuple(value for question in (_CONTENT, _INDEXES, _INVALID) for value in db.run(Query(question)).rows[0])


if __name__ == "__main__":
    with database() as (bench, _):
        _fill(bench, "docs", ROWS, DIMENSIONS)
        for each in KINDS:
            for stop in _stops(bench, each):
                print(
                    f"{each:24} {stop.phase:48} {stop.seconds * 1000:6.0f} ms  {'clean' if stop.clean else 'LEFT'}",
                    flush=True,
                )
