"""What a check-up proposes, done: each statement alone, after a person has agreed to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .. import catalog, render
from ..build import Build, build, reindex
from ..db import Database
from ..errors import PgvecError
from ..query import Query
from .check import Check
from .making import rebuilt
from .report import Health

_LEFT = "not run: it follows one that was not"


@dataclass(frozen=True, slots=True, repr=False)
class Mended:
    """What became of each statement: ``done``, ``not run``, or why it failed."""

    outcomes: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.outcomes)

    def __len__(self) -> int:
        return len(self.outcomes)

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    def _grid(self) -> render.Grid:
        done = sum(outcome.startswith("done") for _, outcome in self.outcomes)
        caption = ("mended", f"{done} of {len(self.outcomes)} statements run")
        return render.Grid(("outcome", "SQL"), [(how, text) for text, how in self.outcomes], caption, self.notes)


def mend(
    db: Database, found: Health, agrees: Callable[[Check, str], bool], follow: Callable[[Build], object]
) -> Mended:
    """Run what mends the checks of a table, each statement that ``agrees`` says yes to as a message of its own.

    Vector indexes are built and rebuilt as ``%vindex`` does it, and ``follow`` waits for these builds to their end.
    After a statement that failed, or was not agreed to, the others of its check are left.
    """
    outcomes: dict[str, str] = {}
    for check in found.mendable:
        for at, text in enumerate(check.statements):
            if text not in outcomes:  # one rebuild may mend several things
                outcomes[text] = _outcome(db, check, text, agrees, follow)
            if not outcomes[text].startswith("done"):
                outcomes |= {later: _LEFT for later in check.statements[at + 1 :] if later not in outcomes}
                break
    catalog.forget(db)
    notes = ("%vhealth shows how it is now",) if outcomes else ("there is nothing to run",)
    return Mended(tuple(outcomes.items()), notes)


def _outcome(
    db: Database, check: Check, text: str, agrees: Callable[[Check, str], bool], follow: Callable[[Build], object]
) -> str:
    if not agrees(check, text):
        return "not run"
    try:
        begun = _begun(db, check, text)
        if begun is not None:
            follow(begun)
            return f"done in {begun.report.seconds:.1f} s" if begun.report else "done"
        ran = db.run(Query(text.replace("%", "%%")))
    except PgvecError as error:
        return f"failed: {error}"
    refused = [said for said in ran.notices if "permission denied" in said]  # VACUUM and ANALYZE only warn, and pass by
    return f"failed: {refused[0]}" if refused else f"done in {ran.seconds:.1f} s"


def _begun(db: Database, check: Check, text: str) -> Build | None:
    """Begin a build with settings of its own where the statement builds, or rebuilds, a vector index."""
    if check.builds is not None and text == check.statements[0]:
        return build(db, check.builds, concurrently=" CONCURRENTLY " in text)
    if not check.table or not text.startswith("REINDEX"):
        return None
    catalog.changed(db, check.table)
    info = catalog.table(db, check.table)
    found = [index for index in info.indexes if rebuilt(info, index) == text]
    return reindex(db, check.table, found[0].name) if found else None
