from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic.db import Database
from pgvec_magic.diagnose import Facts, Finding, diagnose
from pgvec_magic.diagnose.keys import sort_key
from pgvec_magic.plan import read

V = np.array([1, 2, 3], np.float32)
NEAR = "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 10"
TABLE = """
SELECT setseed(0.3);
CREATE TABLE docs (id int PRIMARY KEY, tenant int, content text, embedding vector(3));
INSERT INTO docs SELECT i, i % 500, 'text ' || i, ARRAY[random(), random(), random()]
FROM generate_series(1, 4000) AS i;
CREATE INDEX docs_hnsw ON docs USING hnsw (embedding vector_cosine_ops);
CREATE TABLE questions (id int, v vector(3)); INSERT INTO questions VALUES (1, '[1,2,3]');
ANALYZE
"""


@dataclass(frozen=True)
class Sick:
    """A query, what is wrong with it, and what mends it: another query, or something done before it."""

    rule: str
    sql: str
    mended: str | None = None
    before: str = ""
    cure: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    cured_settings: dict[str, str] = field(default_factory=dict)


HALF = "DROP INDEX docs_hnsw; CREATE INDEX docs_half ON docs USING hnsw ((embedding::halfvec(3)) halfvec_cosine_ops)"
BITS = "DROP INDEX docs_hnsw; CREATE INDEX ON docs USING hnsw ((binary_quantize(embedding)::bit(3)) bit_hamming_ops)"
LISTS = "DROP INDEX docs_hnsw; CREATE INDEX ON docs USING ivfflat (embedding vector_cosine_ops) WITH (lists = 20)"
SICK = {
    "similarity": Sick("R01", "SELECT id FROM docs ORDER BY 1 - (embedding <=> :query) DESC LIMIT 10", NEAR),
    "descending": Sick("R02", "SELECT id FROM docs ORDER BY embedding <=> :query DESC LIMIT 10", NEAR),
    "function": Sick("R03", "SELECT id FROM docs ORDER BY cosine_distance(embedding, :query) LIMIT 10", NEAR),
    "operator": Sick("R04", "SELECT id FROM docs ORDER BY embedding <-> :query LIMIT 10", NEAR),
    "operator, either side": Sick("R04", "SELECT id FROM docs ORDER BY :query <#> embedding LIMIT 10", NEAR),
    "operator, index added": Sick(
        "R04",
        "SELECT id FROM docs ORDER BY embedding <-> :query LIMIT 10",
        cure="CREATE INDEX ON docs USING hnsw (embedding vector_l2_ops)",
    ),
    "cast": Sick("R05", "SELECT id FROM docs ORDER BY embedding::halfvec(3) <=> :query::halfvec(3) LIMIT 10", NEAR),
    "half expression": Sick(
        "R07", NEAR, "SELECT id FROM docs ORDER BY embedding::halfvec(3) <=> :query::halfvec(3) LIMIT 10", before=HALF
    ),
    "half without dimensions": Sick(
        "R07",
        "SELECT id FROM docs ORDER BY embedding::halfvec <=> :query::halfvec LIMIT 10",
        "SELECT id FROM docs ORDER BY embedding::halfvec(3) <=> :query::halfvec(3) LIMIT 10",
        before=HALF,
    ),
    "bits": Sick(
        "R08",
        "SELECT id FROM docs ORDER BY binary_quantize(embedding) <~> binary_quantize(:query::vector) LIMIT 10",
        "SELECT id FROM docs ORDER BY binary_quantize(embedding)::bit(3) <~> binary_quantize(:query::vector) LIMIT 10",
        before=BITS,
    ),
    "volatile": Sick(
        "R09",
        "SELECT id FROM docs ORDER BY embedding <=> question() LIMIT 10",
        "SELECT id FROM docs ORDER BY embedding <=> (SELECT question()) LIMIT 10",
        before="CREATE FUNCTION question() RETURNS vector LANGUAGE sql VOLATILE AS 'SELECT v FROM questions'",
    ),
    "join": Sick(
        "R10",
        "SELECT d.id FROM docs d, questions q ORDER BY d.embedding <=> q.v LIMIT 10",
        "SELECT d.id FROM docs d ORDER BY d.embedding <=> (SELECT v FROM questions) LIMIT 10",
    ),
    "no limit": Sick("R15", "SELECT id FROM docs ORDER BY embedding <=> :query", NEAR),
    "nulls first": Sick("R16", "SELECT id FROM docs ORDER BY embedding <=> :query NULLS FIRST LIMIT 10", NEAR),
    "composite": Sick("R17", "SELECT id FROM docs ORDER BY 0.7 * (embedding <=> :query) + 0.3 * tenant LIMIT 10", NEAR),
    "window": Sick(
        "R13",
        "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY embedding <=> :query) AS r FROM docs) x"
        " ORDER BY r, id DESC LIMIT 10",
        NEAR,
    ),
    "partial": Sick(
        "R24",
        NEAR,
        "SELECT id FROM docs WHERE tenant < 400 ORDER BY embedding <=> :query LIMIT 10",
        before="DROP INDEX docs_hnsw;"
        "CREATE INDEX docs_part ON docs USING hnsw (embedding vector_cosine_ops) WHERE tenant < 400",
    ),
    "invalid": Sick(
        "R25",
        NEAR,
        before="UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'docs_hnsw'::regclass",
        cure="REINDEX INDEX CONCURRENTLY public.docs_hnsw",
    ),
    "limit beyond ef_search": Sick(
        "R40",
        "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 100",
        settings={"hnsw.ef_search": "40"},
        cured_settings={"hnsw.ef_search": "100"},
    ),
    "filter": Sick(
        "R41",
        "SELECT id FROM docs WHERE content LIKE '%7' AND tenant < 50 ORDER BY embedding <=> :query LIMIT 10",
        settings={"enable_seqscan": "off", "enable_sort": "off"},
        cured_settings={"hnsw.iterative_scan": "relaxed_order"},
    ),
    "offset": Sick(
        "R40",
        "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 10 OFFSET 50",
        cured_settings={"hnsw.ef_search": "60"},
    ),
    "dead rows": Sick(
        "R47",
        NEAR,
        before="DELETE FROM docs WHERE embedding <=> '[1,2,3]' < 0.1; SELECT pg_stat_force_next_flush(); ANALYZE docs;"
        "INSERT INTO docs SELECT i + 9000, 1, '', '[-1,-1,-1]' FROM generate_series(1, 900) AS i",
        cure="VACUUM docs",
    ),
    "distinct": Sick(
        "R12",
        "SELECT * FROM (SELECT DISTINCT ON (tenant) id, embedding <=> :query AS d FROM docs"
        " ORDER BY tenant, embedding <=> :query) x ORDER BY d LIMIT 10",
        NEAR,
    ),
    "grouped": Sick("R12", "SELECT tenant, min(embedding <=> :query) FROM docs GROUP BY 1 ORDER BY 2 LIMIT 10", NEAR),
    "another key first": Sick("R17", "SELECT id FROM docs ORDER BY tenant, embedding <=> :query LIMIT 10", NEAR),
    "joined": Sick(
        "R18",
        "SELECT d.id FROM docs d JOIN tenants t ON t.id = d.tenant WHERE t.kind = 3"
        " ORDER BY d.embedding <=> :query LIMIT 10",
        "WITH near AS MATERIALIZED (SELECT * FROM docs ORDER BY embedding <=> :query LIMIT 40)"
        " SELECT near.id FROM near JOIN tenants t ON t.id = near.tenant WHERE t.kind = 3 LIMIT 10",
        before="CREATE TABLE tenants AS SELECT i AS id, i % 50 AS kind FROM generate_series(0, 499) AS i; ANALYZE",
    ),
    "all lists": Sick(
        "R30",
        NEAR,
        before=LISTS,
        settings={"ivfflat.probes": "20"},
        cured_settings={"ivfflat.probes": "4"},
    ),
    "few lists": Sick(
        "R40",
        "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 400",
        before=LISTS,
        settings={"ivfflat.probes": "1", "enable_seqscan": "off"},
        cured_settings={"ivfflat.iterative_scan": "relaxed_order", "ivfflat.max_probes": "20"},
    ),
    "gave up": Sick(
        "R43",
        "SELECT id FROM docs WHERE content LIKE '%77' AND tenant < 100 ORDER BY embedding <=> :query LIMIT 10",
        settings={"hnsw.iterative_scan": "strict_order", "hnsw.max_scan_tuples": "500", "enable_sort": "off"},
        cured_settings={"hnsw.max_scan_tuples": "20000"},
    ),
    "relaxed": Sick(
        "R45",
        NEAR,
        settings={"hnsw.iterative_scan": "relaxed_order"},
        cured_settings={"hnsw.iterative_scan": "strict_order"},
    ),
}
HEALTHY = {
    "plain": NEAR,
    "filter of many": "SELECT id FROM docs WHERE tenant < 490 ORDER BY embedding <=> :query LIMIT 10",
    "exact on purpose": "SELECT id FROM docs ORDER BY (embedding <=> :query) + 0 LIMIT 10",
    "few rows left": "SELECT id FROM docs WHERE id < 30 ORDER BY embedding <=> :query LIMIT 10",
    "sorted again": "WITH a AS MATERIALIZED (SELECT id, embedding <=> :query AS d FROM docs ORDER BY 2 LIMIT 40)"
    " SELECT * FROM a ORDER BY d + 0 LIMIT 10",
    "lateral": "SELECT * FROM questions q, LATERAL (SELECT id FROM docs ORDER BY embedding <=> q.v LIMIT 3) AS near",
    "no vector": "SELECT count(*) FROM docs GROUP BY tenant",
    "no index": "SELECT id FROM questions ORDER BY v <=> :query LIMIT 10",
    "by key": "SELECT * FROM docs WHERE id = 4",
    "all there are": "SELECT id FROM docs WHERE id < 5 ORDER BY embedding <=> :query LIMIT 10",
}

