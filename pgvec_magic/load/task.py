"""What a load is to do: its source, its columns, its model, checked before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .. import embed
from ..catalog import TableInfo
from ..db import Database
from ..embed import Embedder
from ..errors import LoadError, UsageError, did_you_mean
from ..metric import MOST_STORED
from ..sqltext import quote_ident
from . import chunks, given, textindex, texts
from .chunks import Chunking
from .layout import CHUNK, LONGEST_NAME, PARENT, TEXT_NAMES, Layout, arranged, in_chunks
from .source import Source, opened
from .target import vector_column

Progress = Callable[[int, int | None, float], None]
_ON_CONFLICT = ("update", "skip", "error")
_AS_WRITTEN = ("text", "character varying", "character", "bit", "bit varying")


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
    type: str
    language: str | None
    chunk: int | None
    overlap: int
    progress: Progress | None


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a load is to do; ``started`` is of ``time.perf_counter``."""

    source: Source
    layout: Layout
    model: Embedder | None
    dimensions: int
    chunking: Chunking | None
    options: Options
    started: float

    @property
    def total(self) -> int | None:
        """How many rows there are to load, where that is known."""
        known = [n for n in (self.source.total, self.options.limit) if n is not None]
        return min(known) if self.source.total is not None else None


def begun(db: Database, table: str, info: TableInfo | None, source: Any, options: Options, started: float) -> Task:
    """Open a source and say what becomes of it; UsageError, LoadError, EmbedError for what cannot be."""
    _check(db, table, options)
    rows = opened(source, options.column, options.id, _kept_as_written(options.text, info))
    layout = arranged(rows, options.text, options.id, options.column)
    chunking = chunks.checked(options.chunk, options.overlap)
    layout = in_chunks(layout) if chunking else layout
    model = None if layout.given else embed.get(options.embedder)
    if chunking and model:
        chunks.check_fits(chunking, model)
    kept = None if options.replace else info
    _check_language(db, kept, layout, options.language)
    return Task(rows, layout, model, _dimensions(rows, layout, model, options.type, kept), chunking, options, started)


def _check(db: Database, table: str, options: Options) -> None:
    if db.readonly:
        raise UsageError(f"the connection {db.name} is read-only", "load through another: -c NAME")
    if options.on_conflict not in _ON_CONFLICT:
        raise UsageError(f"--on-conflict: {options.on_conflict!r} is none of its choices", "update, skip or error")
    if options.type not in MOST_STORED:
        raise UsageError(f"--type: {options.type!r} is no type of vectors", did_you_mean(options.type, MOST_STORED))
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit: {options.limit} rows are none to load")
    if not table or max(len(part.encode()) for part in table.split(".", 1)) > LONGEST_NAME:
        raise UsageError(
            f"{table[:80]!r} cannot be the name of a table", f"Postgres takes names of up to {LONGEST_NAME} bytes"
        )


def _kept_as_written(text: str | Sequence[str] | None, info: TableInfo | None) -> set[str]:
    """Return the columns of a file that are no numbers, whatever they look like: texts, and the table's own."""
    texts = {text} if isinstance(text, str) else set(text or TEXT_NAMES)
    return texts | {c.name for c in (info.columns if info else ()) if c.type in _AS_WRITTEN}


def _dimensions(rows: Source, layout: Layout, model: Embedder | None, kind: str, info: TableInfo | None) -> int:
    there = vector_column(info, layout.vector, kind)
    if model is not None:
        return model.dimensions
    kind, known = (there.type, there.dimensions) if there else (kind, None)
    dimensions = given.length(rows.first[layout.vector], kind, known)
    if dimensions is None:
        raise LoadError(
            f"the source's column {layout.vector!r} has no vectors{'' if kind == 'vector' else f' for a {kind}'}",
            "lists, arrays or texts such as [0.1,0.2] are vectors, with --type bit also 0101, with --type sparsevec"
            " also {1:0.5}/10; for vectors made from text leave the column out",
        )
    return dimensions


def check_chunked(info: TableInfo, chunking: Chunking | None, layout: Layout) -> None:
    """UsageError when a table of chunks is given whole rows, or the other way around."""
    is_of_chunks = {PARENT, CHUNK} <= {column.name for column in info.columns}
    if chunking and not is_of_chunks:
        raise UsageError(
            f"{info.name} was not loaded in chunks: it lacks the columns {PARENT} and {CHUNK}",
            "load into another table, or make it anew with --replace",
        )
    if is_of_chunks and not chunking and not {PARENT, CHUNK} <= set(layout.types):
        raise UsageError(f"{info.name} was loaded in chunks, and the source has whole rows", "say --chunk N again")


def _check_language(db: Database, info: TableInfo | None, layout: Layout, language: str | None) -> None:
    """UsageError for a language that does not exist, or that the text search of a table is not in."""
    if language is None:
        return
    textindex.check_language(db, language)
    if not layout.text:
        raise UsageError("--language: there is no text to be searched by words", "name its column: --text COLUMN")
    if info is None:
        return
    kept = [text for text in info.texts if text.indexed or not text.expression.startswith("to_tsvector(")]
    if quote_ident(language) not in (text.language for text in kept):
        has = ", ".join(sorted({text.language for text in kept})) or "no language yet"
        words = texts.tsvector(layout.text, language)
        raise UsageError(
            f"--language: the text search of {info.label} is in {has}, not in {language}",
            f"make the table anew with --replace, or add: CREATE INDEX ON {info.sql_name} USING gin ({words})",
        )
