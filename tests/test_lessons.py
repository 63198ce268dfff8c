from __future__ import annotations

import itertools
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import psutil
import pytest
import requests
import websocket

import pgvec_magic as pv
from pgvec_magic import lessons
from pgvec_magic.db import Database
from pgvec_magic.errors import MissingPackage, UsageError
from pgvec_magic.lessons import clinic
from pgvec_magic.query import Query

CLONE = Path(lessons.__file__).parents[2]
NOTEBOOKS = CLONE / "notebooks"
NAMES = [path.stem for path in sorted(NOTEBOOKS.glob("source/*.py"))]
# How many exercises a lesson has, and what its check calls one that is solved.
EXERCISES = {
    "03_first_index": (2, "done"),
    "04_missing_rows": (3, "done"),
    "05_filters": (3, "done"),
    "07_reading_plans": (10, "cured"),
}
SCRIPT = "# %% [markdown]\n# # Text\n\n# %%\n# %%vsql docs\n# SELECT 1\n#\n# -- 100 %\n\n# %%\nhits = 1  # one\n"


def build(*arguments: str | Path) -> int:
    """Run notebooks/build.py, which is no part of the package, in this process: jupytext takes seconds to import."""
    return runpy.run_path(str(NOTEBOOKS / "build.py"))["main"]([str(argument) for argument in arguments])


def notebook(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in notebook(path)["cells"] if cell["cell_type"] == "code"]


