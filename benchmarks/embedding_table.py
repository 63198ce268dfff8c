"""Writers beside ``%vembed``: how long their transactions take while a table is given vectors, and while it is not.

Four processes write to the table that is being embedded: each transaction changes one random row (its counter or its
text) or adds one, and is on disk when it ends; between two of them a client rests for 5 to 15 ms. The table is embedded
in pieces, with a rest between them, so that both latencies are of the same minutes. The model has been used before, as
in a notebook.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from pgvec_magic import embed
from pgvec_magic.db import Database
from pgvec_magic.load import embed_table
from pgvec_magic.query import Query

from .place import database

ROWS, CLIENTS = 50_000, 4
TURNS, QUIET = 10, 5.0  # pieces in which the table is embedded, and the seconds before each and at the end
WORDS = "vector table index search query row column page plan cost scan filter order join tuple lock buffer cache"
TABLE = "CREATE TABLE articles (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, body text, views int)"
CHANGE = "UPDATE articles SET views = views + 1 WHERE id = %s"
EDIT = "UPDATE articles SET body = body || ' ' || %s WHERE id = %s"
ADD = "INSERT INTO articles (title, body, views) VALUES (%s, %s, 0)"


def figures() -> list[tuple[str, str, str]]:
    """Return the row of the figures table."""
    with database() as (db, dsn):
        _fill(db)
        embed.get("wordllama").embed(["a text"])
        with _clients(dsn) as clients:
            turns = [_turn(db, turn * ROWS // TURNS) for turn in range(TURNS)]
            time.sleep(QUIET)
            taken = [transaction for client in clients for transaction in _ended(client)]
    beside = [seconds for at, seconds in taken if any(start <= at <= end for start, end, _ in turns)]
    alone = [seconds for at, seconds in taken if not any(start <= at <= end for start, end, _ in turns)]
    rows, seconds = sum(rows for *_, rows in turns), sum(end - start for start, end, _ in turns)
    p95, without = _p95(beside), _p95(alone)
    measured = (
        f"{p95 / without:.2f}× ({1000 * p95:.1f} ms beside it, {1000 * without:.1f} ms without; medians "
        f"{1000 * statistics.median(beside):.1f} and {1000 * statistics.median(alone):.1f} ms; longest "
        f"{1000 * max(beside):.0f} and {1000 * max(alone):.0f} ms); {rows:,} rows in {seconds:.0f} s"
    )
    return [(f"writers' p95 beside `%vembed` on {ROWS:,} rows, {CLIENTS} clients", measured, "≤ 1.3×")]


def _turn(db: Database, first: int) -> tuple[float, float, int]:
    """Leave the writers alone, then embed some rows; return when that began and ended, as Unix time, and the rows."""
    time.sleep(QUIET)
    started = time.time()
    report = embed_table(
        db,
        "articles",
        ["title", "body"],
        where="id > :first AND id <= :last",
        params={"first": first, "last": first + ROWS // TURNS},
    )
    return started, time.time(), report.updated


def _fill(db: Database) -> None:
    chosen = random.Random(1)
    texts = [" ".join(chosen.choices(WORDS.split(), k=60)) for _ in range(1000)]
    db.run(Query(TABLE))
    db.run(
        Query(
            "INSERT INTO articles (title, body, views) SELECT 'article ' || i, (%(texts)s::text[])[1 + i %% 1000], 0"
            " FROM generate_series(1, %(rows)s) AS i",
            {"texts": texts, "rows": ROWS},
        )
    )
    db.run(Query("VACUUM ANALYZE articles"))


@contextmanager
def _clients(dsn: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Have processes of their own write until they are told to end; a moment passes until all of them do."""
    program = "import sys; from benchmarks.embedding_table import client; client(sys.argv[1], int(sys.argv[2]))"
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", program, dsn, str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for seed in range(CLIENTS)
    ]
    for process in clients:
        assert process.stdout is not None
        process.stdout.readline()
    try:
        yield clients
    finally:
        for process in clients:
            process.kill()
            process.wait()


def _ended(process: subprocess.Popen[str]) -> list[tuple[float, float]]:
    """Tell a client to end; return when each of its transactions began, as Unix time, and how many seconds it took."""
    out, _ = process.communicate("end\n", timeout=60)
    return [(at, seconds) for at, seconds in json.loads(out)]


def client(dsn: str, seed: int) -> None:
    """Write until a line comes in, then print what every transaction took."""
    import select

    chosen = random.Random(seed)
    raw = psycopg2.connect(dsn)
    raw.autocommit = True
    taken = []
    with raw.cursor() as cursor:
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], chosen.uniform(0.005, 0.015))[0]:
            kind, id, word = chosen.random(), chosen.randint(1, ROWS), chosen.choice(WORDS.split())
            statement, values = (
                (CHANGE, (id,)) if kind < 0.7 else (EDIT, (word, id)) if kind < 0.9 else (ADD, (word, word))
            )
            at, started = time.time(), time.perf_counter()
            cursor.execute(statement, values)
            taken.append((at, time.perf_counter() - started))
    raw.close()
    print(json.dumps(taken))


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
