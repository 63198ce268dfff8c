"""The clinic of lesson 07: whether each of its patients, queries that somebody has explained, is well by now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import render
from ..search import Explanation
from . import exercise

TABLE = "clinic"
_ASKED = 10  # rows that a patient is for
_MORE = {8: 100, 10: 1}  # but for these, by their numbers: the last has a threshold, behind which there may be one only


@dataclass(frozen=True, slots=True)
class Patient:
    """A query at its latest visit; ``ails`` says what is still wrong, and is empty where it is cured."""

    number: int
    milliseconds: float
    rows: int
    ails: str


@dataclass(frozen=True, slots=True, repr=False)
class Round:
    """What a look at all patients gave."""

    patients: tuple[Patient, ...]

    @property
    def cured(self) -> int:
        """How many are well."""
        return sum(not patient.ails for patient in self.patients)

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    def _grid(self) -> render.Grid:
        rows = [(p.number, "cured" if not p.ails else "sick", p.ails, p.rows, p.milliseconds) for p in self.patients]
        caption = (f"{self.cured} of {len(self.patients)} cured",)
        return render.Grid(("patient", "is", "because", "rows", "ms"), rows, caption, max_rows=len(rows))


def visit(*explanations: Explanation) -> Round:
    """Explain each statement once more, as the database is now; the patients are in the lesson's order.

    Raises UsageError for what is no explanation of a statement, QueryError where a statement fails.
    """
    return Round(tuple(map(_visited, range(1, len(explanations) + 1), explanations)))


def _visited(number: int, seen: Explanation) -> Patient:
    now = exercise.now(seen, f"patient {number}")
    ails = next(_ailments(number, now), "")
    return Patient(number, round(now.plan.execution or 0.0, 1), exercise.given(now), ails)


def _ailments(number: int, now: Explanation) -> Iterator[str]:
    yield from (finding.title for finding in now.findings if finding.severity != "info")
    if few := exercise.too_few(now, TABLE, _MORE.get(number, _ASKED)):
        yield few
