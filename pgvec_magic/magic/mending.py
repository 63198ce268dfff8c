"""``%vhealth --fix``: what mends is shown, and run where a person at a keyboard says yes to it."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

from ..db import Database
from ..health import Check, Health, mend
from .indexes import watched

_NO_KEYBOARD = "there is no keyboard here to say yes: the SQL is shown, and nothing was run"
_READ_ONLY = "this connection is read-only: the SQL is shown, and nothing was run"


def mended(db: Database, found: Health, shell: Any) -> object:
    """Show a check-up, ask of each of its SQL, run what is agreed to, and return what became of it.

    Where nobody can be asked, or the connection is read-only, the check-up with a note is returned, and nothing run.
    """
    from IPython.display import display

    kernel = getattr(shell, "kernel", None)
    if db.readonly or not _has_keyboard(kernel):
        return dataclasses.replace(found, notes=(*found.notes, _READ_ONLY if db.readonly else _NO_KEYBOARD))
    display(found)  # type: ignore[no-untyped-call]
    return mend(db, found, _agrees, lambda begun: watched(begun, kernel is not None))


def _has_keyboard(kernel: Any) -> bool:
    """Whether a person can be asked: not where a program runs the notebook, nor where a script is read."""
    return sys.stdin.isatty() if kernel is None else bool(getattr(kernel, "_allow_stdin", False))


def _agrees(check: Check, text: str) -> bool:
    try:
        return input(f"{check.number} {check.name} · {check.on}\n{text}\nrun it? [y/N] ").strip().lower() in (
            "y",
            "yes",
        )
    except EOFError:  # Ctrl-D
        return False
