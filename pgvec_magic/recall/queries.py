"""What is asked: rows of the table, vectors or texts that are given, or the searches made so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import catalog, embed
from ..catalog.given import bound, check_dimensions, given_vector
from ..errors import UsageError, did_you_mean
from ..rows import Key, Source, wire

if TYPE_CHECKING:
    from ..catalog import VectorColumn

HISTORY = "history"
# What people call a column of texts to search for.
_TEXTS = ("query", "question", "text")
# With fewer the interval is too wide to tell 0.90 from 0.95.
_ENOUGH = 50


@dataclass(frozen=True, slots=True)
class Queries:
    """Vectors as they are sent; of one that is a row's, the row's key as texts (``own``) and as values (``mine``)."""

    vectors: Sequence[Any]
    own: Sequence[Key | None]
    mine: Sequence[tuple[object, ...] | None]
    said: str
    notes: tuple[str, ...] = ()

    @property
    def of_rows(self) -> bool:
        """Whether they are rows of the table, each of which finds itself."""
        return any(key is not None for key in self.own)


def find_queries(source: Source, asked: object) -> Queries:
    """Return the queries: so many rows at random, ``"history"``, or vectors and texts in a list, array or frame.

    Raises UsageError for what holds none, or vectors that do not fit the column; EmbedError.
    """
    if isinstance(asked, int) and not isinstance(asked, bool):
        found = _of_rows(source, asked)
    elif isinstance(asked, str):
        found = _of_history(source, asked)
    else:
        found = _given(source, asked)
    if len(found.vectors) >= _ENOUGH:
        return found
    few = f"with so few queries ({len(found.vectors)}) the interval is wide: 200 tell more"
    return Queries(found.vectors, found.own, found.mine, found.said, (*found.notes, few))


def _of_rows(source: Source, count: int) -> Queries:
    if count < 1:
        raise UsageError(f"queries: {count} is not a whole number of 1 or more")
    column = source.target.need_vectors().column
    rows = [(key, values, _vector(sent, column.type)) for key, values, sent in source.drawn(count)]
    known = [row for row in rows if _can_be_asked(row[2], source)]
    if not known:
        raise UsageError(f"{source.target.table.label} has no row with a vector to ask about", "give queries=")
    lost = len(rows) - len(known)
    notes = (f"{lost} of the rows drawn have a vector of zeros, and were not asked about",) if lost else ()
    keys, values, vectors = zip(*known, strict=True)
    said = f"{len(known)} rows at random, each without itself"
    return Queries(vectors, keys, values, said, notes)


def _vector(sent: bytes, kind: str) -> Any:
    if kind == "sparsevec":
        from pgvector import SparseVector

        places, numbers = wire.sparse(sent)
        values = dict(zip(places.tolist(), numbers.tolist(), strict=True))
        return SparseVector(values, wire.dimensions([sent], kind))
    return bound(wire.dense([sent], kind, "bool" if kind == "bit" else "float32")[0])


def _can_be_asked(vector: Any, source: Source) -> bool:
    """Whether there is a distance from it: by cosine zeros have none."""
    if source.target.need_vectors().metric.name != "cosine":
        return True
    return bool(vector.values() if hasattr(vector, "values") else vector.any())


def _of_history(source: Source, asked: str) -> Queries:
    table, column = source.target.table, source.target.need_vectors().column
    if asked != HISTORY:
        raise UsageError(f"queries: {asked!r} is neither a number nor {HISTORY}", did_you_mean(asked, [HISTORY]))
    past = [v for v in catalog.past_searches(source.db, table, column.name) if _can_be_asked(v, source)]
    if not past:
        raise UsageError(
            f"no search of {table.label}.{column.name} was made through this connection",
            "search first, or leave queries out: then rows of the table are asked about",
        )
    return _plain(past, f"the latest {len(past)} searches made here")


def _given(source: Source, asked: Any) -> Queries:
    column = source.target.need_vectors().column
    values = list(_column_of(asked, column) if hasattr(asked, "columns") else asked)
    if not values:
        raise UsageError("queries: there are none")
    if all(isinstance(value, str) for value in values) and not str(values[0]).lstrip().startswith(("[", "{")):
        values = _embedded(source, values)
    vectors = [given_vector(value, column) for value in values]
    for vector in vectors:
        check_dimensions(vector, column, source.target.table)
        if not _can_be_asked(vector, source):
            raise UsageError("a query is all zeros: it has no direction, so no cosine distance to anything")
    return _plain([bound(vector) for vector in vectors], f"{len(values)} given queries")


def _plain(vectors: list[Any], said: str) -> Queries:
    return Queries(vectors, [None] * len(vectors), [None] * len(vectors), said)


def _column_of(frame: Any, column: VectorColumn) -> Any:
    names = list(frame.columns)
    wanted = next((name for name in (column.name, *_TEXTS) if name in names), names[0] if len(names) == 1 else None)
    if wanted is None:
        called = ", ".join((column.name, *_TEXTS))
        raise UsageError(f"queries: which column of {', '.join(map(str, names))}?", f"call it one of {called}")
    return frame[wanted]


def _embedded(source: Source, texts: list[str]) -> list[Any]:
    column, table = source.target.need_vectors().column, source.target.table
    if column.embedder is None:
        raise UsageError(
            f"no model is remembered for {table.label}.{column.name}, to embed the queries", "give vectors"
        )
    return list(embed.get(column.embedder).embed(texts, role="query"))
