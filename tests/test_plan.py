from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from corpus import FORCED, PLANS, execute
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import connection

from pgvec_magic.errors import UsageError
from pgvec_magic.plan import Plan, measured, misestimate, read, stopped_early

ORDINARY = tomllib.loads((PLANS / "ordinary.toml").read_text("utf-8"))
STATEMENTS, PARALLEL = ORDINARY["serial"], ORDINARY["parallel"]


@pytest.fixture
def tables(raw: connection) -> connection:
    execute(raw, (PLANS / "ordinary.sql").read_text("utf-8"))
    return raw


def explained(raw: connection, options: str, sql: str) -> Any:
    """Return what EXPLAIN gives, of a statement whose writes are undone."""
    raw.autocommit = False
    try:
        with raw.cursor() as cursor:
            cursor.execute(f"EXPLAIN ({options}) {sql}")
            rows = [row[0] for row in cursor.fetchall()]
            return rows[0] if "JSON" in options else "\n".join(rows)
    finally:
        raw.rollback()
        raw.autocommit = True


def adds_up(plan: Plan) -> None:
    """What must be true of every plan that ran with times."""
    assert plan.timed
    times = [node.time for node in plan.nodes]
    root = plan.root.time
    assert root is not None
    assert sum(time.own for time in times if time) == pytest.approx(root.wall, rel=0.01, abs=1e-9)
    for node, time in zip(plan.nodes, times, strict=True):
        assert time is not None
        assert time.own >= 0
        assert time.wall <= root.wall + 1e-9
        assert time.least <= time.most
        assert time.total == pytest.approx(node.details.get("Actual Total Time", 0) * (node.loops or 0))
        if not node.executed:
            assert (time.total, time.wall, time.own) == (0, 0, 0)


def shape(plan: Plan) -> list[tuple[Any, ...]]:
    """What two formats of one statement agree in: before 18 the text rounds rows."""
    found = []
    for node in plan.nodes:
        rows = None if node.rows is None or not node.loops else round(node.rows / node.loops)
        found.append((node.label, node.loops, rows, node.estimate, len(node.children)))
    return found


def test_times_of_real_plans_add_up(tables: connection) -> None:
    for name, sql in STATEMENTS.items():
        plan = read(explained(tables, "ANALYZE, BUFFERS, SETTINGS, VERBOSE, FORMAT JSON", sql))
        adds_up(plan)
        assert plan.root.time is not None, name
        assert plan.root.time.wall + sum(plan.outside.values()) == pytest.approx(plan.execution, rel=0.01), name
        blocks = [node.blocks for node in plan.nodes if node.blocks]
        assert sum(each.own for each in blocks) == pytest.approx(blocks[0].hit + blocks[0].read, abs=len(blocks)), name
        assert plan.settings["work_mem"] == "256kB"


@pytest.mark.parametrize("verbose", ["VERBOSE", "VERBOSE off"])
def test_times_of_processes_that_share_the_work_add_up(tables: connection, verbose: str) -> None:
    execute(tables, FORCED)
    for name, sql in PARALLEL.items():
        plan = read(explained(tables, f"ANALYZE, {verbose}, FORMAT JSON", sql))
        adds_up(plan)
        gather = next(node for node in plan.nodes if node.kind.startswith("Gather"))
        assert gather.time is not None
        times = [node.time for node in gather.children[0].walk() if node.time]
        assert all(time.most <= gather.time.total + 1e-9 for time in times), name
        assert any(time.total > time.wall for time in times), name


COMPARED = (
    *("Sort Key", "Filter", "Order By", "Index Cond", "Output", "Index Name", "Sort Method", "Subplan Name"),
    *("Join Type", "Strategy", "Hash Batches", "CTE Name", "Workers Launched", "Sort Space Type"),
)


