"""The verb, light to import: what it needs comes with its first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..db import Database
from .report import LoadReport


def load(
    db: Database,
    table: str,
    source: Any,
    *,
    text: str | Sequence[str] | None = None,
    id: str = "id",
    column: str = "embedding",
    embedder: Any = "wordllama",
    on_conflict: str = "update",
    replace: bool = False,
    limit: int | None = None,
    type: str = "vector",
    language: str | None = None,
    chunk: int | None = None,
    overlap: int = 0,
    progress: Callable[[int, int | None, float], None] | None = None,
) -> LoadReport:
    """Load rows into a table, which is made where there is none, with a vector for the text of each.

    ``source`` is a DataFrame, a list of dicts, an iterable of DataFrames, ``sample:NAME`` or a csv, jsonl or parquet
    file. ``text`` are the columns to embed, joined by a blank line; a source with the ``column`` brings its vectors
    along. Rows without an ``id`` get the hash of their content. ``on_conflict`` says what becomes of ids that are in
    the table: "update", "skip" or "error". ``replace`` puts a new table in its place in the end, without its privileges
    and further indexes. ``limit`` counts rows of the source; ``progress(rows done, rows in all or None, seconds)``.

    A new column is of the ``type`` vector, halfvec, bit or sparsevec, the words of a new table of the ``language``, a
    text search configuration. Texts of more than ``chunk`` tokens of the model are cut, preferably between paragraphs,
    sentences or words, and each chunk begins with the last ``overlap`` tokens of the one before it. A row is then a
    chunk: its ``id`` is ``<parent>#<n>``, ``parent`` the id in the source, ``chunk`` its number from 0; of several
    ``text`` columns the last is cut, and the others stand before each chunk. Chunks that a document no longer has go.

    Each batch is a transaction of its own: after an error or a kill the same call goes on. Times without a zone are
    UTC. UsageError for what cannot be meant, LoadError and EmbedError for what cannot be stored or embedded.
    """
    from .run import loaded
    from .task import Options

    options = Options(text, id, column, embedder, on_conflict, replace, limit, type, language, chunk, overlap, progress)
    return loaded(db, table, source, options)


def embed_table(
    db: Database,
    table: str,
    text: str | Sequence[str] | None = None,
    *,
    column: str = "embedding",
    embedder: Any = "wordllama",
    type: str = "vector",
    where: str | Sequence[str] | None = None,
    params: Mapping[str, object] | None = None,
    language: str | None = None,
    progress: Callable[[int, int | None, float], None] | None = None,
) -> LoadReport:
    """Give the rows of a table vectors for their text: those that have none, and those whose text is another by now.

    ``text`` are the columns to embed, joined by a blank line. The ``column`` is added where it is missing, of the
    ``type`` vector, halfvec, bit or sparsevec, and beside it ``<column>_hash``, which tells what text a vector is of.
    ``where`` says, as in a search, which rows are looked at. ``language``, a text search configuration, also builds
    an index for searches by words. ``progress(rows done, rows in all, seconds)`` follows each batch.

    Others may go on writing: texts are embedded outside of any transaction, vectors are written a few at a time, and
    none to a row whose text changed meanwhile. After an error, an interrupt or a kill the same call goes on. A row
    without text has no vector. UsageError for what cannot be meant or is not allowed, EmbedError for what cannot be
    embedded.
    """
    from .embedding import Options, embedded

    return embedded(db, table, Options(text, column, embedder, type, where, params, language, progress))
