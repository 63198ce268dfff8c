"""What is said of a statement by its text and by what the server answered: no plan is there."""

from __future__ import annotations

import re

import pytest
from psycopg2.extensions import connection
from test_db_link import pooled

import pgvec_magic as pv
from pgvec_magic import db as dbs
from pgvec_magic.catalog import Built
from pgvec_magic.db import Database
from pgvec_magic.diagnose import Finding, Statement, statements

__all__ = ["pooled"]  # a fixture

ROWS = """CREATE TABLE docs (id int, content text, embedding vector(3));
INSERT INTO docs SELECT i, 'text ' || i, ARRAY[random(), random(), random()] FROM generate_series(1, 6000) AS i;
SET max_parallel_maintenance_workers = {workers}; SET maintenance_work_mem = '{memory}'"""
BUILD = "CREATE INDEX docs_hnsw ON public.docs USING hnsw (embedding vector_cosine_ops)"
FULL = "NOTICE:  hnsw graph no longer fits into maintenance_work_mem after {} tuples\nDETAIL:  …"


def ids(found: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in found]


def test_a_setting_without_a_transaction_is_named_and_given_to_the_statement(db: Database) -> None:
    result = pv.sql(db, "SET LOCAL hnsw.ef_search TO '200'; SELECT '[1]'::vector")
    assert ids(result.findings) == ["R60"]
    assert "%%vsql --set hnsw.ef_search=200" in " ".join(repr(result).split())
    assert "warning R60" in repr(result)
    mended = pv.sql(
        db, "SELECT '[1]'::vector; SELECT current_setting('hnsw.ef_search')", settings=[("hnsw.ef_search", "200")]
    )
    assert (mended.rows, mended.findings) == ([("200",)], ())
    block = pv.sql(db, "BEGIN; SELECT '[1]'::vector; SET LOCAL hnsw.ef_search = 200; SHOW hnsw.ef_search; COMMIT")
    assert block.findings == ()


def test_a_setting_of_the_session_is_right_where_the_session_is_ours(db: Database) -> None:
    assert not db.pooled()
    assert pv.sql(db, "SELECT '[1]'::vector; SET hnsw.ef_search = 200").findings == ()


@pytest.mark.needs("pgbouncer")
def test_a_setting_of_the_session_is_named_behind_a_pooler(pooled: str, raw: connection) -> None:
    db = dbs.connect(pooled)
    assert db.pooled()
    found = pv.sql(db, "SELECT '[1]'::vector; SET SESSION hnsw.ef_search = 200").findings
    assert ids(found) == ["R61"]
    assert "--set hnsw.ef_search=" in (found[0].fix or "")
    assert pv.sql(db, "SET work_mem = '5MB'; SET LOCAL hnsw.ef_search = 20").findings != found
    assert pv.sql(db, "RESET ALL").findings == ()


@pytest.mark.parametrize(("workers", "memory"), [(0, "1MB"), (2, "5MB")])
def test_a_build_that_outgrew_its_memory_tells_how_much_it_needs(db: Database, workers: int, memory: str) -> None:
    filled = pv.sql(db, ROWS.format(workers=workers, memory=memory))
    assert filled.findings == ()
    if workers:
        pv.sql(db, "INSERT INTO docs SELECT * FROM docs")
        pv.sql(db, "ALTER TABLE docs SET (parallel_workers = 2)")
    (found,) = pv.sql(db, BUILD).findings
    assert (found.rule, found.severity) == ("R70", "warning")
    said = re.search(r"SET maintenance_work_mem = '\d+MB'", found.fix or "")
    assert said, found
    mended = pv.sql(db, f"DROP INDEX docs_hnsw; {said[0]}; {BUILD}")
    assert (mended.notes, mended.findings) == ((), ())


def test_a_reindex_tells_it_too_and_a_setting_of_the_cell_counts(db: Database) -> None:
    pv.sql(db, ROWS.format(workers=0, memory="64MB"))
    assert pv.sql(db, BUILD).findings == ()
    for statement in ("REINDEX INDEX docs_hnsw", "REINDEX TABLE public.docs"):
        (found,) = pv.sql(db, statement, settings=[("maintenance_work_mem", "1MB")]).findings
        assert "of 6,000 rows fitted into maintenance_work_mem = 1 MB" in found.why


def test_lists_made_of_nothing_are_named(db: Database) -> None:
    pv.sql(db, "CREATE TABLE docs (id int, embedding vector(3))")
    build = "CREATE INDEX docs_ivf ON docs USING ivfflat (embedding vector_l2_ops) WITH (lists = 5)"
    assert ids(pv.sql(db, build).findings) == ["R48"]
    filling = "INSERT INTO docs SELECT i, ARRAY[random(), random(), random()] FROM generate_series(1, 6000) AS i"
    assert pv.sql(db, f"{filling}; REINDEX INDEX CONCURRENTLY docs_ivf").findings == ()


def test_nothing_but_stop_words_is_named(db: Database) -> None:
    asked = "SELECT 'a text'::tsvector @@ websearch_to_tsquery('english', 'what is it')"
    assert ids(pv.sql(db, asked).findings) == ["H06"]
    assert pv.sql(db, asked.replace("'english'", "'simple'")).findings == ()
    assert pv.sql(db, "SELECT numnode(websearch_to_tsquery('english', 'what is it'))").findings == ()


@pytest.mark.parametrize(
    ("statement", "built", "sets"),
    [
        ("create index concurrently on only docs using hnsw (v vector_l2_ops)", "docs", None),
        ('CREATE INDEX i ON "my schema"."on"/* x */ USING hnsw (v)', '"my schema"."on"', None),
        ("REINDEX (VERBOSE) INDEX CONCURRENTLY s.i", "s.i", None),
        ("REINDEX TABLE t;", "t", None),
        ("REINDEX DATABASE", None, None),
        ("SET hnsw.ef_search = 5", None, "hnsw.ef_search"),
        ("set session ivfflat.probes to 5", None, "ivfflat.probes"),
        ("SET LOCAL hnsw.ef_search = 5", None, None),
        ("SELECT 'SET hnsw.ef_search = 5'", None, None),
    ],
)
def test_what_a_statement_is_about(statement: str, built: str | None, sets: str | None) -> None:
    said = Statement(statement, (FULL.format(9),))
    assert said.sets == sets
    if sets is None and "LOCAL" not in statement and "SELECT" not in statement:
        assert said.built == built


def test_of_several_builds_the_memory_is_advised_in_words() -> None:
    said = Statement("CREATE INDEX ON parts USING hnsw (v)", (FULL.format(9), FULL.format(90)))
    assert said.built is None
    (found,) = statements.told(said, Built(1000, 1 << 20))
    assert (found.rule, found.fix) == ("R70", "set it higher")
