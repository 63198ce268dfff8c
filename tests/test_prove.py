from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from corpus import TABLE, Case, V, cases, execute, explained
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic.compare import Proved, proved
from pgvec_magic.compare.measure import recall
from pgvec_magic.db import Database, connect
from pgvec_magic.diagnose import Cure, Finding
from pgvec_magic.errors import UsageError

CITUS = Path(__file__).parent / "plans" / "citus" / "knn.json"
WITHIN = "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 100"


@pytest.fixture
def docs(raw: connection) -> connection:
    execute(raw, TABLE)
    return raw


def rows(raw: connection, sql: str) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def state(raw: connection) -> list[tuple[Any, ...]]:
    """What a proof must leave as it was."""
    indexes = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'docs'::regclass ORDER BY 1"
    open_ones = "SELECT 'open', count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    return [*rows(raw, indexes), *rows(raw, "SELECT count(*), sum(tenant) FROM docs"), *rows(raw, open_ones)]


def of_docs(db: Database, sql: str, **settings: str) -> pv.Explanation:
    return explained(db, sql, {name.replace("__", "."): value for name, value in settings.items()})


# What is wrong is mended, but of these words, or of so few rows, with lists that begin anywhere, nothing may be gained.
UNMOVED = ("another language than the setting", "generic", "built before the rows came", "more lists than rows")


@pytest.mark.parametrize("case", cases("sick").values(), ids=cases("sick"))
def test_every_cure_is_proved_to_help(db: Database, docs: connection, case: Case) -> None:
    if case.servers and docs.info.server_version // 10_000 not in case.servers:
        pytest.skip(f"of PostgreSQL {case.servers}")
    execute(docs, case.before)
    if case.prepared:
        pv.sql(db, case.prepared)
    found = explained(db, case.sql, case.settings)
    finding, before = found.findings[0], state(docs)
    cure = finding.cure or Cure()
    for build in [False] * bool(finding.cure and not cure.before) + [True] * bool(cure.before or cure.built):
        # where only time is gained, a machine that does other things meanwhile may have to be asked again
        proofs = (pv.prove(db, found, finding, build=build) for _ in range(8))
        if case.name in UNMOVED:
            tried = next(proofs)
            assert tried.after is not None
            assert case.rule not in [each.rule for each in tried.after.explanation.findings]
            continue
        proof = next((each for each in proofs if each.helped), None)
        assert proof is not None, repr(pv.prove(db, found, finding, build=build))
        assert proof.after is not None
        assert case.rule not in [each.rule for each in proof.after.explanation.findings]
        assert "it helps: " in repr(proof)
    assert state(docs) == before


def test_rows_and_recall_are_those_of_the_statement(db: Database, docs: connection) -> None:
    found = of_docs(db, WITHIN, hnsw__ef_search="40")
    proof = pv.prove(db, found, found.findings[0])
    assert proof.after is not None
    assert (proof.before.rows, proof.after.rows) == (40, 100)
    assert (proof.before.recall, proof.after.recall) == (pytest.approx(0.4, abs=0.01), pytest.approx(1.0, abs=0.03))
    assert proof.before.indexes == proof.after.indexes == ("docs_hnsw",)
    assert 1 <= len(proof.before.seconds) <= 9
    assert "100 rows instead of 40" in proof.verdict
    assert "recall 1.00 instead of 0.40" in proof.verdict or "recall 0.9" in proof.verdict
    assert proof.df["rows"].tolist() == [40, 100]
    assert proof.explanation is not None
    assert dict(proof.explanation.query.settings)["hnsw.ef_search"] == "100"  # type: ignore[union-attr]
    assert proof.tried == "SET LOCAL hnsw.ef_search = 100"


def test_recall_is_by_distance() -> None:
    assert recall([0.1, 0.2, 0.2], [0.1, 0.2, 0.2]) == 1.0
    assert recall([0.1, 0.2, 0.3], [0.1, 0.2, 0.2]) == pytest.approx(2 / 3)
    assert recall([-3.0, -1.0], [-3.0, -2.0]) == 0.5
    assert recall([0.1] * 9, [0.1]) == 1.0
    assert recall([], [0.1, 0.2]) == 0.0
    assert recall([], []) is None


