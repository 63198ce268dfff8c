from __future__ import annotations

import pytest

import pgvec_magic as pv
from pgvec_magic.db import Database
from pgvec_magic.errors import UsageError
from pgvec_magic.lessons import exercise, filters, first_index, missing_rows

LIBRARY = """
CREATE TABLE library (id bigint PRIMARY KEY, embedding vector(3));
CREATE TABLE library_early (id bigint PRIMARY KEY, embedding vector(3));
CREATE INDEX early ON library_early USING ivfflat (embedding vector_cosine_ops) WITH (lists = 2);
CREATE INDEX graph ON library USING hnsw (embedding vector_cosine_ops)
"""
FILLED = "INSERT INTO library_early SELECT n, ARRAY[n, 1, 2]::vector FROM generate_series(1, 50) AS n"


def stored(db: Database, recall: str) -> None:
    line = f"pgvec: ef_search=80 recall@10={recall} on=2026-01-01 rows=12000"
    pv.sql(db, f"COMMENT ON INDEX graph IS '{line}'")


def test_an_index_is_older_than_its_rows_until_it_is_rebuilt_behind_them(db: Database) -> None:
    pv.sql(db, LIBRARY)
    assert "early is older than its rows" in repr(first_index.check())
    pv.sql(db, FILLED)
    assert "early is older than its rows" in repr(first_index.check())
    pv.sql(db, "REINDEX INDEX CONCURRENTLY early")
    assert first_index.check().exercises[0].missing == ""
    pv.sql(db, "INSERT INTO library_early VALUES (51, '[1, 2, 3]')")
    assert first_index.check().exercises[0].missing == "early is older than its rows"
    pv.sql(db, "DROP INDEX early; CREATE INDEX early ON library_early USING hnsw (embedding vector_cosine_ops)")
    assert first_index.check().exercises[0].missing == ""
    pv.sql(db, "DROP INDEX early")
    assert first_index.check().exercises[0].missing == "library_early has no index at all"


def test_a_setting_counts_that_is_stored_on_the_graph_and_reaches_the_target(db: Database) -> None:
    pv.sql(db, LIBRARY)
    assert first_index.check().exercises[1].missing == "nothing is stored on an HNSW index of library"
    stored(db, "0.980")
    assert first_index.check().exercises[1].missing == (
        "stored: ef_search = 80, with a recall of 0.980; 0.99 is wanted"
    )
    stored(db, "0.990")
    assert first_index.check().exercises[1].missing == ""
    pv.sql(db, "DROP INDEX graph")
    assert first_index.check().exercises[1].missing == "nothing is stored on an HNSW index of library"


def test_what_was_predicted_stands_beside_what_came(db: Database) -> None:
    pv.sql(db, LIBRARY)
    assert first_index.check(12).notes == ("graph has 0 MB; you had predicted 12",)
    assert exercise.predicted(None, "40 of 100 rows came") == (
        "40 of 100 rows came; you had predicted nothing: who has guessed sees more"
    )


def test_a_statement_that_gives_too_few_rows_or_reads_another_table_is_not_done(db: Database) -> None:
    pv.sql(db, "CREATE TABLE desk AS SELECT n AS id FROM generate_series(1, 9) AS n")
    seen = pv.explain(db, sql="SELECT id FROM desk")
    assert exercise.too_few(seen, "desk", 9) == ""
    assert exercise.too_few(seen, "desk", 1_000) == "it gives 9 of 1,000 rows"
    assert exercise.too_few(seen, "tenants", 9) == "it does not look into tenants any more"
    pv.sql(db, "DELETE FROM desk")
    assert exercise.too_few(exercise.now(seen, "page"), "desk", 9) == "it gives 0 of 9 rows"


def test_checks_want_what_the_cells_of_their_exercises_made(db: Database) -> None:
    plan = pv.read_plan("Result  (cost=0.00..0.01 rows=1 width=4)")
    with pytest.raises(UsageError, match="the fifth page is no explanation of a statement"):
        missing_rows.check(plan, plan, came=40)
    pv.sql(db, "CREATE TABLE tenants AS SELECT 1 AS id")
    seen = pv.explain(db, sql="SELECT id FROM tenants")
    with pytest.raises(UsageError, match="the right ones is no result of a search") as caught:
        filters.check(seen, seen, came=0)  # type: ignore[arg-type]
    assert caught.value.hint == "run its cell, with -o and without --explain"
