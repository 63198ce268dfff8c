"""What a person sees: the first lesson in JupyterLab, in Notebook 7, as a page of nbconvert and in a terminal.

The data and names of one notebook here are hostile: no front end may take any of it for markup, script or escape codes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pexpect
import pytest
import requests
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Page, Request, Route, expect, sync_playwright

from pgvec_magic import lessons, server

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
TOKEN = "of-this-test"
ESCAPES = re.compile(r"\x1b|\x9b")
EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script></td></table>\x1b[31mred\x9b2J'
HOSTILE = [
    "%load_ext pgvec_magic\nimport pandas as pd, pgvec_magic as pv",
    f"evil = {EVIL!r}\ntable = '<img src=x onerror=pwned=3>\\x1b[31m'",
    "db = pv.connect(name=table)\npv.connect(name='embedded')",
    "rows = [{'id': f'{evil}{i}', 'content': f'{evil} {word}', table: evil,"
    " 'short': '<script>pwned=4</script>', 'long': evil * 5}"
    " for i, word in enumerate(('walk', 'tree', 'walk tree'))]\n"
    "pv.load(db, table, pd.DataFrame(rows), text='content', id='id')",
    "%vtables",
    "%vtables :table",
    "%vconnect --list",
    "hits = pv.search(db, table, f'{evil} walk', mode='hybrid', k=3)\nhits",
    "hits.figure()",
    "pv.search(db, table, f'{evil} walk', k=3, columns=['content']).figure()",
    "pv.sql(db, f'SELECT 1 AS \"{table}\"')",
    "pv.sql(db, f\"DO $$ BEGIN RAISE NOTICE '{table}'; END $$\")",
    "def shown(call):\n    try:\n        call()\n    except pv.errors.PgvecError:\n"
    "        get_ipython().showtraceback()\n"
    "shown(lambda: pv.search(db, table + table, 'x'))\n"
    "shown(lambda: pv.search(db, table, 'x', columns=[evil]))\n"
    "shown(lambda: pv.sql(db, f\"SELECT '{table}'::int\"))\n"
    "shown(lambda: pv.connect(f'postgresql://{table}'))",
]

# A search that a filter starves, in its panel; the setting makes the planner take the index.
PANEL = [
    "%load_ext pgvec_magic\nimport pgvec_magic as pv\ndb = pv.connect(name='embedded')",
    "pv.sql(db, '''CREATE TABLE starved (id int, tenant int, embedding vector(3));\n"
    "INSERT INTO starved SELECT i, i % 100, ARRAY[random(), random(), random()] FROM generate_series(1, 4000) AS i;\n"
    "CREATE INDEX starved_hnsw ON starved USING hnsw (embedding vector_cosine_ops);\nANALYZE starved''')",
    "slow = pv.explain(db, sql='SELECT id FROM starved WHERE tenant = 7 ORDER BY embedding <=> :query LIMIT 10',"
    " vector=[1, 2, 3], settings=[('enable_sort', 'off')])\nslow",
    "slow.figure('tree')",
    "%vpanel plan :slow",
]

# A table without an index; the last cell is run again while one is built, and ends when the build is stopped.
INDEX = [
    "%load_ext pgvec_magic\nimport pgvec_magic as pv, time\ndb = pv.connect(name='embedded')",
    "pv.sql(db, '''CREATE TABLE shelf (id int PRIMARY KEY, tenant int, embedding vector(64));\n"
    "SELECT setseed(0.5);\n"
    "INSERT INTO shelf SELECT i, i % 10, ARRAY(SELECT random() FROM generate_series(1, 64) WHERE i > 0)\n"
    "FROM generate_series(1, 12000) AS i;\nANALYZE shelf''')",
    "%vpanel index shelf -o panel",
    "until = time.monotonic() + 60\nwhile panel.work.busy and not panel.work.stopped and time.monotonic() < until:\n"
    "    time.sleep(0.1)\nprint('ran, stopped:', panel.work.stopped)",
]


@pytest.fixture(scope="module")
def home(scratch: Path) -> Iterator[Path]:
    """The folder of the embedded server that all kernels here share; it is started once and stopped at the end."""
    folder = scratch / "front-ends"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGVEC_HOME", str(folder))
        running = server.start()
    yield folder
    running.stop()


@pytest.fixture(scope="module")
def environment(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the front ends are started with: the server's folder, and no setting of the machine's own Jupyter."""
    runtime = tmp_path_factory.mktemp("runtime")
    ours = {"PGVEC_HOME": str(home), "JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTER_PREFER_ENV_PATH": "1"}
    return os.environ | ours | {"COLUMNS": "80", "PYTHONPATH": str(Path(lessons.__file__).parents[2])}


