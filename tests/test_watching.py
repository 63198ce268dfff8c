"""Fewer rows than asked: the cause is named with its proof, a full result costs nothing, and nothing breaks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psycopg2
import pytest
from corpus import TABLE, V, execute
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic.db import Database, connect
from pgvec_magic.diagnose import numbers
from pgvec_magic.query import Query
from pgvec_magic.search import Result, watching

LITTLE_MEMORY = {"work_mem": "64kB", "hnsw.scan_mem_multiplier": 1}
WALKED = {"enable_sort": "off", "enable_seqscan": "off", "enable_bitmapscan": "off"}
FEW, RARE = "content LIKE '%7' AND tenant < 50", "content LIKE '%77' AND tenant < 100"
NEAR = "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT "
IVFFLAT = "DROP INDEX docs_hnsw; CREATE INDEX ON docs USING ivfflat (embedding vector_cosine_ops) WITH (lists = 20)"
DEAD = """
DELETE FROM docs WHERE embedding <=> '[1,2,3]' < 0.1; SELECT pg_stat_force_next_flush(); ANALYZE docs;
INSERT INTO docs SELECT i + 9000, 1, '', '[-1,-1,-1]' FROM generate_series(1, 900) AS i
"""


@pytest.fixture
def docs(raw: connection) -> connection:
    execute(raw, TABLE)
    return raw


@pytest.fixture(scope="module")
def filled(module_dsn: str) -> str:
    with contextlib.closing(psycopg2.connect(module_dsn)) as made:
        made.autocommit = True
        execute(made, TABLE)
    return module_dsn


@pytest.fixture
def here(filled: str) -> Database:
    """A connection to a table that stays as it is."""
    return connect(filled, name="here")


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> Callable[[Database], list[str]]:
    """A function that returns a list to which everything that goes over a connection's link is added from now on."""

    def listen(db: Database) -> list[str]:
        sent: list[str] = []
        send = db._link.send
        monkeypatch.setattr(
            db._link, "send", lambda prefix, sql, params: (sent.append(sql), send(prefix, sql, params))[1]
        )
        return sent

    return listen


def near(db: Database, **options: Any) -> Result:
    return pv.search(db, "docs", **{"vector": V, **options})


def rules(result: Result) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in result.findings]


# --- searches whose scan is the person's affair -----------------------------------------------------------------------


def check(db: Database, options: dict[str, Any], rule: str, said: str) -> None:
    result = near(db, **options)
    assert rules(result) == [(rule, "error")]
    assert said in result.findings[0].why
    assert not [note for note in result.notes if "missing" in note]
    assert result.proof is not None
    assert len(db.run(result.proof).rows) > len(result)
    shown = " ".join(repr(result).split())
    html = result._repr_mimebundle_()["text/html"]
    for words in (result.findings[0].title, rule, "the proof: the same with --exact in place of"):
        assert words in shown
        assert words in html
    assert "<details><summary>the proof" in html
    assert rule in [finding.rule for finding in result.explain().findings]


@pytest.mark.parametrize(
    ("options", "rule", "said"),
    [
        ({"as_is": True, "k": 100}, "R40", "40 came; an exact search finds all 100 asked for"),
        ({"as_is": True, "offset": 50}, "R40", "behind 50 that are skipped: 0 came; an exact search finds all 10"),
        ({"as_is": True, "where": FEW, "set": WALKED}, "R41", "removed 40 of them: 0 of 10 rows are left; an exact"),
        ({"as_is": True, "where": RARE, "set": WALKED}, "R41", "an exact search finds 8 of the 10 asked for"),
        ({"strategy": "ann", "where": RARE, "set": WALKED}, "R41", "the filter removed 200 of them: 0 of 10"),
        ({"strategy": "ann", "k": 80, "ef_search": 50}, "R40", "hnsw.ef_search = 50 rows, and 80 are asked for"),
        (
            {"strategy": "iterative", "where": RARE, "set": {**WALKED, "hnsw.max_scan_tuples": 500}},
            "R43",
            "as hnsw.max_scan_tuples = 500 says",
        ),
        (
            {"strategy": "iterative", "where": RARE, "set": {**WALKED, **LITTLE_MEMORY}},
            "R44",
            "work_mem × hnsw.scan_mem_multiplier, was full",
        ),
        ({"as_is": True, "k": 100, "max_distance": 2}, "R40", "40 came; an exact search finds all 100 asked for"),
        ({"as_is": True, "per": "tenant", "k": 50}, "R40", "finds all 50 values of tenant asked for"),
        ({"as_is": True, "diverse": True, "k": 50}, "R40", "40 came; an exact search finds all 200 asked for"),
    ],
)
def test_a_search_of_ones_own_says_what_it_missed_and_why(
    here: Database, options: dict[str, Any], rule: str, said: str
) -> None:
    check(here, options, rule, said)


