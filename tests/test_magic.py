from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from IPython.core.completer import provisionalcompleter

from pgvec_magic import db as connections
from pgvec_magic.errors import ConnectError, UsageError
from pgvec_magic.query import Query

TABLE = """
CREATE TABLE docs (id int PRIMARY KEY, module text, content text, embedding vector(3) NOT NULL,
  fts tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED);
INSERT INTO docs (id, module, content, embedding) VALUES
  (1, 'csv', 'read a csv file row by row', '[1,0,0]'),
  (2, 'csv', 'write rows to a csv file', '[0.9,0.1,0]'),
  (3, 'json', 'read a json document', '[0,1,0]'),
  (4, 'time', 'sleep for some seconds', '[0,0,1]');
CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops)
"""


@pytest.fixture
def shell(ip: Any, dsn: str, raw: Any) -> Iterator[Any]:
    raw.cursor().execute(TABLE)
    ip.run("%load_ext pgvec_magic")
    ip.user_ns |= {"address": dsn, "v": np.array([1, 0, 0], dtype=np.float32)}
    ip.run("%vconnect :address --name here")
    yield ip
    ip.run_line_magic("unload_ext", "pgvec_magic")


def ids(result: Any) -> list[int]:
    return result.column("id")


def test_a_cell_a_line_and_a_variable_find_the_same(shell: Any) -> None:
    shell.user_ns["question"] = "csv"
    cell = shell.run("%%vsearch docs --mode keyword\ncsv")
    line = shell.run("%vsearch docs --mode keyword csv")
    variable = shell.run("%vsearch docs --mode keyword -q :question")
    assert ids(cell) == ids(line) == ids(variable)
    assert set(ids(cell)) == {1, 2}


def test_a_vector_from_a_variable(shell: Any) -> None:
    assert ids(shell.run("%vsearch docs --vector :v -k 2")) == [1, 2]


@pytest.mark.parametrize("option", ["--readonly", "--role app", "--session app.x=1", "--timeout 5", "--name there"])
def test_an_open_connection_is_not_silently_used_in_another_way(shell: Any, option: str) -> None:
    with pytest.raises(UsageError, match="here is open already"):
        shell.run(f"%vconnect here {option}")
    shell.run("%vconnect here")


def test_the_value_is_returned_bound_by_o_and_kept_as_underscore(shell: Any) -> None:
    result = shell.run("hits = %vsearch docs --vector :v -k 2 -o same\nhits")
    assert shell.user_ns["hits"] is shell.user_ns["same"]
    assert ids(result) == [1, 2]


def test_conditions_are_bound_not_pasted(shell: Any) -> None:
    shell.user_ns["module"] = "x' OR true --"
    assert len(shell.run('%vsearch docs --vector :v --where "module = :module"')) == 0
    shell.user_ns["module"] = "json"
    assert ids(shell.run('%vsearch docs --vector :v --where "module = :module"')) == [3]


def test_ipython_expands_nothing_in_a_line_or_a_body(shell: Any) -> None:
    shell.user_ns["name"] = "never"
    result = shell.run("%%vsql\nSELECT '{name} $name {{1,2}}' AS x, '{1,2}'::int[] AS y")
    assert result.rows == [("{name} $name {{1,2}}", [1, 2])]


def test_a_question_in_the_line_form_is_a_search_and_no_help(shell: Any) -> None:
    assert set(ids(shell.run("%vsearch docs --mode keyword what is csv?"))) == {1, 2}
    assert set(ids(shell.run("hits = %vsearch docs --mode keyword what is csv?\nhits"))) == {1, 2}


