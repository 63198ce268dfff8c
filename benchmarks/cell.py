"""One cell of ours beside the same work by hand and by JupySQL; and the time to show a result.

Each is a cell given to ``run_cell`` of one shell, in turn, and starts from the same numpy array. By hand: psycopg2
with pgvector's own adapter binds the vector twice, as tutorials do (once to show the distance, once to order by it),
fetches, and makes a DataFrame.
"""

from __future__ import annotations

import contextlib
import gc
import io
import statistics
import time

from IPython.core.interactiveshell import InteractiveShell

from pgvec_magic.db import Database
from pgvec_magic.query import Query

from .place import database

ROWS, DIMENSIONS, ROUNDS, WARM = 20_000, 384, 300, 30
BY_HAND = """
vector = Vector(q)
cursor.execute(
    "SELECT id, content, embedding <=> %s AS distance FROM docs ORDER BY embedding <=> %s LIMIT 10", (vector, vector)
)
frame = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
"""
BY_SQL = (
    "SELECT id, content, embedding <=> :text_vector AS distance FROM docs ORDER BY embedding <=> :text_vector LIMIT 10"
)
# Each shows what it found, as a notebook does, or only keeps it.
SHOWN = {"ours": "%vsearch docs --vector :q -k 10", "by hand": f"{BY_HAND}frame", "jupysql": f"%sql {BY_SQL}"}
KEPT = {"ours": "hits = %vsearch docs --vector :q -k 10", "by hand": BY_HAND, "jupysql": f"frame = %sql {BY_SQL}"}


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    with database() as (db, dsn):
        shell = _shell(db, dsn)
        rows = [
            ("one cell that shows its rows", _compared(_interleaved(shell, SHOWN)), "≤ 0.85×"),
            ("one cell that keeps them", _compared(_interleaved(shell, KEPT)), "≤ 0.85×"),
        ]
        shown = _milliseconds_to_show(shell)
    return [*rows, ("show 10 rows as HTML", f"{shown:.2f} ms", "≤ 2 ms")]


def _compared(milliseconds: dict[str, float]) -> str:
    ours, by_hand, jupysql = (milliseconds[name] for name in ("ours", "by hand", "jupysql"))
    return f"{ours / by_hand:.2f}× by hand ({ours:.2f} ms against {by_hand:.2f}; JupySQL {jupysql / by_hand:.1f}×)"


def _shell(db: Database, dsn: str) -> InteractiveShell:
    import numpy as np
    import pandas as pd
    import psycopg2
    from pgvector import Vector
    from pgvector.psycopg2 import register_vector

    from pgvec_magic.load import load

    rng = np.random.default_rng(7)
    centres = rng.normal(size=(200, DIMENSIONS))
    vectors = (centres[rng.integers(200, size=ROWS)] + 0.7 * rng.normal(size=(ROWS, DIMENSIONS))).astype("f4")
    frame = pd.DataFrame(
        {"id": np.arange(ROWS), "content": [f"document number {i}" for i in range(ROWS)], "embedding": list(vectors)}
    )
    load(db, "docs", frame, text="content")
    db.run(Query("CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops)"))
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "pgvec_magic")
    shell.run_line_magic("load_ext", "sql")
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    register_vector(connection)
    shell.user_ns |= {"pd": pd, "cursor": connection.cursor(), "Vector": Vector, "q": vectors[11]}
    _connect_jupysql(shell, dsn, Vector(vectors[11]).to_text())
    return shell


def _connect_jupysql(shell: InteractiveShell, dsn: str, vector: str) -> None:
    from psycopg2.extensions import parse_dsn
    from sqlalchemy import URL, create_engine

    parts = parse_dsn(dsn)
    url = URL.create(
        "postgresql+psycopg2",
        parts.get("user"),
        parts.get("password"),
        database=parts.get("dbname"),
        query={"host": parts["host"], "port": parts.get("port", "5432")},
    )
    shell.user_ns |= {"engine": create_engine(url), "text_vector": vector}
    shell.run_line_magic("config", "SqlMagic.feedback = 0")
    shell.run_line_magic("config", "SqlMagic.autopandas = True")
    shell.run_line_magic("config", "SqlMagic.named_parameters = 'enabled'")
    shell.run_line_magic("sql", "engine")


def _interleaved(shell: InteractiveShell, cells: dict[str, str]) -> dict[str, float]:
    """Median milliseconds of a cell of each kind, taken in turn; what they print goes nowhere."""
    taken: dict[str, list[float]] = {name: [] for name in cells}
    gc.collect()
    for done in range(WARM + ROUNDS):
        for name, cell in cells.items():
            with contextlib.redirect_stdout(io.StringIO()):
                started = time.perf_counter()
                outcome = shell.run_cell(cell, store_history=False)
                seconds = time.perf_counter() - started
            outcome.raise_error()
            if done >= WARM:
                taken[name].append(seconds * 1000)
    return {name: statistics.median(values) for name, values in taken.items()}


def _milliseconds_to_show(shell: InteractiveShell) -> float:
    result = shell.run_cell("%vsearch docs --vector :q -k 10", store_history=False).result
    taken = []
    for _ in range(200):
        started = time.perf_counter()
        result._repr_mimebundle_()["text/html"]
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