@pytest.fixture(scope="module")
def site(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address and the folder of one server that shows JupyterLab and Notebook 7."""
    folder = tmp_path_factory.mktemp("notebooks")
    for name in ("lab", "seven"):
        shutil.copy(lessons.folder() / f"{lessons.FIRST}.ipynb", folder / f"{name}.ipynb")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, sources in (("hostile", HOSTILE), ("panel", PANEL), ("index", INDEX)):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / f"{name}.ipynb")
    command = [sys.executable, "-m", "notebook", "--no-browser", "--allow-root", "--ServerApp.port=0"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}", "--LabApp.news_url="]
    command += ["--JupyterNotebookApp.expose_app_in_browser=True", "--LabApp.expose_app_in_browser=True"]
    with (folder.parent / "jupyter.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield address(Path(environment["JUPYTER_RUNTIME_DIR"])), folder
        finally:
            process.terminate()  # it ends its kernels
            process.wait(timeout=60)


def address(runtime: Path) -> str:
    """Return the address of the server once it is written down and answers, without a token as to a health check."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for found in runtime.glob("jpserver-*.json"):
            try:
                url = json.loads(found.read_text())["url"]
                if requests.get(f"{url}api", timeout=5).ok:
                    return str(url)
            except (ValueError, requests.ConnectionError):
                pass  # not written to its end, or not listening yet
        time.sleep(0.2)
    raise AssertionError("the Jupyter server did not start")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=FLAGS)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that reaches this machine alone; ``page.asked`` is what it wanted from others."""
    made = browser.new_page(viewport={"width": 1280, "height": 6000})  # what is not in sight is not drawn
    made.set_default_timeout(90_000)  # a busy machine
    made.asked = []  # type: ignore[attr-defined]

    def refuse(route: Route, request: Request) -> None:
        made.asked.append(request.url)  # type: ignore[attr-defined]
        route.abort()

    made.route(re.compile(r"^https?://(?!127\.0\.0\.1|localhost)"), refuse)
    yield made
    made.close()


def run_all(page: Page, url: str) -> None:
    """Open a notebook in JupyterLab or Notebook 7, run its cells to the last, and save it."""
    page.goto(f"{url}?token={TOKEN}")
    name = json.dumps(url.rpartition("/")[2])  # not a notebook that was open before
    page.wait_for_function(f"window.jupyterapp?.shell.currentWidget?.context?.path === {name}")
    context = "jupyterapp.shell.currentWidget.sessionContext"
    page.evaluate(f"async () => {{ await jupyterapp.restored; await {context}.ready }}")
    page.wait_for_function(f"{context}.session?.kernel?.status === 'idle'")  # cells of no kernel would not run
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")


def texts(page: Page, selector: str) -> list[str]:
    return [text.strip() for text in page.locator(selector).all_text_contents()]  # a picture has no inner text


# What must be true of each text: the colours it has and the page behind it has, as the contrast that readers need.
CONTRAST = """
selector => {
  const channels = css => css.match(/[\\d.]+/g).map(Number);
  const light = css => {
    const linear = v => v <= .04 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const [r, g, b] = channels(css).slice(0, 3).map(v => linear(v / 255));
    return .2126 * r + .7152 * g + .0722 * b };
  const behind = node => {
    for (; node; node = node.parentElement) {
      const css = getComputedStyle(node).backgroundColor, [,,, alpha = 1] = channels(css);
      if (alpha > .9) return css }
    return 'rgb(255, 255, 255)' };
  return [...document.querySelectorAll(selector)].map(node => {
    const style = getComputedStyle(node), ink = node.namespaceURI.endsWith('svg') ? style.fill : style.color;
    const [a, b] = [light(ink), light(behind(node))].sort((x, y) => y - x);
    return (a + .05) / (b + .05) }) }
