from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from corpus import execute
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic.catalog import forget
from pgvec_magic.compare import Comparison, Outcome
from pgvec_magic.db import Database
from pgvec_magic.errors import UsageError

ROWS, DIMENSIONS = 3_000, 16
V = np.linspace(-1, 1, DIMENSIONS, dtype=np.float32)
POINTS = np.random.default_rng(7).normal(size=(ROWS, DIMENSIONS)).astype(np.float32)


@pytest.fixture
def docs(raw: connection, db: Database) -> connection:
    lines = ",".join(f"({i}, {i % 100}, 'text {i}', '{point.tolist()}')" for i, point in enumerate(POINTS))
    execute(
        raw,
        "CREATE TABLE docs (id int PRIMARY KEY, tenant int, content text,"
        f" embedding vector({DIMENSIONS}) NOT NULL); INSERT INTO docs VALUES {lines};"
        "CREATE INDEX docs_hnsw ON docs USING hnsw (embedding vector_cosine_ops); ANALYZE docs",
    )
    return raw


def found(comparison: Comparison, name: str) -> Outcome:
    way = comparison.way(name)
    assert way is not None, repr(comparison)
    return way


def test_a_filter_that_few_rows_pass(db: Database, docs: connection) -> None:
    seen = pv.compare(db, "docs", vector=V, where="tenant = 3")
    names = ["exact", "as it is", "one pass", "iterative, strict", "iterative, relaxed", "auto"]
    assert [way.name for way in seen.ways] == names
    assert seen.left_out == ("filter first (no index finds the rows of the filter)",)
    exact, one_pass = found(seen, "exact"), found(seen, "one pass")
    assert (exact.rows, exact.recall, exact.indexes) == (10, 1.0, ())
    assert one_pass.indexes == ("docs_hnsw",)
    for name in ("iterative, strict", "iterative, relaxed"):
        assert (found(seen, name).rows, found(seen, name).indexes) == (10, ("docs_hnsw",))
    assert seen.best.indexes == ()
    assert seen.rows == 10
    assert not seen.is_good(one_pass)
    assert f"one pass {one_pass.rows} of 10 rows" in repr(seen)
    assert "--set enable_seqscan=off" in one_pass.option  # Postgres itself would not go by the index


def test_what_auto_does_when_its_pass_finds_too_few_is_measured_too(db: Database, docs: connection) -> None:
    far = f"embedding <=> '{V.tolist()}' > 1"  # none of which the pass comes upon
    assert pv.search(db, "docs", vector=V, where=far, k=3).rows
    by_index = {"enable_seqscan": "off"}  # of so few rows Postgres would rather read all
    seen = pv.compare(db, "docs", vector=V, where=far, k=3, set=by_index)
    one_pass, auto = found(seen, "one pass"), found(seen, "auto")
    assert one_pass.rows == 0
    assert (auto.rows, auto.recall, auto.pages) == (3, 1.0, None)
    assert auto.why.startswith("one pass, which finds too few rows, then further")
    assert auto.median > one_pass.median


def test_recall_is_that_of_the_rows_there_are(db: Database, docs: connection) -> None:
    seen = pv.compare(db, "docs", vector=V, where="tenant = 3", ef_search=60)
    unit = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)
    distances = 1 - unit @ (V / np.linalg.norm(V))
    true = sorted((i for i in range(ROWS) if i % 100 == 3), key=lambda i: distances[i])[:10]
    execute(docs, "SET hnsw.ef_search = 60; SET enable_seqscan = off; SET enable_sort = off")
    with docs.cursor() as cursor:
        near = "SELECT id FROM docs WHERE tenant = 3 ORDER BY embedding <=> %s::vector LIMIT 10"
        cursor.execute(near, (str(V.tolist()),))
        ids = {id for (id,) in cursor.fetchall()}
    assert found(seen, "one pass").rows == len(ids)
    assert found(seen, "one pass").recall == pytest.approx(len(ids & set(true)) / 10)


