from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from corpus import TABLE, Case, V, cases, execute, explained
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic.db import Database
from pgvec_magic.diagnose import Cure, Facts, Finding, diagnose
from pgvec_magic.diagnose.catalogue import rules
from pgvec_magic.diagnose.keys import sort_key
from pgvec_magic.plan import changes as plan_changes
from pgvec_magic.plan import read
from pgvec_magic.search.explaining import explained as explain_query

TRIED = {
    name: case
    for name, case in cases("sick").items()
    if case.rule in ("H04", "H08", "H09") or name.endswith(("on what changes", "than the column", "than the setting"))
}
NEAR = "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 10"


@pytest.fixture
def docs(raw: connection) -> connection:
    execute(raw, TABLE)
    return raw


def skip_elsewhere(docs: connection, case: Case) -> None:
    if case.servers and docs.info.server_version // 10_000 not in case.servers:
        pytest.skip(f"of PostgreSQL {case.servers}")


@pytest.mark.parametrize("case", cases("sick").values(), ids=cases("sick"))
def test_what_is_wrong_is_named_and_mended_by_what_is_said(db: Database, docs: connection, case: Case) -> None:
    skip_elsewhere(docs, case)
    execute(docs, case.before)
    found = explained(db, case.sql, case.settings)
    assert [finding.rule for finding in found.findings][:1] == [case.rule], repr(found)
    assert found.findings[0].title in repr(found)
    execute(docs, case.cure)
    mended = explained(db, case.mended or case.sql, case.settings | case.cured_settings)
    assert case.rule not in [finding.rule for finding in mended.findings], repr(mended)
    assert plan_changes(found.plan, mended.plan) or case.settings != case.settings | case.cured_settings


@pytest.mark.parametrize("case", cases("healthy").values(), ids=cases("healthy"))
def test_nothing_is_said_where_all_is_well(db: Database, docs: connection, case: Case) -> None:
    skip_elsewhere(docs, case)
    execute(docs, case.before)
    found = explained(db, case.sql, case.settings)
    assert [f for f in found.findings if f.severity != "info" and f.rule not in case.also] == [], repr(found)


def test_searches_of_ours_are_well(db: Database, docs: connection) -> None:
    for options in (
        {},
        {"where": "tenant < 100"},
        {"where": "tenant = 3"},
        {"exact": True},
        {"per": "tenant"},
        {"k": 300},
    ):
        found = pv.explain(db, "docs", vector=V, **options)
        assert found.findings == (), (options, repr(found))


WORDS = """UPDATE docs SET content = 'read a csv file, part ' || id WHERE id % 50 = 0;
ALTER TABLE docs ADD fts tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED;
CREATE INDEX ON docs USING gin (fts); VACUUM ANALYZE docs"""


def test_hybrid_searches_of_ours_are_well(db: Database, docs: connection) -> None:
    execute(docs, WORDS)
    for text in ("read a csv", "how do I read a csv file into memory", "xylophone", "csv -file", "what is it"):
        for options in ({}, {"where": "tenant < 400"}, {"where": "tenant = 50"}, {"per": "tenant"}, {"exact": True}):
            found = pv.explain(db, "docs", text, vector=V, mode="hybrid", **options)
            assert found.findings == (), (text, options, repr(found))
        alone = pv.explain(db, "docs", text, mode="keyword").findings
        assert [finding.rule for finding in alone] == (["H06"] if text == "what is it" else []), text


def test_a_search_of_ours_without_a_text_index_says_so(db: Database, docs: connection) -> None:
    found = pv.explain(db, "docs", "text 77", vector=V, mode="hybrid", language="english")
    assert [finding.rule for finding in found.findings] == ["H09"]
    for statement in (found.findings[0].cure or Cure()).before:
        execute(docs, statement)
    assert pv.explain(db, "docs", "text 77", vector=V, mode="hybrid", language="english").findings == ()


@pytest.mark.parametrize("case", TRIED.values(), ids=TRIED)
def test_a_cure_cures(db: Database, docs: connection, case: Case) -> None:
    execute(docs, case.before)
    found = explained(db, case.sql, case.settings)
    first, query = found.findings[0], found.query
    assert first.cure is not None
    assert query is not None
    for statement in first.cure.before:
        execute(docs, statement)
    mended = explain_query(db, replace(query, sql=first.cure.sql or query.sql))
    assert first.rule not in [finding.rule for finding in mended.findings], repr(mended)
    assert plan_changes(found.plan, mended.plan)