# What a first sketch of these rules said of queries that are well: each with what makes it so.
SPARED = {
    "no more rows with vectors": (
        "UPDATE docs SET embedding = NULL WHERE id % 50 = 0; VACUUM ANALYZE docs",
        "SELECT id FROM docs WHERE content LIKE '%9' AND tenant < 4 ORDER BY embedding <=> :query LIMIT 50",
        {"hnsw.iterative_scan": "strict_order", "enable_sort": "off", "hnsw.max_scan_tuples": "20000"},
    ),
    "all of a partial index": (
        "DROP INDEX docs_hnsw; CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops) WHERE tenant < 5;"
        "ANALYZE docs",
        "SELECT id FROM docs WHERE tenant < 5 ORDER BY embedding <=> :query LIMIT 100",
        {"hnsw.iterative_scan": "strict_order", "enable_sort": "off"},
    ),
    "every list": (
        LISTS,
        "SELECT count(*) FROM (SELECT FROM docs WHERE tenant < 2 ORDER BY embedding <=> :query LIMIT 50) AS x",
        {"ivfflat.iterative_scan": "relaxed_order", "enable_sort": "off", "enable_bitmapscan": "off"},
    ),
    "another table's index": (
        "CREATE TABLE other AS SELECT id, embedding FROM docs;"
        "CREATE INDEX ON other USING hnsw (embedding vector_l2_ops); ANALYZE",
        "SELECT d.id FROM docs d JOIN other o USING (id) WHERE o.id < 20 ORDER BY d.embedding <=> :query LIMIT 10",
        {"enable_nestloop": "off"},
    ),
    "by an ordinary index": (
        "CREATE TABLE wide (id int, tenant int, embedding vector(600));"
        "INSERT INTO wide SELECT i, i % 300, array_fill(i, ARRAY[600])::vector FROM generate_series(1, 1500) AS i;"
        "CREATE INDEX ON wide USING hnsw (embedding vector_l2_ops); CREATE INDEX ON wide (tenant); ANALYZE wide",
        "SELECT id FROM wide WHERE tenant = 5 ORDER BY embedding <-> (SELECT embedding FROM wide WHERE id = 7) LIMIT 3",
        {},
    ),
    "the partial index's condition by another index": (
        "DROP INDEX docs_hnsw; CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops) WHERE tenant > 100;"
        "CREATE INDEX ON docs (tenant); ANALYZE docs",
        "SELECT id FROM docs WHERE tenant > 497 ORDER BY embedding <=> :query LIMIT 10",
        {},
    ),
    "a LIMIT within a LIMIT": (
        "",
        "SELECT * FROM (SELECT id FROM docs WHERE tenant < 450 ORDER BY embedding <=> :query LIMIT 39) x LIMIT 5",
        {},
    ),
    "points": (
        "CREATE TABLE places (p point); INSERT INTO places SELECT point(i, i) FROM generate_series(1, 3000) AS i;"
        "CREATE INDEX ON places USING gist (p)",
        "SELECT * FROM places WHERE p[0] > 2500 ORDER BY p <-> point(1, 1) LIMIT 600",
        {"enable_sort": "off"},
    ),
    "a calculated LIMIT": ("", "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 1000-990", {}),
    "a calculated OFFSET": ("", "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 20 OFFSET 3*2", {}),
    "order of no matter": (
        "",
        "SELECT avg(tenant) FROM (SELECT tenant FROM docs ORDER BY embedding <=> :query LIMIT 10) x",
        {"hnsw.iterative_scan": "relaxed_order"},
    ),
}


