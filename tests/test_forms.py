"""Searches by indexes that have the vectors in another form: as halfvec, as bits, their first dimensions, some rows."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from typing import Any

import numpy as np
import psycopg2
import pytest
from psycopg2.extensions import connection

from pgvec_magic import catalog
from pgvec_magic.build import indexes, spec_for
from pgvec_magic.catalog import Column, TableInfo, VectorColumn, VectorIndex
from pgvec_magic.db import Database, connect
from pgvec_magic.dedupe import duplicates
from pgvec_magic.errors import UsageError
from pgvec_magic.overview import detail
from pgvec_magic.query import Search
from pgvec_magic.query.coarse import coarse_rows
from pgvec_magic.query.scan import choose_scan
from pgvec_magic.query.target import find_target
from pgvec_magic.recall import recall
from pgvec_magic.search import Result, dry_run, explain, search

ROWS, DIMENSIONS, NULLS = 5_000, 48, 10
FORMS = {
    "halves": f"((embedding::halfvec({DIMENSIONS})) halfvec_cosine_ops)",
    "parts": "((subvector(embedding, 1, 32)::vector(32)) vector_cosine_ops)",
    "bits": f"((binary_quantize(embedding)::bit({DIMENSIONS})) bit_hamming_ops)",
}
# A table each, and one with the index of every form.
INDEXES = [
    *(f"CREATE INDEX {table}_idx ON {table} USING hnsw {key}" for table, key in FORMS.items()),
    *(f"CREATE INDEX every_{table} ON every USING hnsw {key}" for table, key in FORMS.items()),
    "CREATE INDEX every_plain ON every USING hnsw (embedding vector_cosine_ops)",
    "CREATE INDEX some_plain ON partly USING hnsw (embedding vector_cosine_ops) WHERE tenant = 1",
    f"CREATE INDEX some_bits ON partly USING hnsw {FORMS['bits']} WHERE tenant IN (2, 3)",
]


def points() -> np.ndarray:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(40, DIMENSIONS))
    spread = 0.6 * rng.normal(size=(ROWS, DIMENSIONS))
    return np.asarray(centres[rng.integers(40, size=ROWS)] + spread, dtype=np.float32)


POINTS = points()
QUERIES = POINTS[50:80] + np.float32(0.05)


@pytest.fixture(scope="module")
def filled(module_dsn: str) -> str:
    # Rows so long that the planner does not rather read all, also when autovacuum has come by; and it does not.
    lines = "".join(
        f"{i}\t{i % 5}\tword{i % 7} {'x' * 950}\t" + (f"[{','.join(map(str, v))}]\n" if i >= NULLS else "\\N\n")
        for i, v in enumerate(POINTS.tolist())
    )
    with contextlib.closing(psycopg2.connect(module_dsn)) as made, made, made.cursor() as cursor:
        for table in (*FORMS, "every", "partly"):
            cursor.execute(
                f"CREATE TABLE {table} (id int PRIMARY KEY, tenant int, body text, embedding vector({DIMENSIONS}))"
                " WITH (autovacuum_enabled = off)"
            )
            cursor.copy_expert(f"COPY {table} FROM STDIN", io.StringIO(lines))
        for index in INDEXES:
            cursor.execute(index)
        cursor.execute("ANALYZE")
    return module_dsn


@pytest.fixture
def there(filled: str) -> Database:
    return connect(filled, name="there", readonly=True)


def scanned(result: Result) -> set[str]:
    """The indexes that rows come from by distance."""
    return {node.index for node in result.explain().plan.nodes if node.index and "Order By" in node.details}


def said(result: Result) -> str:
    return " ".join(repr(result).split())


def cosine(query: np.ndarray, ids: list[int]) -> np.ndarray:
    found = POINTS[ids].astype(np.float64)
    return np.asarray(1 - found @ query / np.linalg.norm(found, axis=1) / np.linalg.norm(query))


def overlap(result: Result, exact: Result) -> float:
    return len(set(result.column("id")) & set(exact.column("id"))) / len(exact)


# --- the statement and what it gives ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "what"),
    [("halves", "20 candidates in the order of halves_idx (halfvec), re-ranked on the full vectors"),
     ("parts", "200 candidates in the order of parts_idx (the first 32 dimensions), re-ranked on the full vectors"),
     ("bits", "400 candidates in the order of bits_idx (the bits that differ), re-ranked on the full vectors")],
)  # fmt: skip
def test_a_search_goes_by_the_index_and_gives_the_order_of_the_full_vectors(
    there: Database, table: str, what: str
) -> None:
    shares = []
    for query in QUERIES:
        found = search(there, table, vector=query)
        distances = found.column("distance")
        assert np.allclose(distances, cosine(query, found.column("id")), atol=1e-6)
        assert distances == sorted(distances)
        shares.append(overlap(found, search(there, table, vector=query, exact=True)))
    assert np.mean(shares) > 0.95
    assert scanned(found) == {f"{table}_idx"}
    assert what in said(found)
    assert found.sql.count("%(query vector)s") == 1
    assert not [f for f in found.explain().findings if f.severity in ("warning", "error")]


def test_exact_and_few_rows_take_none(there: Database) -> None:
    exact = search(there, "bits", vector=QUERIES[0], exact=True)
    assert scanned(exact) == set()
    assert "candidates" not in said(exact)
    few = search(there, "bits", vector=QUERIES[0], where="id < 300")
    assert "exact (the filter leaves about" in said(few)


@pytest.mark.parametrize("table", FORMS)
@pytest.mark.parametrize(
    "options",
    [
        {"where": "tenant <> 3", "ef_search": 400},
        {"where": "tenant <> 3", "strategy": "iterative"},
        {"per": "tenant", "k": 4},
        {"min_score": 0.3},
        {"offset": 5},
        {"similar_to": 100, "vector": None},
        {"mode": "hybrid", "text": "word3"},
        {"mode": "hybrid", "text": "word3", "per": "tenant", "k": 3},
        {"as_is": True, "set": {"hnsw.ef_search": 300}},
        {"diverse": True, "k": 5, "candidates": 8},
        {
            "rerank": lambda question, texts: [-float(len(text)) for text in texts],
            "text": "word3",
            "k": 3,
            "candidates": 9,
            "mode": "hybrid",
        },
        {"candidates": 240, "ef_search": 240},
    ],
    ids=str,
)
def test_every_option_works_by_such_an_index(there: Database, table: str, options: dict[str, Any]) -> None:
    given = {"vector": QUERIES[1], "strategy": "ann", **options}
    if "as_is" in options:
        del given["strategy"]
    found = search(there, table, **given)
    exact = search(there, table, **{**given, "exact": True, "strategy": "exact", "as_is": False})
    assert scanned(found) == {f"{table}_idx"}
    assert len(found) == len(exact) == given.get("k", 10)
    assert overlap(found, exact) >= 0.8 or "per" in options  # of all rows others may stand for their groups
    assert "re-ranked on the full vectors" in said(found)


def test_the_vector_leg_of_hybrid_is_as_long_as_ever(there: Database) -> None:
    found = search(there, "bits", "word3", vector=QUERIES[2], mode="hybrid", strategy="ann")
    assert "FROM candidates\nORDER BY rank\nLIMIT 40\n" in found.sql
    assert all(rank <= 40 for rank in found.column("vector_rank") if rank is not None)
    assert "LIMIT 400" in found.sql


def test_no_row_is_missing_in_silence(there: Database) -> None:
    few = search(there, "bits", vector=QUERIES[0], k=30, ef_search=10)
    assert len(few) == 30
    assert "exact (the index scan gave" in said(few)
    all_of_them = search(there, "bits", vector=QUERIES[0], k=ROWS, strategy="ann")
    assert len(all_of_them) == ROWS - NULLS
    assert f"there are only {ROWS - NULLS:,} rows with a vector" in said(all_of_them)
    assert len(search(there, "halves", vector=QUERIES[0], min_score=-1, k=50)) == 50


def test_as_it_is_sets_nothing_and_has_the_candidates_of_postgres(there: Database) -> None:
    found = search(there, "bits", vector=QUERIES[0], as_is=True)
    assert found.settings == {}
    assert scanned(found) == {"bits_idx"}
    (short,) = [finding for finding in found.explain().findings if finding.rule == "R40"]
    assert "40 came" in short.why
    assert "up to 400 candidates" in said(found)


def test_a_dry_run_shows_the_statement(there: Database) -> None:
    sent = dry_run(there, "parts", vector=QUERIES[0], columns="id")
    assert "ORDER BY subvector(embedding, 1, 32)::vector(32) <=> subvector((SELECT vector FROM" in sent.sql
    assert sent.settings == (("hnsw.ef_search", "200"),)


def test_the_magics_build_search_measure_and_compare(ip: Any, dsn: str, raw: connection) -> None:
    with raw.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE docs (id int PRIMARY KEY, body text, embedding vector(16)); INSERT INTO docs SELECT i,"
            " repeat('x', 900), (SELECT array_agg(sin(i * x * x)) FROM generate_series(1, 16) AS x)::vector"
            " FROM generate_series(1, 3000) AS i; ANALYZE docs"
        )
    ip.user_ns["address"] = dsn
    ip.run("%load_ext pgvec_magic")
    ip.run("%vconnect :address")
    try:
        ip.run("%vindex build docs --as subvector --keep 12")
        found = ip.run("%vsearch docs --similar-to 7 --ef-search 100")
        assert "100 candidates in the order of docs_embedding_subvector_idx (the first 12 dimensions)" in said(found)
        (scan,) = [n for n in ip.run("%vsearch docs --similar-to 7 --ef-search 100 --explain").plan.nodes if n.index]
        assert scan.index == "docs_embedding_subvector_idx"
        assert ip.run("%vrecall docs --queries 10 --ef-search 100").indexes == ("docs_embedding_subvector_idx",)
        ways = repr(ip.run("%vsearch docs --similar-to 7 --ef-search 100 --compare"))
        assert "docs_embedding_s" in ways
    finally:
        ip.run_line_magic("unload_ext", "pgvec_magic")


def test_vectors_of_zeros_come_last_without_a_number(db: Database, raw: connection) -> None:
    with raw.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE docs (id int PRIMARY KEY, embedding vector(3)); INSERT INTO docs VALUES (1, '[1,2,3]'),"
            " (2, '[0,0,0]'), (3, '[3,2,1]'), (4, NULL);"
            "CREATE INDEX docs_bits ON docs USING hnsw ((binary_quantize(embedding)::bit(3)) bit_hamming_ops)"
        )
    found = search(db, "docs", vector=[1, 2, 3], strategy="ann", set={"enable_seqscan": "off"})
    assert scanned(found) == {"docs_bits"}
    assert found.column("id") == [1, 3, 2]
    assert found.column("distance")[-1] is None


@pytest.mark.parametrize(
    ("table", "query", "why"),
    [
        ("halves", QUERIES[0] * np.float32(1e6), "its numbers are too large for a halfvec"),
        ("halves", QUERIES[0] * np.float32(1e-9), "its numbers are too large for a halfvec (65,504 at most), or too"),
        ("parts", np.concatenate([np.zeros(32), np.ones(DIMENSIONS - 32)]), "its first dimensions, which the index"),
    ],
)
def test_a_vector_that_is_lost_in_the_form_of_an_index_is_not_looked_for_there(
    there: Database, table: str, query: np.ndarray, why: str
) -> None:
    for options in ({}, {"strategy": "ann"}, {"mode": "hybrid", "text": "word3"}):
        found = search(there, table, vector=query, **options)
        assert scanned(found) == set()
        assert f"{table}_idx is no use for this vector: {why}" in said(found)
    exact = search(there, table, vector=query, exact=True)
    assert found.column("vector_distance")
    assert "no use" not in said(exact)
    assert search(there, table, vector=query).column("id") == exact.column("id")
    # Where another index has it, that is taken.
    assert scanned(search(there, "every", vector=query)) == {"every_plain"}


# --- which of several ------------------------------------------------------------------------------------------------

PLAIN = VectorIndex("plain", "embedding", "hnsw", "cosine")
HALF = replace(PLAIN, name="half", form="halfvec", dimensions=3)
PART = replace(PLAIN, name="part", form="subvector", dimensions=2)
BITS = replace(PLAIN, name="bits", form="binary", dimensions=3, metric="hamming")
INFO = TableInfo(
    schema="public",
    name="docs",
    kind="table",
    sql_name="docs",
    columns=(Column("id", "bigint", nullable=False), Column("embedding", "vector")),
    vectors=(VectorColumn("embedding", "vector", 3),),
    indexes=(),
    key=("id",),
    texts=(),
    rows=1_000_000,
)


def named(indexes: list[VectorIndex], **options: Any) -> tuple[list[str], str]:
    """The names of the indexes that serve the statement of a search, and its metric."""
    asked = Search(table="docs", vector=[1, 2, 3], **options)
    source = find_target(asked, replace(INFO, indexes=tuple(indexes))).need_vectors()
    return [index.name for index in source.indexes], source.metric.name


def test_the_most_faithful_index_in_the_metric_is_taken() -> None:
    assert named([BITS, PART, HALF, PLAIN]) == (["plain"], "cosine")
    assert named([BITS, PART, HALF]) == (["half"], "cosine")
    assert named([BITS, PART]) == (["part"], "cosine")
    assert named([BITS]) == (["bits"], "cosine")
    assert named([BITS, HALF, replace(PLAIN, metric="l2")]) == (["half"], "cosine")  # cosine is the commoner
    assert named([BITS, PART, replace(PART, name="longer", dimensions=3)])[0] == ["longer"]
    assert named([BITS, replace(PLAIN, where="(id > 3)")], where=("id > 4",))[0] == ["bits"]  # it serves in any case
    assert named([replace(HALF, valid=False), BITS])[0] == ["bits"]


def test_the_metric_is_that_of_the_vectors_not_of_bits_made_of_them() -> None:
    assert named([replace(HALF, metric="l2"), BITS]) == (["half"], "l2")
    assert named([replace(PART, metric="ip")]) == (["part"], "ip")
    assert named([BITS], metric="ip") == (["bits"], "ip")
    assert named([BITS], metric="l2") == ([], "l2")
    assert named([replace(BITS, metric="jaccard")]) == ([], "cosine")
    assert named([replace(HALF, dimensions=2)]) == ([], "cosine")


def test_how_many_candidates_are_taken() -> None:
    assert [coarse_rows(form, 10) for form in ("halfvec", "subvector", "binary")] == [20, 200, 400]
    assert [coarse_rows("binary", needed) for needed in (1, 100, 300)] == [400, 1_000, 1_200]

    def read(index: VectorIndex, matching: int | None = None, **options: Any) -> tuple[int | None, str]:
        asked = Search(table="docs", vector=[1, 2, 3], **options)
        scan = choose_scan(asked, index, (0, 8, 6), {"hnsw.ef_search": "40"}, matching, rows=1_000_000)
        return scan.read, dict(scan.settings).get("hnsw.ef_search", scan.kind)

    assert read(BITS) == (400, "400")
    assert read(BITS, ef_search=600) == (600, "600")  # what a pass finds may all be among the nearest
    assert read(HALF, ef_search=600) == (20, "600")
    assert read(BITS, ef_search=60) == (60, "60")  # and it finds no more
    assert read(BITS, settings=(("hnsw.ef_search", "70"),)) == (70, "400")  # the person's comes last
    assert read(BITS, ef_search=60, strategy="iterative") == (400, "60")  # which goes on
    assert read(BITS, candidates=80) == (80, "80")
    assert read(BITS, mode="hybrid", text="x") == (400, "400")
    assert read(PLAIN) == (None, "40")
    assert read(BITS, 500_000, where=("a",)) == (400, "880")  # 400 of them pass in 19 of 20 searches
    assert choose_scan(Search(table="docs", vector=[1], k=30_000), BITS, (0, 8), {}, rows=10**9).kind == "exact"


def test_a_plain_index_goes_before_and_each_can_be_measured(there: Database) -> None:
    assert scanned(search(there, "every", vector=QUERIES[0])) == {"every_plain"}
    curve = recall(there, "every", index=[f"every_{table}" for table in FORMS], ef_search=[200], queries=20)
    assert curve.indexes == ("every_halves", "every_parts", "every_bits")
    assert recall(there, "every", ef_search=40, queries=20).indexes == ("every_plain",)


def test_bits_do_not_serve_l2_and_that_is_said(there: Database) -> None:
    found = search(there, "bits", vector=QUERIES[0], metric="l2")
    assert scanned(found) == set()
    assert "bits_idx is no use by l2: it has the sign of each number alone" in said(found)
    assert "no use" not in said(search(there, "bits", vector=QUERIES[0], metric="l2", exact=True))
    assert "bits tell directions, not lengths" in said(search(there, "bits", vector=QUERIES[0], metric="ip"))
    assert "bits tell directions" not in said(search(there, "bits", vector=QUERIES[0]))
    with pytest.raises(UsageError, match="bits_idx does not serve l2: it has the sign"):
        recall(there, "bits", metric="l2", index="bits_idx")
    for index in ("some_plain", "some_bits"):
        with pytest.raises(
            UsageError, match=rf"{index} has the rows WHERE .* alone: it is measured within that filter"
        ):
            recall(there, "partly", index=index)


# --- partial indexes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "params", "index"),
    [
        ("tenant = 1", {}, "some_plain"),
        ("tenant=1 AND body LIKE 'word%'", {}, "some_plain"),
        ("tenant = :t", {"t": 1}, "some_plain"),
        ("tenant IN (2, 3)", {}, "some_bits"),
        ("tenant IN (2, 3) AND id > :n", {"n": 100}, "some_bits"),
    ],
)
def test_a_partial_index_is_used_where_the_filter_implies_its_condition(
    there: Database, where: str, params: dict[str, Any], index: str
) -> None:
    found = search(there, "partly", vector=QUERIES[0], where=where, params=params, ef_search=200)
    exact = search(there, "partly", vector=QUERIES[0], where=where, params=params, exact=True)
    assert scanned(found) == {index}
    assert f"by {index} WHERE (tenant = " in said(found)
    assert overlap(found, exact) >= 0.9
    assert ("re-ranked" in said(found)) is (index == "some_bits")


def test_where_a_partial_index_does_not_serve_nothing_breaks(there: Database) -> None:
    query = QUERIES[0]
    for options in ({"where": "tenant = 4"}, {"where": "tenant = 4", "as_is": True}, {}, {"where": "tenant < 4"}):
        found = search(there, "partly", vector=query, **options)
        assert scanned(found) == set()
        if not options.get("as_is"):
            exact = search(there, "partly", vector=query, **options, exact=True)
            assert found.column("id") == exact.column("id")
    unfiltered = said(search(there, "partly", vector=query))
    assert "some_plain has the rows WHERE (tenant = 1) alone: it is no use without that filter" in unfiltered
    other = said(search(there, "partly", vector=query, where="tenant <= 3", ef_search=100))
    assert "some_bits has the rows WHERE (tenant = ANY (ARRAY[2, 3])) alone: Postgres does not take it" in other


def test_a_whole_index_in_another_form_serves_where_a_partial_one_does_not(db: Database, raw: connection) -> None:
    with raw.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE docs AS SELECT i AS id, i % 4 AS tenant, repeat('x', 900) AS body,"
            " ARRAY[sin(i), cos(i), sin(2.1 * i), 1]::vector(4) AS embedding FROM generate_series(1, 4000) AS i;"
            "CREATE INDEX docs_one ON docs USING hnsw (embedding vector_cosine_ops) WHERE tenant = 1;"
            "CREATE INDEX docs_half ON docs USING hnsw ((embedding::halfvec(4)) halfvec_cosine_ops); ANALYZE docs"
        )
    one = search(db, "docs", vector=[0.1, 0.2, 0.3, 1], where="tenant = 1", strategy="ann")
    other = search(db, "docs", vector=[0.1, 0.2, 0.3, 1], where="tenant = 2", strategy="ann")
    assert (scanned(one), scanned(other)) == ({"docs_one"}, {"docs_half"})
    assert "by docs_one WHERE (tenant = 1)" in said(one)
    assert "docs_one" not in said(other)


def test_a_small_tenant_s_own_index_is_worth_more_than_looking_at_all_its_rows(db: Database, raw: connection) -> None:
    with raw.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE docs AS SELECT i AS id, i % 20 AS tenant, repeat('x', 900) AS body,"
            " ARRAY[sin(i), cos(i), sin(2.1 * i), 1]::vector(4) AS embedding FROM generate_series(1, 20000) AS i;"
            "CREATE INDEX docs_one ON docs USING hnsw (embedding vector_l2_ops) WHERE tenant = 1;"
            "CREATE INDEX docs_two ON docs USING hnsw (embedding vector_l2_ops) WHERE tenant = 2;"
            "CREATE INDEX docs_all ON docs USING hnsw (embedding vector_l2_ops); ANALYZE docs"
        )
    asked = {"vector": [0.1, 0.2, 0.3, 1], "k": 10}
    for tenant, index in ((1, "docs_one"), (2, "docs_two")):
        own = search(db, "docs", **asked, where=f"tenant = {tenant}")
        assert scanned(own) == {index}  # its 1,000 rows are all that it goes through: 100 deep are enough
        assert own.settings["hnsw.ef_search"] == "100"
        assert overlap(own, search(db, "docs", **asked, where=f"tenant = {tenant}", exact=True)) >= 0.9
    other = search(db, "docs", **asked, where="tenant = 3")
    assert scanned(other) == set(), "of the whole index 1 of 20 rows would be of use"
    asks: list[str] = []
    run = db.run
    db.run = lambda query: asks.append(query.sql) or run(query)  # type: ignore[method-assign]
    for _ in range(3):
        search(db, "docs", **{**asked, "vector": [0.3, 0.2, 0.1, 1]}, where="tenant = 1")
    planned = [sql for sql in asks if sql.startswith("EXPLAIN") and "ORDER BY" in sql]
    assert planned == [], "what the planner said a moment ago is remembered"


# --- columns, schemas, types -----------------------------------------------------------------------------------------


def test_a_column_too_wide_for_an_index_is_searched_as_halfvec(db: Database, raw: connection) -> None:
    with raw.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE docs (id int PRIMARY KEY, embedding vector(2100)); INSERT INTO docs SELECT i, (SELECT"
            " array_agg(sin(i * x)) FROM generate_series(1, 2100) AS x)::vector FROM generate_series(1, 200) AS i;"
            "CREATE INDEX docs_half ON docs USING hnsw ((embedding::halfvec(2100)) halfvec_cosine_ops); ANALYZE docs"
        )
    found = search(db, "docs", similar_to=7, strategy="ann", set={"enable_seqscan": "off"})
    assert scanned(found) == {"docs_half"}
    assert found.column("id") == search(db, "docs", similar_to=7, exact=True).column("id")


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("vector", "((NAME::halfvec(24)) halfvec_cosine_ops)"),
        ("vector", "((subvector(NAME, 1, 16)::vector(16)) vector_cosine_ops)"),
        ("vector", "((binary_quantize(NAME)::bit(24)) bit_hamming_ops)"),
        ("halfvec", "((subvector(NAME, 1, 16)::halfvec(16)) halfvec_cosine_ops)"),
        ("halfvec", "((binary_quantize(NAME)::bit(24)) bit_hamming_ops)"),
    ],
)
def test_an_extension_off_the_search_path_and_odd_names(db: Database, raw: connection, kind: str, key: str) -> None:
    name = '"the %s (vector)"'
    with raw.cursor() as cursor:
        cursor.execute(
            'DROP EXTENSION vector; CREATE SCHEMA "of 100 %"; CREATE EXTENSION vector SCHEMA "of 100 %";'
            'SET search_path = public, "of 100 %";'
            f"CREATE TABLE docs (id int PRIMARY KEY, {name} {kind}(24) NOT NULL);"
            "INSERT INTO docs SELECT i, (SELECT array_agg(sin(i * x * x)) FROM generate_series(1, 24) AS x)::"
            f"{kind} FROM generate_series(1, 1500) AS i;"
            f"CREATE INDEX docs_idx ON docs USING hnsw {key.replace('NAME', name)}; ANALYZE docs"
        )
    options: dict[str, Any] = {"strategy": "ann", "set": {"enable_seqscan": "off"}}
    found = search(db, "docs", similar_to=7, **options)
    assert scanned(found) == {"docs_idx"}
    assert overlap(found, search(db, "docs", similar_to=7, exact=True)) >= 0.8


@pytest.mark.parametrize(
    ("key", "column", "form", "dimensions", "metric"),
    [
        ("hnsw ((e::halfvec(4)) halfvec_l1_ops)", "e", "halfvec", 4, "l1"),
        ("ivfflat ((subvector(e, 1, 2)::vector(2)) vector_l2_ops)", "e", "subvector", 2, "l2"),
        ("hnsw ((binary_quantize(h)::bit(4)) bit_hamming_ops)", "h", "binary", 4, "hamming"),
        ('hnsw ((binary_quantize("E, (x)")::bit(4)) bit_jaccard_ops)', "E, (x)", "binary", 4, "jaccard"),
        ('hnsw (("E, (x)"::halfvec(4)) halfvec_ip_ops) WHERE b', "E, (x)", "halfvec", 4, "ip"),
        ("ivfflat (e vector_l2_ops)", "e", "vector", None, "l2"),
        ("hnsw ((subvector(e, 2, 2)::vector(2)) vector_l2_ops)", None, "vector", None, "l2"),
        ("hnsw ((subvector(e, 1, 2)::halfvec(2)) halfvec_l2_ops)", None, "vector", None, "l2"),
        ("hnsw ((l2_normalize(e)::vector(4)) vector_l2_ops)", None, "vector", None, "l2"),
        ("hnsw ((e::sparsevec(4)) sparsevec_l2_ops)", None, "vector", None, "l2"),
    ],
)
def test_what_an_index_is_on_is_read_from_its_definition(
    db: Database, raw: connection, key: str, column: str | None, form: str, dimensions: int | None, metric: str
) -> None:
    with raw.cursor() as cursor:
        cursor.execute(
            f'CREATE TABLE t (e vector(4), h halfvec(4), "E, (x)" vector(4), b bool); CREATE INDEX ON t USING {key}'
        )
    (found,) = catalog.table(db, "t").indexes
    assert (found.column, found.form, found.dimensions, found.metric) == (column, form, dimensions, metric)


# --- recall ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", FORMS)
def test_recall_is_measured_with_the_statement_of_searches_and_the_truth_of_full_vectors(
    there: Database, table: str
) -> None:
    curve = recall(there, table, ef_search=[1, 40, 400], queries=40)
    found = curve.df["recall"].tolist()
    assert found[0] < 0.2
    assert found[-1] > 0.97
    assert curve.indexes == (f"{table}_idx",)
    many = "22 candidates" if table == "halves" else "as many candidates as ef_search"
    assert f"{table}_idx gives {many}: they are re-ranked on the full vectors" in " ".join(repr(curve).split())
    if table != "halves":
        assert found[1] < found[2]  # halves lose nearly nothing, the others much


def test_recall_of_bits_knows_how_many_candidates_searches_take(there: Database) -> None:
    curve = recall(there, "bits", queries=20)
    assert curve.today == {"bits_idx": 400}
    assert "400 (now)" in repr(curve)


def test_a_depth_stored_on_such_an_index_is_that_of_searches(db: Database, raw: connection) -> None:
    with raw.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE docs AS SELECT i AS id, repeat('x', 900) AS body, ARRAY[sin(i), cos(i), sin(2.1 * i),"
            " cos(3.7 * i), sin(i * i), cos(i * i), sin(5.3 * i), cos(7.9 * i)]::vector(8) AS embedding"
            " FROM generate_series(1, 6000) AS i; ALTER TABLE docs ADD PRIMARY KEY (id);"
            "CREATE INDEX docs_bits ON docs USING hnsw ((binary_quantize(embedding)::bit(8)) bit_hamming_ops);"
            "ANALYZE docs"
        )
    curve = recall(db, "docs", ef_search=[600], queries=10)
    statement = curve.apply("index", target=1e-9)
    assert statement.startswith("COMMENT ON INDEX public.docs_bits IS 'pgvec: ef_search=600 recall@10=")
    found = search(db, "docs", similar_to=5, strategy="ann")
    assert "ef_search as stored on docs_bits" in said(found)
    assert "600 candidates in the order of docs_bits" in said(found)


# --- what others say of them -----------------------------------------------------------------------------------------


def test_a_statement_that_does_not_repeat_the_expression_is_told_so(there: Database) -> None:
    sql = "SELECT id FROM {} ORDER BY embedding <=> :query LIMIT 10"
    for table, rule in (("halves", "R07"), ("bits", "R08")):
        found = explain(there, sql=sql.format(table), vector=QUERIES[0], table=table).findings
        assert rule in [finding.rule for finding in found]


def test_duplicates_are_not_looked_for_by_such_an_index(
    there: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pgvec_magic.dedupe.verb.EXACT_ROWS", 100)
    found = duplicates(there, "bits", where="id < 300", max_distance=0.01)
    assert "An index makes it much less: CREATE INDEX ON bits USING hnsw" in capsys.readouterr().out
    assert "by the index" not in repr(found)
    assert "by the index every_plain" in repr(duplicates(there, "every", max_distance=0.001))


def test_the_metric_of_another_index_on_the_column_is_not_that_of_bits(there: Database) -> None:
    assert spec_for(there, "bits").metric == "cosine"
    with pytest.raises(UsageError, match="keep"):
        spec_for(there, "bits", form="subvector")


def test_lists_say_how_the_vectors_stand_in_an_index(there: Database) -> None:
    shown = " ".join(repr(indexes(there, "every")).split())
    assert f"halfvec({DIMENSIONS})" in shown
    assert "subvector(32)" in shown
    assert "hnsw on embedding as binary by hamming" in repr(detail(there, "bits"))
