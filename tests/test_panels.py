from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus import TABLE, V, execute
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output
from psycopg2.extensions import connection

import pgvec_magic as pv
from pgvec_magic.db import Database
from pgvec_magic.diagnose import Cure
from pgvec_magic.errors import UsageError

CITUS = Path(__file__).parent / "plans" / "citus"
SICK = "SELECT id FROM docs WHERE tenant = 7 ORDER BY embedding <=> :query LIMIT 5"
BY_INDEX = [("enable_sort", "off"), ("enable_bitmapscan", "off")]


@pytest.fixture
def docs(raw: connection) -> None:
    execute(raw, TABLE)


@pytest.fixture
def sick(db: Database, docs: None) -> pv.Explanation:
    """A plan with one finding, at the scan of the index."""
    found = pv.explain(db, sql=SICK, vector=V, settings=BY_INDEX)
    assert [(each.rule, each.step) for each in found.findings] == [("R41", 1)]
    return found


def test_the_gravest_finding_is_chosen_and_its_step_with_it(db: Database, sick: pv.Explanation) -> None:
    panel = pv.panel(db, "plan", sick)
    assert panel.finding.options == ("✖ error R41: the filter leaves too few rows",)
    assert (panel.chosen, panel.view.step, panel.step.value) == (sick.findings[0], 1, 1)
    assert "40 of them" in panel.details.value
    assert "hnsw.ef_search = 40" in panel.details.value
    assert "rows removed by the filter" in panel.details.value


def test_choosing_a_step_shows_its_facts_and_chooses_its_finding(db: Database, sick: pv.Explanation) -> None:
    panel = pv.panel(db, "plan", sick)
    panel.view.step = 0  # a click on the picture
    assert (panel.chosen, panel.step.value) == (None, 0)
    assert "Limit" in panel.details.value
    assert "R41" not in panel.details.value
    assert panel.fix.disabled
    panel.step.value = 1  # the list of steps does the same
    assert (panel.chosen, panel.view.step) == (sick.findings[0], 1)
    panel.view.step = None
    panel.finding.index = 0
    assert panel.view.step == 1


def test_the_picture_and_the_table_have_the_steps_that_are_clicked(db: Database, sick: pv.Explanation) -> None:
    panel = pv.panel(db, "plan", sick)
    pages = [panel.view.page]
    panel.kind.value = "tree"
    pages.append(panel.view.page)
    assert pages[0] != pages[1]
    for page in pages:
        assert [page.count(f'data-step="{i}"') for i in (0, 1, 2)] == [1, 1, 0]
        assert page.count("<tr>") == 1 + len(sick.plan.nodes)
        assert "✖ R41" in page
        assert "Fix:" not in page  # what is wrong stands in the list beside it


def test_a_fix_is_tried_and_the_plan_after_stands_beside(db: Database, raw: connection, sick: pv.Explanation) -> None:
    panel = pv.panel(db, "plan", sick)
    assert not panel.fix.disabled
    during: list[tuple[bool, str]] = []
    panel.fix.observe(lambda change: during.append((change.new, panel.said.value)), "disabled")
    panel.fix.click()
    assert panel.proof.helped
    assert panel.proof.explanation.plan.root.rows == 5
    assert panel.proved.value == panel.proof._repr_mimebundle_()["text/html"]
    assert "Index Scan using docs_hnsw" in panel.after.value
    assert [disabled for disabled, _ in during] == [True, False]
    assert panel.said.value == ""


def test_what_goes_wrong_is_one_line_and_the_button_works_again(
    db: Database, raw: connection, sick: pv.Explanation
) -> None:
    panel = pv.panel(db, "plan", sick)
    execute(raw, 'ALTER TABLE docs RENAME TO "<img src=x onerror=alert(1)>"')
    panel.fix.click()
    assert "docs" in panel.said.value
    assert "error" in panel.said.value
    assert "Traceback" not in panel.said.value
    assert "\n" not in panel.said.value
    assert (panel.proof, panel.proved.value) == (None, "")
    assert not panel.fix.disabled
    execute(raw, 'ALTER TABLE "<img src=x onerror=alert(1)>" RENAME TO docs')
    panel.fix.click()
    assert panel.said.value == ""
    assert panel.proof.helped


@pytest.mark.parametrize(
    ("cure", "said"),
    [
        (None, "for you to do"),
        (Cure(before=("CREATE INDEX ON docs (tenant)",)), "build=True"),
        (Cure(), "for you to do"),
    ],
)
def test_a_fix_that_cannot_be_tried_here_says_why(
    db: Database, sick: pv.Explanation, cure: Cure | None, said: str
) -> None:
    vars(sick)["findings"] = (replace(sick.findings[0], cure=cure),)
    panel = pv.panel(db, "plan", sick)
    assert panel.fix.disabled
    assert said in panel.why_not.value


