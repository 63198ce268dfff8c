"""The IPython extension: everything it registers, and how all of it is taken away again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from . import lines
from .completion import Completer
from .magics import PgvecMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

# What a shell was given by us, so that unloading takes away just that.
_loaded: dict[int, tuple[PgvecMagics, Completer]] = {}


def load(shell: InteractiveShell) -> None:
    """Register the magics, their completion, their configuration and the question-mark transformer; once."""
    if id(shell) in _loaded:
        return
    magics, completer = PgvecMagics(shell), Completer(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(lines.keep_as_text)
    shell.input_transformers_post.append(lines.silence)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(completer.matcher)
    _loaded[id(shell)] = (magics, completer)


def unload(shell: InteractiveShell) -> None:
    """Take away what ``load`` registered and close every connection."""
    loaded = _loaded.pop(id(shell), None)
    if loaded is None:
        return
    magics, completer = loaded
    for kind, names in magics.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    shell.magics_manager.registry.pop(type(magics).__name__, None)
    shell.configurables.remove(magics)  # type: ignore[arg-type]  # it holds every kind of configurable
    shell.input_transformers_cleanup.remove(lines.keep_as_text)
    shell.input_transformers_post.remove(lines.silence)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.remove(completer.matcher)
    _close_connections()


def _close_connections() -> None:
    """Close what was opened; when nothing was, the module that would know is not even imported."""
    if connections := sys.modules.get("pgvec_magic.db"):
        connections.close_all()
