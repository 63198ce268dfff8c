"""The index panel, its buttons pressed in process: what takes time runs beside, and what is seen of it meanwhile."""

from __future__ import annotations

import contextvars
import re
import time
from collections.abc import Iterator
from typing import Any

import ipywidgets as widgets
import psycopg2
import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output
from psycopg2.extensions import connection
from test_faults import eventually

import pgvec_magic as pv
from pgvec_magic.catalog import table
from pgvec_magic.db import Database
from pgvec_magic.errors import UsageError
from pgvec_magic.index import build_memory, index_bytes
from pgvec_magic.panels.index import IndexPanel, _over
from pgvec_magic.query import Query
from pgvec_magic.render import bytes_text

ROWS = 3000
TABLE = f"""CREATE TABLE docs (id int PRIMARY KEY, tenant int, embedding vector(16));
INSERT INTO docs SELECT g.i, g.i % 3, (SELECT array_agg(random() - 0.5 + x * 0)
FROM generate_series(1, 16) AS x WHERE g.i > 0)::vector(16) FROM generate_series(1, {ROWS}) AS g(i);
ANALYZE docs"""
INDEXES = "SELECT count(*) FROM pg_index WHERE indrelid = 'docs'::regclass AND NOT indisprimary"
ACTIVE = """SELECT count(*) FROM pg_stat_activity
WHERE application_name LIKE 'pgvec_magic build%' AND state = 'active'"""


def ask(raw: connection, statement: str) -> Any:
    with raw.cursor() as cursor:
        cursor.execute(statement)
        return (cursor.fetchone() or (None,))[0] if cursor.description else None


@pytest.fixture
def docs(db: Database, raw: connection) -> Database:
    ask(raw, TABLE)
    return db


@pytest.fixture
def panel(docs: Database) -> Iterator[IndexPanel]:
    made = opened(docs)
    yield made
    made.work.stop()
    ended(made)


def opened(db: Database, name: str = "docs") -> IndexPanel:
    made = pv.panel(db, "index", name)
    assert isinstance(made, IndexPanel)
    return made


def ended(panel: IndexPanel, seconds: float = 60) -> str:
    """Wait until nothing is done any more, and return what the panel says then."""
    eventually(lambda: not panel.work.busy, seconds)
    return words(panel.work.said.value)


def words(html: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.S).split())


def choose(panel: IndexPanel, title: str, **options: Any) -> None:
    """Choose a suggestion by its title, and change its options."""
    assert panel.choices.advice is not None
    panel.choices.view.row = [each.title for each in panel.choices.advice].index(title)
    for name, value in options.items():
        getattr(panel.choices, name).value = value


def choose_slow(panel: IndexPanel, **options: Any) -> None:
    choose(panel, "HNSW", ef_construction=1000, m=50, **options)


def building(panel: IndexPanel) -> None:
    """Wait until the server builds."""
    eventually(lambda: "building" in panel.work.words.value or not panel.work.busy, 60)
    assert panel.work.busy, panel.work.said.value


