from __future__ import annotations

import sys
import time
from statistics import median
from typing import Any

import numpy as np
import pytest
from psycopg2.extensions import connection

from pgvec_magic import render
from pgvec_magic.db import Database, frames
from pgvec_magic.search import search, sql
from pgvec_magic.search.result import Result

BOOKS = """
CREATE TABLE books (id int PRIMARY KEY, title text, price numeric(6, 2), embedding vector(2));
INSERT INTO books VALUES
  (1, 'Reading csv <b>files</b> & more', 9.50, '[1,0]'), (2, 'csv in depth: csv, csv', 20, '[0.8,0.2]'),
  (3, 'Gardens', 15, '[0,1]'), (4, 'Rivers', NULL, '[0.5,0.5]'), (5, NULL, 1, '[-1,0]'),
  (6, 'A csv of gardens', 3, NULL);
CREATE INDEX ON books USING gin (to_tsvector('english', title));
"""


@pytest.fixture
def books(raw: connection, db: Database) -> Database:
    raw.cursor().execute(BOOKS)
    return db


def hybrid(db: Database, **options: Any) -> Result:
    return search(db, "books", "csv", vector=[0, 1], mode="hybrid", **options)


def lines(result: Result) -> list[str]:
    return render.text(result._grid(), 100).splitlines()


def test_the_frame_has_the_columns_asked_for_then_distance_and_score(books: Database) -> None:
    result = search(books, "books", vector=[1, 0], k=3, offset=1)
    frame = result.df
    assert list(frame.columns) == ["id", "title", "price", "distance", "score"]
    assert frame.index.tolist() == [2, 3, 4]
    assert frame.index.name == "rank"
    assert frame["id"].tolist() == [2, 4, 3]
    assert np.allclose(frame["score"], 1 - frame["distance"])
    assert result.df is frame
    assert [len(result), len(list(result))] == [3, 3]
    assert result.rows[0][:2] == (2, "csv in depth: csv, csv")


def test_the_frame_of_a_hybrid_search_has_both_legs(books: Database) -> None:
    frame = hybrid(books).df
    ours = ["distance", "score", "vector_rank", "vector_distance", "keyword_rank", "keyword_score"]
    assert list(frame.columns) == ["id", "title", "price", *ours]
    assert str(frame.dtypes["vector_rank"]) == str(frame.dtypes["keyword_rank"]) == "Int64"
    assert frame["vector_rank"].isna().tolist() == (frame["id"] == 6).tolist()
    assert frame["distance"].isna().tolist() == (frame["id"] == 6).tolist()
    best = frame.iloc[0]
    assert best["score"] == pytest.approx(1 / (60 + best["vector_rank"]) + 1 / (60 + best["keyword_rank"]))


def test_the_frame_has_numbers_even_where_there_is_none(books: Database) -> None:
    l2 = search(books, "books", vector=[1, 0], metric="l2", k=2).df
    words = search(books, "books", "csv", mode="keyword", k=2).df
    nothing = search(books, "books", vector=[1, 0], where="false").df
    assert l2["score"].isna().all()
    assert words["distance"].isna().all()
    assert len(nothing) == 0
    for frame in (l2, words, nothing):
        assert [str(frame.dtypes[name]) for name in ("distance", "score")] == ["float64", "float64"]


def test_a_frame_of_a_statement_is_as_it_came(books: Database) -> None:
    frame = sql(books, "SELECT id, title FROM books ORDER BY id LIMIT 2").df
    assert frame.to_dict("list") == {
        "id": [1, 2],
        "title": ["Reading csv <b>files</b> & more", "csv in depth: csv, csv"],
    }
    assert frame.index.tolist() == [0, 1]
    assert sql(books, "DELETE FROM books WHERE false").df.empty


def test_integers_beyond_64_bits_beside_null_are_kept_as_they_are() -> None:
    made = frames.frame([(2**63,), (None,)], ["a"])
    assert made["a"].tolist() == [2**63, None]


def test_integers_beside_null_keep_every_digit_in_the_frame(raw: connection, db: Database) -> None:
    raw.cursor().execute(
        "CREATE TABLE refs (id int PRIMARY KEY, other bigint, share float8, embedding vector(2));"
        "INSERT INTO refs VALUES (1, 4611686018427387905, 0.5, '[1,0]'), (2, NULL, NULL, '[0,1]')"
    )
    kinds = {"id": "int64", "other": "Int64", "share": "float64"}
    for result in (search(db, "refs", vector=[1, 0]), sql(db, "SELECT id, other, share FROM refs ORDER BY id")):
        assert int(result.df["other"].iloc[0]) == 2**62 + 1
        assert result.df["other"].isna().tolist() == [False, True]
        assert {name: str(result.df.dtypes[name]) for name in kinds} == kinds
    assert str(sql(db, "SELECT id, other FROM refs WHERE id = 1").df.dtypes["other"]) == "int64"


