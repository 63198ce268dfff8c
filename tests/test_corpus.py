"""The captured plans, read and diagnosed without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from captured import FOLDER, SERVERS, Captured, captured
from corpus import cases
from hypothesis import given
from hypothesis import strategies as st
from test_plan import adds_up, shape

from pgvec_magic import plan
from pgvec_magic.diagnose import Facts, diagnose
from pgvec_magic.errors import UsageError
from pgvec_magic.plan import Plan

# What must be here of each of these servers; the cases of the other kind of each are a server's own.
LIVE = ("16", "18")
LEAST = {"sick": 30, "healthy": 21}

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
    """It is of another run, so what it measured is its own."""
    told = plan.read(found.text)
    assert steps(told) == steps(found.plan)
    assert [f.rule for f in found.said_of(told)] == [f.rule for f in found.findings]


def steps(found: Plan) -> list[tuple[Any, ...]]:
    return [(node.label, node.loops, node.estimate, len(node.children)) for node in found.nodes]


def test_times_of_captured_plans_add_up() -> None:
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
    node = data.draw(st.sampled_from(nodes_of(document)))
    if node:
        node[data.draw(st.sampled_from(sorted(node)))] = data.draw(STRANGE)
    is_read_or_refused(document)


@given(st.sampled_from([*SICK.values()]), st.data())
def test_a_plan_that_is_cut_off_is_a_plan_or_a_usage_error(each: Captured, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([json.dumps([each.document]), each.text]))
    is_read_or_refused(whole[: data.draw(st.integers(0, len(whole)))])


def is_read_or_refused(source: Any) -> None:
    try:
        found = plan.read(source)
    except UsageError:
        return
    diagnose(Facts(found))