"""


def check_results(page: Page) -> None:
    """The lesson's tables: rows and columns, bars as long as their scores, nothing cut off, readable."""
    hybrid = page.locator(".pgvec table").nth(1)
    assert [" ".join(t.replace("●", "").split()) for t in hybrid.locator("thead th").all_inner_texts()] == [
        *("#", "score", "vector", "keyword", "id", "kind", "content")
    ]
    assert hybrid.locator("tbody tr").count() == 5
    assert "os.walk" in hybrid.inner_text()
    bars = hybrid.locator("tbody td:nth-child(2) > span > span")
    lengths = bars.evaluate_all("bars => bars.map(bar => bar.getBoundingClientRect().width)")
    assert len(lengths) == 5
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == pytest.approx(60, abs=2)
    assert set(bars.evaluate_all("bars => bars.map(bar => getComputedStyle(bar).backgroundColor)")) == {
        "rgb(47, 134, 209)"
    }
    scrolled = "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth + 1).length"
    assert page.locator(".pgvec-scroll").evaluate_all(scrolled) == 0
    assert min(page.evaluate(CONTRAST, ".pgvec td, .pgvec th")) > 4.5


def check_lesson(page: Page) -> None:
    """Every cell ran, none complained, the results and the picture are there."""
    assert texts(page, '[data-mime-type$="stderr"], [data-mime-type$="error"]') == []
    page.locator(".js-plotly-plot .barlayer path").first.wait_for()
    prompts = texts(page, ".jp-CodeCell .jp-InputPrompt")
    assert prompts == [f"[{i}]:" for i in range(1, len(prompts) + 1)]
    assert page.locator(".jp-OutputArea-output").count() >= len(prompts) - 2  # one loads, one assigns
    check_results(page)
    assert page.locator(".js-plotly-plot").count() == 1
    assert page.locator(".js-plotly-plot .barlayer path").count() == 10  # five rows, two legs
    drawn = "".join(texts(page, ".js-plotly-plot text"))
    assert "how do I walk a directory tree?" in drawn
    assert "keyword rank" in drawn


