"""The verb: facts are read, little is measured, and what could be done is put in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from .. import metric as metrics
from ..cell import quoted
from ..db import Database
from ..errors import UsageError
from .advice import Advice, Suggestion
from .facts import Facts, read
from .filters import filters
from .options import suggestions
from .pace import build_seconds, exact_seconds

SAMPLE = 1_000
_MUCH = 0.2  # of the rows, deleted or changed


def advise(
    db: Database, table: str, column: str | None = None, *, metric: str | None = None, k: int = 10, sample: int = SAMPLE
) -> Advice:
    """Return which index a column of vectors wants, or none, each with its price, and which its filters want.

    One exact search for ``k`` rows is timed, and of each kind of index a build of ``sample`` rows in a transaction that
    is rolled back; with 0 none is. Raises UsageError for a table without vectors, or whose vectors have no dimensions.
    """
    for name, value, least in (("k", k, 1), ("sample", sample, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UsageError(f"{name} = {value!r}: it is a whole number of {least} or more")
    facts = read(db, table, column, metric)
    found = suggestions(facts, exact_seconds(db, facts, k), k)
    timed, notes = _timed(db, facts, found, sample)
    return Advice(
        facts.table.label,
        facts.column.name,
        facts.rows,
        tuple(timed),
        tuple(filters(facts)),
        (*_notes(facts), *notes),
        facts.column.type,
        facts.dimensions,
        facts.metric,
        facts.non_zero,
    )


def _timed(db: Database, facts: Facts, found: list[Suggestion], sample: int) -> tuple[list[Suggestion], list[str]]:
    """Give those that would be built the seconds that it takes."""
    specs = [each.spec for each in found if each.spec and not each.spec.where]
    if not sample or not specs or not facts.rows:
        return found, []
    took, said = build_seconds(db, facts, specs, sample)
    if not took:
        return found, [said]
    known = dict(zip(specs, took, strict=True))
    timed = [dataclasses.replace(each, seconds=known.get(each.spec)) if each.spec else each for each in found]
    label = facts.table.label
    measured = "recall is known once it is measured" + f": %vindex compare {quoted(label)}" * ('"' not in label)
    return timed, [f"build times are those of one process, from {said}; {measured}"]


def _notes(facts: Facts) -> Iterator[str]:
    if not facts.counted:
        yield f"about {facts.rows:,} rows, as the planner counts"
    if facts.rows and (wide := _too_wide(facts)):
        yield wide
    if facts.table.kind == "partitioned table":
        yield "the table is partitioned: an index has a part for each of its parts, and sizes are those of all"
    yield from _changes(facts)
    yield from _seen(facts)


def _seen(facts: Facts) -> Iterator[str]:
    seen = facts.workload
    if seen.calls:
        ways = ", ".join(f"{name} {calls:,}" for name, calls in seen.metrics.items())
        each = f"{seen.rows or 0:.1f} rows and {1000 * (seen.seconds or 0):.1f} ms each on average"
        yield f"{seen.calls:,} searches in pg_stat_statements ({ways}): {each}"
        if facts.metric not in seen.metrics:
            other = next(iter(seen.metrics))
            yield f"none of them is by {facts.metric}, for which this is: --metric {other} asks for theirs"
    yield from seen.notes


def _too_wide(facts: Facts) -> str | None:
    kind, most = facts.column.type, metrics.MOST_INDEXED[facts.column.type]
    size = round(facts.non_zero or 0) if kind == "sparsevec" else facts.dimensions
    if size <= most:
        return None
    what = "numbers that are not zero" if kind == "sparsevec" else "dimensions"
    return f"an index of {kind} takes {most:,} {what}, and this has {size:,}: its vectors are indexed in a smaller form"


def _changes(facts: Facts) -> Iterator[str]:
    seen = facts.changes
    if seen is None or not (seen.inserted or seen.updated or seen.deleted):
        return
    since = "so far" if seen.days is None else f"in {seen.days:.1f} days"
    yield f"{seen.inserted:,} rows came, {seen.updated:,} were changed and {seen.deleted:,} deleted {since}"
    gone = seen.deleted + seen.updated - seen.in_place
    if gone > _MUCH * facts.rows:
        yield "an index of vectors keeps the places of rows that go: VACUUM, and REINDEX now and then (%vindex reindex)"
