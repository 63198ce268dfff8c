"""Every type of vector with every distance: stored, read back, searched and compared with what numpy says."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
import pytest
from pgvector import Bit, HalfVector, SparseVector, Vector
from psycopg2.extensions import connection
from scipy.sparse import coo_array, csr_array, csr_matrix

from pgvec_magic import catalog, embed
from pgvec_magic.db import Database, connect
from pgvec_magic.errors import LoadError, UsageError
from pgvec_magic.load import embed_table, load
from pgvec_magic.metric import METRICS
from pgvec_magic.query import Query
from pgvec_magic.render import text_of
from pgvec_magic.search import search, sql

KINDS = ("vector", "halfvec", "sparsevec", "bit")
PAIRS = [(kind, metric.name) for metric in METRICS.values() for kind in metric.column_types]
IVFFLAT = {(kind, metric) for kind in ("vector", "halfvec") for metric in ("l2", "ip", "cosine")} | {("bit", "hamming")}
SCANS = [(*pair, method) for pair in PAIRS for method in ("exact", "hnsw", *(["ivfflat"] if pair in IVFFLAT else []))]
ROWS, SIZE, BITS = 400, 24, 96


def distance(metric: str, rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Distances of rows (n, d) to a query (d,), as the textbooks have them."""
    if metric == "hamming":
        return np.asarray((rows != query).sum(axis=1), float)
    if metric == "jaccard":
        return 1 - (rows & query).sum(axis=1) / (rows | query).sum(axis=1)
    rows, query = rows.astype(float), query.astype(float)
    if metric == "cosine":
        return 1 - rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    if metric == "ip":
        return -(rows @ query)
    return np.linalg.norm(rows - query, axis=1, ord=1 if metric == "l1" else 2)


def made(kind: str, seed: int, count: int = ROWS) -> np.ndarray:
    """Vectors as the type stores them, (n, d): with zeros for sparsevec, rounded for halfvec, bool for bit."""
    rng = np.random.default_rng(seed)
    if kind == "bit":
        return rng.random((count, BITS)) < 0.3
    numbers = rng.standard_normal((count, SIZE)).astype(np.float32)
    if kind == "sparsevec":
        return np.where(rng.random((count, SIZE)) < 0.7, 0, numbers).astype(np.float32)
    return numbers.astype(np.float16).astype(np.float32) if kind == "halfvec" else numbers


def given(kind: str, row: np.ndarray) -> object:
    """A vector in the form that people have it in."""
    if kind != "sparsevec":
        return row
    return SparseVector({int(i): float(row[i]) for i in row.nonzero()[0]}, len(row))


def same(kind: str, value: Any, row: np.ndarray) -> bool:
    """Whether a value that was read is the row."""
    return np.array_equal(value.to_numpy() if kind == "sparsevec" else value, row)


def rows(raw: connection, statement: str) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def plan(db: Database, result: Any) -> str:
    explained = db.run(Query(f"EXPLAIN {result.sql}", result.params, tuple(result.settings.items())))
    return "\n".join(line for (line,) in explained.rows)


def counts(report: Any) -> tuple[int, int, int]:
    return report.inserted, report.updated, report.unchanged


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    """One table a type, called as it, loaded from vectors that are given."""
    db = connect(module_dsn, name="making")
    for kind in KINDS:
        frame = pd.DataFrame({"id": range(ROWS), "content": [f"text {i}" for i in range(ROWS)]})
        frame["embedding"] = pd.Series([given(kind, row) for row in made(kind, 1)], dtype=object)
        assert load(db, f"of_{kind}", frame, type=kind).inserted == ROWS
    return module_dsn


@pytest.fixture
def here(tables: str) -> Database:
    return connect(tables, name="here")