@pytest.mark.parametrize(
    ("before", "options", "rule", "said"),
    [
        (DEAD, {"as_is": True}, "R47", "dead rows, which still take their places among those: 0 of 10"),
        (IVFFLAT, {"as_is": True, "k": 400, "set": WALKED}, "R40", "ivfflat.probes = 1 looks into had"),
        (IVFFLAT, {"strategy": "ann", "probes": 1, "k": 400, "set": WALKED}, "R40", "finds all 400 asked for"),
    ],
)
def test_so_does_one_of_another_table(
    db: Database, docs: connection, before: str, options: dict[str, Any], rule: str, said: str
) -> None:
    execute(docs, before)
    check(db, options, rule, said)


def test_rows_that_were_deleted_a_moment_ago_are_known_as_dead(db: Database, docs: connection) -> None:
    pv.sql(db, DEAD.replace("SELECT pg_stat_force_next_flush(); ANALYZE docs;", ""))
    check(db, {"as_is": True}, "R47", "dead rows, which still take their places among those: 0 of 10")


@pytest.mark.parametrize("options", [{"as_is": True}, {"strategy": "ann"}, {"strategy": "iterative"}])
def test_where_there_are_no_more_rows_that_is_said_and_nothing_is_wrong(
    db: Database, docs: connection, options: dict[str, Any]
) -> None:
    execute(docs, "DELETE FROM docs WHERE id > 100; VACUUM ANALYZE docs")
    for settings in ({}, {**WALKED, "hnsw.ef_search": 500}):
        result = near(db, k=150, set=settings, **options)
        assert (len(result), result.findings, result.proof) == (100, (), None)
        assert result.notes == ("50 of 150 rows are missing: there are only 100 rows with a vector",)
    assert near(db, k=5, offset=300, **options).notes[-1].endswith("there are no more than 300 rows with a vector")


def test_a_threshold_is_the_cause_that_is_told(here: Database) -> None:
    for options in ({"as_is": True}, {"strategy": "ann"}, {}):
        result = near(here, max_distance=0.0003, k=30, **options)
        assert 0 < len(result) < 30
        assert "the threshold, distance 0.0003, cut the rest away" in result.notes[-1]
        assert (result.findings, result.proof) == ((), None)


# --- the default, which completes what is short -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "options"),
    [
        (DEAD, {}),
        ("", {"where": "content LIKE '%7'", "set": {**WALKED, "hnsw.iterative_scan": "off"}, "ef_search": 20}),
        (IVFFLAT, {"where": "tenant < 400", "k": 300, "probes": 1, "set": {**WALKED, "ivfflat.max_probes": "1"}}),
    ],
)
def test_a_search_that_was_repeated_has_its_rows_and_no_second_look(
    db: Database, docs: connection, before: str, options: dict[str, Any]
) -> None:
    execute(docs, before)
    result = near(db, **options)
    assert len(result) == options.get("k", 10)
    assert (result.findings, result.notes, result.proof) == ((), (), None)
    assert result.found is not None
    assert "the index scan gave" in result.found.scan.why


