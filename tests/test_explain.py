from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic.db import Database, connect
from pgvec_magic.errors import QueryError, UsageError
from pgvec_magic.plan import elide
from pgvec_magic.query import Query
from pgvec_magic.render import text as as_text

CITUS = Path(__file__).parent / "plans" / "citus"
V = np.array([1, 2, 3], np.float32)


def execute(raw: connection, sql: str) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def docs(raw: connection) -> None:
    execute(
        raw,
        """CREATE TABLE docs (id int PRIMARY KEY, tenant int, content text, embedding vector(3));
        INSERT INTO docs SELECT i, i % 50, 'text ' || i, ARRAY[random(), random(), random()]
        FROM generate_series(1, 3000) AS i;
        CREATE INDEX docs_hnsw ON docs USING hnsw (embedding vector_cosine_ops);
        ANALYZE docs""",
    )


def scans(found: pv.Explanation) -> list[str | None]:
    return [node.index for node in found.plan.nodes if node.kind.endswith("Scan")]


def test_the_plan_of_a_search_is_that_of_what_the_search_sends(db: Database, docs: None) -> None:
    result = pv.search(db, "docs", vector=V, k=7, strategy="ann", ef_search=63)
    for found in (pv.explain(db, "docs", vector=V, k=7, strategy="ann", ef_search=63), result.explain()):
        assert found.query is not None
        assert found.query.sql == result.sql
        assert dict(found.query.settings) == result.settings == {"hnsw.ef_search": "63"}
        assert scans(found) == ["docs_hnsw"]
        assert found.plan.root.rows == 7
        assert found.fingerprint is not None
        assert found.fingerprint.settings["hnsw.ef_search"] == "63"