# --- distances ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "metric", "method"), SCANS)
def test_each_distance_is_what_it_should_be(here: Database, kind: str, metric: str, method: str) -> None:
    table, index = f"of_{kind}", f"by_{kind}_{metric}_{method}"
    query = made(kind, 2, 1)[0]
    options: dict[str, Any] = {"metric": metric, "strategy": "exact", "k": 10}
    if method != "exact":
        lists = "WITH (lists = 4)" if method == "ivfflat" else ""
        opclass = METRICS[metric].opclass(kind)
        here.run(Query(f"CREATE INDEX {index} ON {table} USING {method} (embedding {opclass}) {lists}"))
        catalog.forget(here)
        options |= {"strategy": "ann", "ef_search": 400, "set": {"enable_seqscan": "off", "ivfflat.probes": "3"}}
    try:
        result = search(here, table, vector=given(kind, query), **options)
        assert (index in plan(here, result)) == (method != "exact")
    finally:
        here.run(Query(f"DROP INDEX IF EXISTS {index}"))
    expected = distance(metric, made(kind, 1), query)
    ids, found = result.column("id"), result.column("distance")
    assert found == pytest.approx(expected[ids].tolist(), rel=1e-4, abs=1e-5)
    nearest = np.sort(expected)[:10]
    reached = np.sum(np.array(found) <= nearest[-1] + 1e-4)
    assert reached == 10 if method == "exact" else reached >= (8 if method == "hnsw" else 5)
    scores = {"cosine": 1 - expected, "ip": -expected, "jaccard": 1 - expected}.get(metric)
    assert result.column("score") == ([None] * 10 if scores is None else pytest.approx(scores[ids].tolist(), abs=1e-4))


def test_operator_classes_are_those_of_the_database(tables: str, here: Database) -> None:
    found = here.run(
        Query(
            """SELECT m.amname::text, o.opcname::text FROM pg_opclass AS o JOIN pg_am AS m ON m.oid = o.opcmethod
            WHERE m.amname IN ('hnsw', 'ivfflat')"""
        )
    ).rows
    ours = {("hnsw", METRICS[metric].opclass(kind)) for kind, metric in PAIRS}
    assert set(found) == ours | {("ivfflat", METRICS[metric].opclass(kind)) for kind, metric in IVFFLAT}