def test_a_load_without_the_index_is_faster_as_the_finding_says(db: Database, docs: connection) -> None:
    execute(docs, "TRUNCATE docs; SET max_parallel_maintenance_workers = 0")
    filling = "INSERT INTO docs SELECT i, 1, '', ARRAY[random(), random(), random()] FROM generate_series(1, 4000) AS i"
    (finding,) = pv.explain(db, sql=filling).findings
    assert (finding.rule, finding.severity) == ("R74", "info")
    drop, _, create = (finding.fix or "").partition(", insert, then ")
    times = []
    for statements in ([filling], [drop, filling, create]):
        started = time.perf_counter()
        for statement in statements:
            execute(docs, statement)
        times.append(time.perf_counter() - started)
        execute(docs, "TRUNCATE docs")
    assert times[1] < 0.8 * times[0]


def test_a_statement_that_undoes_nothing_counts_its_own_updates_only(db: Database, docs: connection) -> None:
    for _ in range(2):
        found = pv.explain(db, sql="UPDATE docs SET tenant = 1 WHERE id <= 150")
        assert found.fingerprint is not None
        assert [relation.updated for relation in found.fingerprint.relations] == [150]


def test_a_plan_made_without_values_is_known(db: Database, docs: connection) -> None:
    execute(docs, "PREPARE near(vector, int) AS SELECT id FROM docs ORDER BY embedding <=> $1 LIMIT $2")
    with docs.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_generic_plan; SET random_page_cost = 1000")
        cursor.execute("EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) EXECUTE near('[1,2,3]', 10)")
        plan = read(cursor.fetchall()[0][0])
    fingerprint = explained(db, NEAR, {}).fingerprint
    assert [finding.rule for finding in diagnose(Facts(plan, fingerprint))] == ["R22"]


def test_every_finding_has_its_entry() -> None:
    root = Path(pv.__file__).parent
    code = (*(root / "diagnose").glob("*.py"), root / "db" / "failures.py")
    known = {rule for file in code for rule in re.findall(r'"([RH]\d\d)"', file.read_text())}
    assert Finding("R04", "error", "").link == "docs/findings.md#r04"
    assert sorted(rules()) == sorted(known)


@pytest.mark.parametrize(
    ("text", "operator", "left", "right", "bare", "descending"),
    [
        ("(embedding <=> '[1,2]'::vector)", "<=>", "embedding", "'[1,2]'::vector", True, False),
        ("((docs.embedding <-> '[1,2]'::vector)) DESC", "<->", "docs.embedding", "'[1,2]'::vector", True, True),
        ("('1'::double precision - (e <=> $1)) DESC", "<=>", "e", "$1", False, True),
        ("(((e)::halfvec(3)) <#> (f(a, b))) NULLS FIRST", "<#>", "((e)::halfvec(3))", "(f(a, b))", True, False),
        ("(e OPERATOR(public.<=>) '[1]'::public.vector)", "<=>", "e", "'[1]'::public.vector", True, False),
        ("((e <=> $1) + (d <-> $2))", "<=>", "e", "$1", False, False),
        ("cosine_distance(e, '[1]'::vector)", "<=>", "e", "'[1]'::vector", True, False),
        ("LEAST((a <=> $1), (b <=> $1))", "<=>", "a", "$1", False, False),
        (
            "cosine_distance(subvector(e, 1, 2), '[1]'::vector) DESC",
            "<=>",
            "subvector(e, 1, 2)",
            "'[1]'::vector",
            True,
            True,
        ),
        ("round((cosine_distance(e, $1))::numeric, 2)", "<=>", "e", "$1", False, False),
        ("inner_product(e, $1) DESC", "<#>", "e", "$1", True, False),
        ("content DESC", None, "", "", False, True),
        ("(content || ' <=> ')", None, "", "", False, False),
    ],
)
def test_keys(text: str, operator: str | None, left: str, right: str, bare: bool, descending: bool) -> None:
    key = sort_key(text)
    assert (key.operator, key.left, key.right) == (operator, left, right)
    assert (key.bare, key.descending) == (bare, descending)
    assert key.nulls_first == ("NULLS FIRST" in text)
