"""The lessons: where they lie, how a person gets copies of them, how JupyterLab opens on the first, what they check."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import MissingPackage

FIRST = "00_first_search"
# Where a notebook's metadata keeps the fingerprint it was made with; it survives running and saving.
_MADE_AS = "pgvec_magic_lesson"


def folder() -> Path:
    """Return the directory that holds the notebooks: inside the installed package, or beside it in a clone."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "notebooks"
    return installed if installed.is_dir() else package.parent / "notebooks"


def shipped() -> list[Path]:
    """Return the notebooks of the lessons, in their order."""
    return sorted(folder().glob("[0-9][0-9]_*.ipynb"))


def fingerprint(notebook: Mapping[str, Any]) -> str:
    """Return 16 hex digits over the kinds and sources of a notebook's cells.

    Outputs do not count, and neither do empty cells: JupyterLab appends one when the last cell is run.
    """
    hashed = hashlib.sha256()
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if source.strip():
            hashed.update(f"{cell['cell_type']}\0{source}\0".encode())
    return hashed.hexdigest()[:16]


def signed(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook with its fingerprint in the metadata, so that an edited copy is known later."""
    return notebook | {"metadata": notebook["metadata"] | {_MADE_AS: fingerprint(notebook)}}


def copy_to(directory: Path, say: Callable[[str], None] = print) -> Path:
    """Copy the lessons to ``directory``, made if need be, and return it; an edited copy is never written over.

    Where a person has edited a lesson that has changed since, the new one comes beside it and ``say`` tells so.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for lesson in shipped():
        _copy(lesson, directory / lesson.name, say)
    return directory


def open_lab(directory: Path, *, browser: bool = True) -> int:
    """Open JupyterLab on the first lesson in ``directory``; return its exit code once it has ended.

    Raises MissingPackage without JupyterLab.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        missing = MissingPackage("jupyterlab", "opening the lessons")
        missing.hint = 'pip install "pgvec-magic[lab]"'
        raise missing
    # A kernel "python3" of the user's own must not come before the interpreter that has pgvec_magic.
    environment = os.environ | {"JUPYTER_PREFER_ENV_PATH": "1"}
    lab = subprocess.Popen(_lab_command(directory, browser), env=environment)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for JupyterLab, which asks and ends its kernels
    try:
        return lab.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _lab_command(directory: Path, browser: bool) -> list[str]:
    # Naming the notebook's file would open it in a browser, but not show its address where there is none.
    first = f"--LabApp.default_url=/lab/tree/{FIRST}.ipynb"
    command = [sys.executable, "-m", "jupyterlab", str(directory), first]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # in containers; JupyterLab listens on localhost, with a token
        command.append("--allow-root")
    return command


def _copy(lesson: Path, target: Path, say: Callable[[str], None]) -> None:
    if not target.exists():
        target.write_bytes(lesson.read_bytes())
        return
    present = _read(target)
    made_as = present["metadata"].get(_MADE_AS)
    if made_as == fingerprint(_read(lesson)):
        return  # the same lesson, with what was run and edited in it
    if made_as == fingerprint(present):
        target.write_bytes(lesson.read_bytes())
        return
    beside = target.with_suffix(".new.ipynb")
    if not beside.exists():
        say(f"{target} was edited and is kept; this version's lesson comes beside it as {beside.name}")
    _copy(lesson, beside, say)


def _read(path: Path) -> dict[str, Any]:
    """Return a notebook; what cannot be read as one is somebody's work all the same, and like no lesson."""
    try:
        notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError:
        notebook = {}
    return {"cells": [], "metadata": {}} | notebook
