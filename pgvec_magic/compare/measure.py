"""A statement measured: its rows, their distances, plain runs and its plan, in one transaction that is undone."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from .. import catalog
from ..db import Database, Rows
from ..diagnose import Facts
from ..diagnose.rewrite import with_distance
from ..errors import QueryError
from ..plan import Plan
from ..query import Query
from ..search import Explanation
from ..search.explaining import as_explain, plan_told

# A statement that waits for a lock keeps all that come after it waiting too.
_LOCK_SECONDS = 3
_SAME = 1e-6  # relative: two ways to compute a distance differ by less, and neighbours by more
# A person's own settings may forbid the other ways, and then the index is what is left.
_OTHER_WAYS = ("enable_seqscan", "enable_bitmapscan", "enable_sort")
_EXACT = (
    *(("enable_indexscan", "off"), ("plan_cache_mode", "force_custom_plan")),
    *((name, "on") for name in _OTHER_WAYS),
)

# An index over rows that were updated while somebody may still see them as they were serves no transaction that began
# before its own ended, and so not this one.
_TOO_EARLY = Query(
    "SELECT 1 FROM pg_catalog.pg_index WHERE indcheckxmin AND xmin::text = pg_catalog.pg_current_xact_id()::xid::text"
)

_NOT_NOW = "55000"  # object_not_in_prerequisite_state

Table = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a statement gave: how many rows, ``seconds`` of each plain run on the wire, and its plan.

    ``distances`` are those that its rows are to be judged by, in their order; ``recall`` is the share of the exact
    answer that is among them. Both are None where the order is not that of a plain distance. ``answer`` tells its rows
    from those of another run.
    """

    explanation: Explanation
    rows: int
    seconds: tuple[float, ...]
    distances: tuple[float, ...] | None = None
    recall: float | None = None
    answer: frozenset[int] = frozenset()

    @property
    def median(self) -> float:
        """The median of the plain runs, in seconds."""
        return statistics.median(self.seconds)

    @property
    def read(self) -> float:
        """How many rows the steps of the plan took from tables and indexes, those that a filter removed too."""
        scans = [n for n in self.explanation.plan.nodes if n.kind.endswith("Scan") and "Relation Name" in n.details]
        return sum((n.rows or 0) + n.removed() + n.removed("Index Recheck") for n in scans)

    @property
    def pages(self) -> int | None:
        """How many pages of 8 kB it touched."""
        blocks = self.explanation.plan.root.blocks
        return None if blocks is None else blocks.hit + blocks.read

    @property
    def indexes(self) -> tuple[str, ...]:
        """The vector indexes that its plan used; without any the answer is exact."""
        return vector_indexes(self.explanation)

    @property
    def disorder(self) -> int:
        """How many rows are nearer than the one before them."""
        found = self.distances or ()
        return sum(b < a - _SAME * abs(a) for a, b in pairwise(found))


def vector_indexes(explanation: Explanation) -> tuple[str, ...]:
    """Return the vector indexes that a plan used."""
    scans = Facts(explanation.plan, explanation.fingerprint).ann_scans
    return tuple(dict.fromkeys(str(node.index) for node in scans))


def recall(distances: Iterable[float], exact: Sequence[float]) -> float | None:
    """Return the share of the exact answer that was found; by distance, so that rows as near as each other count alike.

    None where there is nothing to find. From ann-benchmarks, with a relative tolerance.
    """
    if not exact:
        return None
    within = exact[-1] + _SAME * abs(exact[-1]) + 1e-12
    return min(sum(distance <= within for distance in distances) / len(exact), 1.0)