@pytest.mark.parametrize(("before", "sql", "settings"), SPARED.values(), ids=SPARED)
def test_nothing_is_said_of_what_only_looks_sick(
    db: Database, docs: connection, before: str, sql: str, settings: dict[str, str]
) -> None:
    for statement in filter(None, before.split(";")):  # VACUUM stands alone
        execute(docs, statement)
    found = explained(db, sql, settings)
    assert [f for f in found.findings if f.severity != "info" and f.rule != "R18"] == [], repr(found)


@pytest.fixture
def docs(raw: connection) -> connection:
    execute(raw, TABLE)
    return raw


def execute(raw: connection, sql: str) -> None:
    with raw.cursor() as cursor:
        for statement in sql.split(";") if "BEGIN" not in sql else [sql]:
            cursor.execute(statement)


def explained(db: Database, sql: str, settings: dict[str, str]) -> pv.Explanation:
    values: dict[str, Any] = {"vector": V} if ":query" in sql else {}
    return pv.explain(db, sql=sql, settings=list(settings.items()), **values)


@pytest.mark.parametrize("case", SICK.values(), ids=SICK)
def test_what_is_wrong_is_named_and_mended_by_what_is_said(db: Database, docs: connection, case: Sick) -> None:
    if case.before:
        execute(docs, case.before)
    found = explained(db, case.sql, case.settings)
    assert [finding.rule for finding in found.findings][:1] == [case.rule], repr(found)
    assert found.findings[0].title in repr(found)
    if case.cure:
        execute(docs, case.cure)
    mended = explained(db, case.mended or case.sql, case.settings | case.cured_settings)
    assert case.rule not in [finding.rule for finding in mended.findings], repr(mended)
    assert [node for node in mended.plan.nodes if node.index and "Order By" in node.details], repr(mended)


@pytest.mark.parametrize("sql", HEALTHY.values(), ids=HEALTHY)
def test_nothing_is_said_where_all_is_well(db: Database, docs: connection, sql: str) -> None:
    found = explained(db, sql, {})
    assert [f for f in found.findings if f.severity != "info"] == [], repr(found)


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
    told = re.findall(r"^### ([RH]\d\d)$", (root.parent / "docs" / "findings.md").read_text(), re.MULTILINE)
    known = {
        rule for file in (root / "diagnose").glob("*.py") for rule in re.findall(r'"([RH]\d\d)"', file.read_text())
    }
    assert sorted(told) == sorted(known)
    assert Finding("R04", "error", "", "").link == "docs/findings.md#r04"


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