def test_rows_that_are_not_there_are_no_fault_of_the_index(here: Database) -> None:
    result = near(here, k=5000)
    assert (result.notes, result.findings) == (
        ("1,000 of 5,000 rows are missing: there are only 4,000 rows with a vector",),
        (),
    )


def test_rows_without_a_vector_are_counted(db: Database, docs: connection) -> None:
    execute(
        docs, "DELETE FROM docs WHERE id > 100; UPDATE docs SET embedding = NULL WHERE id > 60; VACUUM ANALYZE docs"
    )
    for options in ({}, {"as_is": True}, {"as_is": True, "set": {**WALKED, "hnsw.ef_search": 200}}):
        result = near(db, k=70, **options)
        assert result.notes == ("10 of 70 rows are missing: there are only 60 rows with a vector",)
        assert rules(result) == [("R50", "info")]
        assert result.findings[0].why.startswith("40 rows have no vector in embedding")
        assert result.findings[0].fix is None  # no model is known
    assert near(db, k=70, where="id < 30").findings == ()
    assert near(db, k=70, where="id < :most", params={"most": 62}).findings[0].why.startswith("1 row has no vector")
    execute(docs, "COMMENT ON COLUMN docs.embedding IS 'pgvec: embedder=wordllama'")
    pv.tables(db)
    db.cache.clear()
    assert near(db, k=70).findings[0].fix == "%vembed docs --text content --column embedding"


def test_rows_with_a_vector_of_zeros_are_in_no_cosine_index(db: Database, docs: connection) -> None:
    execute(docs, "DELETE FROM docs WHERE id > 100; UPDATE docs SET embedding = '[0,0,0]' WHERE id > 98")
    execute(docs, "VACUUM ANALYZE docs")
    result = near(db, k=100, as_is=True, set={**WALKED, "hnsw.ef_search": 200})
    assert (len(result), rules(result)) == (98, [("R50", "info")])
    assert "2 rows have a vector of zeros in embedding" in result.findings[0].why
    assert result.findings[0].why.endswith("an exact search finds all 100 asked for")


# --- words ------------------------------------------------------------------------------------------------------------


def test_a_short_vector_leg_is_told_though_words_fill_the_result(here: Database) -> None:
    options: dict[str, Any] = {"text": "text", "mode": "hybrid"}
    result = near(here, candidates=100, as_is=True, **options)
    assert (len(result), rules(result)) == (10, [("R40", "error")])
    assert result.findings[0].why.endswith("40 came; an exact search finds all 100 of the vector leg")
    assert not [note for note in result.notes if "missing" in note]
    found = near(here, where="content LIKE '%77'", set={**WALKED, "hnsw.max_scan_tuples": 300}, ef_search=40, **options)
    assert (rules(found), found.found and found.found.leg) == ([], 40)  # it was repeated
    few = near(here, where=RARE, strategy="ann", set=WALKED, **options)
    assert rules(few) == [("R41", "error")]
    assert few.findings[0].why.endswith("an exact search finds 8 of the 40 of the vector leg")
    assert few.notes[-1] == "2 of 10 rows are missing: there are only 8 rows that either leg finds within the filter"


