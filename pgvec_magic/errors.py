"""Every error a person may see: what was wrong, what exists, what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_LONGEST = 4000  # characters of a message
# Messages quote names and data, whose escape codes a terminal would obey.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class PgvecError(Exception):
    """Root of the package's errors: a message and, where there is one, a hint that says what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        message = _bounded(message)
        super().__init__(message)
        self.message = message
        self.hint = hint and _bounded(hint)

    def __str__(self) -> str:
        whole = f"{self.message}\n{self.hint}" if self.hint else self.message
        return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), whole)

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback; the cell still fails."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(PgvecError):
    """What was typed cannot be meant: an unknown option, a missing value, a name that does not exist."""


class ConnectError(PgvecError):
    """No connection to a server, or none by that name."""


class QueryError(PgvecError):
    """Postgres refused a statement; ``sqlstate`` is its five-character code, or None for a lost link.

    ``rule`` is the entry of docs/findings.md that says more of it, such as ``R28``, where there is one.
    """

    def __init__(
        self, message: str, hint: str | None = None, *, sqlstate: str | None = None, rule: str | None = None
    ) -> None:
        super().__init__(message, hint)
        self.sqlstate, self.rule = sqlstate, rule


class EmbedError(PgvecError):
    """A model is unknown, refused a text or gave vectors that cannot be used."""


class LoadError(PgvecError):
    """A source cannot be read, or some of its rows cannot be stored."""


class MissingPackage(PgvecError):  # noqa: N818 - named for what happened
    """An optional package is not installed; the hint is the command that installs it."""

    def __init__(self, package: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}", f"pip install {package}")


def _bounded(text: str) -> str:
    """Return a text without the middle of what is too long to be read, such as a megabyte that was taken for a name."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} … {text[-half:]}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the closest known word, else ``there are: …``, else an empty string."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there are: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}" if names else ""
