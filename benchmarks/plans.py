"""A plan of 50 steps with vectors of 768 numbers: reading it and finding what is wrong with it.

The plan is EXPLAIN's own of a statement that searches a table in twelve ways at once and joins the answers, captured
in the run with what was in force; half of its searches are sick, so that rules have something to look at.
"""

from __future__ import annotations

import gc
import statistics
import time

from pgvec_magic import plan
from pgvec_magic.db import Database
from pgvec_magic.diagnose import Facts, clauses, diagnose
from pgvec_magic.diagnose.orders import orders
from pgvec_magic.query import Query
from pgvec_magic.search import Explanation, explain

from .place import database

ROWS, DIMENSIONS, STEPS, ROUNDS = 3_000, 768, 50, 300
TABLE = f"""
CREATE TABLE docs (id int PRIMARY KEY, tenant int, embedding vector({DIMENSIONS}));
INSERT INTO docs SELECT i, i %% 50, ARRAY(SELECT random() - 0.5 + 0 * i FROM generate_series(1, {DIMENSIONS}))
FROM generate_series(1, {ROWS}) AS i;
CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops) WITH (m = 8, ef_construction = 16);
ANALYZE docs"""
# What the searches are ordered by: the index gives the first two; and what they are filtered by.
ORDERS = ("embedding <=> :query", "embedding <=> :query", "1 - (embedding <=> :query) DESC", "embedding <-> :query")
FILTERS = ("true", "tenant < 40", "tenant = 7")


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    with database() as (db, _):
        explanation = _captured(db)
    text, steps = explanation.json, len(explanation.plan.nodes)
    milliseconds = _measured(explanation, text)
    told = f"{milliseconds:.2f} ms ({steps} steps, {len(text) / 1000:,.0f} kB, {len(explanation.findings)} findings)"
    return [(f"read and diagnose a plan of {STEPS} steps, {DIMENSIONS} dimensions", told, "≤ 5 ms")]


def _captured(db: Database) -> Explanation:
    import numpy as np

    for statement in TABLE.split(";"):
        db.run(Query(statement))
    searches = [
        f"(SELECT id, tenant FROM docs WHERE {condition} ORDER BY {order} LIMIT 10)"
        for order in ORDERS
        for condition in FILTERS
    ]
    every = "\nUNION ALL\n".join(searches)
    sql = f"SELECT d.id, count(*) FROM (\n{every}\n) AS x JOIN docs AS d USING (id) GROUP BY d.id ORDER BY 2 DESC"
    explanation = explain(db, sql=sql, vector=np.random.default_rng(3).normal(size=DIMENSIONS))
    assert len(explanation.plan.nodes) >= STEPS - 5, f"the plan has {len(explanation.plan.nodes)} steps only"
    return explanation


def _measured(explanation: Explanation, text: str) -> float:
    """Median milliseconds from the text of a plan to its findings; nothing of a round before is kept."""
    assert explanation.query is not None
    taken = []
    gc.collect()
    for _ in range(ROUNDS):
        orders.cache_clear()
        clauses.read.cache_clear()
        started = time.perf_counter()
        found = diagnose(Facts(plan.read(text), explanation.fingerprint, explanation.query.sql))
        taken.append((time.perf_counter() - started) * 1000)
        assert found == explanation.findings
    return statistics.median(taken)


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
