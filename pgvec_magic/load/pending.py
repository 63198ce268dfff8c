"""Rows of a table whose text is newer than their vector: read a window at a time, written a few at a time."""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..db import Copy, Database
from ..errors import QueryError
from ..query import Query
from ..sqltext import bind, quote_ident
from . import encode, texts
from .column import Embedding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .wire import Field

Key = tuple[str, ...]
ROWS, _BYTES = 512, 1 << 23  # of a window, so that memory stays flat whatever the length of the texts
_STAGE = "pg_temp.pgvec_vectors"
_TRY_AGAIN = ("40001", "40P01")  # serialization failure, deadlock: nobody's fault
# Each row is looked up by its key; a batch need not wait for the disk, as what a crash takes is pending again.
_SETTINGS = (("synchronous_commit", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off"))


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its key, and what is to be done with it.

    ``todo`` is "embed", "note" (the vector is taken for that of the text), "clear" (there is no text any more), "kept"
    (so too, but the vector must not be null), "none" or "empty" (neither text nor vector); ``hash`` is that of
    ``text``, which is there only to be embedded.
    """

    key: Key
    hash: str
    todo: str
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Which rows are looked at: conditions as a person wrote them, and the values of their ``:name``."""

    where: Sequence[str]
    params: Mapping[str, object]

    @property
    def sql(self) -> list[str]:
        """The conditions for the text of a ``Query``."""
        return [f"(\n{bind(condition, self.params.keys())}\n)" for condition in self.where]


def count(db: Database, embedding: Embedding, condition: Condition) -> int:
    """Return how many rows there are to look at."""
    where = f" WHERE {' AND '.join(condition.sql)}" if condition.where else ""
    return int(
        db.run(Query(f"SELECT count(*) FROM {_q(embedding.table)}{where}", condition.params, reads=True)).rows[0][0]
    )


def to_embed(db: Database, embedding: Embedding, condition: Condition, sample: int) -> tuple[int, list[str]]:
    """Return how many rows are to be embedded, and the texts of the first of them, at most ``sample``."""
    where = f" WHERE {' AND '.join(condition.sql)}" if condition.where else ""
    sql = f"""
WITH todo AS NOT MATERIALIZED (
SELECT row_text FROM (SELECT {_looked(embedding)} FROM {_q(embedding.table)}{where}) AS looked WHERE {_TODO} = 'embed'
), sample AS (
SELECT row_text, sum(octet_length(row_text)) OVER (ROWS UNBOUNDED PRECEDING) - octet_length(row_text) AS before
FROM (SELECT row_text FROM todo LIMIT {sample}) AS first
)
SELECT (SELECT count(*) FROM todo), (SELECT array_agg(row_text) FROM sample WHERE before < {_BYTES})"""
    ((found, some),) = db.run(Query(sql, condition.params, reads=True)).rows
    return found, some or []


def window(db: Database, embedding: Embedding, condition: Condition, after: Key | None) -> list[Row]:
    """Return the next rows in order of the key; none at the end."""
    keys = _keys(embedding)
    beyond = [] if after is None else [f"({', '.join(keys)}) > ({', '.join(_bound(embedding))})"]
    params = {f"key {i}": value for i, value in enumerate(after or ())}
    return _read(db, embedding, [*condition.sql, *beyond], {**condition.params, **params})


def again(db: Database, embedding: Embedding, condition: Condition, keys: Sequence[Key]) -> list[Row]:
    """Return rows by their keys as they are now; those that are gone are not among them."""
    names = _keys(embedding)
    listed = ", ".join(f"%(key {i})s::text[]" for i in range(len(names)))
    columns = ", ".join(f"k{i}::{kind}" for i, kind in enumerate(map(_q, embedding.keys.values())))
    wanted = f"SELECT {columns} FROM unnest({listed}) AS k({', '.join(f'k{i}' for i in range(len(names)))})"
    params = {f"key {i}": [key[i] for key in keys] for i in range(len(names))}
    member = f"({', '.join(names)}) IN ({wanted})"
    return _read(db, embedding, [*condition.sql, member], {**condition.params, **params})


def _read(db: Database, embedding: Embedding, where: list[str], params: Mapping[str, object]) -> list[Row]:
    some = f" WHERE {' AND '.join(where)}" if where else ""
    count = len(embedding.keys)
    aliases = [f"key_{i}" for i in range(count)]
    named = ", ".join(f"{key} AS {alias}" for key, alias in zip(_keys(embedding), aliases, strict=True))
    order, ordinals = ", ".join(aliases), ", ".join(str(i + 1) for i in range(count))
    sql = f"""
WITH looked AS MATERIALIZED (
SELECT {named}, {_looked(embedding)}
FROM {_q(embedding.table)}{some}
ORDER BY {ordinals} LIMIT {ROWS}
), measured AS (
SELECT *, {_TODO} AS todo, sum(octet_length(row_text)) OVER (ORDER BY {order}) - octet_length(row_text) AS before
FROM looked
)
SELECT {", ".join(f"{alias}::text" for alias in aliases)}, row_hash::text, todo,
  CASE todo WHEN 'embed' THEN row_text END, has_vector
FROM measured WHERE before < {_BYTES} ORDER BY {", ".join(f"measured.{alias}" for alias in aliases)}"""
    rows = db.run(Query(sql, params, reads=True)).rows
    cleared = "clear" if embedding.nullable else "kept"
    return [_row(cleared, tuple(row[:count]), *row[count:]) for row in rows]


def _row(cleared: str, key: Key, hash: str, todo: str, text: str | None, has_vector: bool) -> Row:
    if todo == "embed" and not (text or "").strip():  # more signs are blank in Python than on the server
        todo = "clear" if has_vector else "empty"
    return Row(key, hash, cleared if todo == "clear" else todo, (text or "") if todo == "embed" else "")


_TODO = """CASE WHEN row_text !~ '[^[:space:]]' THEN CASE WHEN has_vector THEN 'clear' ELSE 'empty' END
  WHEN NOT has_vector THEN 'embed' WHEN noted_hash IS NULL THEN 'note'
  WHEN noted_hash = row_hash THEN 'none' ELSE 'embed' END"""


def _looked(embedding: Embedding) -> str:
    text = texts.sql(embedding.text)
    return (
        f"{_q(text)} AS row_text, {_q(_hashed(text))} AS row_hash, {_q(quote_ident(embedding.hash))} AS noted_hash,\n"
        f"  {_q(quote_ident(embedding.vector.name))} IS NOT NULL AS has_vector"
    )


def _hashed(text: str) -> str:
    return f"encode(substr(sha256(convert_to({text}, 'UTF8')), 1, 16), 'hex')::uuid"


def written(
    db: Database, embedding: Embedding, rows: Sequence[Row], vectors: Sequence[bytes | None]
) -> tuple[set[int], set[int]]:
    """Store the vectors of rows, null where none was made, in one short transaction.

    Return which rows got theirs, and which the table itself keeps as they are: a trigger or a rule of its. The others
    have another text by now, are gone, or are being written by somebody else, for whom this does not wait.
    """
    fields: dict[str, Field] = {f"key_{i}": [row.key[i].encode() for row in rows] for i in range(len(embedding.keys))}
    fields["place"] = _places(len(rows))
    fields["row_hash"] = [uuid.UUID(row.hash).bytes for row in rows]
    fields["todo"] = [row.todo.encode() for row in rows]
    fields["vector"] = list(vectors)
    copy = Copy(f"COPY {_STAGE} FROM STDIN WITH (FORMAT binary)", io.BytesIO(encode.rows(fields, len(rows))))
    try:
        *_, done = db.transaction([_stage(embedding), copy, Query(_update(embedding))])
    except QueryError as error:
        if error.sqlstate not in _TRY_AGAIN:
            raise
        return set(), set()
    stored = {place for place, is_stored in done.rows if is_stored}
    return stored, {place for place, _ in done.rows} - stored


def _places(count: int) -> NDArray[np.int32]:
    import numpy as np

    return np.arange(count, dtype=np.int32)


def _stage(embedding: Embedding) -> Query:
    keys = ", ".join(f"key_{i} text" for i in range(len(embedding.keys)))
    columns = f"{keys}, place int4, row_hash uuid, todo text, vector {embedding.vector.staged}"
    return Query(_q(f"CREATE TEMPORARY TABLE pgvec_vectors ({columns}) ON COMMIT DROP"), settings=_SETTINGS)


def _update(embedding: Embedding) -> str:
    vector, hash = quote_ident(embedding.vector.name), quote_ident(embedding.hash)
    same = " AND ".join(
        f"t.{quote_ident(name)} = s.key_{i}::{kind}" for i, (name, kind) in enumerate(embedding.keys.items())
    )
    return _q(f"""
WITH free AS MATERIALIZED (
SELECT s.place FROM {_STAGE} AS s JOIN {embedding.table} AS t ON {same}
WHERE {_hashed(texts.sql(embedding.text, "t"))} = s.row_hash
FOR NO KEY UPDATE OF t SKIP LOCKED
), stored AS (
UPDATE {embedding.table} AS t SET
  {vector} = CASE s.todo WHEN 'note' THEN t.{vector} ELSE s.vector::{embedding.vector.sql_type} END,
  {hash} = CASE s.todo WHEN 'clear' THEN NULL ELSE s.row_hash END
FROM {_STAGE} AS s WHERE {same} AND s.place IN (SELECT place FROM free)
RETURNING s.place
)
SELECT free.place, stored.place IS NOT NULL FROM free LEFT JOIN stored USING (place)""")


def _keys(embedding: Embedding) -> list[str]:
    return [_q(quote_ident(name)) for name in embedding.keys]


def _bound(embedding: Embedding) -> list[str]:
    return [f"%(key {i})s::{_q(kind)}" for i, kind in enumerate(embedding.keys.values())]


def _q(sql: str) -> str:
    """Return SQL for the text of a ``Query``, where every ``%`` stands twice."""
    return sql.replace("%", "%%")
