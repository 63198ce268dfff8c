"""One load from start to end: what goes where, batch by batch, and the report."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from .. import catalog
from ..catalog import TableInfo
from ..db import Database
from ..embed import Embedder
from ..errors import UsageError
from ..metric import too_wide
from . import estimate, replacing, reuse, tables, texts
from .ahead import ahead
from .expand import chunk_texts
from .pieces import pieces, text_bytes
from .prepare import Preparation
from .report import LoadReport
from .target import UNFINISHED, Target, existing, found, planned
from .task import Options, Task, begun, check_chunked
from .write import Batch, Writer

_LANGUAGE = "english"
_BATCH_BYTES = 1 << 22  # found to be the fastest: a transaction has its price, and so has waiting for the first
_LEAST_ROWS = 16
_EMBED_ROWS = 512
_TOKEN_BYTES = 4


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows so far, and the seconds in which texts were embedded."""

    documents: int = 0
    rows: int = 0
    inserted: int = 0
    updated: int = 0
    skipped: int = 0
    deleted: int = 0
    embed_seconds: float = 0.0


def loaded(db: Database, table: str, source: Any, options: Options) -> LoadReport:
    """Do what ``load`` says."""
    started = time.perf_counter()
    info = found(db, table)
    task = begun(db, table, info, source, options, started)
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
        embedder=task.model.name if task.model else None,
        dimensions=task.dimensions,
        created=info is None,
        notices=tuple(notices),
        deleted=counts.deleted,
        documents=counts.documents if task.chunking else None,
    )


def _target(db: Database, table: str, info: TableInfo | None, task: Task) -> Target:
    if info is None:
        return planned(db, table, task.layout, task.dimensions, task.options.type)
    check_chunked(info, task.chunking, task.layout)
    target = existing(db, info, task.layout)
    name = f"{info.name}.{target.layout.vector}"
    model, makes = task.model, f"the vectors of {task.model.name}" if task.model else "those of the source"
    if model is not None and target.embedder not in (None, model.name) and not target.empty:
        raise tables.other_model(name, target.embedder, model.name)
    if target.dimensions not in (None, task.dimensions):
        raise UsageError(
            f"{name} has {target.dimensions} dimensions, {makes} have {task.dimensions}",
            "choose the model that the column's vectors are from, or make the table anew with --replace",
        )
    return target


def _replaced(db: Database, info: TableInfo, task: Task) -> tuple[Counts, list[str]]:
    target = planned(db, f"{info.schema}.new", task.layout, task.dimensions, task.options.type)
    with replacing.replacement(db, info, target) as (new, mark):
        counts, notices = _loaded(db, new, task, mark)
        lost = replacing.lost_indexes(db, info, new)
    return counts, [*notices, *lost]


def _loaded(db: Database, target: Target, task: Task, mark: str = UNFINISHED) -> tuple[Counts, list[str]]:
    """Write every row, then finish the table; return the counts and what is to be said."""
    vector = target.column(target.layout.vector)
    notices = [None if target.exists else too_wide(vector.name, vector.kind, task.dimensions)]
    counts = Counts()
    _announce(target, task)
    with contextlib.ExitStack() as stack:
        preparation, batches = _batches(db, target, task, stack)
        for batch in batches:
            if counts.documents == 0:
                target, said = _ready(db, target, task, mark)
                notices.append(said)
                writer = Writer(db, target, task.options.on_conflict)
            counts = _written(writer, batch, counts)
            if task.options.progress:
                task.options.progress(counts.documents, task.total, time.perf_counter() - task.started)
    if target.unfinished:
        tables.finish(db, target)
    if counts.inserted or counts.updated or counts.deleted:
        notices.append(tables.follow_ids(db, target))
        tables.analyze(db, target.sql_name)
    if task.model is None and target.embedder and (counts.inserted or counts.updated):
        notices.append(
            f"the source's vectors are of a model that is not known: they are taken for those of {target.embedder}, "
            f"of which {target.name}.{vector.name} is"
        )
    if task.model and target.embedder != task.model.name:
        notices.append(_remembered(db, target, task.model))
    return counts, [said for said in [*notices, *_remarks(task, preparation)] if said]


