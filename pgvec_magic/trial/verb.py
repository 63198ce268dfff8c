"""The verb: each kind of index is built, measured, filled up, measured, built anew and measured, one by one."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..advise.facts import Facts, read
from ..advise.options import kinds
from ..db import Database
from ..errors import QueryError, UsageError
from ..index import IndexSpec, build_memory
from ..recall import Point, RecallCurve, recall
from ..search import search
from .copy import INDEX, NAME, Copy
from .outcome import Outcome, Trial

# What is being done, for people.
Told = Callable[[str], None]

SAMPLE, QUERIES = 5_000, 100
_LEAST = 300  # rows, of which an exact search takes no time
_EXACT_RUNS = 10


def trial(
    db: Database,
    table: str,
    column: str | None = None,
    *,
    metric: str | None = None,
    k: int = 10,
    sample: int = SAMPLE,
    queries: int = QUERIES,
    progress: Told | None = None,
) -> Trial:
    """Build the kinds of index that a column can have on a copy of ``sample`` rows at random, and measure each.

    The copy is a temporary table on a connection of its own, so that nothing is left of it; builds are those of one
    process. Vectors to ask about are drawn beside it. Each kind is built of two thirds of the rows, measured, given
    the rest, measured, rebuilt, measured. Raises UsageError for too few rows, and without the rights for a copy.
    """
    started = time.perf_counter()
    for name, value in (("k", k), ("sample", sample), ("queries", queries)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UsageError(f"{name} = {value!r}: it is a whole number of 1 or more")
    facts = read(db, table, column, metric)
    with Copy(db, facts.table, facts.column) as copy:
        told = progress or (lambda _: None)
        told("drawing rows")
        rows, vectors = copy.draw(sample, queries, with_direction=facts.metric == "cosine")
        if rows < _LEAST:
            raise _too_few(facts, rows + len(vectors), sample)
        run = _Run(copy, facts, vectors, rows, k, told)
        outcomes, left_out = run.all()
        if not outcomes:
            raise QueryError(f"no kind of index could be measured: {'; '.join(left_out)}")
        exact = run.exact()
    return Trial(
        facts.table.label,
        facts.column.name,
        facts.metric,
        k,
        rows,
        facts.rows,
        len(vectors),
        exact,
        tuple(outcomes),
        time.perf_counter() - started,
        tuple(left_out),
    )


def _too_few(facts: Facts, drawn: int, sample: int) -> UsageError:
    """Say whether it is the sample or the table that has too few rows; zeros have no direction to compare."""
    if sample < _LEAST <= facts.rows // 2:
        return UsageError(f"of a sample of {sample:,} rows indexes cannot be told apart", f"--sample {_LEAST} or more")
    which = "vectors" if drawn == facts.rows else f"vectors, {drawn:,} of them not zero"
    told = f"{facts.table.label} has {facts.rows:,} {which}: of so few indexes cannot be told apart"
    return UsageError(told, f"an exact search reads them in no time; ask again from {2 * _LEAST:,} on")


@dataclass(frozen=True, slots=True)
class _Run:
    """The kinds of index on one copy."""

    copy: Copy
    facts: Facts
    vectors: Sequence[Any]
    rows: int
    k: int
    told: Told

    @property
    def first(self) -> int:
        """Of how many rows an index is built."""
        return self.rows * 2 // 3

    def all(self) -> tuple[list[Outcome], list[str]]:
        """Measure every kind; what cannot be is left out with the reason."""
        outcomes: list[Outcome] = []
        left_out: list[str] = []
        for name, spec in self._kinds():
            try:
                with self.copy.emptied():
                    outcomes.append(self._one(name, spec))
            except (UsageError, QueryError) as error:
                if isinstance(error, QueryError) and error.sqlstate == "57014":  # canceled from elsewhere
                    raise
                left_out.append(f"{name} ({error.message.partition(chr(10))[0]})")
        return outcomes, left_out

    def exact(self) -> float:
        """Return the median seconds of a search without an index."""
        with self.copy.emptied():
            self.copy.fill(1, self.first)
            settings = {"enable_seqscan": "on"}
            options: dict[str, Any] = {"k": self.k, "strategy": "exact", "metric": self.facts.metric, "set": settings}
            asked = [self.vectors[i % len(self.vectors)] for i in range(_EXACT_RUNS + 1)]
            found = [search(self.copy.db, NAME, vector=vector, **options) for vector in asked]
        return statistics.median(result.seconds for result in found[1:])

    def _kinds(self) -> Iterator[tuple[str, IndexSpec]]:
        """IVFFlat has the square root of the rows as lists: of few rows a thousandth would be too few."""
        for name, spec in kinds(self.facts):
            lists = max(2, math.isqrt(self.first))
            yield name, dataclasses.replace(spec, lists=lists) if spec.method == "ivfflat" else spec

    def _one(self, name: str, spec: IndexSpec) -> Outcome:
        most = self.facts.server.cache // 4
        self.copy.fill(1, self.first)
        self.told(f"{name}: building of {self.first:,} rows")
        seconds, size = self.copy.build(spec, self.first, most)
        pages = self.copy.bytes(NAME) // 8192
        curve = self._recall(name, spec)
        today = self._today(curve, spec)
        self.told(f"{name}: {self.rows - self.first:,} rows more")
        inserted = self.copy.fill(self.first + 1, self.rows)
        grown = self._again(f"{name} with 50 % more", spec, today)
        self.told(f"{name}: building anew of {self.rows:,} rows")
        rebuilt = self.copy.rebuild(spec, self.rows, most)
        return Outcome(
            name=name,
            spec=spec,
            build_seconds=seconds,
            memory=build_memory(spec, self.first, non_zero=self.facts.non_zero, pages=pages),
            bytes=size,
            points=curve.points,
            today=today,
            grown=grown,
            insert_seconds=inserted,
            rebuilt=self._again(f"{name} rebuilt", spec, today),
            rebuild_seconds=rebuilt,
        )

    def _recall(self, name: str, spec: IndexSpec, **values: Any) -> RecallCurve:
        def shown(done: int, steps: int, _: float, unit: str) -> None:
            self.told(f"{name}: {done:,} of {steps:,} {unit}")

        options: dict[str, Any] = {
            "k": self.k,
            "queries": self.vectors,
            "metric": self.facts.metric,
            "column": spec.column,
        }
        return recall(self.copy.db, NAME, index=INDEX, progress=shown, **options, **values)

    def _again(self, name: str, spec: IndexSpec, today: Point) -> Point:
        return self._recall(name, spec, **{today.setting: today.value}).points[0]

    def _today(self, curve: RecallCurve, spec: IndexSpec) -> Point:
        """The point of what a search uses: of lists their square root, as ``%vsearch`` takes, not pgvector's one."""
        value = max(curve.today[INDEX], math.isqrt(spec.lists) if spec.method == "ivfflat" else 1)
        return next((point for point in curve.points if point.value == value), curve.points[0])
