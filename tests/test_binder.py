from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pgvec_magic import lessons

CLONE = Path(lessons.__file__).parents[2]
BINDER = CLONE / "binder"


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_can_be_executed_and_read_by_bash(name: str) -> None:
    assert os.access(BINDER / name, os.X_OK)
    subprocess.run(["bash", "-n", BINDER / name], check=True)


def test_the_image_installs_this_package_with_jupyterlab_on_a_python_that_it_supports() -> None:
    assert (BINDER / "requirements.txt").read_text().split() == [".[lab]"]
    version = re.fullmatch(r"python-(\d+)\.(\d+)\n", (BINDER / "runtime.txt").read_text())
    assert version
    needed = re.search(r'requires-python = ">=(\d+)\.(\d+)"', (CLONE / "pyproject.toml").read_text("utf-8"))
    assert needed
    assert tuple(map(int, version.groups())) >= tuple(map(int, needed.groups()))


def test_jupyterlab_opens_even_where_the_server_does_not_start(tmp_path: Path) -> None:
    nothing = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PGVEC_PG_BIN": "/nowhere",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [BINDER / "start", "echo", "JupyterLab with $PGVEC_HOME"],
        env=nothing | {"PYTHONPATH": str(CLONE)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "JupyterLab with $PGVEC_HOME\n"
    assert done.returncode == 0
    assert "%vconnect starts it" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="what Binder runs on")
def test_the_rehearsal_stays_within_the_limits_of_mybinder() -> None:
    done = subprocess.run(
        [sys.executable, BINDER / "rehearse.py"], capture_output=True, text=True, timeout=580, env=os.environ
    )
    assert done.returncode == 0, done.stdout + done.stderr
    measured = json.loads(done.stdout.splitlines()[-1])
    print(measured)  # pytest -rP shows it
    lesson = json.loads((lessons.folder() / f"{lessons.FIRST}.ipynb").read_text("utf-8"))
    assert measured["cells"] == len([cell for cell in lesson["cells"] if cell["cell_type"] == "code"])
    assert 0 < measured["start_seconds"] <= 3
    assert 200e6 < measured["memory_bytes"] <= 2 * 1024**3  # JupyterLab, a kernel and Postgres have at least that