def _batches(
    db: Database, target: Target, task: Task, stack: contextlib.ExitStack
) -> tuple[Preparation, Generator[Batch]]:
    """Return the batches to come, and who makes them; leaving the stack ends all work on them."""
    beside = stack.enter_context(contextlib.closing(db.clone())) if _asks(target, task) else None
    ask = functools.partial(reuse.there, beside, target) if beside else None
    preparation = Preparation(target, task.dimensions, task.model, task.options.on_conflict, ask, task.chunking)

    def stop() -> None:
        preparation.stop()
        if beside:
            beside.cancel()

    batches = ahead(preparation.batch, pieces(task.source.frames, _rows_per_batch(task), task.options.limit), stop)
    return preparation, stack.enter_context(contextlib.closing(batches))


def _rows_per_batch(task: Task) -> int:
    """Return how many rows fill a batch, so that memory stays flat whatever the length of the texts."""
    bytes = text_bytes(task.source.first, task.layout.types)
    fitting = _BATCH_BYTES // (4 * task.dimensions + bytes)
    if task.chunking:  # a document is written with all its chunks, of which there are about so many
        return max(1, min(fitting, _EMBED_ROWS) // (1 + bytes // (_TOKEN_BYTES * task.chunking.size)))
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
        target = _made(db, target, task, mark)
    if task.model is None or not target.empty or target.embedder == task.model.name:
        return target, None
    said = _remembered(db, target, task.model)
    return dataclasses.replace(target, embedder=task.model.name), said


def _remembered(db: Database, target: Target, model: Embedder) -> str | None:
    info = catalog.table(db, f"{target.schema}.{target.name}")
    return tables.remember(db, info, target.layout.vector, model.name, target.embedder)


def _made(db: Database, target: Target, task: Task, mark: str) -> Target:
    tables.create(db, target, task.options.language or _LANGUAGE, mark)
    made = existing(db, tables.made_meanwhile(db, target), target.layout)
    if [(c.name, c.kind) for c in made.columns] != [(c.name, c.kind) for c in target.columns]:
        raise UsageError(f"{target.name} was made by somebody else meanwhile, with other columns", "run the load again")
    if task.model and made.embedder not in (None, task.model.name):
        raise tables.other_model(f"{made.name}.{made.layout.vector}", made.embedder, task.model.name)
    return dataclasses.replace(made, unfinished=True)


def _written(writer: Writer, batch: Batch, counts: Counts) -> Counts:
    done = writer.write(batch)
    return Counts(
        counts.documents + batch.documents,
        counts.rows + batch.rows + batch.skipped,
        counts.inserted + done.inserted,
        counts.updated + done.updated,
        counts.skipped + done.skipped + batch.skipped,
        counts.deleted + done.deleted,
        counts.embed_seconds + batch.embed_seconds,
    )


def _announce(target: Target, task: Task) -> None:
    """Print what a load will cost, where it costs anything."""
    if task.model is None or not task.model.paid:
        return
    first = task.source.first.head(task.options.limit or len(task.source.first))
    first = first.iloc[estimate.evenly(range(len(first)))]
    if task.chunking:
        some = chunk_texts(first, task.layout, task.model.token_ends, task.chunking)
    else:
        some = texts.of_frame(first, task.layout.text)
    estimate.announce(task.model, task.total, some, len(first), reuses=_asks(target, task))


def _remarks(task: Task, preparation: Preparation) -> Iterator[str]:
    if preparation.too_long and task.model:
        yield f"{estimate.too_long(preparation.too_long, task.model)}; --chunk {task.model.max_tokens} splits them"
    if preparation.reused:
        yield f"vectors kept because the text is unchanged: {preparation.reused:,} (--replace embeds all anew)"
    yield from preparation.vectors.remarks()