@pytest.mark.browser
@pytest.mark.slow
def test_the_lesson_in_jupyterlab_light_and_dark(page: Page, site: tuple[str, Path]) -> None:
    run_all(page, f"{site[0]}lab/workspaces/lesson/tree/lab.ipynb")
    check_lesson(page)
    page.evaluate("jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
    page.wait_for_function("getComputedStyle(document.querySelector('.pgvec td')).color.includes('255')")
    check_results(page)
    assert min(page.evaluate(CONTRAST, ".js-plotly-plot .infolayer text, .js-plotly-plot .ytick text")) > 3
    assert page.asked == []  # type: ignore[attr-defined]


@pytest.mark.browser
@pytest.mark.slow
def test_the_lesson_in_notebook_7(page: Page, site: tuple[str, Path]) -> None:
    run_all(page, f"{site[0]}notebooks/seven.ipynb")
    check_lesson(page)
    assert page.asked == []  # type: ignore[attr-defined]


def converted(notebook: Path, theme: str) -> Path:
    """Write the page that nbconvert makes of a notebook that was run, without what nbconvert itself would fetch."""
    exporter = HTMLExporter(theme=theme, mathjax_url="", require_js_url="")
    html, _ = exporter.from_filename(str(notebook))
    made = notebook.with_name(f"{notebook.stem}-{theme}.html")
    made.write_text(html, "utf-8")
    return made


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_of_nbconvert_shows_results_and_picture_without_network(
    page: Page, site: tuple[str, Path], theme: str
) -> None:
    page.goto(converted(site[1] / "lab.ipynb", theme).as_uri())
    check_results(page)
    picture = page.locator('.jp-RenderedSVG img[src^="data:image/svg+xml"]')
    assert picture.count() == 1
    assert picture.evaluate("img => img.complete && img.naturalWidth > 600 && img.naturalHeight > 200")
    assert page.asked == []  # type: ignore[attr-defined]


def check_hostile(page: Page) -> None:
    """Nothing ran, nothing was put into the page, and what was there to see is seen as text."""
    outputs = ".jp-OutputArea-output"
    assert page.locator(f'{outputs} :is(script, img[src="x"], table table)').count() == 0
    seen = "".join(page.locator(outputs).all_inner_texts())
    assert not ESCAPES.search(seen)
    assert len(re.findall("<img src=x onerror=", seen)) > 20
    assert page.evaluate("window.pwned") is None


def complete(page: Page, line: str, offered: str) -> None:
    """Type a line into a new cell, press Tab, and see that a name is offered."""
    page.evaluate("jupyterapp.commands.execute('notebook:insert-cell-below')")
    page.evaluate("jupyterapp.commands.execute('notebook:enter-edit-mode')")
    page.keyboard.type(line)
    page.keyboard.press("Tab")
    page.locator(".jp-Completer-item", has_text=offered).first.wait_for()


@pytest.mark.browser
@pytest.mark.slow
def test_hostile_names_texts_and_messages_stay_text(page: Page, site: tuple[str, Path]) -> None:
    notebook = site[1] / "hostile.ipynb"
    run_all(page, f"{site[0]}lab/workspaces/hostile/tree/hostile.ipynb")
    ran = nbformat.read(notebook, as_version=4)
    assert [o for cell in ran.cells[:-1] for o in cell.outputs if o.output_type == "error"] == []
    assert [o.output_type for o in ran.cells[-1].outputs] == ["error"] * 4
    assert [cell.execution_count for cell in ran.cells] == [*range(1, len(HOSTILE) + 1)]
    page.locator(".js-plotly-plot").nth(1).wait_for()
    for point in page.locator(".js-plotly-plot .scatterlayer .points path, .js-plotly-plot .barlayer path").all():
        point.hover(force=True)
    assert "<img src=x" in "".join(texts(page, ".js-plotly-plot text"))
    check_hostile(page)
    complete(page, "%vsearch ", "onerror=pwned")
    check_hostile(page)
    assert page.asked == []  # type: ignore[attr-defined]

    page.goto(converted(notebook, "light").as_uri())
    check_hostile(page)
    for output in (o for cell in ran.cells for o in cell.outputs):
        assert not ESCAPES.search(own_text(output)), output


def own_text(output: Any) -> str:
    """Return what we wrote into an output: IPython colours the error's name in what it prints of an error."""
    data = output.get("data", {})
    return "".join(str(data.get(kind, "")) for kind in ("text/plain", "text/html", "image/svg+xml"))


def chosen(page: Page) -> list[str]:
    """Return the steps that are chosen in the panel's table."""
    return [" ".join(text.split()) for text in texts(page, ".jupyter-widgets tr.pgvec-chosen td:first-child")]


@pytest.mark.browser
@pytest.mark.slow
def test_the_plan_panel_links_picture_and_findings_and_tries_a_fix(
    page: Page, site: tuple[str, Path], tmp_path: Path
) -> None:
    scan = "└─ ✖ R41 Index Scan using starved_hnsw on starved"
    run_all(page, f"{site[0]}lab/workspaces/panel/tree/panel.ipynb")
    panel = page.locator(".jp-OutputArea-output .jupyter-widgets").first
    signs = panel.locator("[data-step]")
    signs.nth(1).wait_for()
    assert texts(page, '[data-mime-type$="stderr"], [data-mime-type$="error"]') == []
    assert chosen(page) == [scan]
    signs.nth(0).click()
    panel.locator('[data-step="0"].pgvec-chosen').wait_for()
    panel.locator("li", has_text="with the steps below").first.wait_for()
    assert chosen(page) == ["Limit"]
    panel.locator("input[type=radio]").first.check()
    panel.locator('[data-step="1"].pgvec-chosen').wait_for()
    assert chosen(page) == [scan]
    panel.get_by_role("button", name="tree").click()
    panel.locator('[data-step="1"].pgvec-chosen rect[rx]').wait_for()
    panel.locator("tbody tr").first.click()
    panel.locator('[data-step="0"].pgvec-chosen').wait_for()
    panel.locator('[data-step="1"]').focus()
    page.keyboard.press("Enter")
    panel.locator('[data-step="1"].pgvec-chosen').wait_for()
    page.wait_for_timeout(1000)  # what was clicked before has reached the kernel, and its answer the page
    panel.get_by_role("button", name="Try the fix").click()
    panel.locator("svg").nth(1).wait_for()  # the plan after, beside the proof
    assert "10" in panel.locator("table").last.inner_text()
    for theme in ("Light", "Dark"):
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        page.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(theme == 'Light').lower()}'")
        page.wait_for_timeout(500)  # a theme's colours come with its style sheet
        page.screenshot(path=tmp_path / f"panel-{theme.lower()}.png")
        assert min(page.evaluate(CONTRAST, ".jupyter-widgets :is(td, .pgvec b, .pgvec li)")) > 4.5
    assert page.asked == []  # type: ignore[attr-defined]