def change(path: Path, source: str) -> None:
    """Give the first code cell another source, and leave the rest as JupyterLab would."""
    changed = notebook(path)
    next(cell for cell in changed["cells"] if cell["cell_type"] == "code")["source"] = [source]
    path.write_text(json.dumps(changed), "utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory of lessons with one source and no notebook yet."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "07_seven.py").write_text(SCRIPT, "utf-8")
    return tmp_path


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped lessons that a test may change, as the next version of the package would."""
    changed = shutil.copytree(lessons.folder(), tmp_path / "release", ignore=shutil.ignore_patterns("source"))
    monkeypatch.setattr(lessons, "folder", lambda: changed)
    return changed


def publish(release: Path, source: str) -> str:
    """Change the first lesson as a new version would, and return its text."""
    path = release / f"{lessons.FIRST}.ipynb"
    change(path, source)
    path.write_text(json.dumps(lessons.signed(notebook(path))), "utf-8")
    return path.read_text("utf-8")


# How notebooks are made


def test_notebooks_are_what_their_sources_give() -> None:
    assert build("--check") == 0, "make lessons"


def test_drift_is_named_with_what_to_run_and_building_mends_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("--check", folder) == 1
    assert capsys.readouterr().out == "07_seven.ipynb: not what source/ gives; run make lessons\n"
    assert build(folder) == 0
    assert build("--check", folder) == 0

    change(folder / "07_seven.ipynb", "2 + 2")
    assert build("--check", folder) == 1
    (folder / "source" / "07_seven.py").unlink()
    build(folder)
    assert list(folder.glob("*.ipynb")) == []


def test_a_notebook_is_the_same_bytes_each_time_with_ids_by_position_and_no_outputs(folder: Path) -> None:
    build(folder)
    first = (folder / "07_seven.ipynb").read_bytes()
    (folder / "07_seven.ipynb").unlink()
    build(folder)
    assert (folder / "07_seven.ipynb").read_bytes() == first
    nbformat.validate(nbformat.reads(first.decode(), as_version=4))
    assert [cell["id"] for cell in notebook(folder / "07_seven.ipynb")["cells"]] == ["cell-01", "cell-02", "cell-03"]
    assert all(not cell["outputs"] and not cell["execution_count"] for cell in code_cells(folder / "07_seven.ipynb"))


def test_the_body_of_a_cell_magic_is_freed_of_its_comment_signs_and_python_keeps_its_comments(folder: Path) -> None:
    build(folder)
    sources = ["".join(cell["source"]) for cell in code_cells(folder / "07_seven.ipynb")]
    assert sources == ["%%vsql docs\nSELECT 1\n\n-- 100 %", "hits = 1  # one"]


# What a lesson is


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_fits_into_one_sitting(name: str) -> None:
    assert 1 <= len(code_cells(NOTEBOOKS / f"{name}.ipynb")) <= 12


def run(lesson: Any, folder: Path) -> None:
    nbclient.NotebookClient(lesson, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()


def solved(name: str) -> Any:
    """The lesson as somebody leaves it who has put each folded solution into the cell above it.

    SQL stands for what comes below the cell's first line, anything else for the whole cell.
    """
    lesson = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    for cell, after in itertools.pairwise(lesson.cells):
        if found := re.match(r"<details>.*?```(sql)?\n(.*?)\n```", after.source, re.DOTALL):
            cell.source = f"{cell.source.partition(chr(10))[0]}\n{found[2]}" if found[1] else found[2]
    return lesson


def shown(lesson: Any) -> str:
    """What the last of the cells that are run shows."""
    ran = [cell for cell in lesson.cells if cell.cell_type == "code"]
    return "".join(output.get("data", {}).get("text/plain", "") for output in ran[-1].outputs)


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_runs_in_a_fresh_kernel_and_again_with_its_solutions_which_are_right(
    name: str, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGVEC_DSN", dsn)
    lesson = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    run(lesson, tmp_path)
    ran = [cell for cell in lesson.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in ran] == list(range(1, len(ran) + 1))
    complaints = [output.text for cell in ran for output in cell.outputs if output.get("name") == "stderr"]
    assert complaints == []

    exercises, done = EXERCISES.get(name, (0, ""))
    again = solved(name)
    assert sum(now.source != then.source for now, then in zip(again.cells, lesson.cells, strict=True)) == exercises
    if exercises:
        run(again, tmp_path)
        assert f"0 of {exercises} {done}" in shown(lesson)
        assert f"{exercises} of {exercises} {done}" in shown(again)


def test_the_clinic_wants_statements_that_were_explained(db: Database) -> None:
    db.run(Query("CREATE TABLE clinic (id int)"))
    well = pv.explain(db, sql="SELECT count(*) FROM generate_series(1, 10)")
    assert "does not look into clinic" in repr(clinic.visit(well))
    assert "it gives 1 of 10 rows" in repr(clinic.visit(pv.explain(db, sql="SELECT count(*) FROM clinic")))
    with pytest.raises(UsageError, match="patient 2 is no explanation"):
        clinic.visit(well, pv.read_plan("Result  (cost=0.00..0.01 rows=1 width=4)"))


# Copies for a person


def test_copies_are_the_lessons_themselves(tmp_path: Path) -> None:
    said: list[str] = []
    copies = lessons.copy_to(tmp_path / "made" / "here", said.append)
    assert copies == tmp_path / "made" / "here"
    assert [path.stem for path in sorted(copies.iterdir())] == NAMES
    assert all((copies / lesson.name).read_bytes() == lesson.read_bytes() for lesson in lessons.shipped())
    assert said == []


def test_copying_again_keeps_outputs_and_edits(tmp_path: Path) -> None:
    copies = lessons.copy_to(tmp_path)
    mine = copies / f"{lessons.FIRST}.ipynb"
    ran = notebook(mine)
    ran["cells"][-1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["42"]}]
    ran["cells"].append({"cell_type": "code", "id": "x", "metadata": {}, "outputs": [], "source": []})
    mine.write_text(json.dumps(ran), "utf-8")
    kept = mine.read_bytes()
    lessons.copy_to(tmp_path)
    assert mine.read_bytes() == kept

    change(mine, "my_own = 'work'")
    kept = mine.read_bytes()
    lessons.copy_to(tmp_path)
    assert mine.read_bytes() == kept
    assert [path.stem for path in sorted(copies.iterdir())] == NAMES


def test_a_new_version_replaces_a_lesson_that_was_only_run(tmp_path: Path, release: Path) -> None:
    mine = lessons.copy_to(tmp_path / "mine") / f"{lessons.FIRST}.ipynb"
    ran = notebook(mine)
    ran["cells"][-1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["42"]}]
    ran["cells"].append({"cell_type": "code", "id": "x", "metadata": {}, "outputs": [], "source": []})
    mine.write_text(json.dumps(ran), "utf-8")
    newer = publish(release, "better = True")
    lessons.copy_to(mine.parent)
    assert mine.read_text("utf-8") == newer


@pytest.mark.parametrize("unreadable", [False, True])
def test_a_new_version_comes_beside_an_edited_lesson(tmp_path: Path, release: Path, unreadable: bool) -> None:
    mine = lessons.copy_to(tmp_path / "mine") / f"{lessons.FIRST}.ipynb"
    if unreadable:
        mine.write_text("no notebook at all", "utf-8")
    else:
        change(mine, "my_own = 'work'")
    kept, newer = mine.read_bytes(), publish(release, "better = True")
    said: list[str] = []
    lessons.copy_to(mine.parent, said.append)
    beside = mine.with_name(f"{lessons.FIRST}.new.ipynb")
    assert (mine.read_bytes(), beside.read_text("utf-8")) == (kept, newer)
    assert said == [f"{mine} was edited and is kept; this version's lesson comes beside it as {beside.name}"]

    change(beside, "my_own = 'second work'")
    kept_beside = beside.read_bytes()
    publish(release, "best = True")
    lessons.copy_to(mine.parent, said.append)
    assert (mine.read_bytes(), beside.read_bytes()) == (kept, kept_beside)
    assert "best = True" in (mine.parent / f"{lessons.FIRST}.new.new.ipynb").read_text("utf-8")


def test_the_wheel_holds_the_notebooks_and_finds_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path]
    subprocess.run(command, cwd=CLONE, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = [name for name in archive.namelist() if "notebooks" in name]
        assert sorted(shipped) == [f"pgvec_magic/notebooks/{name}.ipynb" for name in NAMES]
        archive.extractall(tmp_path / "site")
    script = "from pgvec_magic import lessons; print(*lessons.shipped(), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "site", capture_output=True, text=True, check=True
    )
    assert [Path(line) for line in done.stdout.split()] == [tmp_path / "site" / name for name in sorted(shipped)]


# JupyterLab


def test_without_jupyterlab_the_hint_is_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match="jupyterlab") as caught:
        lessons.open_lab(tmp_path)
    assert caught.value.hint == 'pip install "pgvec-magic[lab]"'


OPEN_LAB = """
import sys
from pathlib import Path
from pgvec_magic import lessons
sys.exit(lessons.open_lab(lessons.copy_to(Path(sys.argv[1])), browser=False))
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """JupyterLab as ``pgvec-magic lab`` opens it, in its own process group, and what it wrote down about itself."""
    # A "python3" that somebody once installed for all their environments must not get the lessons.
    kernels = Path(os.environ["HOME"], ".local", "share", "jupyter", "kernels", "python3")
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text('{"argv": ["/nowhere/python"], "display_name": "?", "language": "python"}')
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN_LAB, tmp_path / "lessons"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process, json.loads(first_of(tmp_path / "runtime", "jpserver-*.json").read_text("utf-8"))
    finally:
        shutil.rmtree(kernels)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def first_of(directory: Path, pattern: str) -> Path:
    deadline = time.monotonic() + 60
    while not (found := [path for path in directory.glob(pattern) if path.stat().st_size]):
        assert time.monotonic() < deadline, f"no {pattern} in {directory}"
        time.sleep(0.1)
    return found[0]