def test_times_are_of_runs_in_turn(db: Database, docs: connection) -> None:
    seen = pv.compare(db, "docs", vector=V)
    assert len({len(way.seconds) for way in seen.ways}) == 1
    assert 1 <= len(seen.ways[0].seconds) <= 30
    assert all(0 < way.median <= way.p95 <= max(way.seconds) for way in seen.ways)
    assert seen.df.columns.tolist() == [
        "median ms",
        "p95 ms",
        "rows",
        "recall",
        "pages",
        "vector index",
        "ask for it by",
    ]
    assert seen.df.index.tolist() == [way.name for way in seen.ways]
    assert f"{len(seen.ways[0].seconds)} runs of each way, in turn" in repr(seen)
    assert found(seen, "auto").why.startswith("one pass")


def test_the_filter_s_own_index_goes_first(db: Database, docs: connection) -> None:
    execute(docs, "CREATE INDEX docs_tenant ON docs (tenant)")
    seen = pv.compare(db, "docs", vector=V, where="tenant >= 10")
    assert (found(seen, "filter first").rows, found(seen, "filter first").indexes) == (10, ())
    seen = pv.compare(db, "docs", vector=V, where="tenant = 3")
    assert seen.way("filter first") is None
    assert seen.left_out == ("filter first (exact goes by the filter's own index already)",)


def test_a_partial_index_whose_condition_the_filter_implies(db: Database, docs: connection) -> None:
    execute(docs, "CREATE INDEX docs_part ON docs USING hnsw (embedding vector_cosine_ops) WHERE tenant < 50; ANALYZE")
    forget(db)
    seen = pv.compare(db, "docs", vector=V, where="tenant < 40")
    partial = seen.way("partial index")
    if partial is None:
        assert found(seen, "one pass").indexes == ("docs_part",)
        assert any("partial index (the other ways go by it already)" in line for line in seen.left_out)
    else:
        assert partial.indexes == ("docs_part",)
    seen = pv.compare(db, "docs", vector=V, where="tenant < 90")
    assert seen.way("partial index") is None
    assert any("Postgres prefers another index" in line for line in seen.left_out)


def test_what_ivfflat_cannot_is_left_out(db: Database, docs: connection) -> None:
    execute(
        docs,
        "DROP INDEX docs_hnsw; CREATE INDEX docs_ivf ON docs USING ivfflat (embedding vector_cosine_ops)"
        " WITH (lists = 20)",
    )
    seen = pv.compare(db, "docs", vector=V, k=5)
    assert found(seen, "iterative, relaxed").indexes == ("docs_ivf",)
    assert "iterative, strict (only HNSW has a strict order)" in seen.left_out


def test_without_an_index_there_is_one_way(db: Database, docs: connection) -> None:
    execute(docs, "DROP INDEX docs_hnsw")
    seen = pv.compare(db, "docs", vector=V)
    assert [way.name for way in seen.ways] == ["exact", "as it is", "auto"]
    assert any("no vector index serves this search" in line for line in seen.left_out)


def test_modes(db: Database, docs: connection) -> None:
    with pytest.raises(UsageError, match="keyword search"):
        pv.compare(db, "docs", "text", mode="keyword")
    with pytest.raises(UsageError, match="no option 'kk'"):
        pv.compare(db, "docs", vector=V, kk=3)
    seen = pv.compare(db, "docs", "text 5", vector=V, mode="hybrid", k=5)
    assert seen.rows == 40
    assert "vector leg" in repr(seen)
    seen = pv.compare(db, "docs", vector=V, diverse=True, k=3)
    assert seen.rows == 40
    assert "search for candidates" in repr(seen)
    for options in ({"per": "tenant"}, {"max_distance": 0.5}, {"similar_to": 7, "vector": None}, {"strategy": "ann"}):
        asked: dict[str, Any] = {"vector": V} | options
        assert pv.compare(db, "docs", **asked).best.rows > 0


