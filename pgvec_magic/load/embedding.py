"""Vectors for a table that has text: what is pending is read, embedded outside of any transaction, and written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from .. import embed
from ..db import Database
from ..embed import Embedder
from ..errors import EmbedError, UsageError, did_you_mean
from ..metric import MOST_STORED, too_wide
from ..sqltext import check_condition, quote_ident
from . import column, estimate, pending, tables, textindex, wire
from .column import Embedding
from .gently import Busy, aside, one_core
from .pending import Condition, Key, Row
from .report import LoadReport
from .vectors import Vectors

Progress = Callable[[int, int | None, float], None]
_TRIES, _BETWEEN = 3, 0.1  # for rows that others are writing; seconds
# A transaction holds the locks of its rows for about this long, whatever indexes the table has.
_SECONDS, _FEWEST, _MOST = 0.01, 8, 512
_WORTH_ANALYZING = 0.1  # of the rows, from which on autovacuum would analyze too


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """What ``embed_table`` was told beside the table."""

    text: str | Sequence[str] | None
    column: str
    embedder: Any
    type: str
    where: str | Sequence[str] | None
    params: Mapping[str, object] | None
    language: str | None
    progress: Progress | None


@dataclass(slots=True)
class Counts:
    """What became of the rows so far; those in none of the last five have the vector of their text."""

    rows: int = 0
    embedded: int = 0
    noted: int = 0
    empty: int = 0
    kept: int = 0
    refused: int = 0
    left: int = 0
    embed_seconds: float = 0.0

    @property
    def changed(self) -> int:
        """How many rows have another vector or hash now."""
        return self.embedded + self.noted

    def add(self, done: list[str]) -> None:
        """Count rows that were written, by what was to be done with them."""
        self.embedded += done.count("embed")
        self.noted += done.count("note")
        self.empty += done.count("clear")


def embedded(db: Database, table: str, options: Options) -> LoadReport:
    """Do what ``embed_table`` says."""
    started = time.perf_counter()
    condition = _condition(db, options)
    tables.ensure_extension(db)
    texts = (options.text,) if isinstance(options.text, str) else tuple(options.text or ())
    model = embed.get(options.embedder)
    work = column.planned(db, table, texts, options.column, model.dimensions, options.type)
    index = textindex.planned(db, work, options.language) if options.language else None
    notices = [column.check_model(db, work, model.name)]
    if work.is_new:
        notices.append(too_wide(f"{work.info.label}.{work.vector.name}", work.vector.kind, model.dimensions))
    column.ensure(db, work)
    if work.remembered != model.name:
        notices.append(tables.remember(db, work.info, work.vector.name, model.name, work.remembered))
    if model.paid:
        found, some = pending.to_embed(db, work, condition, estimate.SAMPLE)
        estimate.announce(model, found, some)
    vectors = Vectors(work.vector.kind, model.dimensions)
    with one_core(), aside() as thread:
        run = _Run(db, work, model, condition, options.progress, started, vectors, thread)
        run.all()
    if index is not None:
        notices.append(textindex.ensure(db, index))
    if run.counts.changed > _WORTH_ANALYZING * max(run.counts.rows, work.info.rows or 0):
        tables.analyze(db, work.table)
    return _report(table, run, [said for said in [*notices, *_remarks(run)] if said])


def _condition(db: Database, options: Options) -> Condition:
    """Return which rows are looked at; UsageError for what cannot be meant."""
    if db.readonly:
        raise UsageError(f"the connection {db.name} is read-only", "embed through another: -c NAME")
    if options.type not in MOST_STORED:
        raise UsageError(f"--type: {options.type!r} is no type of vectors", did_you_mean(options.type, MOST_STORED))
    where = (options.where,) if isinstance(options.where, str) else tuple(options.where or ())
    for text in where:
        check_condition(text)
    return Condition(where, dict(options.params or {}))


@dataclass(slots=True, eq=False)
class _Run:
    db: Database
    work: Embedding
    model: Embedder
    condition: Condition
    progress: Progress | None
    started: float
    vectors: Vectors
    thread: Executor
    counts: Counts = field(default_factory=Counts)
    cut: int = 0
    _total: int | None = None
    _slice: int = 64
    _left: list[Key] = field(default_factory=list)
    _busy: Busy = field(default_factory=Busy)

    def all(self) -> None:
        """Bring every row up to date in order of the key; those that others write meanwhile once more, a few times."""
        if self.progress:
            self._total = pending.count(self.db, self.work, self.condition)
        self._bring_up_to_date(self._windows())
        for _ in range(_TRIES):
            if not self._left:
                return
            time.sleep(_BETWEEN)
            left, self._left = self._left, []
            self.counts.rows -= len(left)
            self._bring_up_to_date(self._again(left))
        self.counts.left = len(self._left)

    def _windows(self) -> Iterator[list[Row]]:
        after = None
        while rows := pending.window(self.db, self.work, self.condition, after):
            after = rows[-1].key
            yield rows

    def _again(self, keys: list[Key]) -> Iterator[list[Row]]:
        for first in range(0, len(keys), pending.ROWS):
            yield pending.again(self.db, self.work, self.condition, keys[first : first + pending.ROWS])

    def _bring_up_to_date(self, windows: Iterator[list[Row]]) -> None:
        for looked in windows:
            rows = [row for row in looked if row.todo in ("embed", "note", "clear")]
            self.counts.rows += len(looked)
            self.counts.empty += sum(row.todo == "empty" for row in looked)
            self.counts.kept += sum(row.todo == "kept" for row in looked)
            self._write(rows, self._made(rows))
            if self.progress:
                self.progress(self.counts.rows, self._total, time.perf_counter() - self.started)
            if rows:
                self._busy.rest(self.db)

    def _made(self, rows: list[Row]) -> list[bytes | None]:
        """Return the vectors of rows, null for those that need none."""
        vectors: list[bytes | None] = [None] * len(rows)
        places = [i for i, row in enumerate(rows) if row.todo == "embed"]
        if places:
            for i, vector in zip(places, self._embedded([rows[i] for i in places]), strict=True):
                vectors[i] = vector
        return vectors

    def _embedded(self, rows: list[Row]) -> list[bytes]:
        texts = [row.text for row in rows]
        first, last, key = (", ".join(parts) for parts in (rows[0].key, rows[-1].key, self.work.keys))
        where = f"{self.work.info.label}, {len(texts)} rows with {key} from {first} to {last}, numbered from 0 here"
        started = time.perf_counter()
        try:
            matrix = self.thread.submit(self.model.embed, texts).result()
        except EmbedError as error:
            raise EmbedError(f"{where}: {error.message}", error.hint) from error
        self.counts.embed_seconds += time.perf_counter() - started
        self.cut += len(self.model.too_long(texts))
        return wire.payloads(self.vectors.made(matrix, where))

    def _write(self, rows: list[Row], vectors: list[bytes | None]) -> None:
        done = 0
        while done < len(rows):
            some = rows[done : done + self._slice]
            started = time.perf_counter()
            stored, refused = pending.written(self.db, self.work, some, vectors[done : done + len(some)])
            done += len(some)
            self._pace(len(some), time.perf_counter() - started)
            self._busy.add(time.perf_counter() - started)
            self._left += [row.key for place, row in enumerate(some) if place not in stored | refused]
            self.counts.refused += len(refused)
            self.counts.add([some[place].todo for place in stored])

    def _pace(self, rows: int, seconds: float) -> None:
        """Choose how many rows the next transaction takes."""
        fitting = round(rows * _SECONDS / max(seconds, 1e-6))
        self._slice = max(_FEWEST, min(fitting, 2 * self._slice, _MOST))


def _remarks(run: _Run) -> Iterator[str]:
    counts = run.counts
    if counts.empty:
        yield f"rows without text, whose vector is null: {counts.empty:,}"
    if counts.kept:
        column = f"{run.work.info.sql_name} ALTER COLUMN {quote_ident(run.work.vector.name)}"
        yield (
            f"rows that have no text any more and keep their vector, which must not be null: {counts.kept:,}"
            f" (ALTER TABLE {column} DROP NOT NULL)"
        )
    if counts.noted:
        yield f"rows that had a vector, which is taken for that of the text they have now: {counts.noted:,}"
    if counts.refused:
        yield f"rows that the table kept as they were, by a trigger or a rule of its own: {counts.refused:,}"
    if counts.left:
        yield f"rows that others kept changing or locked: {counts.left:,}; the same call again takes them"
    yield from run.vectors.remarks()
    if run.cut:
        yield f"{estimate.too_long(run.cut, run.model)}; chunks of them can be loaded: %vload --chunk"


def _report(table: str, run: _Run, notices: list[str]) -> LoadReport:
    counts = run.counts
    return LoadReport(
        table=table,
        rows=counts.rows,
        inserted=0,
        updated=counts.embedded,
        unchanged=counts.rows - counts.embedded - counts.empty - counts.refused - counts.left,
        skipped=counts.empty + counts.refused + counts.left,
        seconds=time.perf_counter() - run.started,
        embed_seconds=counts.embed_seconds,
        embedder=run.model.name,
        dimensions=run.model.dimensions,
        created=False,
        notices=tuple(notices),
    )