@pytest.mark.parametrize(("kind", "metric"), PAIRS)
def test_hybrid_and_rows_to_search_from(here: Database, kind: str, metric: str) -> None:
    stored = made(kind, 1)
    result = search(
        here, f"of_{kind}", "text 7", mode="hybrid", vector=given(kind, stored[3]), metric=metric, exact=True, k=400
    )
    expected = distance(metric, stored, stored[3])
    assert result.column("distance") == pytest.approx(expected[result.column("id")].tolist(), rel=1e-4, abs=1e-5)
    near = search(here, f"of_{kind}", similar_to=3, metric=metric, exact=True, k=5)
    expected[3] = np.inf
    assert near.column("distance") == pytest.approx(np.sort(expected)[:5].tolist(), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_several_rows_to_search_from_are_searched_by_their_mean(here: Database, kind: str) -> None:
    stored, ids = made(kind, 1), [3, 5, 8]
    mean = stored[ids].mean(axis=0)
    metric, mean = ("hamming", mean >= 0.5) if kind == "bit" else ("l2", mean)
    expected = distance(metric, stored, mean)
    expected[ids] = np.inf
    found = search(here, f"of_{kind}", similar_to=ids, metric=metric, exact=True, k=5).column("distance")
    assert found == pytest.approx(np.sort(expected)[:5].tolist(), rel=1e-3)
    if kind == "bit":
        return
    units = stored[ids] / np.linalg.norm(stored[ids], axis=1, keepdims=True)
    expected = distance("cosine", stored, units.mean(axis=0))
    expected[ids] = np.inf
    found = search(here, f"of_{kind}", similar_to=ids, exact=True, k=5).column("distance")
    assert found == pytest.approx(np.sort(expected)[:5].tolist(), rel=1e-3)


def test_the_usual_metric_is_that_of_the_type_or_of_the_index(here: Database) -> None:
    for kind in KINDS:
        target = search(here, f"of_{kind}", similar_to=1, k=1).found.target
        assert target.vectors.metric.name == ("hamming" if kind == "bit" else "cosine")
    here.run(Query("CREATE INDEX usual ON of_bit USING hnsw (embedding bit_jaccard_ops)"))
    catalog.forget(here)
    try:
        assert search(here, "of_bit", similar_to=1, k=1).found.target.vectors.metric.name == "jaccard"
    finally:
        here.run(Query("DROP INDEX usual"))


def test_a_metric_of_other_types_and_a_score_that_there_is_not(here: Database) -> None:
    with pytest.raises(UsageError, match="no metric 'cosine' for a bit column") as caught:
        search(here, "of_bit", similar_to=1, metric="cosine")
    assert "hamming" in str(caught.value)
    with pytest.raises(UsageError, match="no metric 'hamming' for a vector column"):
        search(here, "of_vector", similar_to=1, metric="hamming")
    with pytest.raises(UsageError, match="hamming is a distance and has no similarity"):
        search(here, "of_bit", similar_to=1, min_score=0.5)
    with pytest.raises(UsageError, match="a jaccard score lies between 0 and 1"):
        search(here, "of_bit", similar_to=1, metric="jaccard", min_score=-0.5)
    found = search(here, "of_bit", similar_to=1, metric="jaccard", min_score=0.25, k=400).column("score")
    expected = 1 - np.delete(distance("jaccard", made("bit", 1), made("bit", 1)[1]), 1)
    assert len(found) == (expected >= 0.25 - 1e-9).sum() > 0


# --- forms of a query vector ---------------------------------------------------------------------------------------

FORMS: dict[str, Callable[[np.ndarray], list[object]]] = {
    "vector": lambda v: [v.tolist(), v.astype(float), tuple(v.tolist()), pd.Series(v), Vector(v), str(v.tolist())],
    "halfvec": lambda v: [v.tolist(), v.astype(np.float16), HalfVector(v.tolist()), Vector(v)],
    "sparsevec": lambda v: [
        *(given("sparsevec", v), v, v.tolist(), Vector(v), csr_matrix(v), csr_array(v[np.newaxis]), coo_array(v)),
        *({int(i): float(v[i]) for i in v.nonzero()[0]}, given("sparsevec", v).to_text()),
    ],
    "bit": lambda v: [
        *(v, v.tolist(), v.astype(int).tolist(), v.astype(np.uint8), Bit(v), "".join("01"[int(bit)] for bit in v)),
        (v - 0.5).tolist(),  # a model's numbers, of which the signs are the bits
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_query_vector_in_each_form(here: Database, kind: str) -> None:
    query = made(kind, 2, 1)[0]
    expected = search(here, f"of_{kind}", vector=given(kind, query), exact=True).rows
    assert len({row[0] for row in expected}) == 10
    for form in FORMS[kind](query):
        assert search(here, f"of_{kind}", vector=form, exact=True).rows == expected, type(form)
        operator = "<~>" if kind == "bit" else "<=>"
        text = f"SELECT id, content FROM of_{kind} ORDER BY embedding {operator} :query, id LIMIT 10"
        assert sql(here, text, vector=form, table=f"of_{kind}").rows == [row[:2] for row in expected], type(form)


@pytest.mark.parametrize(
    ("kind", "vector", "said"),
    [
        ("vector", np.ones(SIZE, bool), "numbers, not bits"),
        ("vector", Bit("0101"), "numbers, not bits"),
        ("vector", {1: 2.0}, "numbers, not dict"),
        ("vector", SparseVector({0: 1.0}, 3), "has 3 dimensions, of_vector.embedding has 24"),
        ("halfvec", [70_000.0] * SIZE, "a halfvec has numbers up to 65,504"),
        ("halfvec", [1e39] * SIZE, "too large"),
        ("halfvec", [1.0], "has 1 dimensions"),
        ("sparsevec", {SIZE: 1.0}, "indices from 0 to 23, not 24 to 24"),
        ("sparsevec", {-1: 1.0}, "indices from 0 to 23"),
        ("sparsevec", {"a": 1.0}, "a dict of indices and numbers"),
        ("sparsevec", {1: float("nan")}, "no NaN"),
        ("sparsevec", "{1:1}", "written {1:0.5,3:2}/10"),
        ("sparsevec", "{1:1}/5", "has 5 dimensions, of_sparsevec.embedding has 24"),
        ("sparsevec", csr_matrix(np.ones((2, SIZE))), r"one row of a sparse matrix, this has shape \(2, 24\)"),
        ("sparsevec", {}, "all zeros"),
        ("bit", "01x", "numbers, not str"),
        ("bit", "0101", "has 4 dimensions, of_bit.embedding has 96"),
        ("bit", np.full(12, 255, np.uint8), "np.unpackbits"),
        ("bit", [float("nan")] * BITS, "this has NaN"),
        ("bit", np.ones((2, 48), bool), "numbers, not bits|one dimension"),
    ],
)
def test_what_is_no_query_vector_of_a_type(here: Database, kind: str, vector: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        search(here, f"of_{kind}", vector=vector)


def test_the_largest_half_is_found_and_bits_of_nothing_but_zeros_are_fine(here: Database) -> None:
    assert len(search(here, "of_halfvec", vector=[65_504.0] * SIZE, metric="l1")) == 10
    found = search(here, "of_bit", vector="0" * BITS, exact=True).column("distance")
    assert found == np.sort(made("bit", 1).sum(axis=1))[:10].tolist()


# --- stored and read back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_come_back_as_they_went(here: Database, kind: str) -> None:
    stored = made(kind, 1)
    back = here.run(Query(f"SELECT id, embedding FROM of_{kind}")).rows
    assert len(back) == ROWS
    assert all(same(kind, value, stored[i]) for i, value in back)
    shown = search(here, f"of_{kind}", similar_to=1, columns="embedding", k=1)
    assert text_of(shown.rows[0][0]).startswith(f"{BITS} bits, " if kind == "bit" else f"{SIZE}-d, ")
    assert "embedding" not in search(here, f"of_{kind}", similar_to=1, k=1).columns


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_load_changes_nothing_and_a_changed_vector_is_updated(db: Database, kind: str) -> None:
    vectors = made(kind, 3, 5)
    frame = pd.DataFrame({"id": range(5), "n": 1, "embedding": pd.Series([given(kind, v) for v in vectors])})
    assert counts(load(db, "docs", frame, type=kind)) == (5, 0, 0)
    assert counts(load(db, "docs", frame)) == (0, 0, 5), "the type is that of the column"
    assert counts(load(db, "docs", frame, type=kind)) == (0, 0, 5)
    frame.at[3, "embedding"] = given(kind, made(kind, 4, 1)[0])
    assert counts(load(db, "docs", frame)) == (0, 1, 4)
    assert same(kind, dict(db.run(Query("SELECT id, embedding FROM docs")).rows)[3], made(kind, 4, 1)[0])


def letters(texts: Sequence[str]) -> np.ndarray:
    """How often each of 80 signs is in a text, of most of them less a half: a text is nearest to itself."""
    return np.array([[text.count(chr(48 + i)) - 0.5 * (i % 7 > 0) for i in range(80)] for text in texts], np.float32)


TEXTS = ["how to read a file", "write rows to a table", "quick brown fox", "zebra", "the end"]


@pytest.mark.parametrize("kind", KINDS)
def test_embedded_vectors_are_of_the_type_and_a_text_finds_itself(db: Database, raw: connection, kind: str) -> None:
    frame = pd.DataFrame({"id": range(5), "content": TEXTS})
    assert counts(load(db, "docs", frame, embedder=letters, type=kind)) == (5, 0, 0)
    column = catalog.table(db, "docs").vectors[0]
    assert (column.type, column.dimensions, column.embedder) == (kind, 80, ":letters")
    assert counts(load(db, "docs", frame, embedder=letters)) == (0, 0, 5)
    more = pd.DataFrame({"id": range(3, 7), "content": [TEXTS[3], "another", "one more", "last"]})
    assert counts(load(db, "docs", more, embedder=letters, type=kind)) == (2, 1, 1)
    stored = dict(rows(raw, "SELECT content, embedding::text FROM docs"))
    expected = letters(["zebra"])[0]
    if kind == "bit":
        assert stored["zebra"] == "".join("01"[int(bit)] for bit in expected > 0)
        assert rows(raw, f"SELECT binary_quantize('{expected.tolist()}'::vector)::text") == [(stored["zebra"],)]
    else:
        assert rows(raw, f"SELECT '{expected.tolist()}'::vector::{kind}::text") == [(stored["zebra"],)]
    for text in ("zebra", "another"):
        found = search(db, "docs", text, k=1)
        assert found.rows[0][1] == text
        assert found.column("distance") == pytest.approx([0.0], abs=1e-6)
    assert search(db, "docs", "zebra", mode="hybrid", k=1).rows[0][1] == "zebra"


LOADED: dict[str, tuple[list[object], list[str]]] = {
    "halfvec": (
        [[1, 2], np.array([3, 0.1]), HalfVector([1, 2]), "[5,6]"],
        ["[1,2]", "[3,0.099975586]", "[1,2]", "[5,6]"],
    ),
    "bit": (["011", [True, False, True], [1, 0, 0], Bit("111"), np.array([0, 0, 0]), [0.5, -1, 0.0]], []),
    "sparsevec": (
        [SparseVector({2: 5.0, 0: 1.0}, 4), "{1:0.5,4:2}/4", [0, 1, 0, 2], {3: 1.5}, csr_matrix([[0, 0, 1, 0]])],
        ["{1:1,3:5}/4", "{1:0.5,4:2}/4", "{2:1,4:2}/4", "{4:1.5}/4", "{3:1}/4"],
    ),
}
LOADED["bit"][1].extend(["011", "101", "100", "111", "000", "100"])


@pytest.mark.parametrize("kind", LOADED)
def test_given_vectors_in_each_form(db: Database, raw: connection, kind: str) -> None:
    values, expected = LOADED[kind]
    load(db, "docs", pd.DataFrame({"id": range(len(values)), "embedding": pd.Series(values, dtype=object)}), type=kind)
    assert [text for (text,) in rows(raw, "SELECT embedding::text FROM docs ORDER BY id")] == expected
    for i, value in enumerate(values):  # each may be the only one in its batch
        one = pd.DataFrame({"id": [i + 100], "embedding": pd.Series([value], dtype=object)})
        assert load(db, "docs", one).inserted == 1
    assert [text for (text,) in rows(raw, "SELECT embedding::text FROM docs WHERE id >= 100 ORDER BY id")] == expected


def test_bits_of_a_file_are_no_numbers(db: Database, raw: connection, tmp_path: Path) -> None:
    path = tmp_path / "bits.csv"
    path.write_text("id,embedding\n1,1000\n2,1111\n")
    assert load(db, "docs", path, type="bit").inserted == 2
    path.write_text("id,embedding,flags\n1,1000,11\n2,0011,10\n")
    rows(raw, "ALTER TABLE docs ADD flags bit(2)")
    assert counts(load(db, "docs", path)) == (0, 2, 0)
    stored = [("1000", "11"), ("0011", "10")]
    assert rows(raw, "SELECT embedding::text, flags::text FROM docs ORDER BY id") == stored


@pytest.mark.parametrize(
    ("kind", "good", "bad", "said"),
    [
        ("halfvec", [1, 2], [1, 70_000], "a halfvec holds numbers up to 65,504"),
        ("halfvec", [1, 2], [1, float("inf")], "infinity"),
        ("halfvec", [1, 2], [1, 2, 3], "has 3 dimensions, not 2"),
        ("bit", "01", "0x", "no vector: 0x"),
        ("bit", "01", "011", "has 3 dimensions, not 2"),
        ("bit", "01", [0.5, float("nan")], "NaN"),
        ("bit", [0.5, 1.0], [0.5, float("nan")], "NaN"),
        ("bit", "01", None, "embedding is null"),
        ("sparsevec", "{1:1}/3", "{1:1}/4", "has 4 dimensions, not 3"),
        ("sparsevec", "{1:1}/3", "{4:1}/3", "indices from 0 to 2"),
        ("sparsevec", "{1:1}/3", {1: float("inf")}, "no infinity"),
        ("sparsevec", "{1:1}/3", "1,2", "has 2 dimensions, not 3"),
        ("sparsevec", "{1:1}/3", {"x": 1}, "no vector"),
        ("sparsevec", "{1:1}/20000", [1.0] * 20_000, "a sparsevec holds 16,000 numbers that are not zero, not 20,000"),
    ],
)
def test_vectors_that_the_type_cannot_hold_are_refused_by_number(
    db: Database, kind: str, good: object, bad: object, said: str
) -> None:
    source = [{"id": i, "embedding": good} for i in range(4)]
    source[2]["embedding"] = bad
    with pytest.raises(LoadError, match=rf"(?s)^1 of the rows 0 to 3 of the source.*row 2: .*{said}"):
        load(db, "docs", source, type=kind)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("vector", [True, False], "no vectors\n.*--type bit"),
        (
            "vector",
            SparseVector({1: 2.0}, 30_000),
            "a vector holds 16,000 dimensions, these vectors have 30,000\n.*sparsevec",
        ),
        ("sparsevec", {1: 2.0}, "no vectors for a sparsevec"),
        ("bit", "x", "no vectors for a bit"),
    ],
)
def test_what_is_no_vector_of_a_new_table_names_the_types(db: Database, kind: str, value: object, said: str) -> None:
    with pytest.raises((LoadError, UsageError), match=said):
        load(db, "docs", [{"id": 1, "embedding": value}], type=kind)
    assert catalog.tables(db) == ()


def test_zeros_are_counted_where_they_have_no_direction(db: Database) -> None:
    source = [{"id": i, "embedding": [0, 1e-12 if i else 1]} for i in range(3)]
    assert "nothing but zeros: 2;" in str(load(db, "half", source, type="halfvec")), "a half has no such small number"
    assert "zeros" not in str(load(db, "single", source))
    assert "nothing but zeros: 1;" in str(load(db, "thin", [{"id": 1, "embedding": "{}/3"}], type="sparsevec"))
    assert "zeros" not in str(load(db, "flags", [{"id": 1, "embedding": "000"}], type="bit"))


# --- dimensions ----------------------------------------------------------------------------------------------------


def wide(dimensions: int) -> Callable[[list[str]], np.ndarray]:
    def model(texts: list[str]) -> np.ndarray:
        return np.tile(np.linspace(-1, 1, dimensions, dtype=np.float32), (len(texts), 1))

    model.__name__ = f"wide_{dimensions}"
    return model


@pytest.mark.parametrize(
    ("kind", "dimensions", "ways"),
    [
        ("vector", 2000, None),
        ("vector", 2001, "an index on a vector takes 2,000: .*--type halfvec .up to 4,000.*--type bit .up to 64,000"),
        ("vector", 4001, "takes 2,000: .*Ways out: --type bit"),
        ("halfvec", 4000, None),
        ("halfvec", 4001, "an index on a halfvec takes 4,000: .*Ways out: --type bit .up to 64,000., vectors of fewer"),
        ("bit", 64_000, None),
        ("bit", 64_001, "an index on a bit takes 64,000: .*Ways out: vectors of fewer dimensions"),
        ("sparsevec", 5000, "vectors of more than 1,000 numbers that are not zero: 1; HNSW does not take them"),
    ],
)
def test_what_can_be_indexed_is_said(
    db: Database, raw: connection, kind: str, dimensions: int, ways: str | None
) -> None:
    report = load(db, "docs", [{"id": 1, "content": "a"}], embedder=wide(dimensions), type=kind)
    said = str(report)
    assert (ways is None) == ("index" not in said), said
    assert ways is None or re.search(ways, said), said
    opclass = METRICS["hamming" if kind == "bit" else "l2"].opclass(kind)
    refused = contextlib.nullcontext() if ways is None else pytest.raises(psycopg2.Error, match=r"dimensions|non-zero")
    with refused:  # what was said is what the server does
        rows(raw, f"CREATE INDEX ON docs USING hnsw (embedding {opclass})")
    assert search(db, "docs", "a", k=1, exact=True).rows[0][0] == 1


def test_more_dimensions_than_a_type_holds_are_refused_before_anything_is_made(db: Database) -> None:
    for kind, ways in (("vector", "--type bit"), ("halfvec", "--type bit")):
        with pytest.raises(UsageError, match=f"a {kind} holds 16,000 dimensions, these vectors have 16,001") as caught:
            load(db, "docs", [{"id": 1, "content": "a"}], embedder=wide(16_001), type=kind)
        assert ways in str(caught.value)
    assert catalog.tables(db) == ()
    with pytest.raises(LoadError, match="a sparsevec holds 16,000 numbers that are not zero, not 16,00"):
        load(db, "docs", [{"id": 1, "content": "a"}], embedder=wide(16_002), type="sparsevec")


def test_a_dense_model_in_a_sparse_column_is_said_to_be_wasteful(db: Database) -> None:
    said = str(load(db, "docs", [{"id": 1, "content": "a"}], embedder=wide(100), type="sparsevec"))
    assert "on average 100 of 100 numbers are not zero" in said

    def thin(texts: list[str]) -> np.ndarray:
        return np.eye(100, dtype=np.float32)[[len(text) for text in texts]]

    assert "not zero" not in str(load(db, "thin", [{"id": 1, "content": "a"}], embedder=thin, type="sparsevec"))


def test_another_type_than_that_of_the_column_is_refused(db: Database) -> None:
    load(db, "docs", [{"id": 1, "embedding": [1, 2]}], type="halfvec")
    with pytest.raises(UsageError, match=r"docs\.embedding is of type halfvec, not bit") as caught:
        load(db, "docs", [{"id": 1, "embedding": [1, 2]}], type="bit")
    assert "--replace" in str(caught.value)
    assert load(db, "docs", [{"id": 1, "embedding": [1, 2]}], type="bit", replace=True).inserted == 1
    assert catalog.table(db, "docs").vectors[0].type == "bit"


# --- bits that may be flags -----------------------------------------------------------------------------------------


def test_flags_are_no_vectors_and_are_shown(db: Database, raw: connection) -> None:
    rows(
        raw,
        """CREATE TABLE docs (id int PRIMARY KEY, active bit(1), rights bit(32), free bit varying, embedding vector(2));
           INSERT INTO docs VALUES (1, '1', 5::bit(32), '0101', '[1,2]');
           CREATE TABLE flags (id int PRIMARY KEY, active bit(1), hidden bit(1))""",
    )
    info = catalog.table(db, "docs")
    assert [column.name for column in info.vectors] == ["embedding"]
    assert [column.name for column in info.bits] == ["active", "rights"]
    assert [table.name for table in catalog.tables(db)] == ["docs"]
    found = search(db, "docs", vector=[1, 2])
    assert found.columns[:4] == ("id", "active", "rights", "free")
    assert found.rows[0][1:4] == ("1", f"{5:032b}", "0101")
    assert search(db, "docs", vector="1", column="active").column("distance") == [0.0]
    with pytest.raises(UsageError, match="flags has several vector columns"):
        search(db, "flags", vector="1")


@pytest.mark.parametrize(
    "mark",
    [
        "CREATE TABLE docs (id int PRIMARY KEY, code bit(65))",
        "CREATE TABLE docs (id int PRIMARY KEY, code bit(3)); CREATE INDEX ON docs USING hnsw (code bit_jaccard_ops)",
        "CREATE TABLE docs (id int PRIMARY KEY, code bit(3)); COMMENT ON COLUMN docs.code IS 'pgvec: embedder=m'",
        "CREATE TABLE docs (id int PRIMARY KEY, code bit(3)); ALTER TABLE docs RENAME code TO text_embedding",
    ],
)
def test_bits_are_vectors_by_their_length_index_model_or_name(db: Database, raw: connection, mark: str) -> None:
    rows(raw, f"{mark}; ALTER TABLE docs ADD flag bit(8)")
    (info,) = catalog.tables(db)
    assert [column.type for column in info.vectors] == ["bit"]
    assert [column.name for column in info.bits] == ["flag"]


def test_the_only_bits_of_a_table_are_searched(db: Database, raw: connection) -> None:
    rows(raw, "CREATE TABLE images (id int PRIMARY KEY, hash bit(8)); INSERT INTO images VALUES (1, B'00001111')")
    found = search(db, "images", vector="00001110")
    assert found.columns == ("id", "distance", "score")
    assert found.rows == [(1, 1.0, None)]
    assert search(db, "images", vector="00001110", columns="hash").rows[0][0] == "00001111"
    assert load(db, "images", [{"id": 2, "hash": "11110000"}], column="hash").inserted == 1


# --- several columns, and pgvector elsewhere -------------------------------------------------------------------------


def backwards(texts: Sequence[str]) -> np.ndarray:
    """Another model, of as many dimensions: what is near for ``letters`` is far for it."""
    return -letters(texts)[:, ::-1]


def test_several_vector_columns_of_different_types_and_models(db: Database, raw: connection) -> None:
    load(db, "docs", pd.DataFrame({"id": range(5), "content": TEXTS}), embedder=letters, column="own")
    for kind in ("halfvec", "bit", "sparsevec"):
        embed_table(db, "docs", "content", column=f"by_{kind}", embedder=backwards, type=kind)
    info = catalog.table(db, "docs")
    assert {(c.name, c.type, c.embedder) for c in info.vectors} == {
        *(("own", "vector", ":letters"), ("by_halfvec", "halfvec", ":backwards")),
        *(("by_bit", "bit", ":backwards"), ("by_sparsevec", "sparsevec", ":backwards")),
    }
    with pytest.raises(UsageError, match="several vector columns") as caught:
        search(db, "docs", "zebra")
    assert "own | by_halfvec | by_bit | by_sparsevec" in str(caught.value)
    for column in info.vectors:
        found = search(db, "docs", "zebra", column=column.name, k=1)
        assert found.rows[0][1] == "zebra"
        assert found.column("distance") == pytest.approx([0.0], abs=1e-6)
        operator = "<~>" if column.type == "bit" else "<=>"
        text = f"SELECT content FROM docs ORDER BY {column.name} {operator} :query LIMIT 1"
        assert sql(db, text, query="zebra", table="docs").rows == [("zebra",)]
    with pytest.raises(UsageError, match="for which of them is :query"):
        sql(db, "SELECT own <=> :query, by_halfvec <=> :query FROM docs", query="zebra", table="docs")
    nulls = rows(raw, "SELECT count(*) FROM docs WHERE by_bit IS NULL OR by_halfvec IS NULL OR by_sparsevec IS NULL")
    assert nulls == [(0,)]


def test_vectors_beside_those_of_the_load_are_written_too(db: Database, raw: connection) -> None:
    rows(
        raw,
        """CREATE TABLE docs (id int PRIMARY KEY, embedding vector(2), h halfvec(2), s sparsevec(3), b bit(3), v vector,
             f bit(1), x bit varying)""",
    )
    one = {"id": 1, "embedding": [1, 2], "h": [0.5, 1], "s": SparseVector({1: 2.0}, 3), "b": [True, False, True]}
    source = pd.DataFrame([one | {"v": np.ones(2), "f": 1, "x": "0110"}, {"id": 2, "embedding": [3, 4]}])
    for expected in ((2, 0, 0), (0, 0, 2)):
        assert counts(load(db, "docs", source)) == expected
    assert rows(raw, "SELECT h::text, s::text, b::text, v::text, f::text, x::text FROM docs ORDER BY id") == [
        ("[0.5,1]", "{2:2}/3", "101", "[1,1]", "1", "0110"),
        (None,) * 6,
    ]
    source.at[0, "h"] = [0.5, 2]
    assert counts(load(db, "docs", source)) == (0, 1, 1)
    source.at[0, "h"] = None
    assert counts(load(db, "docs", source)) == (0, 1, 1)
    with pytest.raises(LoadError, match=r"h: .* is not a halfvec"):
        load(db, "docs", [one | {"h": [1e6, 1]}])
    with pytest.raises(LoadError, match="bit string length 2 does not match type bit"):
        load(db, "docs", [one | {"b": "01"}])


@pytest.fixture
def elsewhere(new_database: Callable[[], AbstractContextManager[str]]) -> Iterator[Database]:
    """A database whose pgvector is in a schema that is not on the search path and needs quotes."""
    with new_database() as made:
        db = connect(made, name="elsewhere")
        for statement in (
            "DROP EXTENSION vector",
            'CREATE SCHEMA "Ext %"',
            'CREATE EXTENSION vector SCHEMA "Ext %"',
        ):
            db.run(Query(statement.replace("%", "%%")))
        catalog.forget(db)
        yield db


def test_pgvector_outside_of_the_search_path(elsewhere: Database) -> None:
    db, frame = elsewhere, pd.DataFrame({"id": range(5), "content": TEXTS})
    for kind, method in itertools.product(KINDS, ("exact", "hnsw")):
        table = f"docs_{kind}_{method}"
        assert counts(load(db, table, frame, embedder=letters, type=kind)) == (5, 0, 0)
        assert counts(load(db, table, frame, embedder=letters, type=kind)) == (0, 0, 5)
        changed = frame.assign(content=[*TEXTS[:4], "other"])
        assert counts(load(db, table, changed, embedder=letters)) == (0, 1, 4)
        metrics = [metric for of, metric in PAIRS if of == kind]
        if method == "hnsw":
            for metric in metrics:
                opclass = METRICS[metric].opclass(kind)
                db.run(Query(f'CREATE INDEX ON {table} USING hnsw (embedding "Ext %%".{opclass})'))
            catalog.forget(db)
        for metric in metrics:
            options: dict[str, Any] = {"metric": metric, "strategy": "exact" if method == "exact" else "ann"}
            found = search(db, table, "zebra", k=1, **options)
            assert metric == "ip" or found.rows[0][1] == "zebra"
            assert len(search(db, table, "zebra", mode="hybrid", **options)) == 5
            assert len(search(db, table, similar_to=[1, 2], **options)) == 3
    given_vectors = [{"id": i, "embedding": letters([text])[0]} for i, text in enumerate(TEXTS)]
    for kind in KINDS:
        for expected in ((5, 0, 0), (0, 0, 5)):
            assert counts(load(db, f"given_{kind}", given_vectors, type=kind)) == expected
        embed_table(db, f"docs_{kind}_exact", "content", column="second", embedder=backwards, type=kind)
        found = search(db, f"docs_{kind}_exact", "zebra", column="second", k=1)
        assert found.rows[0][1] == "zebra"


def test_a_function_may_give_sparse_vectors(db: Database) -> None:
    def terms(texts: list[str]) -> csr_matrix:
        return csr_matrix(letters(texts) + 0.5)

    load(db, "docs", pd.DataFrame({"id": range(5), "content": TEXTS}), embedder=terms, type="sparsevec")
    assert search(db, "docs", "zebra", k=1).rows[0][1] == "zebra"
    assert embed.get(":terms").dimensions == 80