@pytest.mark.parametrize(
    "options",
    [
        {"text": "nosuch", "mode": "keyword", "vector": None},
        {"text": "7", "mode": "keyword", "vector": None, "k": 20},
        {"text": "nosuch", "mode": "hybrid"},
        {"text": "text", "mode": "hybrid"},
        {"text": "nosuch", "mode": "hybrid", "where": "id < 3"},
        {"text": "text", "mode": "hybrid", "where": "id < 3", "strategy": "ann"},
        {"text": "text", "mode": "hybrid", "where": "false", "as_is": True},
        {"text": "text", "mode": "hybrid", "per": "tenant", "k": 600},
        {"text": "text", "mode": "hybrid", "max_distance": 0.0001, "as_is": True},
        {"text": "text", "mode": "hybrid", "rerank": lambda _, texts: [len(text) for text in texts]},
        {"rerank": lambda _, texts: [len(text) for text in texts], "text": "text", "mode": "hybrid", "k": 4000},
        {"diverse": True},
        {"per": "tenant", "k": 600, "strategy": "ann"},
        {"where": "id < 4"},
        {"similar_to": [1, 2], "vector": None, "k": 4000},
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(here: Database, options: dict[str, Any]) -> None:
    result = near(here, **options)
    assert (result.findings, result.proof) == ((), None)
    assert "missing" in " ".join(result.notes) or len(result) == options.get("k", 10) or "no row" in result.notes[0]


# --- statements of people ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "text", "settings", "rule"),
    [
        ("", NEAR + "100", {}, "R40"),
        ("", NEAR + "100;", {}, "R40"),
        ("", "SELECT 1; SELECT id, embedding <=> :query AS d FROM docs ORDER BY d LIMIT 10 OFFSET 50", {}, "R40"),
        ("", f"SELECT id FROM docs WHERE {FEW} ORDER BY embedding <=> :query LIMIT 10", WALKED, "R41"),
        (
            "",
            f"SELECT id FROM docs WHERE {RARE} ORDER BY embedding <=> :query LIMIT 10",
            {**WALKED, "hnsw.iterative_scan": "strict_order", "hnsw.max_scan_tuples": "500"},
            "R43",
        ),
        (
            "",
            "WITH near AS MATERIALIZED (SELECT id, embedding <=> :query AS d FROM docs ORDER BY d LIMIT 100)"
            " SELECT * FROM near ORDER BY d + 0 LIMIT 60",
            {},
            "R40",
        ),
        (DEAD, NEAR + "10", {}, "R47"),
        (IVFFLAT, NEAR + "400", {"ivfflat.probes": "1", **WALKED}, "R40"),
    ],
)
def test_a_statement_says_what_it_missed_and_why(
    db: Database, docs: connection, before: str, text: str, settings: dict[str, str], rule: str
) -> None:
    execute(docs, before)
    result = pv.sql(db, text, vector=V, settings=list(settings.items()))
    assert rules(result) == [(rule, "error")]
    assert f"; an exact search finds {'8 of the 10' if RARE in text else 'all '}" in result.findings[0].why
    assert result.proof is not None
    assert len(db.run(result.proof).rows) > len(result)
    assert "the proof: the same with --set enable_indexscan=off" in " ".join(repr(result).split())
    exactly = dict([*settings.items(), *watching.EXACTLY])
    again = pv.sql(db, text, vector=V, settings=list(exactly.items()))
    assert (len(again), again.findings) == (len(db.run(result.proof).rows), ())


def test_a_limit_may_be_a_parameter(db: Database, docs: connection) -> None:
    given: dict[str, Any] = {"vector": V, "params": {"k": np.int64(100), "skip": 0}}
    text = f"{NEAR}:k OFFSET :skip -- LIMIT :k"
    assert pv.sql(db, text, **given).findings == ()  # a comment is the end of it
    result = pv.sql(db, text.partition(" --")[0], **given)
    assert rules(result) == [("R40", "error")]
    assert (len(result), len(db.run(result.proof).rows)) == (40, 100)  # type: ignore[arg-type]
    rare = f"SELECT id FROM docs WHERE {FEW} ORDER BY embedding <=> :query LIMIT :k"
    planned = pv.explain(db, sql=rare, vector=V, params={"k": 30}, settings=WALKED)
    assert "of 30 rows" in planned.findings[0].why


def test_a_statement_that_has_all_rows_says_so(here: Database) -> None:
    said = "6 of 10 rows are missing: there are no more that the statement selects"
    sql = "SELECT id FROM docs WHERE id < 5 ORDER BY embedding <=> :query LIMIT 10"
    assert pv.sql(here, sql, vector=V).notes == (said,)
    assert pv.sql(here, sql, vector=V, settings=[*WALKED.items(), ("hnsw.iterative_scan", "strict_order")]).notes == (
        said,
    )


def test_rows_that_no_index_has_are_told_of_a_statement(db: Database, docs: connection) -> None:
    execute(
        docs, "DELETE FROM docs WHERE id > 100; UPDATE docs SET embedding = NULL WHERE id > 60; VACUUM ANALYZE docs"
    )
    result = pv.sql(db, NEAR + "70", vector=V, settings=[*WALKED.items(), ("hnsw.ef_search", "200")])
    assert (len(result), rules(result)) == (60, [("R50", "warning")])
    assert result.findings[0].why == (
        "40% of the rows of docs have no vector, so no index has them and no search finds them: 60 of 70 rows came;"
        " an exact search finds all 70 asked for"
    )


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id, random() FROM docs ORDER BY embedding <=> :query LIMIT 100",
        "SELECT id, nextval('told') FROM docs ORDER BY embedding <=> :query LIMIT 100",
        "SELECT id, pg_advisory_lock(1) FROM docs ORDER BY embedding <=> :query LIMIT 100",
        "SELECT id, noted(id) FROM docs ORDER BY embedding <=> :query LIMIT 100",
        'SELECT id, "Noted"(id) FROM docs ORDER BY embedding <=> :query LIMIT 100',
        "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 100 FOR UPDATE",
        "SELECT id FROM hides ORDER BY embedding <=> :query LIMIT 100",
        "WITH put AS (INSERT INTO questions VALUES (2) RETURNING id) SELECT d.id FROM docs d ORDER BY"
        " embedding <=> :query LIMIT 100",
        "INSERT INTO questions SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 100",
        "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 10 * 10",
        "SELECT 'LIMIT 100' FROM docs ORDER BY embedding <=> :query LIMIT 40 -- LIMIT 100",
        "SELECT :query, 'ORDER BY a <=> b LIMIT 9' FROM docs WHERE id < 3 ORDER BY id LIMIT 9",
        "EXPLAIN SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 100",
        "BEGIN; SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 100",
    ],
)
def test_what_may_do_more_than_read_is_not_run_again(db: Database, docs: connection, text: str) -> None:
    execute(
        docs,
        """CREATE SEQUENCE told;
        CREATE FUNCTION noted(int) RETURNS int LANGUAGE sql VOLATILE AS $$ SELECT nextval('told')::int $$;
        CREATE FUNCTION "Noted"(int) RETURNS int LANGUAGE sql VOLATILE AS $$ SELECT nextval('told')::int $$;
        CREATE VIEW hides AS SELECT id, embedding FROM docs WHERE noted(id) > 0""",
    )
    result = pv.sql(db, text, vector=V)
    assert (result.findings, result.proof, result.notes) == ((), None, ())
    told = db.run(Query("SELECT last_value, is_called FROM told")).rows
    rows = len(result) if any(word in text.lower() for word in ("told", "noted", "hides")) else 0
    assert told == [(max(rows, 1), bool(rows))]
    assert db.run(Query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).rows[0][0] <= 1