@pytest.mark.parametrize("options", ["", "ANALYZE, BUFFERS", "ANALYZE, TIMING OFF", "VERBOSE", "COSTS OFF"])
def test_the_text_says_what_the_json_says(tables: connection, options: str) -> None:
    for name, sql in STATEMENTS.items():
        structured = read(explained(tables, f"{options or 'COSTS'}, FORMAT JSON", sql))
        text = explained(tables, options or "COSTS", sql)
        told = read(text)
        assert shape(told) == shape(structured), name
        if options == "ANALYZE, BUFFERS":
            adds_up(told)
            touched = any(node.blocks and node.blocks.hit for node in structured.nodes)
            assert all(node.blocks for node in told.nodes) or not touched, name
        for one, other in zip(structured.nodes, told.nodes, strict=True):
            said = {key: one.details[key] for key in COMPARED if key in one.details and one.details[key] != 0}
            assert {key: other.details.get(key) for key in said} == said, name
        assert [node.details for node in read(psql(text)).nodes] == [node.details for node in told.nodes]


def psql(text: str) -> str:
    """The frame that psql draws."""
    lines = text.split("\n")
    width = max(map(len, lines)) + 2
    return "\n".join(
        ["QUERY PLAN".center(width), "-" * width, *(f" {line}" for line in lines), f"({len(lines)} rows)", ""]
    )


def test_json_as_psql_and_others_wrap_it(tables: connection) -> None:
    document = explained(tables, "ANALYZE, FORMAT JSON", STATEMENTS["limit"])
    lines = json.dumps(document, indent=2).split("\n")
    framed = "QUERY PLAN\n----------\n" + "".join(f" {line:<60}+\n" for line in lines[:-1]) + f" {lines[-1]}\n(1 row)\n"
    expected = shape(read(document))
    for given_ in (document[0], document[0]["Plan"], [document], json.dumps(document), framed):
        assert shape(read(given_)) == expected


def test_what_lies_beside_the_tree(tables: connection) -> None:
    plan = read(explained(tables, "ANALYZE, FORMAT JSON", STATEMENTS["writes"]))
    assert [(trigger.name, trigger.calls) for trigger in plan.triggers] == [("noted", 4)]
    assert plan.outside["trigger noted"] > 4
    text = read(explained(tables, "ANALYZE", STATEMENTS["writes"]))
    assert [(trigger.name, trigger.calls) for trigger in text.triggers] == [("noted", 4)]


def test_jit_and_serialization(tables: connection) -> None:
    with tables.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        version = int(cursor.fetchall()[0][0])
        cursor.execute("SELECT pg_jit_available(), set_config('jit_above_cost', '0', false)")
        jit = cursor.fetchall()[0][0]
    options = "ANALYZE" + (", SERIALIZE" if version >= 170000 else "")
    for form in ("TEXT", "JSON"):
        plan = read(explained(tables, f"{options}, FORMAT {form}", "SELECT * FROM docs"))
        assert (plan.serialization is not None) == (version >= 170000)
        assert (plan.jit is not None) == jit
        if version >= 170000:
            assert plan.outside["serialization"] == plan.serialization


def one(plan: Plan, kind: str) -> Any:
    return next(node for node in plan.nodes if node.kind == kind)


def test_the_time_of_a_cte_is_its_own_and_not_its_readers(tables: connection) -> None:
    sql = (
        "WITH slow AS MATERIALIZED (SELECT id, pg_sleep(0.001) FROM docs LIMIT 50) SELECT count(*) FROM slow, slow AS s"
    )
    plan = read(explained(tables, "ANALYZE, FORMAT JSON", sql))
    readers = [node.time.own for node in plan.nodes if node.kind == "CTE Scan" and node.time]
    assert len(readers) == 2
    assert max(readers) < 10
    assert (
        sum(n.time.own for n in plan.nodes if n.time and "Subplan Name" in n.details)
        + one(plan, "Index Only Scan" if any(n.kind == "Index Only Scan" for n in plan.nodes) else "Seq Scan").time.own
        > 50
    )


