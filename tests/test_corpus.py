"""The captured plans, read and diagnosed without a server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from captured import FOLDER, SERVERS, Captured, captured
from corpus import PLANS, cases
from hypothesis import given
from hypothesis import strategies as st
from test_plan import adds_up, shape

from pgvec_magic import plan
from pgvec_magic.diagnose import Facts, diagnose
from pgvec_magic.errors import UsageError
from pgvec_magic.plan import Plan
from pgvec_magic.search.explaining import _tables

# What must be here of each of these servers; the cases of the other kind of each are a server's own.
LIVE = ("16", "18")
LEAST = {"sick": 30, "healthy": 21}

# Rules on what is so in the first run only.
OF_ONE_RUN = ("R79",)

SICK = {(server, name): each for server in SERVERS for name, each in captured(server, "sick").items()}
HEALTHY = {(server, name): each for server in SERVERS for name, each in captured(server, "healthy").items()}
ALL = [*SICK.values(), *(each.cured for each in SICK.values() if each.cured), *HEALTHY.values()]
ORDINARY = {
    (file.parent.name, name): entry
    for file in sorted(FOLDER.glob("*/ordinary.json"))
    for name, entry in json.loads(file.read_text("utf-8")).items()
}
FORMS = sorted((FOLDER / "psql").iterdir())


def named(keys: Any) -> list[str]:
    return [" ".join(key) for key in keys]


@pytest.mark.parametrize("kind", LEAST)
def test_every_case_is_captured_from_every_server_that_has_it(kind: str) -> None:
    for server in LIVE:
        wanted = {name for name, case in cases(kind).items() if not case.servers or int(server) in case.servers}
        assert captured(server, kind).keys() == wanted, f"run tests/capture.py: PostgreSQL {server}"
    assert len(set().union(*(captured(server, kind) for server in LIVE))) >= LEAST[kind]


@pytest.mark.parametrize(("key", "found"), SICK.items(), ids=named(SICK))
def test_a_sick_plan_gives_its_rule_first_and_a_cured_one_does_not(key: tuple[str, str], found: Captured) -> None:
    rule = cases("sick")[key[1]].rule
    assert [finding.rule for finding in found.findings][:1] == [rule]
    assert found.cured is not None
    assert rule not in [finding.rule for finding in found.cured.findings]


@pytest.mark.parametrize(("key", "found"), HEALTHY.items(), ids=named(HEALTHY))
def test_nothing_is_said_of_a_healthy_plan(key: tuple[str, str], found: Captured) -> None:
    also = cases("healthy")[key[1]].also
    assert [f for f in found.findings if f.severity != "info" and f.rule not in also] == []


@pytest.mark.parametrize(("key", "found"), SICK.items(), ids=named(SICK))
def test_the_text_of_a_sick_plan_gives_the_same(key: tuple[str, str], found: Captured) -> None:
    """It is of another run, so what it measured is its own: what was read from disk is in memory then."""
    told, rule = plan.read(found.text), cases("sick")[key[1]].rule
    assert steps(told) == steps(found.plan)
    assert rule in [finding.rule for finding in found.said_of(told)] or rule in OF_ONE_RUN


def steps(found: Plan) -> list[tuple[Any, ...]]:
    return [(node.label, node.loops, node.estimate, len(node.children)) for node in found.nodes]


def test_times_of_captured_plans_add_up() -> None:
    assert len(ALL) > sum(LEAST.values())
    for each in ALL:
        adds_up(each.plan)


@pytest.mark.parametrize(("key", "entry"), ORDINARY.items(), ids=named(ORDINARY))
def test_plans_of_other_versions(key: tuple[str, str], entry: dict[str, Any]) -> None:
    found, told = plan.read(entry["plan"]), plan.read("\n".join(entry["text"]))
    adds_up(found)
    adds_up(told)
    assert told.settings == found.settings
    if key[1].startswith("parallel"):  # which process did how much is another in each run
        assert [(n.label, n.estimate) for n in told.nodes] == [(n.label, n.estimate) for n in found.nodes]
    else:
        assert shape(told) == shape(found)
    assert [node.details.get("Subplan Name") for node in told.nodes] == [
        node.details.get("Subplan Name") for node in found.nodes
    ]
    assert (told.jit is None) == (found.jit is None)
    assert (told.serialization is None) == (found.serialization is None)
    assert [trigger.name for trigger in told.triggers] == [trigger.name for trigger in found.triggers]


@pytest.mark.parametrize("file", FORMS, ids=[file.name for file in FORMS])
def test_every_form_in_which_psql_prints_a_plan(file: Any) -> None:
    expected = plan.read((FOLDER / "psql" / "aligned.json").read_text("utf-8"))
    found = plan.read(file.read_text("utf-8"))
    adds_up(found)
    assert shape(found) == shape(expected)
    for one, other in zip(found.nodes, expected.nodes, strict=True):
        for key in ("Output", "Order By", "Sort Key", "Subplan Name"):
            assert one.details.get(key) == other.details.get(key)


DOCS = captured("18", "sick")["rows: filter"].fingerprint
# What a coordinator knows of a distributed table: its own part of it is empty.
ITEMS = replace(
    DOCS,
    settings={"hnsw.iterative_scan": "off"},
    relations=(replace(DOCS.relations[0], name="items", rows=0, bytes=0),),
    indexes=(replace(DOCS.indexes[0], table="items", name="items_hnsw", rows=0, bytes=0),),
)
CITUS = {
    "knn": [],
    "knn_all_tasks": [],
    "knn_not_analyzed": [],
    "limit_100": [],
    "router_one_tenant": ["R41"],
    "router_one_tenant_iterative": [],
    "exact_wrong_operator": ["R04"],
}


@pytest.mark.parametrize(("name", "rules"), CITUS.items())
def test_what_is_said_of_a_distributed_table(name: str, rules: list[str]) -> None:
    found = plan.read((PLANS / "citus" / f"{name}.json").read_text("utf-8"))
    told = [finding for finding in diagnose(Facts(found, ITEMS)) if finding.severity != "info"]
    assert [finding.rule for finding in told] == rules
    assert all(found.nodes[f.step].remote and f.why.startswith("on a shard") for f in told if f.step is not None)
    pasted = [finding for finding in diagnose(Facts(found)) if finding.severity != "info"]
    assert [finding.rule for finding in pasted] == [rule for rule in rules if rule != "R04"]


@pytest.mark.parametrize("name", CITUS)
def test_of_shards_the_table_here_is_looked_up(name: str) -> None:
    found = plan.read((PLANS / "citus" / f"{name}.json").read_text("utf-8"))
    assert set(_tables(found)) == {("public", "items")}


def test_a_setting_that_mends_a_shard_is_passed_on_to_it() -> None:
    found = plan.read((PLANS / "citus" / "router_one_tenant.json").read_text("utf-8"))
    (finding,) = diagnose(Facts(found, ITEMS))
    assert finding.severity == "error"
    assert finding.fix is not None
    assert finding.fix.startswith("SET LOCAL citus.propagate_set_commands = 'local'; SET LOCAL hnsw.iterative_scan")


@pytest.mark.parametrize(("name", "rules"), [("knn", []), ("router_one_tenant_iterative", ["R45"])])
def test_what_a_shard_gives_nearly_in_order_is_sorted_where_several_are_merged(name: str, rules: list[str]) -> None:
    found = plan.read((PLANS / "citus" / f"{name}.json").read_text("utf-8"))
    relaxed = replace(ITEMS, settings={"hnsw.iterative_scan": "relaxed_order"})
    assert [finding.rule for finding in diagnose(Facts(found, relaxed)) if finding.severity != "info"] == rules


def test_shards_that_are_short_together_are_said_once() -> None:
    """All 8 shards of a search that finds too little, with the coordinator's LIMIT not reached either."""
    document = json.loads((PLANS / "citus" / "knn_all_tasks.json").read_text("utf-8"))
    for node in nodes_of(document):
        if "Actual Rows" in node:
            node["Actual Rows"] = 0
        if node.get("Index Name"):
            node |= {"Filter": "(items.tenant = 5)", "Rows Removed by Filter": 40}
    assert [finding.rule for finding in diagnose(Facts(plan.read(document), ITEMS))] == ["R41"]