def run_in_kernel(server: Any, kernel: str, code: str) -> str:
    """Return what the code prints in a kernel, asked over the socket that JupyterLab's page uses."""
    url = f"{server['url'].replace('http', 'ws', 1)}api/kernels/{kernel}/channels?token={server['token']}"
    link = websocket.create_connection(url, timeout=60)
    header = {"msg_id": "1", "msg_type": "execute_request", "session": "1", "username": "", "version": "5.3"}
    content = {"code": code, "silent": False}
    link.send(
        json.dumps({"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content})
    )
    try:
        while (message := json.loads(link.recv()))["msg_type"] not in ("stream", "error"):
            pass
    finally:
        link.close()
    return str(message["content"].get("text", message["content"]))


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_lab_opens_the_first_lesson_with_a_kernel_that_has_the_package(
    lab: tuple[subprocess.Popen[str], Any], tmp_path: Path
) -> None:
    process, server = lab
    headers = {"Authorization": f"token {server['token']}"}
    assert Path(server["root_dir"]) == tmp_path / "lessons"
    assert requests.get(f"{server['url']}lab/tree/{lessons.FIRST}.ipynb", headers=headers, timeout=30).ok
    started = requests.post(f"{server['url']}api/kernels", headers=headers, json={"name": "python3"}, timeout=30).json()
    said = run_in_kernel(server, started["id"], "import os, sys, pgvec_magic; print(os.getpid(), sys.executable)")
    pid, executable = said.split()
    assert executable == sys.executable

    # Ctrl-C reaches both processes; without a terminal JupyterLab does not ask, it ends, and its kernels with it.
    kernel = psutil.Process(int(pid))
    os.killpg(process.pid, signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 0, messages
    assert f"{server['url']}lab/tree/{lessons.FIRST}.ipynb?token=" in messages
    kernel.wait(timeout=30)