def test_what_only_says_that_it_reads_is_run_again_where_it_cannot_write(db: Database, docs: connection) -> None:
    execute(
        docs,
        """CREATE SEQUENCE told; CREATE FUNCTION lies(int) RETURNS bool LANGUAGE plpgsql STABLE AS
        $$ BEGIN PERFORM nextval('told'); RETURN true; END $$""",
    )
    result = pv.sql(db, "SELECT id FROM docs WHERE lies(id) ORDER BY embedding <=> :query LIMIT 100", vector=V)
    assert (len(result), result.findings, result.notes) == (40, (), ())
    assert db.run(Query("SELECT last_value FROM told")).rows == [(40,)]


# --- it costs nothing, and it breaks nothing --------------------------------------------------------------------------


def test_a_full_result_is_one_message(here: Database, messages: Callable[[Database], list[str]]) -> None:
    near(here)  # what is read of the catalog is read
    for run in (
        lambda: near(here),
        lambda: near(here, as_is=True),
        lambda: near(here, strategy="ann", k=40),
        lambda: near(here, mode="hybrid", text="text"),
        lambda: pv.sql(here, NEAR + "10", vector=V),
        lambda: pv.sql(here, NEAR + "10 OFFSET 20", vector=V),
        lambda: pv.sql(here, "SELECT id FROM docs WHERE id < 3 LIMIT 10"),
    ):
        sent = messages(here)
        result = run()
        assert len(sent) == 1, sent
        assert (result.findings, result.proof) == ((), None)
    assert result.explain().plan.analyzed


