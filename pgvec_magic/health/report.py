"""A check-up as people read it: what is not well first, with what mends it."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import render
from ..db import frames
from .check import STATES, Check

if TYPE_CHECKING:
    import pandas as pd

_UNWELL, _MOST = ("red", "amber"), 4
_COLUMNS = ("number", "check", "on", "state", "value", "reason", "sql", "by_hand")


@dataclass(frozen=True, slots=True, repr=False)
class Health:
    """The checks of a table, or of all of them and the server, those that are not well first.

    ``about`` is what was looked at, ``seconds`` how long it took.
    """

    about: str
    checks: tuple[Check, ...]
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __len__(self) -> int:
        return len(self.checks)

    def __getitem__(self, at: int) -> Check:
        return self.checks[at]

    @property
    def fixes(self) -> list[str]:
        """The statements that mend what is not well, in order; without those for people to decide."""
        return list(dict.fromkeys(text for check in self.mendable for text in check.statements))

    @property
    def mendable(self) -> tuple[Check, ...]:
        """The checks that are not well and whose SQL can be run as it is."""
        return tuple(c for c in self.checks if c.state in _UNWELL and c.statements and not c.by_hand)

    @property
    def df(self) -> pd.DataFrame:
        """One row a check."""
        rows = [(c.number, c.name, c.on, c.state, c.value, c.reason, c.sql, c.by_hand) for c in self.checks]
        return frames.frame(rows, _COLUMNS)

    def __repr__(self) -> str:
        wide = min(shutil.get_terminal_size().columns, 120)
        lines = [" · ".join(filter(None, (f"{state} {number}", *row))) for state, number, *row in self._quiet()]
        return "\n".join(
            [render.text(self._grid(()), wide), "", *(render.clean(_hanging(line, wide)) for line in lines)]
        )

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/html": render.html(self._grid(self._quiet())), "text/plain": repr(self)}

    def _grid(self, quiet: Sequence[tuple[str, ...]]) -> render.Grid:
        counts = Counter(check.state for check in self.checks)
        told = [f"{counts[state]} {state}" for state in STATES if counts[state]]
        notices = [check.notice for check in self.checks if check.state in _UNWELL]
        caption = (f"health of {self.about}", *told, f"{self.seconds:.2f} s")
        columns = ("state", "#", "check", "on", "found", "what it means") if quiet else ()
        return render.Grid(columns, quiet, caption=caption, notes=(*self.notes, *notices), max_rows=200)

    def _quiet(self) -> list[tuple[str, ...]]:
        """Return what is well, or not known, as rows of texts; what is said of several tables alike stands in one."""
        alike: dict[tuple[str, int, str], list[Check]] = {}
        for check in self.checks:
            if check.state not in _UNWELL:
                alike.setdefault((check.state, check.number, check.reason), []).append(check)
        return [_row(checks) for checks in alike.values()]


def _row(checks: Sequence[Check]) -> tuple[str, ...]:
    first = checks[0]
    sign = f"{render.SEVERITIES[first.state].sign} {first.state}"
    on, values = ([getattr(check, field) for check in checks] for field in ("on", "value"))
    return (sign, f"{first.number}", first.name, _listed(on), _listed(list(dict.fromkeys(values))), first.reason)


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - _MOST:,} more" if len(texts) > _MOST else ""
    return ", ".join(filter(None, texts[:_MOST])) + more


def _hanging(line: str, wide: int) -> str:
    return textwrap.fill(line, wide, subsequent_indent="    ")


def ordered(checks: list[Check]) -> tuple[Check, ...]:
    """Return checks with what is gravest first, then by number."""
    return tuple(sorted(checks, key=lambda check: (STATES.index(check.state), check.number)))