def test_the_time_of_an_init_plan_is_taken_from_the_node_that_needed_it(tables: connection) -> None:
    sql = "SELECT id FROM docs ORDER BY embedding <=> (SELECT v FROM few, pg_sleep(0.05) LIMIT 1) LIMIT 5"
    plan = read(explained(tables, "ANALYZE, FORMAT JSON", sql))
    assert one(plan, "Index Scan").time.own < 20
    slept = next(node for node in plan.nodes if node.relation == "pg_sleep")
    assert slept.time is not None
    assert slept.time.own > 45


def gathered(**scan: Any) -> Any:
    """A scan below a Gather of a leader and two workers, which took 17 ms."""
    below = {"Node Type": "Bitmap Index Scan", "Actual Rows": 1, **scan}
    gather = {"Node Type": "Gather", "Workers Launched": 2, "Actual Total Time": 17.0, "Actual Loops": 1}
    return read({"Plan": {**gather, "Plans": [below]}}).nodes[1].time


def test_the_leader_has_what_the_workers_leave() -> None:
    workers = [{"Actual Total Time": ms, "Actual Loops": 1} for ms in (5.0, 9.0)]
    time = gathered(**{"Actual Total Time": 10.0, "Actual Loops": 3, "Workers": workers})
    assert (time.total, time.wall, time.least, time.most) == (30, 16, 16, 17)


def test_where_the_processes_are_not_told_there_is_a_range() -> None:
    time = gathered(**{"Actual Total Time": 10.0, "Actual Loops": 3})
    assert (time.total, time.wall, time.least, time.most) == (30, 10, 10, 17)


def test_what_one_process_did_alone_is_not_divided() -> None:
    time = gathered(**{"Actual Total Time": 0.784, "Actual Loops": 1})
    assert (time.total, time.wall, time.own, time.most) == (0.784, 0.784, 0.784, 0.784)


@pytest.mark.parametrize("name", sorted(path.stem for path in (PLANS / "citus").glob("*.json")))
def test_plans_of_a_distributed_table(name: str) -> None:
    plan = read((PLANS / "citus" / f"{name}.json").read_text())
    remote = [(node.remote[0].plan, node) for node in plan.nodes if node.remote]
    assert len(remote) == 1
    shard, node = remote[0]
    assert node.label == "Custom Scan (Citus Adaptive)"
    assert len(node.remote) == (8 if name == "knn_all_tasks" else 1)
    assert "port=" in node.remote[0].place
    assert any(each.index for each in shard.nodes) == ("exact" not in name)
    assert len(list(plan.everywhere)) == len(plan.nodes) + sum(len(r.plan.nodes) for r in node.remote)
    if plan.analyzed:
        adds_up(plan)
        for each in node.remote:
            adds_up(each.plan)
    else:
        assert not plan.timed


PLAN = """Limit  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=1)
   ->  Seq Scan on t  (cost=0.00..2.00 rows=9 width=4) (actual time=0.1..0.1 rows=1 loops=1)
         Filter: (name = 'a  b'::text)"""


@pytest.mark.parametrize(
    "before",
    [
        "EXPLAIN ANALYZE SELECT * FROM t LIMIT 1;",
        "postgres=# explain (analyze) select * from t limit 1;",
        "2026-01-01 10:00:00 UTC [77] LOG:  duration: 1.2 ms  plan:\nQuery Text: SELECT * FROM t -> x",
    ],
)
def test_what_stands_before_a_pasted_plan_is_no_part_of_it(before: str) -> None:
    plan = read(f"{before}\n{PLAN}")
    assert [node.label for node in plan.nodes] == ["Limit", "Seq Scan on t"]
    assert plan.nodes[1].details["Filter"] == "(name = 'a  b'::text)"
    adds_up(plan)