def both_themes(page: Page, folder: Path, name: str) -> None:
    """Keep a picture of the page in each theme, in which every text of a panel is readable."""
    for theme in ("Light", "Dark"):
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        page.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(theme == 'Light').lower()}'")
        page.wait_for_timeout(500)  # a theme's colours come with its style sheet
        page.screenshot(path=folder / f"{name}-{theme.lower()}.png")
        assert min(page.evaluate(CONTRAST, ".jupyter-widgets :is(td, .pgvec b, .pgvec li)")) > 4.5


@pytest.mark.browser
@pytest.mark.slow
def test_the_index_panel_builds_while_cells_run_and_cancels_and_shows_recall(
    page: Page, site: tuple[str, Path], tmp_path: Path
) -> None:
    page.set_viewport_size({"width": 1280, "height": 1800})
    run_all(page, f"{site[0]}lab/workspaces/index/tree/index.ipynb")
    panel = page.locator(".jp-OutputArea-output .jupyter-widgets").first
    panel.locator("tr[aria-checked=true]").first.wait_for()
    assert texts(page, '[data-mime-type$="stderr"], [data-mime-type$="error"]') == []
    choose_hnsw = panel.locator("tr[role=radio]", has=page.get_by_text(re.compile("^HNSW( ·|$)")))
    build, cancel = (panel.locator("button", has_text=re.compile(f"^{name}$")) for name in ("Build", "Cancel"))
    choose_hnsw.click()
    panel.get_by_text("CREATE INDEX ON public.shelf USING hnsw (embedding vector_cosine_ops)").wait_for()
    both_themes(page, tmp_path, "advice")
    build.click()
    panel.get_by_text("rows/s").wait_for()  # of the phase it is in
    panel.locator("svg").wait_for()  # the recall after it
    panel.get_by_text("shelf_embedding_idx", exact=True).first.wait_for()
    panel.get_by_text("predicted").first.wait_for()
    both_themes(page, tmp_path, "curve")

    choose_hnsw.click()
    for name, value in (("ef_construction", "1000"), ("m", "100")):  # a minute, or half of one
        panel.get_by_label(name, exact=True).fill(value)
        panel.get_by_label(name, exact=True).press("Enter")
    panel.get_by_text("WITH (m = 100, ef_construction = 1000)").wait_for()
    build.click()
    told = panel.get_by_text(re.compile(r"building \d+% · [\d,]+ of 12,000 rows"))
    told.wait_for()
    page.locator(".jp-CodeCell").last.locator(".jp-Editor").click()
    page.evaluate("void jupyterapp.commands.execute('notebook:run-cell')")  # it ends when the build is stopped
    page.locator(".jp-InputPrompt", has_text="[*]").wait_for()
    before = told.inner_text()
    expect(told).not_to_have_text(before, timeout=90_000)
    page.screenshot(path=tmp_path / "building-dark.png")
    cancel.click()
    panel.get_by_text(
        "shelf_embedding_idx1 was stopped; nothing of it is left. The server has ended its work"
    ).wait_for()
    page.locator(".jp-OutputArea-output", has_text="ran, stopped: True").wait_for()
    assert texts(page, ".jupyter-widgets tr[aria-checked=true] td:first-child")[0] == "shelf_embedding_idx"
    both_themes(page, tmp_path, "stopped")
    assert page.asked == []  # type: ignore[attr-defined]


