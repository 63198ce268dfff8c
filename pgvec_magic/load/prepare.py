"""A piece of the source -> a batch: checked, embedded, encoded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..embed import Embedder
from ..errors import EmbedError, LoadError
from . import encode, texts, wire
from .chunks import Chunking
from .columntypes import LARGEST
from .expand import Rows, expanded
from .identity import ContentIds, Seen, digest
from .layout import CHUNK
from .literal import as_array, as_text
from .pieces import Piece
from .reuse import There
from .target import Column, Target
from .vectors import Vectors
from .write import Batch

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from .wire import Bad, Field

Ask = Callable[[Sequence[str], Sequence[str]], There]
_SHOWN = 10
_WHOLE, _FRACTIONS = ("int2", "int4", "int8"), ("float4", "float8")
_CHARACTERS = ("text", "varchar", "bpchar")


class Stopped(Exception):  # noqa: N818 - named for what happened
    """Nobody waits for the rest of this work any more."""


class Preparation:
    """Makes batches, one after another; it remembers the ids that it has seen.

    ``ask`` tells which rows are in the table already, or is None where none can be. ``reused`` and ``too_long``
    count, from the start, rows that keep the vector they have, and texts whose end the model did not see; ``vectors``
    counts what is unusual in the vectors.
    """

    def __init__(
        self,
        target: Target,
        dimensions: int,
        model: Embedder | None,
        on_conflict: str,
        ask: Ask | None,
        chunking: Chunking | None,
    ) -> None:
        self._target, self._layout = target, target.layout
        self._model = model
        self.vectors = Vectors(target.column(self._layout.vector).kind, dimensions)
        self._on_conflict, self._ask = on_conflict, ask
        self._chunking = chunking
        key = target.column(self._layout.document)
        self._content_ids = ContentIds(key.kind, f"{target.name}.{key.name}") if self._layout.hashed else None
        self._seen = Seen()
        self._stopping = threading.Event()
        self.reused = self.too_long = 0

    def stop(self) -> None:
        """Have the running batch end as soon as its model answers, and no other begin."""
        self._stopping.set()

    def batch(self, piece: Piece) -> Batch:
        """Return a piece as a batch; LoadError with the row numbers of what cannot be stored."""
        self._go_on()
        frame = self._arranged(piece)
        wanted = self._model or self._ask or self._target.hash
        whole = texts.of_frame(frame, self._layout.text) if wanted else []
        fields, bad = self._fields(frame)
        if self._model is not None:
            bad |= {
                i: f"the text ({', '.join(self._layout.text)}) is empty" for i, t in enumerate(whole) if not t.strip()
            }
        _refuse(bad, piece)
        rows = self._rows(frame, fields, whole)
        return self._finished(piece, rows, self._ask_for(rows, piece))

    def _go_on(self, *_: int) -> None:
        if self._stopping.is_set():
            raise Stopped

    def _arranged(self, piece: Piece) -> pd.DataFrame:
        """Return the columns of the layout: those that this piece lacks are null, none may be new."""
        frame, layout = piece.frame, self._layout
        if layout.chunked:
            frame = frame.rename(columns={layout.source_id: layout.document})
        for name in frame.columns:
            if name not in layout.types and name != layout.vector:
                raise LoadError(
                    f"from row {piece.first} on the source has a column {name!r} that its first rows did not have",
                    "give it to the first rows too",
                )
        wanted = [name for name in layout.columns if name not in self._made_here]
        if list(frame.columns) != wanted:
            frame = frame.reindex(columns=wanted)
        return frame.assign(**{layout.document: self._hashes(frame)}) if layout.hashed else frame

    @property
    def _made_here(self) -> tuple[str | None, ...]:
        """The columns that do not come from the source."""
        made = (self._target.hash, None if self._layout.given else self._layout.vector)
        return (*made, self._layout.id, CHUNK) if self._layout.chunked else made

    def _hashes(self, frame: pd.DataFrame) -> list[Any]:
        assert self._content_ids is not None, "only rows without ids get them here"
        own = frame.drop(columns=[self._layout.document, self._layout.vector], errors="ignore")
        if not len(own.columns):
            own = frame[[self._layout.vector]]
        kinds = {name: self._target.column(name).kind for name in sorted(own.columns)}
        columns = [_contents(own[name], kind) for name, kind in kinds.items()]
        return self._content_ids.of("\x1f".join(row) for row in zip(*columns, strict=True))

    def _fields(self, frame: pd.DataFrame) -> tuple[dict[str, Field], Bad]:
        fields: dict[str, Field] = {}
        bad: Bad = {}
        for column in self._target.columns:
            if column.name in self._made_here:
                continue
            if column.name == self._layout.vector:
                fields[column.name], found = self.vectors.given(frame[column.name])
            else:
                fields[column.name], found = _encoded(frame[column.name], column)
            bad |= found
        return fields, self._bad_ids(frame, fields[self._layout.document]) | bad

    def _bad_ids(self, frame: pd.DataFrame, ids: Field) -> Bad:
        if self._layout.hashed:
            return {}
        name, values = self._layout.source_id, frame[self._layout.document]
        twice = {i: f"{name} {as_text(values.iloc[i])} was there before in this source" for i in self._seen.again(ids)}
        nulls = values.isna().to_numpy().nonzero()[0].tolist()
        return twice | dict.fromkeys(nulls, f"{name} is null")

    def _rows(self, frame: pd.DataFrame, fields: dict[str, Field], whole: list[str]) -> Rows:
        key = self._target.column(self._layout.document)
        ids = _ids_as_texts(frame[key.name], fields[key.name], key)
        if self._chunking is None or self._model is None:
            return Rows(fields, ids, whole)
        return expanded(frame, fields, ids, self._layout, self._model.token_ends, self._chunking)

    def _ask_for(self, rows: Rows, piece: Piece) -> There | None:
        if self._ask is None:
            return None
        there = self._ask(rows.ids, [digest(text).hex() for text in rows.texts] or [""] * len(rows.ids))
        if self._on_conflict == "error":
            name, table = self._layout.id, self._target.name
            first = {rows.document(i): rows.ids[i] for i in reversed(there.ids.nonzero()[0].tolist())}
            _refuse({i: f"{name} {id!r} is in {table} already" for i, id in first.items()}, piece)
        return there

    def _finished(self, piece: Piece, rows: Rows, there: There | None) -> Batch:
        import numpy as np

        count = len(rows.ids)
        keep = np.ones(count, bool) if there is None or self._on_conflict != "skip" else ~rows.as_first(there.ids)
        known = np.zeros(count, bool) if there is None or self._on_conflict != "update" else there.texts
        started = time.perf_counter()
        fields = rows.fields
        if self._model is not None:
            fields[self._layout.vector] = self._embedded(self._model, rows.texts, keep & ~known, piece)
        seconds = time.perf_counter() - started if self._model is not None else 0.0
        if self._target.hash:
            fields[self._target.hash] = [digest(text)[:16] for text in rows.texts]
        if not keep.all():
            fields = {name: _taken(values, keep) for name, values in fields.items()}
        kept = int(keep.sum())
        self.reused += int(known.sum())
        self._go_on()
        ordered = {column.name: fields[column.name] for column in self._target.columns}
        data = encode.rows(ordered, kept)
        return Batch(data, kept, piece.first, count - kept, len(piece.frame), embed_seconds=seconds)

    def _embedded(self, model: Embedder, texts: list[str], wanted: NDArray[np.bool_], piece: Piece) -> Field:
        """Return the vectors of the wanted rows, null for the others."""
        rows = wanted.nonzero()[0].tolist()
        some = [texts[i] for i in rows]
        where = f"rows {piece.first} to {piece.first + len(piece.frame) - 1} of the source, numbered from 0 here"
        try:
            matrix = model.embed(some, progress=self._go_on)
        except EmbedError as error:
            raise EmbedError(f"{where}: {error.message}", error.hint) from error
        self.too_long += len(model.too_long(some))
        made = self.vectors.made(matrix, where)
        if len(rows) == len(texts):
            return made
        field: list[bytes | None] = [None] * len(texts)
        for i, item in zip(rows, wire.payloads(made), strict=True):
            field[i] = item
        return field


def _contents(values: pd.Series[Any], kind: str) -> list[str]:
    """Return values for their rows' ids: as the column has them, for a frame's own types depend on where it was cut."""
    stored = values.tolist()
    if kind in (*_WHOLE, "numeric"):
        stored = [int(v) if isinstance(v, float) and v.is_integer() else v for v in stored]
    elif kind in _FRACTIONS:
        stored = [float(v) if type(v) is int and abs(v) <= LARGEST else v for v in stored]
    return ["nan" if null else as_text(v) for v, null in zip(stored, values.isna().tolist(), strict=True)]


def _encoded(values: pd.Series[Any], column: Column) -> tuple[Field, Bad]:
    if values.dtype == "category":
        values = values.astype(values.cat.categories.dtype)
    if column.kind in encode.ENCODED:
        return encode.field(values, column.kind)
    literal = as_array if column.sql_type.endswith("[]") else as_text
    texts = values.astype(object).map(literal, na_action="ignore")
    return encode.field(texts, "text")


def _ids_as_texts(values: pd.Series[Any], field: Field, key: Column) -> list[str]:
    """Return ids as the server reads them; what was encoded tells them best: 1.0 is a bigint's 1."""
    if key.kind in _CHARACTERS and isinstance(field, list):
        return [(item or b"").decode() for item in field]
    if key.kind in _WHOLE and not isinstance(field, list):
        return list(map(str, field.tolist()))
    return [as_text(value) for value in values.tolist()]


def _taken(field: Field, keep: NDArray[np.bool_]) -> Field:
    if isinstance(field, list):
        return [value for value, kept in zip(field, keep.tolist(), strict=True) if kept]
    return field[keep]


def _refuse(bad: Bad, piece: Piece) -> None:
    if not bad:
        return
    last = piece.first + len(piece.frame) - 1
    lines = [f"{len(bad):,} of the rows {piece.first} to {last} of the source, counted from 0, cannot be stored:"]
    lines += [f"  row {piece.first + i}: {bad[i]}" for i in sorted(bad)[:_SHOWN]]
    if len(bad) > _SHOWN:
        lines.append(f"  … and {len(bad) - _SHOWN:,} more")
    hint = "none of these rows was written; mend or drop the bad ones and run the same load again: it goes on there"
    raise LoadError("\n".join(lines), hint)