@pytest.mark.parametrize(
    ("cure", "said"),
    [
        (Cure(settings=(("hnsw.ef_search", "41"),)), "R40 is still found"),
        (Cure(settings=(("hnsw.ef_search", "1"),)), "1 row instead of 40"),
        (Cure(settings=(("random_page_cost", "1"),)), "R40 is still found"),
        (Cure(sql="SELECT nothing FROM docs ORDER BY embedding <=> %(query)s LIMIT 100"), "does not exist"),
        (Cure(sql="SELECT id FROM docs ORDER BY embedding <=> %(query)s LIMIT 5"), "5 rows instead of 40"),
        (Cure(settings=(("hnsw.iterative_scan", "off"), ("hnsw.ef_search", "40"))), "R40 is still found"),
    ],
)
def test_what_does_not_help_is_said_to(db: Database, docs: connection, cure: Cure, said: str) -> None:
    found, before = of_docs(db, WITHIN, hnsw__ef_search="40"), state(docs)
    proof = pv.prove(db, found, replace(found.findings[0], cure=cure))
    assert not proof.helped
    assert "it does not help" in proof.verdict
    assert said in proof.verdict
    assert "the fix does not help" in repr(proof)
    assert state(docs) == before


def test_a_fix_that_changes_nothing_that_counts_does_not_help(db: Database, docs: connection) -> None:
    execute(docs, "CREATE TABLE few AS SELECT * FROM docs WHERE id < 40; ANALYZE few;"
                  "CREATE INDEX ON few USING hnsw (embedding vector_cosine_ops)")  # fmt: skip
    found = of_docs(db, "SELECT id FROM few ORDER BY embedding <-> :query LIMIT 10")
    shown = proved(db, found)
    assert [finding.rule for finding in shown.findings] == ["R04"] == [proof.finding.rule for proof in shown.proofs]
    if not shown.proofs[0].helped:  # 39 rows are read in no time either way
        assert shown.findings[0].fix is None
        assert "tried SELECT id FROM few ORDER BY embedding <=> :query LIMIT 10" in shown.findings[0].why


def test_only_fixes_that_helped_are_offered(db: Database, docs: connection) -> None:
    found = of_docs(db, WITHIN, hnsw__ef_search="40")
    shown = proved(db, found)
    assert [finding.fix for finding in shown.findings] == ["SET LOCAL hnsw.ef_search = 100"]
    assert all(proof.helped for proof in shown.proofs)
    assert repr(shown).count("it helps: ") == 1
    failed = replace(shown.proofs[0], after=None, problem="there is no room")
    without = replace(shown, proofs=(failed,))
    assert [finding.fix for finding in without.findings] == [None]
    assert "it does not help: there is no room" in repr(without)
    html = without._repr_mimebundle_()["text/html"]
    assert "it does not help" in html
    assert "hnsw.ef_search = 100" in html


def test_what_writes_is_undone_and_meets_the_same_rows_each_time(db: Database, docs: connection) -> None:
    execute(docs, "CREATE UNIQUE INDEX ON questions (id)")  # a row that stayed would be in the way of the next run
    near = "SELECT * FROM docs ORDER BY embedding <-> :query LIMIT 5"
    sql = f"INSERT INTO questions SELECT id + 100, embedding FROM ({near}) AS near"
    found, before = of_docs(db, sql), state(docs)
    assert [finding.rule for finding in found.findings] == ["R04"]
    proof = pv.prove(db, found, found.findings[0])
    assert proof.after is not None
    assert (proof.before.rows, proof.after.rows) == (5, 5)
    assert len(proof.before.seconds) > 1
    assert state(docs) == before
    assert rows(docs, "SELECT count(*) FROM questions") == [(1,)]


def test_what_cannot_be_tried_is_said(db: Database, docs: connection, dsn: str) -> None:
    found = of_docs(db, WITHIN, hnsw__ef_search="40")
    finding = found.findings[0]
    for given, options, said in (
        ((found, replace(finding, cure=None, fix="VACUUM docs")), {}, "cannot be tried and undone"),
        ((found, finding), {"build": True}, "no index that could be built"),
        ((found, replace(finding, cure=Cure(before=("REINDEX INDEX docs_hnsw",)))), {}, "build=True.* wait"),
        ((pv.read_plan(CITUS.read_text()), finding), {}, "pasted plan"),
    ):
        with pytest.raises(UsageError, match=said):
            pv.prove(db, *given, **options)
    with pytest.raises(UsageError, match="pasted plan"):
        proved(db, pv.read_plan(CITUS.read_text()))