def test_nothing_heavy_is_imported_until_it_is_asked_for(books: Database) -> None:
    result = search(books, "books", "csv", mode="keyword")
    before = {name for name in ("pandas", "plotly") if name in sys.modules}
    assert result._repr_mimebundle_(include=None, exclude=None)
    assert {name for name in ("pandas", "plotly") if name in sys.modules} == before
    assert "df" not in vars(result)


def test_what_was_sent_can_be_seen(books: Database) -> None:
    result = search(books, "books", vector=[1, 0], where="price > :least", params={"least": 2}, set={"work_mem": "9MB"})
    assert "price > %(least)s" in result.sql
    assert result.params["least"] == 2
    assert result.settings == {"work_mem": "'9MB'"}
    assert result.seconds > 0
    assert books.run(result.query).rows == [row[:-1] for row in result.rows]


# --- how it looks -----------------------------------------------------------------------------------------------------


def test_the_facts_say_what_was_done_in_one_line(books: Database) -> None:
    def facts(result: Result) -> str:
        return " · ".join(result._grid().caption[:-1])

    assert (
        facts(search(books, "books", vector=[1, 0], k=2))
        == "2 rows of books · vector (cosine) · exact (no index to use)"
    )
    assert facts(search(books, "books", vector=[1, 0], k=1)).startswith("1 row of books")
    assert facts(search(books, "books", "csv", mode="keyword", k=1)) == "1 row of books · keyword (ts_rank_cd, english)"
    assert facts(hybrid(books, k=2, exact=True)) == (
        "2 rows of books · hybrid: vector (cosine) + keyword (ts_rank_cd, english) · exact (as asked)"
    )
    sql(books, "CREATE INDEX ON books USING hnsw (embedding vector_cosine_ops)")
    assert facts(search(books, "books", vector=[1, 0], k=2, ef_search=50)) == (
        "2 rows of books · vector (cosine) · approximate · hnsw.ef_search = 50"
    )
    assert facts(search(books, "books", vector=[1, 0], k=2, as_is=True)) == (
        "2 rows of books · vector (cosine) · as Postgres does it (nothing set)"
    )
    assert facts(search(books, "books", vector=[1, 0], k=2, as_is=True, set={"work_mem": "1MB"})).endswith(
        "as Postgres does it · work_mem = '1MB'"
    )
    time_shown = search(books, "books", vector=[1, 0])._grid().caption[-1]
    assert time_shown.endswith(" ms")


def test_a_long_time_is_in_seconds(books: Database) -> None:
    assert sql(books, "SELECT pg_sleep(1.01)")._grid().caption[-1].startswith("1.0")
    assert sql(books, "SELECT pg_sleep(1.01)")._grid().caption[-1].endswith(" s")


def test_a_terminal_shows_rank_score_bar_and_text(books: Database) -> None:
    shown = lines(search(books, "books", vector=[1, 0], k=2, columns=["title"]))
    assert shown[1].split() == ["#", "score", "title", "distance"]
    assert shown[3].split()[:2] == ["1", "1.00"]
    assert "████████" in shown[3]
    assert "Reading csv <b>files</b> & more" in shown[3]
    halfway = lines(search(books, "books", vector=[0.5, 0.5], where="id = 1", k=1, columns=["title"]))
    assert "0.7071 █████▋ " in halfway[3]


def test_columns_that_would_say_nothing_are_not_shown(books: Database) -> None:
    def headings(result: Result) -> set[str]:
        return set(lines(result)[next(i for i, line in enumerate(lines(result)) if line.startswith("#"))].split())

    assert headings(search(books, "books", vector=[1, 0], columns="id")) == {"#", "score", "id", "distance"}
    assert headings(search(books, "books", vector=[1, 0], columns="id", metric="l2")) == {"#", "distance", "id"}
    assert headings(search(books, "books", "csv", mode="keyword", columns="id")) == {"#", "score", "id"}
    assert headings(hybrid(books, columns="id")) == {"#", "score", "vector", "keyword", "id"}


def test_each_leg_is_shown_with_its_rank_and_number(books: Database) -> None:
    result = hybrid(books, columns="id")
    shown = next(line for line in lines(result) if line.rstrip().endswith(" 6"))
    assert "–" in shown
    assert "#3 · 0.1" in shown
    page = result._repr_mimebundle_()["text/html"]
    assert page.count("●") == 2
    assert "<b>#1</b>" in page


def test_a_column_called_like_one_of_ours_keeps_its_name(raw: connection, db: Database) -> None:
    raw.cursor().execute(
        "CREATE TABLE t (score int PRIMARY KEY, distance text, rank int, matched int, embedding vector(2), body text);"
        "INSERT INTO t VALUES (7, 'far', 1, 2, '[1,0]', 'csv'), (8, 'near', 3, 4, '[0,1]', 'csv')"
    )
    result = search(db, "t", vector=[1, 0])
    assert result.columns == ("score", "distance", "rank", "matched", "body", "distance_1", "score_1")
    assert result.notes[:2] == (
        "the table has a column 'distance' of its own: ours is 'distance_1'",
        "the table has a column 'score' of its own: ours is 'score_1'",
    )
    assert [note for note in result.notes if "of its own" in note] == list(result.notes[:2])
    assert result.df["score"].tolist() == [7, 8]
    assert result.column("score") == [1.0, 0.0]
    assert "score_1" in repr(result)
    for mode, given in (("keyword", {}), ("hybrid", {"vector": [1, 0]})):
        found = search(db, "t", "csv", mode=mode, **given)
        assert found.df["score"].tolist() == [7, 8]
        assert found.df["matched"].tolist() == [2, 4]
        assert found.figure() is not None