@pytest.mark.parametrize(
    "text",
    [
        PLAN + "\n Buffers: shared hit=5 read=3,",
        PLAN + "\n         Buffers:  temp",
        PLAN + "\n Planning Time:",
        PLAN + "\n Execution Time: 0,123 ms",
        '[{"Plan": {"Node Type": "Limit", "Plans": 5}}]',
        '[{"Plan": {"Node Type": "Limit", "Actual Total Time": 1, "Actual Loops": null}}]',
        '[{"Plan": {"Node Type": "Limit"}, "Triggers": ["x"]}]',
        '[{"Plan": {"Node Type": "Limit"}, "Settings": "x"}]',
        "[" * 100_000,
        '{"Plan": ' + '{"Node Type": "Limit", "Plans": [' * 250 + "]}" * 250 + "}",
        "\n".join(" " * 6 * i + "->  Limit  (cost=0.00..1.00 rows=1 width=4)" for i in range(600))[4:],
    ],
)
def test_a_plan_that_is_damaged_is_said_to_be(text: str) -> None:
    try:
        plan = read(text)
    except UsageError:
        return
    assert plan.nodes
    assert plan.nodes[0].kind == "Limit"


KINDS = ["Seq Scan", "Sort", "Gather", "Gather Merge", "CTE Scan", "Nested Loop", "Quantum Scan", "Append"]
NUMBERS = st.floats(0, 1e6)


def trees(below: st.SearchStrategy[list[dict[str, Any]]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"Node Type": st.sampled_from(KINDS), "Actual Total Time": NUMBERS, "Actual Loops": st.integers(0, 5)},
        optional={
            "Plans": below,
            "CTE Name": st.sampled_from("ab"),
            "Workers Launched": st.integers(0, 4),
            "Subplan Name": st.sampled_from(["CTE a", "CTE b", "InitPlan 1", "InitPlan 2 (returns $0)", "SubPlan 3"]),
            "Parent Relationship": st.sampled_from(["Outer", "InitPlan"]),
            "Filter": st.sampled_from(["(x = $0)", "(x = (InitPlan 1).col1)", "(x = $01)"]),
            "Workers": st.lists(
                st.fixed_dictionaries({"Actual Total Time": NUMBERS, "Actual Loops": st.integers(0, 3)}), max_size=2
            ),
            "Brand New Key": st.none() | st.lists(st.integers()),
        },
    )


@given(st.recursive(trees(st.just([])), lambda below: trees(st.lists(below, max_size=3)), max_leaves=20))
def test_times_of_generated_plans_add_up(tree: dict[str, Any]) -> None:
    adds_up(read([{"Plan": tree}]))


PIECES = ["->", " ", "\n", "Limit", "(cost=1..2 rows=3 width=4)", "CTE x", "(actual rows=1 loops=1)"]
PIECES += ["Buffers: shared hit=1", "Sort Key: a, (b", "{", "[", "Task"]


