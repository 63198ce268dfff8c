from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from corpus import TABLE, Case, V, cases, execute, explained
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic.db import Database, close_all, connect
from pgvec_magic.diagnose import Cure, Facts, Finding, diagnose
from pgvec_magic.diagnose.catalogue import rules
from pgvec_magic.diagnose.keys import sort_key
from pgvec_magic.plan import changes as plan_changes
from pgvec_magic.plan import read
from pgvec_magic.search.explaining import explained as explain_query

# Rules whose cure changes what is in the table, the index or the answer, and not the way that leads there.
OF_THE_ROWS = ("P02", "R31", "R48", "R50", "R51", "R52")
TRIED = {
    name: case
    for name, case in cases("sick").items()
    if case.rule in ("H04", "H08", "H09") or name.endswith(("than the column", "than the setting"))
}
WALKED = {"enable_seqscan": "off", "enable_sort": "off"}
NEAR = "SELECT id FROM docs ORDER BY embedding <=> :query LIMIT 10"


@pytest.fixture
def docs(raw: connection) -> connection:
    execute(raw, TABLE)
    return raw


def skip_elsewhere(docs: connection, case: Case) -> None:
    if case.servers and docs.info.server_version // 10_000 not in case.servers:
        pytest.skip(f"of PostgreSQL {case.servers}")


def begin(db: Database, docs: connection, case: Case) -> None:
    execute(docs, case.before)
    if case.prepared:
        pv.sql(db, case.prepared)


@pytest.mark.parametrize("case", cases("sick").values(), ids=cases("sick"))
def test_what_is_wrong_is_named_and_mended_by_what_is_said(db: Database, docs: connection, case: Case) -> None:
    skip_elsewhere(docs, case)
    begin(db, docs, case)
    found = explained(db, case.sql, case.settings)
    assert [finding.rule for finding in found.findings][:1] == [case.rule], repr(found)
    assert found.findings[0].title in repr(found)
    execute(docs, case.cure)
    mended = explained(db, case.mended or case.sql, case.settings | case.cured_settings)
    assert case.rule not in [finding.rule for finding in mended.findings], repr(mended)
    is_other = plan_changes(found.plan, mended.plan) or case.settings != case.settings | case.cured_settings
    assert is_other or case.rule in OF_THE_ROWS


@pytest.mark.parametrize("case", cases("healthy").values(), ids=cases("healthy"))
def test_nothing_is_said_where_all_is_well(db: Database, docs: connection, case: Case) -> None:
    skip_elsewhere(docs, case)
    begin(db, docs, case)
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


def test_a_vector_of_another_length_is_told_before_it_fails(db: Database, docs: connection) -> None:
    for vector, rules_of_it in (([1, 2, 3], []), ([1, 2], ["R32"]), ([1, 2, 3, 4], ["R32"])):
        found = pv.explain(db, sql=NEAR, vector=vector, analyze=False)
        assert [finding.rule for finding in found.findings] == rules_of_it, repr(found)


def test_every_finding_has_its_entry() -> None:
    root = Path(pv.__file__).parent
    page = (root.parent / "docs" / "findings.md").read_text("utf-8")
    files = [*(root / "diagnose").glob("*.py"), root / "db" / "failures.py", root / "health" / "check.py"]
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


def test_what_is_looked_at_beside_the_plan_stays_within_rights_and_conditions(db: Database, docs: connection) -> None:
    execute(
        docs,
        """
        DROP INDEX docs_hnsw;
        CREATE INDEX ON docs USING hnsw (embedding vector_ip_ops) WHERE content LIKE 'text 1%' AND tenant > 0;
        UPDATE docs SET embedding = l2_normalize(embedding) WHERE content LIKE 'text 1%';
        VACUUM ANALYZE docs
        """,
    )
    sql = "SELECT id FROM docs WHERE content LIKE 'text 1%' AND tenant > 0 ORDER BY embedding <#> :query LIMIT 5"
    found = explained(db, sql, {"enable_seqscan": "off"})
    assert found.findings == (), repr(found)
    (measured,) = [index.norms for index in found.fingerprint.indexes if index.norms]
    assert (round(measured.least, 4), round(measured.most, 4), measured.zeros) == (1, 1, 0)


def test_an_index_that_memory_cannot_hold_is_more_than_a_cold_one(db: Database, docs: connection) -> None:
    found = explained(db, NEAR, {})
    document = json.loads(found.json)
    scan = document[0]["Plan"]["Plans"][0]
    scan |= {"Shared Hit Blocks": 30, "Shared Read Blocks": 70}
    for memory, severity in (("128MB", "info"), ("512kB", "warning"), ("16", "warning")):
        in_force = replace(found.fingerprint, settings={**found.fingerprint.settings, "shared_buffers": memory})
        (cold,) = diagnose(Facts(read(document), in_force))
        assert (cold.rule, cold.severity) == ("R79", severity)