def every(widget: Any) -> Iterator[Any]:
    """The widget and all those in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


# --- what is seen when it opens


def test_it_opens_with_the_table_and_advice_with_its_price(panel: IndexPanel) -> None:
    head = words(panel.head.value)
    assert head.startswith("docs about 3,000 rows · embedding vector(16) · ")
    assert "no vector index yet" in panel.standing.none.value
    advice = panel.choices.advice
    assert advice is not None
    assert panel.choices.chosen is advice.recommended
    shown = words(panel.choices.view.page)
    for each in advice:
        assert each.title in shown
        assert each.spec is None or bytes_text(each.bytes) in shown
        assert each.recall in shown
    choose(panel, "HNSW")
    assert panel.choices.chosen is not None
    assert words(panel.choices.why.value) == panel.choices.chosen.why
    assert panel.choices.chosen.sql in words(panel.choices.price.value)
    assert not panel.build.disabled


def test_no_index_is_nothing_to_build(panel: IndexPanel) -> None:
    choose(panel, "no index")
    assert panel.build.disabled
    assert "nothing to build" in panel.why_not.value
    assert panel.choices._options.layout.display == "none"
    panel.build.click()
    assert not panel.work.busy


def test_its_price_follows_the_options(panel: IndexPanel) -> None:
    choose(panel, "HNSW", m=40, ef_construction=200, name="mine", concurrently=True)
    spec = panel.choices.spec
    assert spec is not None
    price = words(panel.choices.price.value)
    assert f"about {bytes_text(index_bytes(spec, ROWS))} on disk" in price
    assert f"about {bytes_text(build_memory(spec, ROWS))} to build it" in price
    assert "CREATE INDEX CONCURRENTLY mine ON public.docs" in price
    assert "m = 40, ef_construction = 200" in price
    panel.choices.ef_construction.value = 8
    assert (panel.choices.spec, panel.choices.price.value) == (None, "")
    assert "ef_construction = 8 is less than twice m = 40" in words(panel.why_not.value)
    assert panel.build.disabled
    choose(panel, "IVFFlat", lists=10)
    assert not panel.build.disabled
    assert "lists = 10" in panel.choices.price.value
    shown = [each.description for each in panel.choices._options.children if each.layout.display != "none"]
    assert shown[:2] == ["lists", "name"]


def test_a_table_of_several_columns_says_which_is_meant(db: Database, raw: connection) -> None:
    ask(raw, "CREATE TABLE two (id int PRIMARY KEY, title vector(3), body vector(4), loose vector)")
    panel = opened(db, "two")
    assert panel.column.layout.display is None
    assert panel.choices.advice is not None
    assert (panel.column.options, panel.choices.advice.column) == (("title", "body", "loose"), "title")
    panel.column.value = "body"
    ended(panel)
    assert panel.choices.advice.column == "body"
    panel.column.value = "loose"
    ended(panel)
    assert "loose has no dimensions" in panel.choices.why.value
    assert (panel.choices.advice, panel.choices.spec, panel.build.disabled) == (None, None, True)


def test_a_table_that_is_not_there_and_no_table_are_errors(db: Database, ip: Any, dsn: str, raw: connection) -> None:
    with pytest.raises(UsageError, match="no table 'dogs'"):
        pv.panel(db, "index", "dogs")
    for about in (None, 42):
        with pytest.raises(UsageError, match="is about a table"):
            pv.panel(db, "index", about)
    ask(raw, TABLE)
    ip.run("%load_ext pgvec_magic")
    ip.user_ns["address"] = dsn
    ip.run("%vconnect :address --name here")
    with pytest.raises(UsageError, match="%vpanel index docs"):
        ip.run("%vpanel index")
    made = ip.run("%vpanel index docs -c here -o kept")
    assert isinstance(made, IndexPanel)
    assert ip.user_ns["kept"] is made
    ip.run_line_magic("unload_ext", "pgvec_magic")


# --- a build


def test_it_builds_beside_the_notebook_and_then_shows_report_list_and_recall(
    panel: IndexPanel, docs: Database, raw: connection
) -> None:
    seen: list[tuple[float, str]] = []
    panel.work.words.observe(lambda change: seen.append((panel.work.bar.value, words(change.new))), "value")
    choose(panel, "HNSW", ef_construction=400)
    assert panel.work.cancel.disabled
    started = time.perf_counter()
    panel.build.click()
    assert time.perf_counter() - started < 0.5
    assert panel.work.busy
    assert not panel.work.cancel.disabled
    assert panel.work._running.layout.display is None
    assert docs.run(Query("SELECT count(*) FROM docs", reads=True)).rows == [(ROWS,)]  # the notebook goes on
    assert all(button.disabled for button in (panel.build, panel.choices.m, panel.standing.drop, panel.again))
    assert ended(panel) == ""
    assert panel.work._running.layout.display == "none"
    assert any(
        re.search(r"building \d+% · [\d,]+ of 3,000 rows · [\d,]+ rows/s · about \d+ s left", w) for _, w in seen
    )
    assert any(0 < share < 1 for share, w in seen if "building" in w)
    assert any("measuring recall" in w for _, w in seen)

    assert panel.report is not None
    assert f"{bytes_text(panel.report.predicted_bytes)} predicted" in words(panel.reported.value)
    assert panel.standing.chosen is not None
    assert panel.standing.chosen.name == panel.report.index == "docs_embedding_idx"
    assert [index.name for index in table(docs, "docs").indexes] == ["docs_embedding_idx"]
    assert panel.curve is not None
    assert panel.curve.indexes == ("docs_embedding_idx",)
    assert "<svg" in panel.measured.picture.value
    assert panel.choices.chosen is not None
    assert (panel.choices.chosen.title, panel.choices.chosen.exists) == ("HNSW", True)
    assert "there already" in words(panel.choices.view.page)
    assert "Rebuild makes it anew" in panel.why_not.value
    panel.choices.m.value = 20
    assert panel.why_not.value == ""


def test_the_setting_that_reaches_the_target_is_shown_and_stored(panel: IndexPanel, raw: connection) -> None:
    choose(panel, "HNSW")
    panel.build.click()
    ended(panel)
    assert panel.curve is not None
    panel.measured.target.value = 0.9
    best = panel.curve.lowest(0.9)
    assert f"{best.name} is the lowest that reaches 0.9: recall {best.recall:.3f}" in words(panel.measured.best.value)
    statement = panel.measured.statement
    assert statement is not None
    assert statement.replace("'", "&#x27;") in panel.measured.best.value
    assert not panel.measured.store.disabled
    panel.measured.store.click()
    assert "stored" in ended(panel)
    assert ask(raw, "SELECT obj_description('docs_embedding_idx'::regclass)").startswith(
        f"pgvec: ef_search={best.value} recall@10="
    )
    for point in panel.curve.points:
        object.__setattr__(point, "recall", 0.5)
    panel.measured.target.value = 0.99
    assert (panel.measured.statement, panel.measured.store.disabled) == (None, True)
    assert "reaches 0.99" in panel.measured.best.value


@pytest.mark.parametrize("concurrently", [False, True])
def test_cancel_stops_the_server_and_says_that_nothing_is_left(
    panel: IndexPanel, raw: connection, concurrently: bool
) -> None:
    choose_slow(panel, concurrently=concurrently)
    panel.build.click()
    building(panel)
    started = time.perf_counter()
    panel.work.cancel.click()
    assert panel.work.cancel.disabled
    assert "stopping" in panel.work.words.value
    eventually(lambda: not ask(raw, ACTIVE))
    assert time.perf_counter() - started <= 1.0
    said = ended(panel)
    assert said == "the build of docs_embedding_idx was stopped; nothing of it is left. The server has ended its work."
    assert ask(raw, INDEXES) == 0
    assert (panel.report, panel.curve, panel.build.disabled) == (None, None, False)
    choose(panel, "HNSW", m=4, ef_construction=8)
    panel.build.click()
    assert ended(panel) == ""
    assert panel.report is not None


def test_cancel_before_the_server_has_begun_holds_as_well(panel: IndexPanel, dsn: str, raw: connection) -> None:
    choose(panel, "HNSW")
    with psycopg2.connect(dsn) as other:
        ask(other, "LOCK TABLE docs")  # the rows cannot even be counted
        panel.build.click()
        eventually(lambda: ask(raw, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        panel.work.cancel.click()
    other.close()
    assert "was stopped; nothing of it is left" in ended(panel)
    assert ask(raw, INDEXES) == 0


def test_cancel_while_recall_is_measured_leaves_the_index(panel: IndexPanel, raw: connection) -> None:
    choose(panel, "HNSW")
    panel.build.click()
    eventually(lambda: "searches" in panel.work.words.value, 60)
    panel.work.cancel.click()
    assert ended(panel, 5) == "measuring was stopped. The server has ended its work."
    assert panel.report is not None
    assert (panel.curve, panel.measured.layout.display, ask(raw, INDEXES)) == (None, "none", 1)
    panel.standing.measure.click()
    assert ended(panel) == ""
    assert panel.curve is not None


def test_the_phases_that_are_over_are_told_with_their_seconds() -> None:
    begun = {"beginning": 0.0, "finding the lists (k-means)": 0.2, "assigning rows to lists": 3.4, "building": 9.0}
    assert _over(begun) == "✔ finding the lists (k-means) 3.2 s · ✔ assigning rows to lists 5.6 s"


def test_two_clicks_begin_one_build(panel: IndexPanel, raw: connection) -> None:
    choose(panel, "HNSW")
    panel.build.click()
    panel.build.click()
    ended(panel)
    assert ask(raw, INDEXES) == 1


def test_a_lock_of_somebody_else_is_named_and_can_be_waited_for(panel: IndexPanel, dsn: str) -> None:
    with psycopg2.connect(dsn) as other:
        ask(other, "LOCK TABLE docs IN ROW EXCLUSIVE MODE")
        choose(panel, "HNSW")
        panel.build.click()
        eventually(lambda: "held up by" in panel.work.words.value, 30)
        assert f"held up by process {other.info.backend_pid} of role" in panel.work.words.value
    other.close()
    ended(panel)
    assert panel.report is not None


def test_what_cannot_be_built_is_one_line_and_the_panel_goes_on(panel: IndexPanel, raw: connection) -> None:
    ask(raw, 'CREATE INDEX "taken" ON docs (tenant)')
    choose(panel, "HNSW", name="taken")
    panel.build.click()
    said = ended(panel)
    assert said.startswith("✖ error there is a taken already")
    assert "\n" not in panel.work.said.value
    panel.choices.name.value = "free"
    panel.build.click()
    assert ended(panel) == ""
    ask(raw, "DROP TABLE docs")
    panel.again.click()
    assert "no table" in ended(panel)


def test_who_may_not_build_is_told_so(docs: Database, dsn: str, raw: connection) -> None:
    reader = pv.connect(dsn, name="reader", readonly=True)
    panel = opened(reader)
    choose(panel, "HNSW")
    panel.build.click()
    assert "this connection is read-only" in ended(panel)
    assert ask(raw, INDEXES) == 0


def test_the_thread_has_the_context_of_the_click(panel: IndexPanel) -> None:
    whose = contextvars.ContextVar("whose", default="nobody's")
    told = []
    panel.work.observe(lambda change: told.append((change.new, whose.get())), "busy")
    whose.set("the click's")
    panel.again.click()
    ended(panel)
    assert told == [(True, "the click's"), (False, "the click's")]


# --- the indexes that are there


def test_to_drop_an_index_takes_a_second_click(docs: Database, raw: connection) -> None:
    for name in ("one", "two"):
        ask(raw, f"CREATE INDEX {name} ON docs USING hnsw (embedding vector_l2_ops)")
    panel = opened(docs)
    panel.standing.view.row = 1
    panel.standing.drop.click()
    assert "drop two?" in panel.standing.asked.value
    assert (panel.standing.drop.button_style, panel.standing.keep.layout.display) == ("danger", None)
    panel.standing.keep.click()
    assert (panel.standing.drop.description, panel.standing.asked.value) == ("Drop", "")
    panel.standing.drop.click()
    panel.standing.view.row = 0  # another is meant: asked anew
    assert panel.standing.drop.description == "Drop"
    panel.standing.drop.click()
    assert ask(raw, INDEXES) == 2
    panel.standing.drop.click()
    ended(panel)
    assert panel.standing.indexes is not None
    assert ([index.name for index in panel.standing.indexes], ask(raw, INDEXES)) == (["two"], 1)
    assert "dropped one" in words(panel.reported.value)
    assert "CREATE INDEX one" in words(panel.reported.value)


def test_an_index_is_rebuilt_and_measured_again(docs: Database, raw: connection) -> None:
    ask(raw, "CREATE INDEX one ON docs USING hnsw (embedding vector_cosine_ops)")
    panel = opened(docs)
    before = ask(raw, "SELECT pg_relation_filenode('one')")
    panel.standing.rebuild.click()
    assert ended(panel) == ""
    assert panel.report is not None
    assert "REINDEX INDEX CONCURRENTLY" in panel.report.sql
    assert ask(raw, "SELECT pg_relation_filenode('one')") != before
    assert panel.curve is not None


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("(binary_quantize(embedding)::bit(16)) bit_hamming_ops)", ()),
        ("(embedding::halfvec(16)) halfvec_cosine_ops)", ()),
        ("embedding vector_cosine_ops) WHERE tenant = 1", ("(tenant = 1)",)),
    ],
)
def test_an_index_of_another_form_or_of_some_rows_is_measured_as_it_is_searched(
    docs: Database, raw: connection, statement: str, where: tuple[str, ...]
) -> None:
    ask(raw, f"CREATE INDEX one ON docs USING hnsw ({statement}")
    panel = opened(docs)
    panel.standing.measure.click()
    assert ended(panel) == ""
    assert panel.curve is not None
    assert (panel.curve.indexes, panel.curve.metric, panel.curve.where) == (("one",), "cosine", where)
    if where:
        assert "measured with a filter" in panel.measured.best.value
        assert panel.measured.store.disabled


# --- what must not be seen, and where there is no kernel


def test_hostile_names_stay_text_and_no_password_is_in_any_trait(dsn: str, db: Database, raw: connection) -> None:
    evil = "<img src=x onerror=alert(1)>\x1b[31m"
    ask(raw, TABLE.replace("docs", f'"{evil}"').replace("tenant", f'"{evil}"').replace("embedding", f'"e{evil}"'))
    ask(raw, f'ALTER TABLE "{evil}" ADD COLUMN "e2{evil}" vector(3)')
    panel = opened(db, evil)
    choose(panel, "HNSW", name=f"i{evil}")
    panel.build.click()
    assert ended(panel) == ""
    panel.standing.drop.click()
    panel.build.click()
    texts = [each.value for each in every(panel) if isinstance(each, widgets.HTML)]
    texts += [panel.choices.view.page, panel.standing.view.page, panel._repr_mimebundle_()["text/html"]]
    assert "&lt;img src=x" in "".join(texts)
    assert "<img" not in "".join(texts)
    assert "\x1b" not in "".join(texts)
    password = psycopg2.extensions.parse_dsn(dsn).get("password")
    states = "".join(str(each.get_state()) for each in every(panel))
    assert not password or password not in states
    ended(panel)


def test_there_is_a_page_without_a_kernel(panel: IndexPanel) -> None:
    choose(panel, "HNSW")
    panel.build.click()
    ended(panel)
    bundle = panel._repr_mimebundle_()
    assert "docs_embedding_idx" in bundle["text/plain"]
    assert "advice for docs.embedding" in bundle["text/plain"]
    cell = new_code_cell("%vpanel index docs", outputs=[new_output("execute_result", data=bundle, execution_count=1)])
    page, _ = HTMLExporter(mathjax_url="", require_js_url="").from_notebook_node(new_notebook(cells=[cell]))
    for said in ("docs_embedding_idx", "advice for docs.embedding", "predicted", "recall@10", "<svg"):
        assert said in page
