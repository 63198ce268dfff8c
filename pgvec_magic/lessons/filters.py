"""The check of lesson 05: whether filtered searches give their rows by now, and the right ones."""

from __future__ import annotations

from .. import db
from ..compare.ways import goes_by_partial
from ..errors import UsageError
from ..search import Explanation, Result, explain, search
from . import exercise

TABLE = "tenants"
TEXT = "the mobile app does not show notifications"
GERMAN = "language = 'german'"
_ASKED, _ASKED_GERMAN = 10, 20
_RIGHT = "3 · the right ones"


def check(one: Explanation, german: Result, *, guess: float | None = None, came: int) -> exercise.Checked:
    """Look at the exercises; ``guess`` is how many of ten rows somebody predicted, ``came`` how many came.

    Raises UsageError for what another cell has made, QueryError where a statement fails.
    """
    if not isinstance(german, Result):
        raise UsageError(f"{_RIGHT} is no result of a search", "run its cell, with -o and without --explain")
    name = "1 · go on"
    few = exercise.too_few(exercise.now(one, name), TABLE, _ASKED)
    exercises = (exercise.Exercise(name, few, f"all {_ASKED} rows come"), _own(), _right(german))
    return exercise.Checked(exercises, (exercise.predicted(guess, f"{came} of {_ASKED} rows came"),))


def _own() -> exercise.Exercise:
    now = explain(db.current(), TABLE, TEXT, where="workspace_id = 2", as_is=True)
    few = exercise.too_few(now, TABLE, _ASKED)
    if not goes_by_partial(now):
        few = f"no index of its own serves it{f', and {few}' if few else ''}"
    return exercise.Exercise("2 · an index for one", few, f"its own index gives all {_ASKED} rows")


def _right(german: Result) -> exercise.Exercise:
    """Whether the rows that a search gives are those of an exact one."""
    true = search(db.current(), TABLE, TEXT, k=_ASKED_GERMAN, where=GERMAN, exact=True, columns=["id"])
    found = {row[0] for row in db.current().run(german.query).rows[:_ASKED_GERMAN]}
    right = sum(row[0] in found for row in true.rows)
    told = f"{right} of the {_ASKED_GERMAN} true rows are among them"
    return exercise.Exercise(_RIGHT, "" if right == _ASKED_GERMAN else told, told)
