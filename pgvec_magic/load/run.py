"""One load from start to end: what goes where, batch by batch, and the report."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .. import embed
from ..catalog import TableInfo
from ..db import Database
from ..embed import Embedder
from ..errors import LoadError, UsageError
from . import given, replacing, reuse, tables
from .ahead import ahead
from .layout import LONGEST_NAME, TEXT_NAMES, Layout, arranged
from .pieces import pieces, text_bytes
from .prepare import Preparation
from .report import LoadReport
from .source import Source, opened
from .target import UNFINISHED, Target, existing, found, planned
from .write import Batch, Writer

Progress = Callable[[int, int | None, float], None]
_ON_CONFLICT = ("update", "skip", "error")
_BATCH_BYTES = 1 << 22  # found to be the fastest: a transaction has its price, and so has waiting for the first
_LEAST_ROWS = 16
_EMBED_ROWS = 512


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """What ``load`` was told beside the table and the source."""

    text: str | Sequence[str] | None
    id: str
    column: str
    embedder: Any
    on_conflict: str
    replace: bool
    limit: int | None
    progress: Progress | None


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a load is to do; ``started`` is of ``time.perf_counter``."""

    source: Source
    layout: Layout
    model: Embedder | None
    dimensions: int
    options: Options
    started: float

    @property
    def total(self) -> int | None:
        """How many rows there are to load, where that is known."""
        known = [n for n in (self.source.total, self.options.limit) if n is not None]
        return min(known) if self.source.total is not None else None


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows so far, and the seconds in which texts were embedded."""

    rows: int = 0
    inserted: int = 0
    updated: int = 0
    skipped: int = 0
    embed_seconds: float = 0.0


def loaded(db: Database, table: str, source: Any, options: Options) -> LoadReport:
    """Do what ``load`` says."""
    started = time.perf_counter()
    _check(db, table, options)
    info = found(db, table)
    rows = opened(source, options.column, options.id, _kept_as_written(options.text, info))
    layout = arranged(rows, options.text, options.id, options.column)
    model = None if layout.given else embed.get(options.embedder)
    dimensions = _dimensions(rows, layout, model)
    task = Task(rows, layout, model, dimensions, options, started)
    tables.ensure_extension(db)
    if options.replace and info is not None:
        counts, notices = _replaced(db, info, task)
    else:
        counts, notices = _loaded(db, _target(db, table, info, task), task)
    return LoadReport(
        table=table,
        rows=counts.rows,
        inserted=counts.inserted,
        updated=counts.updated,
        unchanged=counts.rows - counts.inserted - counts.updated - counts.skipped,
        skipped=counts.skipped,
        seconds=time.perf_counter() - started,
        embed_seconds=counts.embed_seconds,
        embedder=model.name if model else None,
        dimensions=dimensions,
        created=info is None,
        notices=tuple(notices),
    )


def _check(db: Database, table: str, options: Options) -> None:
    if db.readonly:
        raise UsageError(f"the connection {db.name} is read-only", "load through another: -c NAME")
    if options.on_conflict not in _ON_CONFLICT:
        raise UsageError(f"--on-conflict: {options.on_conflict!r} is none of its choices", "update, skip or error")
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit: {options.limit} rows are none to load")
    if not table or max(len(part.encode()) for part in table.split(".", 1)) > LONGEST_NAME:
        raise UsageError(
            f"{table[:80]!r} cannot be the name of a table", f"Postgres takes names of up to {LONGEST_NAME} bytes"
        )


def _kept_as_written(text: str | Sequence[str] | None, info: TableInfo | None) -> set[str]:
    """Return the columns of a file that are words, whatever they look like: the texts, and the table's own."""
    texts = {text} if isinstance(text, str) else set(text or TEXT_NAMES)
    return texts | {
        c.name for c in (info.columns if info else ()) if c.type in ("text", "character varying", "character")
    }


def _dimensions(rows: Source, layout: Layout, model: Embedder | None) -> int:
    if model is not None:
        return model.dimensions
    dimensions = given.length(rows.first[layout.vector])
    if dimensions is None:
        raise LoadError(
            f"the source's column {layout.vector!r} has no vectors",
            "lists, arrays or texts such as [0.1,0.2] are vectors; for vectors made from text leave the column out",
        )
    return dimensions


def _target(db: Database, table: str, info: TableInfo | None, task: Task) -> Target:
    if info is None:
        return planned(db, table, task.layout, task.dimensions)
    target = existing(db, info, task.layout)
    name = f"{info.name}.{target.layout.vector}"
    model, makes = task.model, f"the vectors of {task.model.name}" if task.model else "those of the source"
    if model is not None and target.embedder not in (None, model.name) and not target.empty:
        raise UsageError(
            f"the vectors of {name} are of the model {target.embedder}, not of {model.name}: they cannot be compared",
            f"load with embedder={target.embedder!r}, or make the table anew with --replace",
        )
    if target.dimensions not in (None, task.dimensions):
        raise UsageError(
            f"{name} has {target.dimensions} dimensions, {makes} have {task.dimensions}",
            "choose the model that the column's vectors are from, or make the table anew with --replace",
        )
    return target