def outcome(name: str, rows: int, recall: float | None, *seconds: float) -> Outcome:
    return Outcome(name, f"--{name}", rows, recall, seconds, 1, (), "why")


@pytest.mark.parametrize(
    ("ways", "rows", "best", "said"),
    [
        ([("exact", 10, 1.0, 0.02), ("ann", 10, 0.97, 0.002)], 10, "ann", "--ann: ann, 2 ms and all 10 rows, recall"),
        ([("exact", 10, 1.0, 0.02), ("ann", 10, 0.9, 0.002)], 10, "exact", "use --exact: exact, 20 ms and all 10 rows"),
        ([("exact", 10, 1.0, 0.02), ("ann", 9, 1.0, 0.002)], 10, "exact", "use --exact"),
        ([("exact", 10, 1.0, 0.02), ("ann", 10, 1.0, 0.019)], 10, "exact", "use --exact"),
        ([("exact", 0, None, 0.02), ("ann", 0, None, 0.002)], 0, "ann", "use --ann"),
        ([("exact", 10, 1.0, 0.02), ("ann", 10, 1.0, 0.002), ("auto", 10, 1.0, 0.0021)], 10, "ann", "leave it to auto"),
        ([("exact", 10, 1.0, 0.02), ("ann", 10, 1.0, 0.002), ("auto", 10, 1.0, 0.02)], 10, "ann", "use --ann"),
        ([("exact", 10, 1.0, 0.02), ("ann", 10, 1.0, 0.002), ("auto", 3, 0.3, 0.001)], 10, "ann", "use --ann"),
        ([("ann", 7, None, 0.002), ("iterative", 10, None, 0.02)], None, "iterative", "is not known"),
    ],
)  # fmt: skip
def test_what_is_recommended(ways: list[Any], rows: int | None, best: str, said: str) -> None:
    seen = Comparison("x", tuple(outcome(*way) for way in ways), rows)
    assert seen.best.name == best
    assert said in seen.verdict


def test_the_95th_percentile_is_by_nearest_rank() -> None:
    assert outcome("x", 1, None, *(float(i) for i in range(1, 21))).p95 == 19.0
    assert outcome("x", 1, None, 2.0).p95 == 2.0
    assert outcome("x", 1, None, 3.0, 1.0).p95 == 3.0


def test_the_picture_has_a_bar_a_way() -> None:
    ways = (outcome("exact", 10, 1.0, 0.02), outcome("<b>ann", 3, 0.3, 0.002, 0.004))
    picture = Comparison("near & <far>", ways, 10).figure()
    (bars,) = picture.data
    assert list(bars.x) == [pytest.approx(20.0), pytest.approx(3.0)]
    assert len(set(bars.marker.color)) == 2
    lines = [(line.x0, line.x1) for line in picture.layout.shapes]
    assert lines == [(pytest.approx(20.0), pytest.approx(20.0)), (pytest.approx(3.0), pytest.approx(4.0))]
    shown = picture._repr_mimebundle_()
    assert "3 of 10 rows · recall 0.30" in shown["text/plain"]
    assert "finds less than there is" in shown["image/svg+xml"]
    assert "<b>ann" not in shown["image/svg+xml"]


def test_the_magic_compares(ip: Any, dsn: str, docs: connection) -> None:
    ip.run("%load_ext pgvec_magic")
    ip.user_ns |= {"v": V, "address": dsn}
    ip.run("%vconnect :address --name here")
    seen = ip.run('%vsearch docs --vector :v --where "tenant = 3" --compare -o kept')
    assert isinstance(seen, Comparison)
    assert ip.user_ns["kept"] is seen
    assert "<table" in seen._repr_mimebundle_()["text/html"]
    picture = ip.run("%vsearch docs --vector :v --compare --plot")
    assert picture.data[0].type == "bar"
    ip.run_line_magic("unload_ext", "pgvec_magic")