def test_a_semicolon_hides_the_output_and_keeps_the_value(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    silent = "%vsearch docs --mode keyword what does ( mean csv;"
    for line in (silent, "hits = %vsearch docs --mode keyword csv;\nhits;"):
        shell.run_cell(line, store_history=True).raise_error()
        assert capsys.readouterr().out == ""
    assert set(ids(shell.user_ns["hits"])) == {1, 2}


def test_help_shows_the_options(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run("%vsearch?")
    shown = capsys.readouterr().out
    assert "--where SQL" in shown
    assert "Examples:" in shown


def test_errors_are_raised_and_shown_without_a_traceback(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="did you mean 'docs'"):
        shell.run("%vsearch dosc --vector :v")
    shown = "".join(capsys.readouterr())
    assert "UsageError: no table 'dosc'" in shown
    assert "Traceback" not in shown
    assert "magics.py" not in shown


def test_a_misspelled_option_is_named_with_the_right_one(shell: Any) -> None:
    with pytest.raises(UsageError, match="--wheer") as caught:
        shell.run('%vsearch docs --wheer "module = 1" csv')
    assert "--where" in str(caught.value)


def test_the_time_of_several_statements_is_that_of_all(shell: Any) -> None:
    assert shell.run("%%vsql\nSELECT pg_sleep(0.2);\nSELECT 1").seconds > 0.2


def test_several_statements_run_in_order_and_each_is_a_message_of_its_own(shell: Any) -> None:
    shell.user_ns["least"] = 3
    select = "SELECT id FROM docs WHERE id >= :least ORDER BY id"
    result = shell.run(f"%%vsql\nVACUUM docs; -- a comment; with one more\n{select}")
    assert result.rows == [(3,), (4,)]


def test_the_first_error_stops_the_rest(shell: Any, raw: Any) -> None:
    with pytest.raises(Exception, match="no_such"):
        shell.run("%%vsql\nCREATE TABLE one (x int); SELECT * FROM no_such; CREATE TABLE two (x int)")
    cursor = raw.cursor()
    cursor.execute("SELECT to_regclass('one') IS NOT NULL, to_regclass('two') IS NOT NULL")
    assert cursor.fetchone() == (True, False)


def test_query_is_the_vector_of_a_variable(shell: Any) -> None:
    result = shell.run("%%vsql --vector :v\nSELECT id FROM docs ORDER BY embedding <=> :query LIMIT 1")
    assert result.rows == [(1,)]


def test_dry_run_sends_nothing_and_shows_the_statement(shell: Any) -> None:
    query = shell.run("%vsearch docs --vector :v --dry-run")
    assert isinstance(query, Query)
    assert "<=>" in query.sql
    assert "SELECT" in repr(query)
    assert "\\n" not in repr(query)


def test_plot_returns_a_picture(shell: Any) -> None:
    figure = shell.run("%vsearch docs --mode keyword --plot csv")
    assert type(figure).__name__ == "Picture"
    assert "<svg" in figure._repr_mimebundle_()["image/svg+xml"]


def test_tables_and_one_table(shell: Any) -> None:
    tables = shell.run("%vtables")
    assert [table.name for table in tables] == ["docs"]
    assert "hnsw cosine" in repr(tables)
    assert "vector" in repr(shell.run("%vtables docs"))


def test_connections_by_exact_name(shell: Any) -> None:
    shell.run("%vconnect :address --name here_readonly --readonly")
    assert connections.current().name == "here_readonly"
    shell.run("%vconnect here")
    assert connections.current().name == "here"
    assert not connections.current().readonly
    assert "here_readonly" in repr(shell.run("%vconnect --list"))
    assert ids(shell.run("%vsearch docs --vector :v -k 1 -c here_readonly")) == [1]
    with pytest.raises(Exception, match="read-only"):
        shell.run("%%vsql -c here_readonly\nDELETE FROM docs")
    shell.run("%vconnect --close here_readonly")
    with pytest.raises(ConnectError, match="here_readonly"):
        shell.run("%vsearch docs --vector :v -c here_readonly")


def test_words_of_a_dsn_need_no_quotes(shell: Any, dsn: str) -> None:
    shell.run(f"%vconnect {dsn} --name words")
    assert connections.current().name == "words"


def test_a_password_in_the_cell_is_taken_and_warned_about(shell: Any, dsn: str) -> None:
    password = re.findall(r"password=(\S+)", dsn)[0]
    shown = shell.run(f'%vconnect "{dsn}" --name typed')
    assert "%history" in " ".join(shown.notes)
    assert password not in repr(shown) + str(shown._repr_mimebundle_())
    assert "%history" not in " ".join(shell.run("%vconnect :address --name held").notes)


def test_a_password_is_warned_about_where_the_connection_fails_too(shell: Any) -> None:
    with pytest.raises(ConnectError) as caught:
        shell.run("%vconnect postgresql://someone:only-a-test@127.0.0.1:1/nothing")
    assert "%history" in str(caught.value)
    assert "only-a-test" not in str(caught.value)


def test_config_sets_defaults_and_refuses_nonsense(shell: Any, caplog: pytest.LogCaptureFixture) -> None:
    shell.run("%config PgvecMagics.k = 2")
    assert len(shell.run("%vsearch docs --vector :v")) == 2
    shell.run("%config PgvecMagics.k = 0")
    shell.run("%config PgvecMagics.kk = 3")
    said = caplog.text
    assert "1 or more" in said
    assert "did you mean 'k'" in said
    assert len(shell.run("%vsearch docs --vector :v")) == 2


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%vsearch do", "docs"),
        ("%vsearch docs --stra", "--strategy"),
        ("%%vsearch docs --mode h", "hybrid"),
        ("hits = %vsearch docs --per mod", "module"),
        ("%vsearch docs --vector :que", "query_of_mine"),
        ("%vsearch docs -c he", "here"),
        ("%vload docs sam", "sample:pydocs"),
        ("%vconnect he", "here"),
    ],
)
def test_tab_completes(shell: Any, typed: str, offered: str) -> None:
    shell.user_ns["query_of_mine"] = 1
    shell.Completer.use_jedi = False
    with provisionalcompleter():
        found = [completion.text for completion in shell.Completer.completions(typed, len(typed))]
    assert offered in found