# A terminal


@pytest.fixture
def terminal(environment: dict[str, str]) -> Iterator[pexpect.spawn]:
    """An IPython in a terminal of 80 columns, without colours of its own."""
    command = ["-m", "IPython", "--no-banner", "--simple-prompt", "--colors=nocolor", "--HistoryManager.enabled=False"]
    child = pexpect.spawn(
        sys.executable, command, env=environment | {"TERM": "dumb"}, dimensions=(50, 80), encoding="utf-8", timeout=90
    )
    child.setecho(False)
    child.expect(r"In \[1\]: ")
    yield child
    child.sendline("exit")
    child.expect(pexpect.EOF)
    child.close()


def say(terminal: pexpect.spawn, line: str) -> list[str]:
    """Type a line and return the lines it prints, up to the next prompt."""
    terminal.sendline(line)
    terminal.expect(r"In \[\d+\]: ")
    return terminal.before.replace("\r\n", "\n").split("\n")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="terminals")
def test_the_lesson_in_a_terminal_of_80_columns(terminal: pexpect.spawn) -> None:
    seen = say(terminal, "%load_ext pgvec_magic") + say(terminal, "%vconnect")
    say(terminal, "%vload docs sample:pydocs --limit 3000")
    found = say(terminal, "hits = %vsearch docs --mode hybrid -k 5 --columns id,kind walk a directory tree") + say(
        terminal, "hits"
    )
    seen += found + say(terminal, "hits.figure()") + say(terminal, "%vtables docs")
    missing = say(terminal, "%vsearch dogs x")
    help_text = "\n".join(say(terminal, "%vsearch?"))

    assert max(map(len, seen)) <= 80
    assert not ESCAPES.search("".join(seen + missing))
    table = [line for line in found if re.match(r"^[1-5]  ", line)]
    assert len(table) == 5
    assert "█" in table[0]
    assert "#1" in "".join(table)
    assert "    vector rank" in "\n".join(seen)
    assert any("there is no table" in line or "dogs" in line for line in missing)
    assert "Traceback" not in "".join(seen + missing)
    assert "--similar-to" in help_text
    assert "Examples:" in help_text


@pytest.mark.slow
def test_nothing_hostile_and_no_colour_reaches_a_pipe(environment: dict[str, str], tmp_path: Path) -> None:
    # each cell for itself, as a person would enter it; the name of an error is coloured in a terminal, never in a pipe
    script = tmp_path / "hostile.ipy"
    cells = [re.sub(r"^%(\w+)(.*)$", r"get_ipython().run_line_magic('\1', '''\2''')", cell) for cell in HOSTILE]
    script.write_text("\n".join(f"print(get_ipython().run_cell({cell!r}).result)" for cell in cells), "utf-8")
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", "--HistoryManager.enabled=False"]
    done = subprocess.run([*command, script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("<img src=x onerror=") > 20
    assert not ESCAPES.search(done.stdout + done.stderr)
    assert max(map(len, done.stdout.split("\n"))) < 500