def measured(
    db: Database,
    query: Query,
    tables: Iterable[Table],
    *,
    runs: int,
    patience: float,
    distance: str | None = None,
    before: Sequence[str] = (),
) -> Measured:
    """Measure a message behind statements that are undone with it; QueryError, also after ``patience`` seconds.

    ``tables``, (schema, name), are those it reads, ``distance`` the SQL to judge its rows by. A statement that writes
    meets the same rows in every run.
    """
    judged = with_distance(query.sql, distance) if distance else None
    counted = [("updates", catalog.UPDATES)]
    messages = [*_entered(db, query, before, patience), *counted]
    messages += [*_undone(db, query, "plan", as_explain(db, query.sql)), *counted]
    messages += [("too early", _TOO_EARLY)] if before else []
    messages += [("beside", each) for each in (catalog.SETTINGS, *catalog.asking(tables))]
    for name, sql in [("judged", judged), *[("run", query.sql)] * runs]:
        messages += _undone(db, query, name, sql) if sql else []
    given: dict[str, list[Rows]] = {"judged": []}
    for (name, _), rows in zip(messages, db.rehearse([each for _, each in messages]), strict=True):
        given.setdefault(name, []).append(rows)
    if any(rows.rows for rows in given.get("too early", ())):
        said = "the new index is of use to later transactions only: rows were updated a moment ago"
        raise QueryError(said, sqlstate=_NOT_NOW)
    (told,) = given["plan"]
    in_force, relations, indexes = given["beside"]
    known = catalog.fingerprint_told(db, in_force, relations, indexes, given["updates"])
    found = Explanation(plan_told(told), query, known, told.notices)
    distances = next(map(_distances, given["judged"]), None)
    last, seconds = given["run"][-1], tuple(rows.seconds for rows in given["run"])
    return Measured(found, _count(last), seconds, distances, answer=frozenset(hash(repr(row)) for row in last.rows))


def again(db: Database, query: Query, runs: int, patience: float) -> tuple[float, ...]:
    """Return the seconds of further plain runs of a message; QueryError."""
    messages = _entered(db, query, (), patience)
    for _ in range(runs):
        messages += _undone(db, query, "run", query.sql)
    done = zip((name for name, _ in messages), db.rehearse([each for _, each in messages]), strict=True)
    return tuple(rows.seconds for name, rows in done if name == "run")


def exact_distances(db: Database, query: Query, distance: str, patience: float) -> tuple[float, ...] | None:
    """Return the distances of the exact answer, nearest first; None where Postgres would not do without the index."""
    judged = with_distance(query.sql, distance)
    if judged is None:
        return None
    asked = replace(query, sql=judged, settings=_merged(query.settings, _EXACT))
    messages = _entered(db, asked, (), patience)
    steps = [each for _, each in messages]
    *_, told, in_force, rows = db.rehearse(
        [
            *steps,
            Query(as_explain(db, judged, analyze=False), query.params),
            catalog.SETTINGS,
            Query(judged, query.params),
        ]
    )
    found = plan_told(told)
    known = Explanation(found, asked, catalog.fingerprint(db, in_force, tables_of(found)))
    return None if vector_indexes(known) else tuple(sorted(_distances(rows)))


def tables_of(plan: Plan) -> list[Table]:
    """Return the tables that a plan reads, as (schema, name)."""
    named = (node.details for node in plan.nodes if "Relation Name" in node.details)
    return [(str(details.get("Schema", "public")), str(details["Relation Name"])) for details in named]


def _entered(db: Database, query: Query, before: Sequence[str], patience: float) -> list[tuple[str, Query]]:
    """Return what stands before a statement: what is made for it, then its settings, which last to the end."""
    seconds = patience if db.timeout is None else min(patience, db.timeout)
    made = [Query("SELECT", settings=(("lock_timeout", str(1000 * _LOCK_SECONDS)),)), *map(Query, before)]
    readonly = (("transaction_read_only", "on"),) if query.reads else ()
    limits = (("statement_timeout", str(max(1, round(1000 * seconds)))), *readonly)
    settings = Query("SELECT", settings=_merged(limits, query.settings))
    return [("", each) for each in (*(made if before else ()), settings)]


def _merged(one: Iterable[tuple[str, str]], other: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((dict(one) | dict(other)).items())


def _undone(db: Database, query: Query, name: str, sql: str) -> Iterator[tuple[str, Query]]:
    """Yield a step between a savepoint and the way back to it, where it may write."""
    reads = query.reads or db.readonly
    yield from [] if reads else [("", Query("SAVEPOINT pgvec_run"))]
    yield name, Query(sql, query.params)
    yield from [] if reads else [("", Query("ROLLBACK TO SAVEPOINT pgvec_run"))]


def _count(rows: Rows) -> int:
    if rows.columns:
        return len(rows.rows)
    *_, last = rows.status.split() or ["0"]
    return int(last) if last.isdigit() else 0


def _distances(rows: Rows) -> tuple[float, ...]:
    """Return the last column without what is no distance: NULL, and NaN for a vector of zeros."""
    return tuple(row[-1] for row in rows.rows if row[-1] is not None and row[-1] == row[-1])
