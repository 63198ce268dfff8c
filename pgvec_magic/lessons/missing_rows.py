"""The check of lesson 04: whether the rows that were missing come by now."""

from __future__ import annotations

from .. import db
from ..query import Query
from ..search import Explanation, explain
from . import exercise

TABLE, ROWS = "desk", 8_000
# One walk in fifty loses its way, and then ends among rows that are alive; three hardly do.
TEXTS = ("the VPN drops every few minutes", "the VPN connection is lost", "no connection by VPN")
_ALIVE = "10 rows come with no setting changed"


def check(page: Explanation, many: Explanation, *, guess: float | None = None, came: int) -> exercise.Checked:
    """Look at the exercises; ``guess`` is how many of a hundred rows somebody predicted, ``came`` how many came.

    Raises UsageError for what is no explanation of a statement, QueryError where a statement fails.
    """
    exercises = (
        _gives("1 · the fifth page", page, 10),
        _gives("2 · more than the list", many, 1_200),
        _vacuumed(),
    )
    return exercise.Checked(exercises, (exercise.predicted(guess, f"{came} of 100 rows came"),))


def _gives(name: str, seen: Explanation, asked: int) -> exercise.Exercise:
    now = exercise.now(seen, name)
    return exercise.Exercise(name, exercise.too_few(now, TABLE, asked), f"all {asked:,} rows come")


def _vacuumed() -> exercise.Exercise:
    """Whether a search with no setting changed gives its rows, after some have been deleted."""
    name = "3 · the dead"
    if db.current().run(Query(f"SELECT count(*) FROM {TABLE}", reads=True)).rows[0][0] >= ROWS:
        return exercise.Exercise(name, "nothing has been deleted yet")
    seen = min((explain(db.current(), TABLE, text, as_is=True) for text in TEXTS), key=exercise.given)
    few = exercise.too_few(seen, TABLE, 10)
    return exercise.Exercise(name, few and f"with no setting changed {few}: dead rows take their places", _ALIVE)