@pytest.fixture
def readonly(dsn: str) -> Iterator[Database]:
    made = connect(dsn, name="only reads", readonly=True)
    yield made
    made.close()


def test_a_read_only_connection_proves_what_needs_no_index(readonly: Database, docs: connection) -> None:
    short, before = of_docs(readonly, WITHIN, hnsw__ef_search="40"), state(docs)
    assert pv.prove(readonly, short, short.findings[0]).helped
    found = of_docs(readonly, "SELECT id FROM docs ORDER BY embedding <-> :query LIMIT 10")
    with pytest.raises(UsageError, match="read-only"):
        pv.prove(readonly, found, found.findings[0], build=True)
    assert state(docs) == before


def test_an_index_is_not_waited_for_behind_another_s_lock(db: Database, docs: connection, dsn: str) -> None:
    import psycopg2

    found = of_docs(db, "SELECT id FROM docs ORDER BY embedding <-> :query LIMIT 10")
    other = psycopg2.connect(dsn)
    try:
        other.cursor().execute("UPDATE docs SET tenant = 1 WHERE id = 1")
        proof = pv.prove(db, found, found.findings[0], build=True)
        assert not proof.helped
        assert "lock timeout" in proof.verdict
    finally:
        other.close()


def test_a_search_of_ours_is_proved_in_its_own_words(db: Database, docs: connection) -> None:
    found = pv.explain(db, "docs", vector=V, k=100, as_is=True, ef_search=40)
    (finding,) = found.findings
    assert finding.rule == "R40"
    assert pv.prove(db, found, finding).helped


def test_what_a_cure_leaves_to_be_seen_to_is_said(db: Database, docs: connection) -> None:
    case = cases("sick")["rows: filter"]
    found = explained(db, case.sql, case.settings)
    proof = pv.prove(db, found, found.findings[0])
    assert proof.helped
    assert "(R45)" in proof.verdict
    assert proof.after is not None
    assert proof.after.recall == 1.0


def test_numbers_that_were_not_measured_are_not_shown(db: Database, docs: connection) -> None:
    found = of_docs(db, "SELECT * FROM (SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 100) AS x")
    finding = found.findings[0]
    assert finding.rule == "R40"
    proof = pv.prove(db, found, finding)
    assert proof.helped
    assert proof.before.recall is None
    assert "recall" not in proof.verdict
    assert "–" in repr(proof)


def test_the_magics_prove(ip: Any, dsn: str, docs: connection) -> None:
    ip.run("%load_ext pgvec_magic")
    ip.user_ns |= {"v": V, "address": dsn}
    ip.run("%vconnect :address --name here")
    found = ip.run(f"%%vsql --vector :v --set hnsw.ef_search=40 --prove -o kept\n{WITHIN}")
    assert isinstance(found, Proved)
    assert isinstance(found, pv.Explanation)
    assert ip.user_ns["kept"] is found
    assert [proof.helped for proof in found.proofs] == [True]
    assert "it helps" in found._repr_mimebundle_()["text/html"]
    found = ip.run("%vsearch docs --vector :v -k 100 --as-is --ef-search 40 --prove")
    assert [proof.finding.rule for proof in found.proofs] == ["R40"]
    assert ip.run("%vsearch docs --vector :v --prove").proofs == ()
    ip.run_line_magic("unload_ext", "pgvec_magic")


def test_a_finding_of_elsewhere_is_tried_as_it_is(db: Database, docs: connection) -> None:
    finding = Finding("R41", "error", "too few", None, None, Cure(settings=(("hnsw.ef_search", "100"),)))
    assert pv.prove(db, of_docs(db, WITHIN, hnsw__ef_search="40"), finding).helped


def test_an_index_that_serves_later_transactions_only_proves_nothing(db: Database, docs: connection, dsn: str) -> None:
    import psycopg2

    case = cases("sick")["rows: filter"]
    execute(docs, "ALTER TABLE docs SET (fillfactor = 50); VACUUM FULL docs; ANALYZE docs")
    other = psycopg2.connect(dsn)
    try:
        other.set_session(isolation_level="REPEATABLE READ")
        other.cursor().execute("SELECT count(*) FROM docs")  # sees the rows as they are now
        execute(docs, "UPDATE docs SET tenant = tenant + 1 WHERE id < 900")
        found = explained(db, case.sql, case.settings)
        proof = pv.prove(db, found, found.findings[0], build=True)
        assert not proof.helped
        assert "later transactions only" in proof.verdict
    finally:
        other.close()
