from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pgvector import SparseVector
from psycopg2.extensions import connection

from pgvec_magic.db import Database
from pgvec_magic.search import diverse, search
from pgvec_magic.search.result import Result

ANGLES = [0.05, 0.051, 0.052, 0.053, 0.4, -0.6, 0.9, -1.1, 1.4, -1.5]


@pytest.fixture
def angles(raw: connection, db: Database) -> Database:
    """Unit vectors, the nearest to [1, 0] first: four are nearly the same."""
    cursor = raw.cursor()
    cursor.execute(
        "CREATE TABLE t (id int PRIMARY KEY, grp int, content text, embedding vector(2), half halfvec(2),"
        " sparse sparsevec(900000000), bits bit(16))"
    )
    for i, angle in enumerate(ANGLES):
        x, y = float(np.cos(angle)), float(np.sin(angle))
        bits = "".join("1" if 0.1 * j - 0.8 < angle else "0" for j in range(16))
        row = (i, i % 2, f"word {i}", f"[{x},{y}]", f"[{x},{y}]", f"{{1:{x},900000000:{y}}}/900000000", bits)
        cursor.execute("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s)", row)
    return db


def ids(result: Result) -> list[int]:
    return result.column("id")


def best(scores: list[float], vectors: np.ndarray, query: np.ndarray, count: int) -> list[int]:
    """By the definition, one row after another."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    cosine, to_query = unit @ unit.T, unit @ query / np.linalg.norm(query)
    part = (np.array(scores) - min(scores)) / (max(scores) - min(scores))
    good = to_query.min() + part * (to_query.max() - to_query.min())
    chosen = [int(np.argmax(good))]
    while len(chosen) < min(count, len(scores)):
        left = [i for i in range(len(scores)) if i not in chosen]
        chosen.append(max(left, key=lambda i: (good[i] - max(cosine[i, j] for j in chosen), -i)))
    return chosen


def test_the_definition() -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        n = int(rng.integers(2, 40))
        vectors, query, scores = rng.normal(size=(n, 3)), rng.normal(size=3), rng.normal(size=n).tolist()
        chosen = diverse.choose(scores, list(vectors.astype(np.float32)), query, 12)
        assert chosen == best(scores, vectors, query, 12)


def test_what_is_odd() -> None:
    query = np.ones(2)
    assert diverse.choose([], [], query, 5) == []
    assert diverse.choose([0.5], [None], query, 5) == [0]
    assert diverse.choose([0.1, 0.9], [None, None], query, 5) == [1, 0]
    assert diverse.choose([1.0, 1.0, 1.0], [np.ones(2)] * 3, query, 3) == [0, 1, 2]
    assert sorted(diverse.choose([None, 0.5, None], [np.zeros(2), np.ones(2), None], query, 3)) == [0, 1, 2]


def test_rows_like_those_above_give_way(angles: Database) -> None:
    plain = search(angles, "t", vector=[1, 0], column="embedding", k=3)
    result = search(angles, "t", vector=[1, 0], column="embedding", k=3, diverse=True)
    assert ids(plain) == [0, 1, 2]
    x = np.array([[np.cos(a), np.sin(a)] for a in ANGLES])
    assert ids(result) == best((x @ [1, 0]).tolist(), x, np.array([1, 0]), 3)
    assert ids(result)[0] == 0
    assert not {1, 2, 3} & set(ids(result)[:2])
    assert result.column("score") == pytest.approx([float(np.cos(ANGLES[i])) for i in ids(result)])
    assert result.column("rank_before") == [i + 1 for i in ids(result)]
    assert result.df.index.tolist() == [1, 2, 3]


@pytest.mark.parametrize(("column", "vector"), [("half", [1, 0]), ("sparse", {0: 1.0})])
def test_every_type_of_numbers(angles: Database, column: str, vector: Any) -> None:
    vector = SparseVector(vector, 900_000_000) if column == "sparse" else vector
    result = search(angles, "t", vector=vector, column=column, k=4, diverse=True)
    assert ids(result) == ids(search(angles, "t", vector=[1, 0], column="embedding", k=4, diverse=True))
    assert column not in result.columns


@pytest.mark.parametrize("metric", ["hamming", "jaccard"])
def test_bits(angles: Database, metric: str) -> None:
    query = "1010111110100000"
    result = search(angles, "t", vector=query, column="bits", metric=metric, k=5, diverse=True)
    first = search(angles, "t", vector=query, column="bits", metric=metric, k=10, columns=("id", "bits"))
    bits = np.array([[int(bit) for bit in text] for text in first.column("bits")])
    order = best([-d for d in first.column("distance")], bits, np.array([int(bit) for bit in query]), 5)
    assert ids(result) == [ids(first)[i] for i in order]
    assert ids(result) != ids(first)[:5]


@pytest.mark.parametrize("metric", ["l2", "ip", "l1"])
def test_every_metric(angles: Database, metric: str) -> None:
    given = {"vector": [0.9, 0.3], "column": "embedding", "metric": metric}
    first = search(angles, "t", k=10, **given)
    x = np.array([[np.cos(ANGLES[i]), np.sin(ANGLES[i])] for i in ids(first)])
    order = best([-d for d in first.column("distance")], x, np.array([0.9, 0.3]), 5)
    assert ids(search(angles, "t", k=5, diverse=True, **given)) == [ids(first)[i] for i in order]


def test_pages_are_parts_of_one_order(angles: Database) -> None:
    whole = ids(search(angles, "t", vector=[1, 0], column="embedding", k=6, diverse=True, candidates=10))
    given = {"vector": [1, 0], "column": "embedding", "k": 3, "diverse": True, "candidates": 10}
    assert ids(search(angles, "t", **given)) + ids(search(angles, "t", offset=3, **given)) == whole


def test_hybrid_rows_without_a_vector(raw: connection, angles: Database) -> None:
    raw.cursor().execute("UPDATE t SET embedding = NULL WHERE id = 9")
    result = search(angles, "t", "word 9", mode="hybrid", vector=[1, 0], column="embedding", k=10, diverse=True)
    assert sorted(ids(result)) == list(range(10))
    assert result.notes[-1] == "1 row without a vector passed as like the others as these are on average"
    assert "vector_rank" in result.columns
    assert "embedding" not in result.columns
    assert result.figure().data


def test_filters_and_groups_come_first(angles: Database) -> None:
    given = {"vector": [1, 0], "column": "embedding", "diverse": True}
    assert set(ids(search(angles, "t", k=3, where="id IN (1, 2, 3)", **given))) == {1, 2, 3}
    assert sorted(ids(search(angles, "t", k=2, per="grp", **given))) == [0, 1]
    short = search(angles, "t", k=5, where="id < 3", **given)
    assert short.notes[0].startswith("2 of 5 rows are missing: there are only 3 rows")


def test_it_is_said_what_was_done(angles: Database) -> None:
    result = search(angles, "t", vector=[1, 0], column="embedding", k=3, diverse=True)
    assert "diverse: of 10 rows (λ = 0.5)" in result._grid().caption
    assert result.notes == (
        "chosen among 10 rows to be good and unlike those above (MMR, λ = 0.5); rank_before is without it",
    )
    assert result.figure().data


def test_a_vector_that_was_asked_for_is_shown(angles: Database) -> None:
    result = search(angles, "t", vector=[1, 0], column="embedding", k=1, diverse=True, columns=("embedding", "id"))
    assert result.columns[:2] == ("embedding", "id")


def test_many_candidates_take_no_long_time(raw: connection, db: Database) -> None:
    raw.cursor().execute(
        "CREATE TABLE many (id int PRIMARY KEY, embedding vector(64)); INSERT INTO many SELECT i,"
        " (SELECT array_agg(sin(i * j)) FROM generate_series(1, 64) AS j) FROM generate_series(1, 4000) AS i"
    )
    result = search(db, "many", vector=[1.0] * 64, k=1000, diverse=True)
    assert len(set(ids(result))) == 1000