def test_a_table_is_searched_for_what_is_typed(db: Database) -> None:
    rows = [{"id": i, "content": f"text {word}"} for i, word in enumerate(("walk", "tree", "file"))]
    pv.load(db, "texts", rows, text="content", id="id")
    panel = pv.panel(db, "plan", "texts")
    assert panel.explanation is None
    assert panel._shown.layout.display == "none"
    panel.ask.click()
    assert "text" in panel.said.value  # there is none yet
    assert not panel.ask.disabled
    panel.text.value = "walk a tree"
    panel.ask.click()
    assert panel.explanation.plan.analyzed
    assert panel.explanation.query.settings == pv.explain(db, "texts", "walk a tree").query.settings
    assert panel._shown.layout.display is None
    assert panel.said.value == ""
    assert panel.finding.options == ()
    assert "nothing is wrong" in panel.details.value
    pv.sql(db, "DROP TABLE texts")
    panel.ask.click()
    assert "texts" in panel.said.value
    assert panel.explanation is not None  # what was shown stays


def test_another_plan_takes_the_place_of_the_first_with_nothing_left_of_it(db: Database, sick: pv.Explanation) -> None:
    panel = pv.panel(db, "plan", sick)
    panel.fix.click()
    healthy = pv.explain(db, sql="SELECT count(*) FROM docs")
    panel.show(healthy)
    assert (panel.chosen, panel.view.step, panel.proof) == (None, None, None)
    assert (panel.proved.value, panel.after.value, panel.finding.options) == ("", "", ())
    assert panel.fix.disabled
    panel.show(sick)
    assert panel.chosen == sick.findings[0]


def test_a_pasted_plan_can_be_looked_into_and_not_tried() -> None:
    found = pv.read_plan((CITUS / "exact_wrong_operator.json").read_text())
    panel = pv.panel(None, "plan", found)
    panel.view.step = 0
    assert found.plan.nodes[0].label in panel.details.value
    assert panel.fix.disabled


def test_what_is_hostile_or_long_in_a_plan_stays_text_and_short(db: Database, raw: connection) -> None:
    evil = "<img src=x onerror=alert(1)>\x1b[31m"
    execute(raw, f'CREATE TABLE "{evil}" (id int, embedding vector(300)); INSERT INTO "{evil}" VALUES (1, NULL)')
    vector = np.arange(300, dtype=np.float32) / 7
    found = pv.explain(db, sql=f'SELECT id FROM "{evil}" ORDER BY embedding <=> :query', vector=vector)
    panel = pv.panel(db, "plan", found)
    seen = ""
    for step in range(len(found.plan.nodes)):
        for kind in ("icicle", "tree"):
            panel.view.step, panel.kind.value = step, kind
            seen += panel.view.page + panel.details.value
    seen += "".join(panel._repr_mimebundle_()[kind] for kind in ("text/html", "text/plain"))
    assert "&lt;img src=x" in seen
    assert "<img" not in "".join(panel._repr_mimebundle_()["text/html"]) + panel.view.page + panel.details.value
    assert "\x1b" not in seen
    assert str(vector[250])[:6] not in seen
    assert "×300" in seen


def test_there_is_a_page_without_a_kernel(db: Database, sick: pv.Explanation) -> None:
    bundle = pv.panel(db, "plan", sick)._repr_mimebundle_()
    assert bundle["text/html"] == sick._repr_mimebundle_()["text/html"]
    cell = new_code_cell("%vpanel plan", outputs=[new_output("execute_result", data=bundle, execution_count=1)])
    page, _ = HTMLExporter(mathjax_url="", require_js_url="").from_notebook_node(new_notebook(cells=[cell]))
    for said in ("the filter leaves too few rows", 'data-step="1"', "own ms", "SET LOCAL hnsw.iterative_scan"):
        assert said in page


def test_a_panel_or_a_subject_that_does_not_exist_is_an_error(db: Database) -> None:
    with pytest.raises(UsageError, match="no panel 'map'") as told:
        pv.panel(db, "map", "docs")
    assert "plan" in str(told.value)
    for about in (42, None):
        with pytest.raises(UsageError, match="shows a plan"):
            pv.panel(db, "plan", about)
    with pytest.raises(UsageError, match="of a connection"):
        pv.panel(None, "plan", "docs")


def test_the_magic_opens_the_last_plan_a_variable_s_or_a_table(ip: Any, dsn: str, docs: None) -> None:
    ip.run("%load_ext pgvec_magic")
    ip.user_ns |= {"v": V, "address": dsn}
    with pytest.raises(UsageError, match="no cell has shown a plan"):
        ip.run("%vpanel plan")
    ip.user_ns["pasted"] = pv.read_plan((CITUS / "knn.json").read_text())
    assert ip.run("%vpanel plan :pasted").explanation is ip.user_ns["pasted"]
    ip.run("%vconnect :address --name here")
    found = ip.run("%vsearch docs --vector :v -k 3 --explain")
    ip.user_ns["Out"][1] = found  # as run_cell with store_history does
    panel = ip.run("%vpanel plan -o kept")
    assert panel.explanation is found
    assert ip.user_ns["kept"] is panel
    assert ip.run("%vpanel plan docs -c here")._table == "docs"
    with pytest.raises(UsageError, match="not one of plan"):
        ip.run("%vpanel map docs")
    with pytest.raises(UsageError, match="needs PANEL"):
        ip.run("%vpanel")
    ip.run_line_magic("unload_ext", "pgvec_magic")