def test_notes_are_shown_and_escaped(books: Database) -> None:
    result = search(books, "books", "csv <script>", mode="keyword")
    assert result.notes
    page, text = result._repr_mimebundle_()["text/html"], result._repr_mimebundle_()["text/plain"]
    assert "<script" not in page
    assert "&lt;b&gt;files&lt;/b&gt; &amp; more" in page
    assert "! no row has all the words" in text
    assert text == repr(result)


def test_a_result_with_no_rows_is_shown_too(books: Database) -> None:
    for result in (
        search(books, "books", vector=[1, 0], where="false"),
        search(books, "books", "xyzzy", mode="keyword"),
    ):
        assert repr(result).startswith("0 rows of books")
        assert "<table" in result._repr_mimebundle_()["text/html"]
        assert result.figure() is not None


def test_showing_ten_rows_takes_no_time(raw: connection, db: Database) -> None:
    raw.cursor().execute(
        "CREATE TABLE docs (id int PRIMARY KEY, module text, name text, content text, embedding vector(2));"
        "INSERT INTO docs SELECT i, 'module', 'name' || i, repeat('a long text about things ', 80), '[1,2]'"
        " FROM generate_series(1, 10) AS i"
    )
    for options in ({"vector": [1, 0]}, {"text": "text", "mode": "hybrid", "vector": [1, 0]}):
        result = search(db, "docs", **options)
        times = []
        for _ in range(30):
            started = time.perf_counter()
            result._repr_mimebundle_()
            times.append(time.perf_counter() - started)
        print(f"{median(times) * 1000:.2f} ms")
        assert min(times) < 0.004  # HTML and text; 2 ms for HTML alone on a machine that does nothing else


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_scores_are_drawn_best_first(books: Database) -> None:
    result = search(books, "books", vector=[1, 0], k=3)
    figure = result.figure()
    assert list(figure.data[0].x) == result.column("score")
    assert figure.layout.yaxis.ticktext[0].startswith("1 · Reading csv")
    assert "cosine similarity (larger is" in figure.layout.xaxis.title.text
    distances = search(books, "books", vector=[1, 0], k=3, metric="l2").figure()
    assert "l2 distance (smaller is" in distances.layout.xaxis.title.text
    words = search(books, "books", "csv", mode="keyword").figure()
    assert "ts_rank_cd" in words.layout.xaxis.title.text
    assert words.layout.title.text == "csv"


def test_a_row_is_called_by_its_key_and_its_text_where_there_is_room(raw: connection, db: Database) -> None:
    raw.cursor().execute(
        "CREATE TABLE notes (id text PRIMARY KEY, content text, embedding vector(2));"
        "INSERT INTO notes SELECT 'n' || i, repeat('the same words ', 9) || i, '[1,2]' FROM generate_series(1, 3) AS i"
    )

    def labels(**options: Any) -> tuple[str, str]:
        figure = search(db, "notes", vector=[1, 2], k=1, where="id LIKE '%1'", **options).figure()
        return figure.layout.yaxis.ticktext[0], figure.data[0].hovertext[0]

    text = "the same words " * 9
    shown, hover = labels()
    assert shown.startswith("n1 · the same words")
    assert len(shown.partition("  <b>")[0]) <= 44
    assert f"n1 · {text}1" in hover
    assert labels(columns=["id"])[0].startswith("n1 ")
    assert labels(columns=["content"])[0].startswith("the same words")
    raw.cursor().execute("UPDATE notes SET id = 'a key of many letters ' || id")
    shown, hover = labels()
    assert shown.startswith("the same words")
    assert f"{text}1 · a key of many letters n1" in hover


def test_a_row_without_a_distance_is_drawn_as_such(raw: connection, db: Database) -> None:
    raw.cursor().execute("CREATE TABLE t (id int PRIMARY KEY, embedding vector(2)); INSERT INTO t VALUES (1, '[0,0]')")
    assert "no cosine similarity" in str(search(db, "t", vector=[1, 0]).figure().layout.annotations)


def test_shares_of_the_legs_add_up_to_the_score(books: Database) -> None:
    result = hybrid(books, weights=(0.3, 0.7), rrf_k=10)
    vector, keyword = (bar for bar in result.figure().data if bar.type == "bar")
    assert np.allclose(np.array(vector.x) + np.array(keyword.x), result.column("score"))
    assert vector.name == "vector"


def test_results_are_told_apart_by_identity(books: Database) -> None:
    result = search(books, "books", vector=[1, 0])
    assert result != search(books, "books", vector=[1, 0])
    assert len({result, result}) == 1