def test_a_table_that_is_gone_by_then_leaves_the_result_as_it_is(
    db: Database, docs: connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearse = db.rehearse

    def gone(steps: Any) -> Any:
        execute(docs, "DROP TABLE IF EXISTS docs")
        return rehearse(steps)

    monkeypatch.setattr(db, "rehearse", gone)
    result = near(db, as_is=True, k=100)
    assert (len(result), result.findings, result.proof) == (40, (), None)
    assert result.notes == (
        "60 of 100 rows are missing: the scan ended before it found them, if they exist (--exact looks at every row)",
    )
    execute(docs, TABLE.replace("CREATE TABLE questions (id int, v vector(3));", "").replace("INSERT INTO q", "--"))
    assert len(pv.sql(db, NEAR + "100", vector=V)) == 40
    assert db.run(Query("SELECT 1")).rows == [(1,)]


@pytest.fixture
def reader(dsn: str, docs: connection) -> Iterator[Callable[..., Database]]:
    """A function that connects as a role which may read a few columns of ``docs`` and nothing else."""
    drop = "DROP OWNED BY pgvec_reader; DROP ROLE pgvec_reader"
    execute(docs, "DROP ROLE IF EXISTS pgvec_reader; CREATE ROLE pgvec_reader")
    execute(docs, "GRANT SELECT (id, tenant, content, embedding) ON docs TO pgvec_reader")
    yield lambda **options: connect(dsn, name="reader", role="pgvec_reader", **options)
    execute(docs, drop)


def test_a_role_that_may_only_read_is_told_too(reader: Callable[..., Database], docs: connection) -> None:
    execute(docs, "REVOKE SELECT ON pg_stats, pg_stat_all_tables FROM PUBLIC")
    try:
        few = near(reader(), as_is=True, k=100)
        assert (len(few), few.findings) == (40, ())  # the catalog says too little of it
        assert "if they exist" in few.notes[-1]
    finally:
        execute(docs, "GRANT SELECT ON pg_stats, pg_stat_all_tables TO PUBLIC")
    assert rules(near(reader(readonly=True), as_is=True, k=100)) == [("R40", "error")]
    assert rules(pv.sql(reader(), NEAR + "100", vector=V)) == [("R40", "error")]


def test_policies_are_named_as_the_cause(reader: Callable[..., Database], docs: connection) -> None:
    execute(docs, "CREATE POLICY own ON docs USING (content LIKE '%7' AND tenant < 50)")
    execute(docs, "ALTER TABLE docs ENABLE ROW LEVEL SECURITY")
    theirs = reader()
    for result in (
        near(theirs, as_is=True, set=WALKED),
        pv.sql(theirs, NEAR + "10", vector=V, settings=list(WALKED.items())),
    ):
        assert rules(result) == [("R42", "error")]
        assert "the policy or the filter removed 40 of them" in result.findings[0].why
    all_there_are = near(theirs, as_is=True, k=4000)
    assert all_there_are.notes[-1].endswith("as far as the table's policies show its rows to this role")


SLOW = """
CREATE FUNCTION slow(int) RETURNS bool LANGUAGE plpgsql STABLE COST 1 AS
$$ BEGIN PERFORM pg_sleep(0.001); RETURN true; END $$
"""


def test_a_second_look_takes_no_longer_than_it_may(db: Database, docs: connection, dsn: str) -> None:
    execute(docs, SLOW)
    started = time.perf_counter()
    result = near(db, as_is=True, k=100, where="slow(id)", set=WALKED)
    seconds = time.perf_counter() - started
    assert rules(result) == [("R40", "warning")]
    assert "whether there are more is not known, for to look at every row takes longer than" in result.findings[0].why
    assert result.proof is None
    assert seconds < 6 * result.seconds + 2.5  # on a busy machine
    assert result.seconds < 4000 * 0.001


def test_a_limit_of_time_that_is_in_force_stays(
    docs: connection, dsn: str, messages: Callable[[Database], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(docs, SLOW)
    limited = connect(dsn, name="limited", timeout=0.3)
    result = near(limited, as_is=True, k=100, where="slow(id)", set=WALKED)
    assert "takes longer than 0.3 s" in result.findings[0].why
    asked = pv.sql(
        limited,
        "SELECT id FROM docs WHERE slow(id) ORDER BY embedding <=> :query LIMIT 100",
        vector=V,
        settings=[*WALKED.items(), ("statement_timeout", "200ms")],
    )
    assert "takes longer than 0.2 s" in asked.findings[0].why
    assert near(limited, as_is=True, k=100).findings[0].why.endswith("an exact search finds all 100 asked for")


def test_what_fails_on_other_rows_is_said(db: Database, docs: connection) -> None:
    execute(
        docs, "UPDATE docs SET tenant = 0 WHERE id = (SELECT id FROM docs ORDER BY embedding <=> '[-1,-2,0]' LIMIT 1)"
    )
    result = near(db, as_is=True, k=100, where="100 / nullif(tenant, 1) IS NOT NULL OR tenant = 1", set=WALKED)
    assert rules(result) == [("R40", "warning")]
    assert "for to look at every row fails: division by zero" in result.findings[0].why


def test_a_transaction_of_ones_own_is_left_alone(
    db: Database, docs: connection, messages: Callable[[Database], list[str]]
) -> None:
    near(db)
    db.run(Query("BEGIN"))
    sent = messages(db)
    result = near(db, as_is=True, k=100)
    assert (len(result), result.findings) == (40, ())
    assert "if they exist" in result.notes[-1]
    assert len(sent) == 1
    db.run(Query("INSERT INTO questions VALUES (7)"))
    db.run(Query("COMMIT"))
    assert db.run(Query("SELECT count(*) FROM questions WHERE id = 7")).rows == [(1,)]


# --- which LIMIT it is ------------------------------------------------------------------------------------------------


def test_the_limit_of_a_cte_is_read_and_not_what_the_planner_expects(here: Database) -> None:
    cte = "SELECT id, embedding <=> :query AS d FROM docs WHERE (tenant + id) % 2 < 9 AND tenant % 2 = 0 ORDER BY d"
    sql = f'WITH "the Near" AS MATERIALIZED ({cte} LIMIT 70) SELECT * FROM "the Near" ORDER BY d + 0 LIMIT 60'
    found = pv.explain(here, sql=sql, vector=V, settings=list(WALKED.items()))
    limit = next(node for node in found.plan.nodes if node.details.get("Subplan Name") == "CTE the Near")
    assert (limit.kind, limit.estimate is not None and limit.estimate < 20 <= 70) == ("Limit", True)
    assert f"{limit.rows:,.0f} of 70 rows are left" in found.findings[0].why


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 LIMIT 5", [(5, 0, None)]),
        ("WITH a AS (SELECT 1 LIMIT 3), B AS NOT MATERIALIZED (SELECT 2 LIMIT 4) SELECT 1", [(3, 1, "a"), (4, 1, "b")]),
        ('WITH "x ""y" AS MATERIALIZED (SELECT (SELECT 1 LIMIT 1) LIMIT 3)', [(1, 2, None), (3, 1, 'x "y')]),
        ("SELECT a AS (LIMIT 2) LIMIT 10 * 2", [(2, 1, "a")]),
        ("SELECT ')' LIMIT 7 -- )", [(7, 0, None)]),
        ("LIMIT", []),
    ],
)
def test_numbers_behind_a_word(sql: str, expected: list[tuple[float, int, str | None]]) -> None:
    assert [(found.value, found.depth, found.cte) for found in numbers(sql, "LIMIT")] == expected
