"""The verb, light to import: what it needs comes with its first use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    progress: Callable[[int, int | None, float], None] | None = None,
) -> LoadReport:
    """Load rows into a table, which is made where there is none, with a vector for the text of each.

    ``source`` is a DataFrame, a list of dicts, an iterable of DataFrames, ``sample:NAME`` or the path of a csv, jsonl
    or parquet file. ``text`` are the columns to embed, joined by a blank line; a source that has the ``column`` brings
    its vectors along and nothing is embedded. Rows without an ``id`` get the hash of their content. ``on_conflict``
    says what becomes of rows whose id is in the table: "update", "skip" or "error". ``replace`` makes the table anew
    and puts it in the old one's place when all rows are in; privileges and further indexes go with the old one.
    ``limit`` counts rows of the source; ``progress(rows done, rows in all or None, seconds)`` follows each batch.

    Each batch is a transaction of its own: after an error, an interrupt or a kill the same call goes on. Times without
    a zone are taken as UTC. UsageError for what cannot be meant, LoadError for what cannot be stored, EmbedError for
    what cannot be embedded.
    """
    from .run import Options, loaded

    return loaded(db, table, source, Options(text, id, column, embedder, on_conflict, replace, limit, progress))
