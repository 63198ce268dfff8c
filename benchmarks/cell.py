"""One cell of ours beside the same work by hand and by JupySQL; and the time to show a result.

Each is a cell given to ``run_cell`` of one shell, in turn. By hand: psycopg2 binds the vector twice, as tutorials do
(once to show the distance, once to order by it), fetches, and makes a DataFrame.
"""

from __future__ import annotations

import gc
import statistics
import time

from IPython.core.interactiveshell import InteractiveShell

from pgvec_magic.db import Database
from pgvec_magic.query import Query

from .place import database

ROWS, DIMENSIONS, ROUNDS, WARM = 20_000, 384, 300, 30
BY_HAND = """
cursor.execute(
    "SELECT id, content, embedding <=> %s AS distance FROM docs ORDER BY embedding <=> %s LIMIT 10", (vector, vector)
)
frame = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
"""
CELLS = {
    "ours": "%vsearch docs --vector :q -k 10",
    "by hand": BY_HAND,
    "jupysql": "%sql SELECT id, content, embedding <=> :q AS distance FROM docs ORDER BY embedding <=> :q LIMIT 10",
}


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    with database() as db:
        shell = _shell(db)
        milliseconds = _interleaved(shell)
        shown = _milliseconds_to_show(shell)
    by_hand = milliseconds["by hand"]
    ratios = {name: value / by_hand for name, value in milliseconds.items()}
    return [
        (
            "one cell",
            f"{ratios['ours']:.2f}× by hand ({milliseconds['ours']:.2f} ms; JupySQL {ratios['jupysql']:.1f}×)",
            "≤ 0.85×",
        ),
        ("show 10 rows as HTML", f"{shown:.2f} ms", "≤ 2 ms"),
    ]


def _shell(db: Database) -> InteractiveShell:
    import numpy as np
    import pandas as pd
    import psycopg2

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
    connection = psycopg2.connect(db.dsn)
    connection.autocommit = True
    vector = "[" + ",".join(map(str, vectors[11])) + "]"
    shell.user_ns |= {"pd": pd, "cursor": connection.cursor(), "vector": vector, "q": vectors[11]}
    _connect_jupysql(shell, db, vector)
    return shell


def _connect_jupysql(shell: InteractiveShell, db: Database, vector: str) -> None:
    from psycopg2.extensions import parse_dsn
    from sqlalchemy import URL, create_engine

    parts = parse_dsn(db.dsn)
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


def _interleaved(shell: InteractiveShell) -> dict[str, float]:
    """Median milliseconds of a cell of each kind, taken in turn."""
    cells = CELLS | {"jupysql": CELLS["jupysql"].replace(":q", ":text_vector")}
    taken: dict[str, list[float]] = {name: [] for name in cells}
    gc.collect()
    for done in range(WARM + ROUNDS):
        for name, cell in cells.items():
            started = time.perf_counter()
            outcome = shell.run_cell(cell, store_history=False, silent=False)
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