@given(st.text(max_size=300) | st.lists(st.sampled_from(PIECES)).map("".join))
def test_whatever_is_pasted_is_a_plan_or_a_usage_error(text: str) -> None:
    try:
        plan = read(text)
    except UsageError:
        return
    assert plan.nodes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (" QUERY PLAN\n-----\n(0 rows)", "empty"),
        ('[{"Plan": {"Node Type": "Limit", "Plans": [', "begins as JSON and is none"),
        ('{"query_block": {"select_id": 1}}', "no plan of Postgres"),
        ("[]", "no plan of Postgres"),
        ("[1, 2]", "no plan of Postgres"),
        ('[{"Plan": {"Node Type": "Limit"}}, {"Plan": {"Node Type": "Limit"}}]', "2 plans"),
        ("- Plan: \n    Node Type: Limit", "YAML"),
        ('<explain xmlns="http://www.postgresql.org/2009/explain"></explain>', "XML"),
        ("-> Table scan on t  (cost=0.35 rows=1)", "no EXPLAIN output"),
        ("id | select_type | table | type\n1 | SIMPLE | t | ALL", "no EXPLAIN output"),
        ("EXPLAIN: -> Limit: 10 row(s)  (cost=0.35 rows=1)\n    -> Table scan on t  (cost=0.35 rows=1)", "no EXPLAIN"),
        ("Limit: 10 row(s)  (cost=0.35 rows=1)\n -> Table scan on t  (cost=0.35 rows=1)", "no EXPLAIN output"),
        ("Expression (Projection)\n  Limit (preliminary LIMIT)\n    ReadFromMergeTree (t)", "no EXPLAIN output"),
        ("  distribution: local\n\n  • scan\n    table: t@t_pkey", "no EXPLAIN output"),
        ('ERROR:  relation "t" does not exist', "no EXPLAIN output"),
        ("      QUERY PLAN\n------\n - Plan:     +\n     Node Type: Limit\n(1 row)", "YAML"),
        ("SELECT 1", "no EXPLAIN output"),
        ('[{"name": "SEQ_SCAN", "children": []}]', "no plan of Postgres"),
        ("┌───────────────┐\n│  SEQ_SCAN     │\n│  Table: docs  │\n└───────────────┘", "no EXPLAIN output"),
        ("QUERY PLAN\n|--SCAN docs\n`--USE TEMP B-TREE FOR ORDER BY", "no EXPLAIN output"),
        ("addr  opcode  p1\n----  ------  --\n0     Init    0", "no EXPLAIN output"),
        ('[{"Plan": {"Node Type": "Limit", "Plan Rows": "many"}}]', "Plan Rows is 'many'"),
        ('[{"Plan": {"Node Type": "Limit", "Actual Rows": NaN}}]', "Actual Rows is nan"),
        ("null", "no EXPLAIN output"),
        ("5", "no EXPLAIN output"),
    ],
)
def test_what_is_no_plan_is_said(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(text)


EARLY = """
Limit  (cost=0.00..1.00 rows=10 width=4) (actual time=0.01..0.02 rows=10 loops=1)
  ->  Nested Loop  (cost=0.00..90.00 rows=900 width=4) (actual time=0.01..0.02 rows=10 loops=1)
        ->  Seq Scan on a  (cost=0.00..50.00 rows=900 width=4) (actual time=0.01..0.02 rows=10 loops=1)
        ->  Materialize  (cost=0.00..50.00 rows=7 width=4) (actual time=0.01..0.02 rows=1 loops=10)
              ->  Sort  (cost=0.00..50.00 rows=7 width=4) (actual time=0.01..0.02 rows=1 loops=1)
                    ->  Seq Scan on b  (cost=0.00..50.00 rows=7 width=4) (actual time=0.01..0.02 rows=700 loops=1)
"""


def test_what_a_limit_stopped_is_no_misestimate_and_what_a_sort_took_whole_is_one() -> None:
    plan = read(EARLY)
    assert stopped_early(plan) == {1, 2, 3, 4}
    assert [round(misestimate(node) or 0, 3) for node in plan.nodes] == [1, 0.011, 0.011, 0.143, 0.143, 100]
    assert measured(plan.nodes[5])[0] == "700 rows, 100 × more than the 7 expected"
    assert measured(plan.nodes[1])[0] == "10 rows, 90 × fewer than the 900 expected"
    assert measured(plan.nodes[1], guessed=False)[0] == "10 rows"
    assert measured(plan.nodes[3])[:2] == ["10 rows, 70 expected", "10 loops"]
    assert measured(plan.nodes[0]) == ["10 rows, as expected"]
    short = read(EARLY.replace("rows=10 loops=1)", "rows=9 loops=1)", 1))
    assert stopped_early(short) == frozenset()


def test_nothing_is_said_of_a_guess_where_nothing_was_counted() -> None:
    never = read("Seq Scan on a  (cost=0.00..50.00 rows=900 width=4) (never executed)").root
    assert misestimate(never) is None
    assert measured(never) == ["never ran"]
    planned = read("Seq Scan on a  (cost=0.00..50.00 rows=900 width=4)").root
    assert misestimate(planned) is None
    assert measured(planned) == ["900 rows expected"]
    assert measured(planned, guessed=False) == []
    bitmap = read("BitmapAnd  (cost=0.00..5.00 rows=900 width=0) (actual time=0.1..0.2 rows=0 loops=1)").root
    assert misestimate(bitmap) is None
