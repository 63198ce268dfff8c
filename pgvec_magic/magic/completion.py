"""Tab in a magic's line: options and choices from the grammar, names from the catalog, the kernel and the disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from .. import cell
from ..errors import PgvecError

if TYPE_CHECKING:
    from IPython.core.completer import SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

_CALL = re.compile(
    r"^\s*(?:[\w, ]+=\s*)?%%?(vconnect|vtables|vload|vembed|vsearch|vsql|vindex|vrecall|vhealth|vpanel)[ \t]+(.*)$",
    re.DOTALL,
)


class Completer:
    """The matcher that a shell's completer asks; it knows the shell for the names of its variables."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        # IPython keeps a matcher's identifier on the function itself, so this shell's is a function of its own.
        self.matcher: Callable[[CompletionContext], SimpleMatcherResult] = context_matcher(identifier="pgvec_magic")(
            lambda context: self._match(context)
        )

    def _match(self, context: CompletionContext) -> Any:
        call = _CALL.match(context.text_until_cursor)
        if call is None:
            return {"completions": []}
        wanted = cell.complete(call[1], call[2])
        names = wanted.candidates or tuple(_starting(wanted.fragment, self._names(wanted)))
        completions = [SimpleCompletion(text=name, type=wanted.kind) for name in names]
        return {"completions": completions, "matched_fragment": wanted.fragment, "suppress": bool(completions)}

    def _names(self, wanted: cell.Completion) -> Iterable[str]:
        if wanted.kind == "variable":
            return (name for name in self._shell.user_ns if not name.startswith("_"))
        try:
            return _SOURCES[wanted.kind](wanted) if wanted.kind in _SOURCES else ()
        except PgvecError:  # not connected, or no such table: there is nothing to offer
            return ()


def _starting(fragment: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(fragment))


def _tables(_: cell.Completion) -> Iterable[str]:
    from .. import catalog, db

    return (table.name for table in catalog.tables(db.current()))


def _columns(wanted: cell.Completion) -> Iterable[str]:
    from .. import catalog, db

    return (column.name for column in catalog.table(db.current(), wanted.table or "").columns)


def _languages(_: cell.Completion) -> Iterable[str]:
    from .. import catalog, db

    return catalog.capabilities(db.current()).languages


def _connections(_: cell.Completion) -> Iterable[str]:
    from .. import db

    return db.names()


def _samples(_: cell.Completion) -> Iterable[str]:
    from .. import samples

    return (f"sample:{name}" for name in samples.names())


def _embedders(_: cell.Completion) -> Iterable[str]:
    from .. import embed

    return embed.names()


_SOURCES: Mapping[str, Callable[[cell.Completion], Iterable[str]]] = {
    "table": _tables,
    "column": _columns,
    "language": _languages,
    "connection": _connections,
    "source": _samples,
    "embedder": _embedders,
}
