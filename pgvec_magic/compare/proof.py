"""Whether a fix helps, as a value: what was tried, and what was measured before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .. import render
from ..diagnose import Finding
from ..plan import elide, milliseconds
from ..plan.words import count, rows
from ..search import Explanation
from .measure import Measured

if TYPE_CHECKING:
    import pandas as pd

# Two medians of a machine that does other things too are apart by chance within this factor, or by less than this.
_NOISE, _LEAST_SECONDS = 1.25, 0.00005
# What finds fewer than 8 of the 10 nearest is no help, however fast.
_LEAST_RECALL = 0.8
# Where the finding is that something may happen, and what is gained is that it cannot.
_CERTAIN = {"R45": "rows come in order for certain"}
# Where the rows were not the right ones: that others come is what is gained, if no recall can tell it.
_OF_THE_ANSWER = frozenset(["R40", "R41", "R42", "R43", "R44", "H01", "H04", "H08", "H10", "H12"])
_COLUMNS = ("", "rows", "recall", "median ms", "rows read", "pages", "vector index")


@dataclass(frozen=True, eq=False, repr=False)
class Proof:
    """A fix that was tried and undone; ``after`` is None where it could not run, of which ``problem`` tells.

    ``tried`` is SQL. ``otherwise`` says in words what the rewritten statement asks for in place of what was asked: then
    each has its own exact answer, and rows need not be as many. Times are those of plain runs, not of EXPLAIN.
    """

    finding: Finding
    tried: str
    before: Measured
    after: Measured | None
    problem: str = ""
    otherwise: str = ""

    @property
    def helped(self) -> bool:
        """Whether the finding is gone, and something is better without what matters being worse."""
        return not self._against and bool(self._gains)

    @property
    def explanation(self) -> Explanation | None:
        """What Postgres did with the fix."""
        return self.after.explanation if self.after else None

    @property
    def verdict(self) -> str:
        """Whether it helps, and by how much, in words."""
        if self.helped:
            costs, new = list(self._costs), [f"{each.title} ({each.rule})" for each in self._new]
            said = f"it helps: {'; '.join(self._gains)}" + (f"; it costs: {'; '.join(costs)}" if costs else "")
            return said + (f"; now to be seen to: {', '.join(new)}" if new else "")
        return f"it does not help: {'; '.join(self._against) or self._unmoved}"

    @cached_property
    def df(self) -> pd.DataFrame:
        """What was measured, a row each for before and after."""
        import pandas as pd

        return pd.DataFrame(self._rows, columns=["", *_COLUMNS[1:]]).set_index("")

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    @property
    def _gains(self) -> list[str]:
        if self.after is None:
            return []
        one, other, said = self.before, self.after, []
        if other.rows > one.rows:
            said.append(f"{rows(other.rows)} instead of {count(one.rows)}")
        if _less(one.recall, other.recall):
            said.append(f"recall {_number(other.recall)} instead of {_number(one.recall)}")
        if other.disorder < one.disorder and not self.otherwise:
            said.append(f"{count(other.disorder)} rows out of order instead of {count(one.disorder)}")
        elif self.finding.rule in _CERTAIN:
            said.append(_CERTAIN[self.finding.rule])
        elif self.finding.rule in _OF_THE_ANSWER and other.recall is None and (new := len(other.answer - one.answer)):
            said.append(f"{count(new)} of {rows(other.rows)} are others now")
        if _faster(other.median, one.median):
            said.append(f"{_time(other)} instead of {_time(one)}")
        return said

    @property
    def _costs(self) -> Iterator[str]:
        assert self.after is not None, "what did not run cost nothing"
        if _less(self.after.recall, self.before.recall):
            yield f"recall {_number(self.after.recall)} instead of {_number(self.before.recall)}"
        if _faster(self.before.median, self.after.median):
            yield f"{_time(self.after)} instead of {_time(self.before)}"

    @property
    def _against(self) -> list[str]:
        """Why it is no help."""
        if self.after is None:
            return [self.problem]
        one, other, said = self.before, self.after, []
        if any(each.rule == self.finding.rule for each in other.explanation.findings):
            said.append(f"{self.finding.rule} is still found")
        if other.rows < one.rows and not self.otherwise:
            said.append(f"{rows(other.rows)} instead of {count(one.rows)}")
        if other.recall is not None and other.recall < _LEAST_RECALL and _less(other.recall, one.recall):
            said.append(f"recall {_number(other.recall)} instead of {_number(one.recall)}")
        return said

    @property
    def _unmoved(self) -> str:
        assert self.after is not None, "what did not run is against it"
        same = "the same rows" if self.after.answer == self.before.answer else "no more rows, no higher recall"
        return f"{same}, and {_time(self.after)} where it was {_time(self.before)}"

    @property
    def _new(self) -> list[Finding]:
        assert self.after is not None, "only what ran has findings"
        known = {each.rule for each in self.before.explanation.findings}
        return [f for f in self.after.explanation.findings if f.rule not in known and f.severity != "info"]

    @property
    def _rows(self) -> list[tuple[object, ...]]:
        found = [("before", self.before), ("after", self.after)]
        return [(name, *_cells(measured)) for name, measured in found if measured]

    def _grid(self) -> render.Grid:
        runs = min(len(each.seconds) for each in (self.before, self.after) if each)
        caption = (
            f"{self.finding.rule}, {self.finding.title}: {'the fix helps' if self.helped else 'the fix does not help'}",
            f"{runs} plain {'run' if runs == 1 else 'runs'} each",
            "undone",
        )
        shown = [(*row[:2], "–" if row[2] is None else f"{row[2]:.2f}", *row[3:]) for row in self._rows]
        notes = (self.verdict, f"tried: {elide(self.tried)}", *([self.otherwise] if self.otherwise else []))
        return render.Grid(_COLUMNS, shown, caption, notes, counts=frozenset(["rows", "rows read", "pages"]))


def _cells(measured: Measured) -> tuple[object, ...]:
    return (
        measured.rows,
        measured.recall,
        round(1000 * measured.median, 3),
        round(measured.read),
        measured.pages,
        ", ".join(measured.indexes) or "none: exact",
    )


def _less(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and one < other - 1e-9


def _faster(one: float, other: float) -> bool:
    return one * _NOISE < other and one + _LEAST_SECONDS < other


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _time(measured: Measured) -> str:
    return milliseconds(1000 * measured.median)