def _replaced(db: Database, info: TableInfo, task: Task) -> tuple[Counts, list[str]]:
    target = planned(db, f"{info.schema}.new", task.layout, task.dimensions)
    with replacing.replacement(db, info, target) as (new, mark):
        counts, notices = _loaded(db, new, task, mark)
    return counts, [*notices, *replacing.lost_indexes(info)]


def _loaded(db: Database, target: Target, task: Task, mark: str = UNFINISHED) -> tuple[Counts, list[str]]:
    """Write every row, then finish the table; return the counts and what is to be said."""
    notices: list[str | None] = []
    counts = Counts()
    with contextlib.ExitStack() as stack:
        preparation, batches = _batches(db, target, task, stack)
        for batch in batches:
            if counts.rows == 0:
                target, said = _ready(db, target, task, mark)
                notices.append(said)
                writer = Writer(db, target, task.options.on_conflict)
            counts = _written(writer, batch, counts)
            if task.options.progress:
                task.options.progress(counts.rows, task.total, time.perf_counter() - task.started)
    if target.unfinished:
        tables.finish(db, target)
    if counts.inserted or counts.updated:
        notices.append(tables.follow_ids(db, target))
        tables.analyze(db, target)
    if task.model and target.embedder != task.model.name:
        notices.append(tables.remember(db, target, task.model.name))
    return counts, [said for said in [*notices, *_remarks(preparation)] if said]


def _batches(
    db: Database, target: Target, task: Task, stack: contextlib.ExitStack
) -> tuple[Preparation, Generator[Batch]]:
    """Return the batches to come, and who makes them; leaving the stack ends all work on them."""
    beside = stack.enter_context(contextlib.closing(db.clone())) if _asks(target, task) else None
    ask = functools.partial(reuse.there, beside, target) if beside else None
    preparation = Preparation(target, task.dimensions, task.model, task.options.on_conflict, ask)

    def stop() -> None:
        preparation.stop()
        if beside:
            beside.cancel()

    batches = ahead(preparation.batch, pieces(task.source.frames, _rows_per_batch(task), task.options.limit), stop)
    return preparation, stack.enter_context(contextlib.closing(batches))


def _rows_per_batch(task: Task) -> int:
    """Return how many rows fill a batch, so that memory stays flat whatever the length of the texts."""
    fitting = _BATCH_BYTES // (4 * task.dimensions + text_bytes(task.source.first, task.layout.types))
    return max(_LEAST_ROWS, min(fitting, _EMBED_ROWS) if task.model else fitting)


def _asks(target: Target, task: Task) -> bool:
    """Whether to ask what the table has of a batch before it is embedded."""
    if target.empty:
        return False
    if task.options.on_conflict == "update":
        return task.model is not None and target.embedder == task.model.name
    return task.options.on_conflict == "error" or task.model is not None


def _ready(db: Database, target: Target, task: Task, mark: str) -> tuple[Target, str | None]:
    """Return the table for the first batch, made if need be; while it is empty its model can be noted beforehand."""
    if not target.exists:
        target = _made(db, target, mark)
    if task.model is None or not target.empty or target.embedder == task.model.name:
        return target, None
    said = tables.remember(db, target, task.model.name)
    return dataclasses.replace(target, embedder=task.model.name), said


def _made(db: Database, target: Target, mark: str) -> Target:
    tables.create(db, target, mark)
    made = existing(db, tables.made_meanwhile(db, target), target.layout)
    if [(c.name, c.kind) for c in made.columns] != [(c.name, c.kind) for c in target.columns]:
        raise UsageError(f"{target.name} was made by somebody else meanwhile, with other columns", "run the load again")
    return dataclasses.replace(made, unfinished=True)


def _written(writer: Writer, batch: Batch, counts: Counts) -> Counts:
    done = writer.write(batch)
    return Counts(
        counts.rows + batch.rows + batch.skipped,
        counts.inserted + done.inserted,
        counts.updated + done.updated,
        counts.skipped + done.skipped + batch.skipped,
        counts.embed_seconds + batch.embed_seconds,
    )


def _remarks(preparation: Preparation) -> Iterator[str]:
    if preparation.reused:
        yield f"vectors kept because the text is unchanged: {preparation.reused:,} (--replace embeds all anew)"
    if preparation.zero_vectors:
        yield f"vectors of nothing but zeros: {preparation.zero_vectors:,}; cosine search cannot find their rows"