@pytest.fixture
def reader(docs: connection, dsn: str) -> Iterator[Database]:
    """A connection as a role that may read a view of the table, and of the table itself what a policy shows."""
    role = f"reader_{docs.info.backend_pid}"
    execute(
        docs,
        f"""
        CREATE TABLE guarded AS SELECT * FROM docs;
        CREATE INDEX ON guarded USING hnsw (embedding vector_cosine_ops);
        ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
        CREATE POLICY mine ON guarded USING (tenant % 50 = 7);
        CREATE VIEW shown AS SELECT * FROM docs;
        CREATE ROLE {role};
        GRANT USAGE ON SCHEMA public TO {role};
        GRANT SELECT ON shown, guarded TO {role};
        ANALYZE guarded
        """,
    )
    yield connect(dsn, name="reader", role=role)
    close_all()
    execute(docs, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_role_that_may_not_read_the_table_itself_is_told_what_the_plan_shows(reader: Database) -> None:
    for order, told in (("embedding <-> :query", ["R04"]), ("embedding <=> :query", [])):
        found = explained(reader, f"SELECT id FROM shown ORDER BY {order} LIMIT 10", {})
        assert [finding.rule for finding in found.findings] == told, repr(found)


def test_a_policy_that_leaves_too_few_is_named(reader: Database) -> None:
    sql = "SELECT id FROM guarded ORDER BY embedding <=> :query LIMIT 10"
    found = explained(reader, sql, {"enable_sort": "off"})
    assert [finding.rule for finding in found.findings] == ["R42"], repr(found)
    mended = explained(reader, sql, {"enable_sort": "off", "hnsw.iterative_scan": "strict_order"})
    assert "R42" not in [finding.rule for finding in mended.findings]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT width_bucket(embedding <=> :query, 0, 1, 10) AS b, count(*) FROM docs GROUP BY b ORDER BY b",
        "SELECT CASE WHEN embedding <=> :query < 0.1 THEN 'near' ELSE 'far' END AS b, count(*) FROM docs GROUP BY 1"
        " ORDER BY 1 LIMIT 5",
        "SELECT tenant, count(*) FILTER (WHERE embedding <=> :query < 0.1) AS c FROM docs GROUP BY 1"
        " ORDER BY c DESC LIMIT 5",
        "SELECT tenant, avg(embedding <=> :query) AS a FROM docs GROUP BY 1 ORDER BY a LIMIT 5",
        "SELECT tenant, min(embedding <=> :query) AS least FROM docs GROUP BY 1 ORDER BY least",
        "SELECT id, ntile(4) OVER (ORDER BY embedding <=> :query) FROM docs",
        "SELECT DISTINCT ON (tenant) id, embedding <=> :query AS d FROM docs ORDER BY tenant, d",
    ],
)
def test_nothing_is_said_of_answers_that_every_row_counts_in(db: Database, docs: connection, sql: str) -> None:
    found = explained(db, sql, {})
    assert [finding for finding in found.findings if finding.severity != "info"] == [], repr(found)


def test_numbers_of_which_a_condition_takes_the_first_are_a_search(db: Database, docs: connection) -> None:
    numbered = "SELECT id, row_number() OVER (ORDER BY embedding <=> :query) AS r FROM docs"
    assert [f.rule for f in explained(db, f"SELECT id FROM ({numbered}) AS x WHERE r <= 10", {}).findings][:1] == [
        "R13"
    ]


def test_names_with_quotes_in_them_are_names(db: Database, docs: connection) -> None:
    execute(docs, 'ALTER TABLE docs RENAME TO "my ""docs"; ALTER TABLE "my ""docs" RENAME embedding TO "the %s"')
    (wrong,) = explained(db, 'SELECT id FROM "my ""docs" ORDER BY "the %s" <-> :query LIMIT 10', {}).findings[:1]
    assert (wrong.rule, wrong.fix) == ("R04", """ORDER BY "my ""docs"."the %s" <=> '[1,2,3]'::vector""")
    few = explained(db, 'SELECT id FROM "my ""docs" WHERE tenant = 3 ORDER BY "the %s" <=> :query LIMIT 10', WALKED)
    assert few.findings[0].rule == "R41"
    assert pv.prove(db, few, few.findings[0], build=True).helped


def test_a_vector_from_a_row_of_the_same_table_is_told_of_the_rows_that_are_searched(
    db: Database, docs: connection
) -> None:
    sql = "WITH q AS (SELECT embedding AS e FROM docs WHERE id = 7) SELECT d.id FROM docs AS d, q ORDER BY {} LIMIT 10"
    for order in ("d.embedding <=> q.e", "q.e <=> d.embedding"):
        (found,) = explained(db, sql.format(order), {}).findings[:1]
        assert found.rule == "R10"
        assert "is a column, docs.embedding" in found.why
        assert found.why.endswith("; 4,000 rows were read")


def test_a_fix_has_no_number_of_a_plan_in_it(db: Database, docs: connection) -> None:
    sql = "SELECT id FROM docs ORDER BY embedding <-> (SELECT v FROM questions LIMIT 1) LIMIT 10"
    (found,) = explained(db, sql, {}).findings[:1]
    assert (found.rule, found.fix) == ("R04", "ORDER BY docs.embedding <=> (SELECT …)")


def test_an_expression_that_no_index_has_is_given_one(db: Database, docs: connection) -> None:
    sql = "SELECT id FROM docs ORDER BY binary_quantize(embedding)::bit(3) <~> binary_quantize(:query::vector) LIMIT 10"
    found = explained(db, sql, {})
    (first,) = found.findings[:1]
    opclass = "((binary_quantize(embedding))::bit(3)) bit_hamming_ops"
    assert (first.rule, first.fix) == ("R07", f"CREATE INDEX ON public.docs USING hnsw ({opclass})")
    assert pv.prove(db, found, first, build=True).explanation


@pytest.mark.parametrize("named", ["AS ", ""])
def test_a_distance_and_a_rank_are_known_by_their_names_with_or_without_as(
    db: Database, docs: connection, named: str
) -> None:
    found = explained(
        db,
        f"""SELECT id, similarity + relevance {named}score FROM (
          SELECT id, 1 - (embedding <=> :query) {named}similarity,
            ts_rank(to_tsvector('english', content), q) {named}relevance
          FROM docs, plainto_tsquery('english', 'csv') AS q ORDER BY embedding <=> :query LIMIT 40) AS near
        ORDER BY score DESC LIMIT 10""",
        {},
    )
    assert "H14" in [finding.rule for finding in found.findings]
