"""The check of lesson 03: what the database has by now."""

from __future__ import annotations

from .. import catalog, db
from ..catalog import VectorIndex
from ..query import Query
from . import exercise

TABLE, EARLY, TARGET = "library", "library_early", 0.99
_MB = 1024 * 1024
# A rebuilt index has a row of pg_class that was written later than any of the table's.
_OLDER = """
SELECT coalesce(age(c.xmin) > (SELECT min(age(r.xmin)) FROM library_early AS r), true) FROM pg_catalog.pg_class AS c
WHERE c.oid = %(index)s::regclass"""


def check(guess: float | None = None) -> exercise.Checked:
    """Look at the exercises; ``guess`` is the size of the HNSW index that somebody predicted, in MB.

    Raises UsageError where a table of the lesson is missing.
    """
    catalog.forget(db.current())
    hnsw = next((i for i in catalog.table(db.current(), TABLE).indexes if i.method == "hnsw"), None)
    notes = () if hnsw is None else (exercise.predicted(guess, f"{hnsw.name} has {hnsw.bytes / _MB:.0f} MB"),)
    return exercise.Checked((_rebuilt(), _enough(hnsw)), notes)


def _rebuilt() -> exercise.Exercise:
    name = "1 · built too early"
    found = next((i for i in catalog.table(db.current(), EARLY).indexes if i.valid), None)
    if found is None:
        return exercise.Exercise(name, f"{EARLY} has no index at all")
    older = db.current().run(Query(_OLDER, {"index": found.name}, reads=True)).rows[0][0]
    return exercise.Exercise(name, f"{found.name} is older than its rows" if older else "", "built after its rows came")


def _enough(hnsw: VectorIndex | None) -> exercise.Exercise:
    name = "2 · the setting that is enough"
    stored = hnsw.baseline if hnsw else None
    if stored is None:
        return exercise.Exercise(name, f"nothing is stored on an HNSW index of {TABLE}")
    told = f"stored: ef_search = {stored.value}, with a recall of {stored.recall:.3f}"
    return exercise.Exercise(name, "" if stored.recall >= TARGET else f"{told}; {TARGET:g} is wanted", told)