def test_the_fingerprint_has_what_the_plan_does_not_say(db: Database, raw: connection, docs: None) -> None:
    execute(raw, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'docs_hnsw'::regclass")
    found = pv.explain(db, "docs", vector=V, as_is=True).fingerprint
    assert found is not None
    (relation,) = found.relations
    assert (relation.name, relation.rows, relation.analyzed) == ("docs", 3000, True)
    assert relation.bytes == execute(raw, "SELECT pg_relation_size('docs')")[0][0]
    hnsw = next(index for index in found.indexes if index.method == "hnsw")
    assert not hnsw.valid
    assert "vector_cosine_ops" in hnsw.definition
    assert hnsw.bytes == execute(raw, "SELECT pg_relation_size('docs_hnsw')")[0][0]
    assert found.settings["hnsw.iterative_scan"] == "off"
    assert found.vector == execute(raw, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")[0][0]


def test_a_statement_is_explained_with_its_values(db: Database, docs: None) -> None:
    sql = "SELECT id FROM docs WHERE tenant < :most ORDER BY embedding <=> :query LIMIT 5"
    found = pv.explain(db, sql=sql, vector=V, params={"most": 40}, settings=[("hnsw.ef_search", "77")])
    assert found.plan.root.rows == 5
    assert found.fingerprint is not None
    assert found.fingerprint.settings["hnsw.ef_search"] == "77"


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM docs WHERE id < 100",
        "UPDATE docs SET tenant = 0",
        "INSERT INTO docs (id) VALUES (-1)",
        "WITH gone AS (DELETE FROM docs RETURNING id) SELECT count(*) FROM gone",
    ],
)
def test_what_writes_is_undone(db: Database, raw: connection, docs: None, sql: str) -> None:
    before = execute(raw, "SELECT count(*), sum(tenant), min(id) FROM docs")
    found = pv.explain(db, sql=sql)
    assert found.plan.analyzed
    assert execute(raw, "SELECT count(*), sum(tenant), min(id) FROM docs") == before
    assert execute(raw, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == [(0,)]


def test_without_analyze_nothing_runs(db: Database, docs: None) -> None:
    found = pv.explain(db, "docs", vector=V, analyze=False)
    assert not found.plan.analyzed
    assert "planned, not executed" in repr(found)
    assert "planner" in found.figure().layout.xaxis.title.text


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({}, "nothing to explain"),
        ({"sql": ""}, "no statement"),
        ({"sql": "SELECT 1; SELECT 2"}, "2 statements"),
        ({"sql": "EXPLAIN SELECT 1"}, "EXPLAIN itself"),
        ({"sql": "CREATE TABLE x AS SELECT 1"}, "CREATE has no plan"),
        ({"sql": "DROP TABLE docs"}, "DROP has no plan"),
        ({"sql": "SELECT 1", "text": "words"}, "cannot both"),
        ({"sql": "SELECT 1", "k": 3}, "no option 'k'"),
        ({"table": "docs", "text": "x", "kk": 3}, "no option 'kk'"),
        ({"table": "dogs", "vector": V}, "no table 'dogs'"),
    ],
)
def test_what_cannot_be_explained_is_said(db: Database, raw: connection, docs: None, call: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        pv.explain(db, **call)
    assert execute(raw, "SELECT count(*) FROM docs") == [(3000,)]


def test_a_table_that_is_gone_by_now(db: Database, raw: connection, docs: None) -> None:
    result = pv.search(db, "docs", vector=V)
    execute(raw, "DROP TABLE docs")
    with pytest.raises(QueryError, match="does not exist"):
        result.explain()
    assert db.run(Query("SELECT 1")).rows == [(1,)]


def test_settings_are_given_as_pairs_or_by_name(db: Database, docs: None) -> None:
    for settings in ([("hnsw.ef_search", "77")], {"hnsw.ef_search": 77}):
        assert pv.sql(db, "SHOW hnsw.ef_search", settings=settings).rows == [("77",)]
        assert pv.explain(db, sql="SELECT 1", settings=settings).query.settings == (("hnsw.ef_search", "77"),)


@pytest.fixture
def readonly(dsn: str) -> Iterator[Database]:
    made = connect(dsn, name="only reads", readonly=True)
    yield made
    made.close()


def test_a_read_only_connection_explains_what_reads(readonly: Database, raw: connection, docs: None) -> None:
    assert pv.explain(readonly, "docs", vector=V).plan.analyzed
    with pytest.raises((UsageError, QueryError), match="read-only"):
        pv.explain(readonly, sql="DELETE FROM docs")
    assert execute(raw, "SELECT count(*) FROM docs") == [(3000,)]


def test_a_role_without_rights_gets_the_error_of_the_statement(raw: connection, dsn: str, docs: None) -> None:
    execute(raw, "DROP ROLE IF EXISTS pgvec_nobody; CREATE ROLE pgvec_nobody")
    nobody = connect(dsn, name="nobody", role="pgvec_nobody")
    try:
        with pytest.raises(QueryError, match="permission denied"):
            pv.explain(nobody, sql="SELECT count(*) FROM docs")
        execute(raw, "GRANT SELECT ON docs TO pgvec_nobody")
        assert pv.explain(nobody, "docs", vector=V).plan.analyzed
    finally:
        nobody.close()
        execute(raw, "REVOKE ALL ON docs FROM pgvec_nobody; DROP ROLE pgvec_nobody")


def test_a_rehearsal_that_fails_leaves_nothing(db: Database, raw: connection, docs: None) -> None:
    with pytest.raises(QueryError, match="division by zero"):
        db.rehearse([Query("DELETE FROM docs"), Query("SELECT 1 / 0")])
    assert execute(raw, "SELECT count(*) FROM docs") == [(3000,)]
    one, other = db.rehearse([Query("DELETE FROM docs"), Query("SELECT count(*) FROM docs")])
    assert (one.status, other.rows) == ("DELETE 3000", [(0,)])
    assert execute(raw, "SELECT count(*) FROM docs") == [(3000,)]


def test_a_saved_plan_is_read_by_others_and_by_us(db: Database, docs: None, tmp_path: Path) -> None:
    found = pv.explain(db, "docs", vector=V, strategy="ann")
    kept = found.save(tmp_path / "plan.json")
    (document,) = json.loads(kept.read_text())
    assert document["Plan"]["Node Type"] == found.plan.root.kind
    again = pv.read_plan(kept.read_text())
    assert [node.details for node in again.plan.nodes] == [node.details for node in found.plan.nodes]
    assert again.fingerprint is None
    page = found.save(str(tmp_path / "plan.html")).read_text()
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    for said in ("docs_hnsw", "hnsw.iterative_scan = off", "ORDER BY", "own ms"):
        assert said in page
    with pytest.raises(UsageError, match="saved as"):
        found.save(tmp_path / "plan.txt")


def test_what_is_hostile_in_a_plan_stays_text(db: Database, raw: connection, docs: None, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>\x1b[31m"
    execute(raw, f'ALTER TABLE docs RENAME TO "{evil}"')
    found = pv.explain(db, sql=f"SELECT * FROM \"{evil}\" WHERE content = '{evil}'")
    page = found.save(tmp_path / "plan.html").read_text()
    html = found._repr_mimebundle_()["text/html"]
    for shown in (page, html, repr(found)):
        assert "\x1b" not in shown
    assert "<img" not in page + html
    assert "img src=x" in repr(found)


def test_a_long_vector_is_elided_wherever_it_stands(db: Database, raw: connection, tmp_path: Path) -> None:
    execute(raw, "CREATE TABLE wide (id int, embedding vector(300)); INSERT INTO wide VALUES (1, NULL)")
    vector = np.arange(300, dtype=np.float32) / 7
    found = pv.explain(db, "wide", vector=vector)
    shown = [repr(found), str(found.figure()._repr_mimebundle_()), found._repr_mimebundle_()["text/html"]]
    assert all(str(vector[250])[:6] not in each for each in shown)
    assert "×300" in shown[1]
    assert str(vector[250])[:6] in found.json
    assert elide("x <=> '{1:1,200:0.25,300:0.125,301:1}/2000'::sparsevec") == "x <=> '{1:1,…}/2000'::sparsevec"
    assert elide(f"b <~> B'{'01' * 50}'::\"bit\"") == "b <~> B'01010101…×100'::\"bit\""
    assert elide("'[1,2,3]'") == "'[1,2,3]'"


def test_what_changed_between_two_plans_is_told(db: Database, raw: connection, docs: None) -> None:
    sql = "SELECT id FROM docs WHERE tenant < 40 ORDER BY embedding <=> :query LIMIT 5"
    before = pv.explain(db, sql=sql, vector=V)
    assert [line for line in before.compare(pv.explain(db, sql=sql, vector=V)) if " ms" not in line] == []
    after = pv.explain(db, sql=sql, vector=V, settings=[("enable_indexscan", "off")])
    said = before.compare(after)
    assert "gone: Index Scan using docs_hnsw on docs" in said
    assert "new: Seq Scan on docs" in said
    assert sum(line.startswith("enable_indexscan: ") for line in said) == 1
    execute(raw, "CREATE INDEX docs_l2 ON docs USING hnsw (embedding vector_l2_ops)")
    assert any(
        line.startswith("new index: CREATE INDEX docs_l2") for line in before.compare(pv.explain(db, sql=sql, vector=V))
    )
    other = pv.explain(db, sql=sql.replace("< 40", "< 1"), vector=V)
    assert before.compare(other)[0] == "the statement is another"


def test_the_picture_has_every_step_where_and_as_long_as_it_was(db: Database, docs: None) -> None:
    sql = (
        "WITH near AS MATERIALIZED (SELECT id, embedding <=> :query AS d FROM docs ORDER BY d LIMIT 20)"
        " SELECT count(*) FROM near AS a JOIN near AS b USING (id) JOIN docs USING (id)"
    )
    found = pv.explain(db, sql=sql, vector=V)
    (bars,) = found.figure().data
    assert len(bars.x) == len(found.plan.nodes)
    ends = [start + length for start, length in zip(bars.base, bars.x, strict=True)]
    assert found.plan.root.time is not None
    assert max(ends) == pytest.approx(found.plan.root.time.wall, rel=0.01)
    parents = found.plan.parents()
    for number, parent in parents.items():
        assert bars.base[number] >= bars.base[parent.number] - 1e-9
        assert ends[number] <= ends[parent.number] + 1e-6
    marked = [node.index for node, color in zip(found.plan.nodes, bars.marker.color, strict=True) if color[1] in "abc"]
    assert marked == ["docs_hnsw"]
    assert all("of its own" in text or "never ran" in text for text in bars.hovertext)


def test_the_tree_has_a_line_a_step_at_every_width(db: Database, docs: None) -> None:
    found = pv.explain(db, "docs", vector=V, strategy="ann")
    for width in (40, 80, 120):
        lines = as_text(found._grid(), width).split("\n")
        assert max(map(len, lines)) <= width
        assert sum(line.startswith(("└─ ", "Limit")) for line in lines) == len(found.plan.nodes)


def test_a_pasted_plan_is_shown_without_a_server() -> None:
    found = pv.read_plan((CITUS / "knn.json").read_text())
    assert "Custom Scan (Citus Adaptive)" in as_text(found._grid(), 120)
    assert found.compare(pv.read_plan((CITUS / "limit_100.json").read_text()))
    found = pv.read_plan(
        " Limit  (cost=0.00..1.00 rows=1 width=4)\n   ->  Seq Scan on t  (cost=0.00..2.00 rows=9 width=4)"
    )
    assert "└─ Seq Scan on t" in repr(found)


def test_the_magics_return_plans(ip: Any, dsn: str, docs: None) -> None:
    ip.run("%load_ext pgvec_magic")
    ip.user_ns |= {"v": V, "address": dsn}
    ip.run("%vconnect :address --name here")
    found = ip.run("%vsearch docs --vector :v -k 3 --explain -o kept")
    assert isinstance(found, pv.Explanation)
    assert ip.user_ns["kept"] is found
    assert found.plan.root.rows == 3
    found = ip.run("%%vsql --vector :v --explain\nSELECT id FROM docs ORDER BY embedding <=> :query LIMIT 4")
    assert found.plan.root.rows == 4
    pasted = ip.run(f"%%vplan -o pasted\n{found.json}")
    assert ip.user_ns["pasted"] is pasted
    assert pasted.plan.root.rows == 4
    with pytest.raises(UsageError, match="below a line"):
        ip.run("%%vplan Limit\nx")
    ip.run_line_magic("unload_ext", "pgvec_magic")


def test_a_statement_that_a_rule_rewrites_is_said_to_be(db: Database, raw: connection, docs: None) -> None:
    execute(raw, "CREATE RULE nothing AS ON DELETE TO docs DO INSTEAD NOTHING")
    with pytest.raises(UsageError, match="a rule of the table"):
        pv.explain(db, sql="DELETE FROM docs")


def test_a_plan_is_not_saved_where_there_is_no_folder(tmp_path: Path) -> None:
    found = pv.read_plan((CITUS / "knn.json").read_text())
    with pytest.raises(UsageError, match="no folder"):
        found.save(tmp_path / "missing" / "plan.html")


def test_there_are_two_pictures_and_another_name_is_an_error(db: Database, docs: None) -> None:
    found = pv.explain(db, "docs", vector=V, strategy="ann")
    assert found.figure().layout.xaxis.title.text == found.figure("icicle").layout.xaxis.title.text == "milliseconds"
    assert any("share of the time" in words.text for words in found.figure("tree").layout.annotations)
    with pytest.raises(UsageError, match="no picture 'treee'") as told:
        found.figure("treee")
    assert "'tree'" in str(told.value)


def test_a_card_tells_rows_against_what_was_expected_but_not_where_no_guess_was_made(db: Database, docs: None) -> None:
    # a condition on two columns that are the same, which the planner takes for independent ones
    sql = "SELECT count(*) FROM docs WHERE id % 50 = 7 AND tenant = 7 AND content LIKE 'text %7'"
    cards = words(pv.explain(db, sql=sql).figure("tree"))
    assert any(re.search(r"60 rows, \d+ × more than the \d expected · \d+ pages", text) for text in cards), cards
    cards = words(pv.explain(db, "docs", vector=V, strategy="ann").figure("tree"))
    assert any(re.search(r"docs_hnsw on docs</b><br>10 rows · \d+ pages", text) for text in cards), cards
    cards = words(pv.explain(db, sql="SELECT id FROM docs LIMIT 5").figure("tree"))
    assert any(re.search(r"Scan .*</b><br>5 rows · ", text) for text in cards), cards
    assert any("cost" in text for text in words(pv.explain(db, "docs", vector=V, analyze=False).figure("tree")))


PARALLEL = """
Gather  (cost=0.00..90.00 rows=900 width=4) (actual time=1.00..12.00 rows=900 loops=1)
  Workers Planned: 2
  Workers Launched: 2
  ->  Parallel Seq Scan on a  (cost=0.00..50.00 rows=300 width=4) (actual time=0.01..10.00 rows=300 loops=3)
"""


def test_a_step_that_several_processes_shared_has_the_range_where_its_time_lies() -> None:
    cards = words(pv.read_plan(PARALLEL).figure("tree"))
    assert "<b>Parallel Seq Scan on a</b><br>900 rows, as expected · 3 loops · in parallel: 10 ms to 12 ms" in cards
    assert sum("in parallel" in text for text in cards) == 1


def words(figure: Any) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]


def test_what_is_wrong_comes_first_and_is_marked_where_it_is(db: Database, raw: connection, docs: None) -> None:
    sql = "SELECT id FROM docs WHERE tenant < 40 ORDER BY embedding <-> :query LIMIT 5"
    found = pv.explain(db, sql=sql, vector=V)
    (finding,) = found.findings
    html = found._repr_mimebundle_()["text/html"]
    assert html.index("▲ warning") < html.index("<svg") < html.index("<table")
    for said in (finding.rule, finding.title, finding.link, "Fix:", "user-select:all"):
        assert said in html
    label = found.plan.nodes[finding.step or 0].label
    for shown in (html, found.sketch("tree").svg(), repr(found)):
        assert f"▲ {finding.rule} {label}" in shown
    healthy = pv.explain(db, sql="SELECT count(*) FROM docs")._repr_mimebundle_()["text/html"]
    assert "Fix:" not in healthy
    assert len(html) < 12_000


def test_the_picture_of_a_plan_of_very_many_steps_does_not_come_unasked(db: Database, docs: None) -> None:
    sql = " UNION ALL ".join(["SELECT id FROM docs WHERE id = 1"] * 120)
    found = pv.explain(db, sql=sql)
    html = found._repr_mimebundle_()["text/html"]
    assert "<svg" not in html
    assert len(html) < 80_000
    assert "<svg" in found.sketch("tree").svg()


def test_findings_fit_any_terminal(db: Database, docs: None) -> None:
    found = pv.explain(db, sql="SELECT id FROM docs ORDER BY embedding <-> :query LIMIT 5", vector=V)
    for width in (40, 80, 120):
        lines = as_text(found._grid(), width).split("\n")
        assert max(map(len, lines)) <= width
        at = lines.index("")
        assert lines[at + 1].startswith("▲ warning R04: ")
        assert all(line.startswith("  ") for line in lines[at + 2 :])
        assert any(line.startswith("  → ") for line in lines[at + 2 :])
        assert sum("R04" in line for line in lines[:at]) == 1
