"""The exercises of a lesson, as the database is now: which are done, and what is missing in the others."""

from __future__ import annotations

from dataclasses import dataclass

from .. import db, render
from ..errors import UsageError
from ..search import Explanation, explained


@dataclass(frozen=True, slots=True)
class Exercise:
    """What was to be done; ``missing`` says what is not yet, and is empty where it is done, ``seen`` what was found."""

    name: str
    missing: str
    seen: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Checked:
    """What a look at all exercises of a lesson gave; ``notes`` are of what was predicted."""

    exercises: tuple[Exercise, ...]
    notes: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        """How many are done."""
        return sum(not exercise.missing for exercise in self.exercises)

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    def _grid(self) -> render.Grid:
        rows = [(e.name, "not yet" if e.missing else "done", e.missing or e.seen) for e in self.exercises]
        caption = (f"{self.done} of {len(self.exercises)} done",)
        return render.Grid(("exercise", "is", "because"), rows, caption, self.notes)


def now(seen: Explanation, name: str) -> Explanation:
    """Explain a statement once more, as the database is now; UsageError for what is no explanation of a statement."""
    if not isinstance(seen, Explanation) or seen.query is None:
        raise UsageError(f"{name} is no explanation of a statement", "run its cell, with --explain and -o")
    return explained(db.current(), seen.query)


def given(plan: Explanation) -> int:
    """Return how many rows a statement gave."""
    return round(plan.plan.root.rows or 0)


def too_few(plan: Explanation, table: str, asked: int) -> str:
    """Return why a statement is not an answer: it leaves the table alone, or gives too few rows; else nothing."""
    if not any(node.relation == table for node in plan.plan.nodes):
        return f"it does not look into {table} any more"
    return f"it gives {given(plan):,} of {asked:,} rows" if given(plan) < asked else ""


def predicted(guess: float | None, came: str) -> str:
    """Set what somebody predicted beside what came."""
    if guess is None:
        return f"{came}; you had predicted nothing: who has guessed sees more"
    return f"{came}; you had predicted {guess:g}"
