"""Loading beside raw COPY and beside embedding alone, and what a large load takes of memory.

Raw is what no loader can beat from Python: a buffer of ready-made binary rows that psycopg2 sends to a table of the
same columns and key, in one transaction. Ours starts from a DataFrame, finds out what the table is, checks every row,
encodes and sends it in batches, and ends with ANALYZE. So that both leave the same table behind, raw is followed by
ANALYZE too, timed apart: the figure is beside both together, and the one beside COPY alone stands in brackets. All take
turns.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psycopg2
from psycopg2.extras import execute_values

from pgvec_magic import embed, samples
from pgvec_magic.db import Database, connect
from pgvec_magic.load import load
from pgvec_magic.query import Query

from .place import database

if TYPE_CHECKING:
    from psycopg2.extensions import connection

ROWS, DIMENSIONS, ROUNDS = 20_000, 384, 9
MANY, FRAME = 500_000, 10_000
TABLE = f"(id bigint PRIMARY KEY, content text, embedding vector({DIMENSIONS}) NOT NULL)"
COPY = "COPY {} (id, content, embedding) FROM STDIN WITH (FORMAT binary)"


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    with database() as (db, dsn):
        return [*_bulk(db, dsn), _memory(dsn), _embedding(db)]


def _bulk(db: Database, dsn: str) -> list[tuple[str, str, str]]:
    for table in ("ours", "raw", "slow"):
        db.run(Query(f"CREATE TABLE {table} {TABLE}"))
    frame = _frame(0, ROWS)
    changed = frame.assign(content=frame["content"].where(frame["id"] % 2 == 0, "changed"))
    buffer = _rows(frame)
    raw = psycopg2.connect(dsn)
    raw.autocommit = True
    seconds = _fastest(
        {
            "raw": lambda: _copy(raw, buffer),
            "analyze": lambda: db.run(Query("ANALYZE raw")),
            "ours": lambda: load(db, "ours", frame),
            "upsert": lambda: load(db, "ours", changed),
        },
        before=lambda name: db.run(Query(f"TRUNCATE {name}" if name in ("raw", "ours") else "SELECT")),
    )
    by_hand = _seconds(lambda: _execute_values(raw, frame))
    raw.close()
    same = (seconds["raw"] + seconds["analyze"]) / seconds["ours"]
    alone = {name: seconds["raw"] / seconds[name] for name in ("ours", "upsert")} | {"slow": seconds["raw"] / by_hand}
    beside = f"{alone['ours']:.2f}× COPY alone, {ROWS / seconds['raw']:,.0f} rows/s"
    measured = f"{same:.2f}× raw COPY and ANALYZE ({beside}; execute_values {alone['slow']:.3f}×)"
    return [
        (f"bulk load, {ROWS:,} rows × {DIMENSIONS}", measured, "≥ 0.85×"),
        ("upsert, half of the rows changed", f"{alone['upsert']:.2f}× raw COPY alone", "≥ 0.25×"),
    ]


def _memory(dsn: str) -> tuple[str, str, str]:
    """Load many rows in a process of its own, which knows nothing but the frames it makes."""
    program = "import sys; from benchmarks.loading import grown; print(grown(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", program, dsn], check=True, capture_output=True, text=True)
    return f"memory, {MANY:,} rows", f"{float(done.stdout):.0f} MB over the start", "≤ 200 MB"


def grown(dsn: str) -> float:
    """Return by how many MB the process was larger, at most, while it loaded than just before."""
    import psutil

    process = psutil.Process()
    db = connect(dsn)
    load(db, "warm", _frame(0, 10))
    start = most = process.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.01):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    report = load(db, "many", _frames())
    done.set()
    watcher.join()
    assert report.inserted == MANY
    return (most - start) / 1e6


def _embedding(db: Database) -> tuple[str, str, str]:
    """Embed the sample alone, and embed and load it: into a new table, and into one that has no text search.

    Alone is our way with the model, which is some times as fast as the model's own, given the texts sorted by length.
    The server makes the tsvectors while the model works; where both want all of few processors, that takes its time.
    """
    sample = samples.load("pydocs")
    model = embed.get("wordllama")
    texts = sample.frame[sample.text].tolist()
    load(db, "bare", sample.frame, limit=1)
    db.run(Query("ALTER TABLE bare DROP COLUMN fts"))
    seconds = _fastest(
        {
            "alone": lambda: model.embed(texts),
            "docs": lambda: load(db, "docs", sample.frame),
            "bare": lambda: load(db, "bare", sample.frame),
        },
        before=lambda name: db.run(Query("TRUNCATE bare; DROP TABLE IF EXISTS docs")),
        rounds=5,
    )
    library = _wordllama()
    own = _seconds(lambda: library.embed(sorted(texts, key=len), norm=True))
    docs, bare = (f"{seconds[name] / seconds['alone']:.2f}×" for name in ("docs", "bare"))
    size = f"{len(texts):,} texts in {seconds['docs']:.1f} s on {os.cpu_count()} cores"
    measured = f"{docs} embedding alone, {bare} without text search, {seconds['docs'] / own:.2f}× wordllama's own embed"
    return "embed + load", f"{measured} ({size})", "≤ 1.2×"


def _wordllama() -> Any:
    import wordllama

    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(dim=256, cache_dir=folder, disable_download=True)


def _frame(start: int, count: int) -> pd.DataFrame:
    vectors = np.random.default_rng(start).standard_normal((count, DIMENSIONS), np.float32)
    ids = np.arange(start, start + count)
    return pd.DataFrame({"id": ids, "content": [f"document number {i}" for i in ids], "embedding": list(vectors)})


def _frames() -> Iterator[pd.DataFrame]:
    for start in range(0, MANY, FRAME):
        yield _frame(start, FRAME)


def _rows(frame: pd.DataFrame) -> bytes:
    """Return the rows in COPY's binary form, written out by hand."""
    rows = []
    for id, content, vector in frame.itertuples(index=False):
        text, numbers = content.encode(), vector.astype(">f4").tobytes()
        rows += [b"\0\3", (8).to_bytes(4, "big"), int(id).to_bytes(8, "big"), len(text).to_bytes(4, "big"), text]
        rows += [(4 + len(numbers)).to_bytes(4, "big"), DIMENSIONS.to_bytes(2, "big"), b"\0\0", numbers]
    return b"".join([b"PGCOPY\n\xff\r\n\0" + bytes(8), *rows, b"\xff\xff"])


def _copy(raw: connection, buffer: bytes) -> None:
    with raw.cursor() as cursor:
        cursor.copy_expert(COPY.format("raw"), io.BytesIO(buffer), size=1 << 18)


def _execute_values(raw: connection, frame: pd.DataFrame) -> None:
    rows = [(id, content, str(vector.tolist())) for id, content, vector in frame.itertuples(index=False)]
    with raw.cursor() as cursor:
        execute_values(cursor, "INSERT INTO slow VALUES %s", rows)


def _fastest(
    work: dict[str, Callable[[], object]], before: Callable[[str], object], rounds: int = ROUNDS
) -> dict[str, float]:
    """Return the least seconds of each piece of work, taken in turn."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, once in work.items():
            before(name)
            taken[name].append(_seconds(once))
    return {name: min(seconds) for name, seconds in taken.items()}


def _seconds(once: Callable[[], object]) -> float:
    started = time.perf_counter()
    once()
    return time.perf_counter() - started


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
