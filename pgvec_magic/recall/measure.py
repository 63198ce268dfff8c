"""Every query with every setting, in turn: plain statements on a warm server, compared with the truth by distance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..db import Database
from ..errors import QueryError
from .point import Answer, Point, point
from .queries import Queries
from .truth import Neighbours
from .ways import NOT_MEASURED, Way, instead, refusal, uses

# A row counts as found when it is as near as the last true neighbour: up to float32's rounding, which for distances
# that are a difference to 1 does not shrink with them.
_RELATIVE, _OFF_ONE = 1e-6, 2e-7
# Of so many queries the plan is looked at once more, with the pages that it touched.
_EXPLAINED = 3

Told = Callable[[int, int], None]


def check_plans(
    db: Database, ways: Sequence[Way], names: frozenset[str], vector: object
) -> tuple[list[Way], list[str]]:
    """Return the ways in which the index is used, and what to say of the others; QueryError where it never is."""
    plans = [(way, way.explained(db, vector)) for way in ways]
    used = [way for way, found in plans if uses(found, names)]
    refused = [(way, found) for way, found in plans if way not in used]
    if not used:
        raise refusal(*refused[0])
    if not refused:
        return used, []
    values = ", ".join(str(way.value) for way, _ in refused)
    way, found = refused[0]
    return used, [
        f"{way.setting} = {values} {NOT_MEASURED}: Postgres then plans {instead(found)} in place of the index"
    ]


def measure(
    db: Database,
    ways: Sequence[tuple[Way, frozenset[str]]],
    queries: Queries,
    truth: Sequence[Neighbours],
    told: Told,
) -> list[Point]:
    """Return a point a way; queries without a true neighbour are left out. QueryError when an index is not used."""
    asked = [at for at, nearest in enumerate(truth) if nearest.distances]
    if not asked:
        raise QueryError("no row is near any of the queries: the filter leaves none", "choose another where=")
    deepest = list({way.index.name: way for way, _ in ways}.values())
    steps, done = len(asked) * (len(ways) + len(deepest)), 0
    for way in deepest:  # so that what any way reads is in memory
        for at in asked:
            db.run(way.query(queries.vectors[at]))
            done += 1
            told(done, steps)
    answers: list[list[Answer]] = [[] for _ in ways]
    for turn, at in enumerate(asked):
        for place in range(len(ways)):  # each comes behind each other
            place = (place + turn) % len(ways)
            answers[place].append(_ask(db, ways[place][0], queries, at, truth[at]))
            done += 1
            told(done, steps)
    vectors = [queries.vectors[at] for at in asked[:_EXPLAINED]]
    return [
        point(way.index.name, way.setting, way.value, given, _pages(db, way, names, vectors))
        for (way, names), given in zip(ways, answers, strict=True)
    ]


def _ask(db: Database, way: Way, queries: Queries, at: int, truth: Neighbours) -> Answer:
    asked = db.run(way.query(queries.vectors[at]))
    rows = [row for row in asked.rows if row[:-1] != queries.mine[at]][: len(truth.distances)]
    metric = way.target.need_vectors().metric.name
    last = truth.distances[-1]
    limit = last + _RELATIVE * abs(last) + (_OFF_ONE if metric in ("cosine", "jaccard") else 0)
    hits = sum(row[-1] <= limit for row in rows)  # a distance that is no number is none
    return Answer(hits, len(truth.distances), len(rows), asked.seconds)


def _pages(db: Database, way: Way, names: frozenset[str], vectors: Sequence[Any]) -> float | None:
    """Return how many pages a query touches, and see that it still is the index that answers."""
    pages = []
    for vector in vectors:
        found = way.explained(db, vector, "ANALYZE, BUFFERS, ")
        if not uses(found, names):
            raise refusal(way, found)
        if found.root.blocks is not None:
            pages.append(found.root.blocks.hit + found.root.blocks.read)
    return sum(pages) / len(pages) if pages else None
