from __future__ import annotations

import re
from pathlib import Path

import pytest
from corpus import TABLE, Case, V, cases, execute, explained
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic.db import Database
from pgvec_magic.diagnose import Facts, Finding, diagnose
from pgvec_magic.diagnose.catalogue import rules
from pgvec_magic.diagnose.keys import sort_key
from pgvec_magic.plan import changes as plan_changes
from pgvec_magic.plan import read

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
    page = (root.parent / "docs" / "findings.md").read_text("utf-8")
    files = [*(root / "diagnose").glob("*.py"), root / "db" / "failures.py"]
    known = {rule for file in files for rule in re.findall(r'"([A-Z]\d\d)"', file.read_text("utf-8"))}
    entries = dict(re.findall(r"^### ([A-Z]\d\d)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))
    assert entries.keys() == rules().keys() == known
    assert [rule.id for rule in rules().values() if not (rule.symptom and rule.why and rule.cure)] == []
    shown = {rule for rule, entry in entries.items() if "<details>" in entry}
    assert shown == {case.rule for case in cases("sick").values()}
    assert Finding("R04", "error", "").link == "docs/findings.md#r04"


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