def test_unloading_leaves_nothing_behind(ip: Any, dsn: str, raw: Any) -> None:
    def state() -> tuple[object, ...]:
        magics = {kind: set(names) for kind, names in ip.magics_manager.magics.items()}
        return (
            magics,
            len(ip.configurables),
            list(ip.input_transformers_cleanup),
            list(ip.input_transformers_post),
            len(ip.Completer.custom_matchers),
            set(ip.magics_manager.registry),
            {thread.name for thread in threading.enumerate()},
        )

    ip.run("%load_ext autoreload")  # IPython makes some of its own magics when they are first used
    before = state()
    ip.run("%load_ext pgvec_magic")
    ip.user_ns["address"] = dsn
    ip.run("%vconnect :address --name here")
    assert state() != before
    ip.run("%unload_ext pgvec_magic")
    assert state() == before
    assert connections.names() == ()
    ip.run("%load_ext pgvec_magic")
    ip.run("%unload_ext pgvec_magic")
    assert state() == before


def test_loading_twice_registers_once(shell: Any) -> None:
    shell.run("%reload_ext pgvec_magic")
    assert len([m for m in shell.configurables if type(m).__name__ == "PgvecMagics"]) == 1


NOTEBOOK = """
import nbformat, nbclient, sys
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sys.argv[1:]])
try:
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
except nbclient.exceptions.CellExecutionError:
    print("failed")
import json
print(json.dumps([cell.outputs for cell in notebook.cells]))
"""


def test_in_a_kernel_an_error_fails_the_run_in_one_line(dsn: str, raw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    raw.cursor().execute(TABLE)
    monkeypatch.setenv("PGVEC_DSN", dsn)
    cells = ["%load_ext pgvec_magic", "%vconnect", "%vsearch docs --mode keyword csv", "%vsearch docz csv"]
    done = subprocess.run([sys.executable, "-c", NOTEBOOK, *cells], capture_output=True, text=True, check=True)
    failed, outputs = done.stdout.strip().splitlines()
    _, connected, found, error = json.loads(outputs)
    assert failed == "failed"
    assert "PostgreSQL" in connected[0]["data"]["text/plain"]
    assert "<table" in "".join(found[0]["data"]["text/html"])
    assert error[0]["ename"] == "UsageError"
    assert len(error[0]["traceback"]) == 1


def test_an_interrupt_stops_the_statement_on_the_server(dsn: str, raw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_client.manager import KernelManager

    monkeypatch.setenv("PGVEC_DSN", dsn)
    kernel = KernelManager()
    kernel.start_kernel()
    client = kernel.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive("%load_ext pgvec_magic\n%vconnect", timeout=60, output_hook=lambda _: None)
        sleeping = client.execute("%%vsql\nSELECT pg_sleep(30)")
        wait_for_sleepers(raw, 1)
        started = time.monotonic()
        kernel.interrupt_kernel()
        wait_for_sleepers(raw, 0)
        assert time.monotonic() - started < 3  # the figure is measured by the benchmarks
        assert reply_to(client, sleeping)["ename"] == "KeyboardInterrupt"
        after = client.execute_interactive("%%vsql\nSELECT 1", timeout=30, output_hook=lambda _: None)
        assert after["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
        kernel.cleanup_resources()


def wait_for_sleepers(raw: Any, expected: int) -> None:
    sleepers = """SELECT count(*) FROM pg_stat_activity
        WHERE state = 'active' AND query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()"""
    cursor = raw.cursor()
    for _ in range(1000):
        cursor.execute(sleepers)
        if cursor.fetchone() == (expected,):
            return
        time.sleep(0.01)
    raise AssertionError(f"there are not {expected} sleeping backends")


def reply_to(client: Any, request: str) -> Any:
    while True:
        reply = client.get_shell_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == request:
            return reply["content"]
