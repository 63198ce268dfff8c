"""What it costs that a result watches itself: nothing where it is full, a second look where rows are missing.

The time of a full result is taken twice: that of the code alone, called over and over with the result of a search, and
as the difference between searches with that code and without it, in turn, which holds the noise of the searches too.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from pgvec_magic.db import Copy, Database
from pgvec_magic.query import Query
from pgvec_magic.search import Result, people, run, search, sql
from pgvec_magic.search.shortage import complete
from pgvec_magic.search.watching import watched

from .place import database

ROWS, DIMENSIONS, ROUNDS, CALLS = 20_000, 64, 400, 2_000
STATEMENT = "SELECT id, content FROM docs ORDER BY embedding <=> :query LIMIT {k}"


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    with database() as (db, _):
        vectors = _fill(db)
        full = search(db, "docs", vector=vectors[0], k=10)
        assert full.found is not None
        wanted = full.found.search
        written = sql(db, STATEMENT.format(k=10), vector=vectors[0])
        return [
            _full("search", _of_code(lambda: complete(full, wanted, _never)), _compared(db, vectors, _searched)),
            _full("%%vsql", _of_code(lambda: watched(written)), _compared(db, vectors, _written)),
            _short(db, vectors),
        ]


def _fill(db: Database) -> np.ndarray:
    """Make the table, and return query vectors."""
    rng = np.random.default_rng(3)
    points = rng.normal(size=(ROWS, DIMENSIONS)).astype(np.float32)
    db.run(Query(f"CREATE TABLE docs (id int PRIMARY KEY, content text, embedding vector({DIMENSIONS}) NOT NULL)"))
    lines = (f"{i}\ttext {i}\t[{','.join(map(str, point))}]\n" for i, point in enumerate(points.tolist()))
    db.transaction([Copy("COPY docs FROM STDIN", io.BytesIO("".join(lines).encode()))])
    db.run(Query("CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops)"))
    db.run(Query("ANALYZE docs"))
    return rng.normal(size=(ROUNDS, DIMENSIONS)).astype(np.float32)


def _never(_: object) -> Result:
    raise AssertionError("a full result is not looked for again")


def _of_code(call: Callable[[], object]) -> float:
    """Median milliseconds of the code alone, over batches of calls."""
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(CALLS):
            call()
        taken.append((time.perf_counter() - started) * 1000 / CALLS)
    return statistics.median(taken)


def _searched(db: Database, vector: np.ndarray) -> Result:
    return search(db, "docs", vector=vector, k=10)


def _written(db: Database, vector: np.ndarray) -> Result:
    return sql(db, STATEMENT.format(k=10), vector=vector)


@contextmanager
def _unwatched() -> Iterator[None]:
    """Take the code out for as long as this lasts."""
    run.complete, people.watched = (lambda result, _, __: result), (lambda result: result)
    try:
        yield
    finally:
        run.complete, people.watched = complete, watched


def _compared(db: Database, vectors: np.ndarray, way: Callable[[Database, np.ndarray], Result]) -> tuple[float, float]:
    """Median milliseconds with the code and without, one after the other with each vector."""
    taken: tuple[list[float], list[float]] = ([], [])
    for i, vector in enumerate(vectors):
        for is_out in (i % 2 == 0, i % 2 == 1):
            if is_out:
                with _unwatched():
                    taken[1].append(_milliseconds(lambda v=vector: way(db, v)))
            else:
                taken[0].append(_milliseconds(lambda v=vector: way(db, v)))
    return statistics.median(taken[0]), statistics.median(taken[1])


def _milliseconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def _full(what: str, code: float, compared: tuple[float, float]) -> tuple[str, str, str]:
    watching, without = compared
    measured = f"{code:.4f} ms more (whole: {watching:.2f} ms with it, {without:.2f} ms without)"
    return f"full result, self-watching: {what}", measured, "≤ 0.05 ms more"


def _short(db: Database, vectors: np.ndarray) -> tuple[str, str, str]:
    """What a short result takes with its second look, beside the same without."""
    watching, without = _compared(
        db, vectors[:60], lambda db, vector: search(db, "docs", vector=vector, k=100, as_is=True)
    )
    measured = f"{watching:.1f} ms with its cause and the proof, {without:.1f} ms without"
    return f"short result (40 of 100 rows of {ROWS:,} × {DIMENSIONS})", measured, "published"


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