def nodes_of(document: Any) -> list[dict[str, Any]]:
    """The objects of a plan, the nodes among them."""
    below = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return [*([document] if isinstance(document, dict) else []), *(each for b in below for each in nodes_of(b))]


STRANGE = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


@given(st.sampled_from(ALL), st.data())
def test_unknown_nodes_and_keys_are_no_error(each: Captured, data: st.DataObject) -> None:
    """A server newer than this may leave keys out, add some, and have other nodes."""
    document = json.loads(json.dumps(each.document))
    for _ in range(data.draw(st.integers(1, 4))):
        node = data.draw(st.sampled_from(nodes_of(document["Plan"])))
        how = data.draw(st.sampled_from(["drop", "rename", "add"]))
        if how == "drop" and (keys := [key for key in node if key != "Node Type"]):
            del node[data.draw(st.sampled_from(keys))]
        elif how == "rename" and "Node Type" in node:
            node["Node Type"] = data.draw(st.sampled_from(["Quantum Scan", "Sort", "Limit", "Index Scan", "Gather"]))
        elif how == "add":
            node[data.draw(st.sampled_from(["Brand New", "Disabled Nodes"]))] = data.draw(STRANGE)
    found = plan.read(document)
    assert found.nodes
    for fingerprint in (each.fingerprint, None):
        diagnose(Facts(found, fingerprint, each.sql))


@given(st.sampled_from(ALL), st.data())
def test_values_of_another_kind_are_a_plan_or_a_usage_error(each: Captured, data: st.DataObject) -> None:
    document = json.loads(json.dumps(each.document))
    node = data.draw(st.sampled_from([node for node in nodes_of(document) if node]))
    node[data.draw(st.sampled_from(sorted(node)))] = data.draw(STRANGE)
    assert steps_read(document) <= len(each.plan.nodes)


@given(st.sampled_from(ALL), st.data())
def test_json_that_is_cut_off_is_refused(each: Captured, data: st.DataObject) -> None:
    whole = json.dumps([each.document])
    assert steps_read(whole[: data.draw(st.integers(0, len(whole) - 1))]) == 0


@given(st.sampled_from(list(SICK.values())), st.data())
def test_text_that_is_cut_off_is_what_is_left_of_it_or_refused(each: Captured, data: st.DataObject) -> None:
    cut = each.text[: data.draw(st.integers(0, len(each.text)))]
    assert steps_read(cut) <= len(each.plan.nodes)


def steps_read(source: Any) -> int:
    """How many steps are read and looked at; 0 where the source is refused."""
    try:
        found = plan.read(source)
    except UsageError:
        return 0
    diagnose(Facts(found))
    return len(found.nodes)
