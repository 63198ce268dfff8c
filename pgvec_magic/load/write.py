"""Batches -> the table: straight by COPY while nobody else's rows are there, else through a staging table."""

from __future__ import annotations

import io
from dataclasses import dataclass

from ..db import Copy, Database
from ..errors import LoadError, QueryError
from ..query import Query
from ..sqltext import quote_ident, quote_literal
from .layout import CHUNK, PARENT
from .target import Column, Target

_STAGE = "pg_temp.pgvec_stage"
_ATTEMPTS = 5
_DUPLICATE_KEY = "23505"
_TRY_AGAIN = ("40001", "40P01")  # serialization failure, deadlock: nobody's fault
# A batch need not wait for the disk: should the server crash, the same load goes on from what was kept, and the ANALYZE
# at its end waits for all before it.
_UNHURRIED = (("synchronous_commit", "off"),)
_OF_PGVECTOR = ("vector", "halfvec", "sparsevec")
_NOT_COMPARABLE = ("json", "xml", "point", "box", "line", "lseg", "path", "polygon", "circle")

_UNCHANGED = """
BEGIN
  LOCK TABLE {name} IN ROW EXCLUSIVE MODE;
  IF EXISTS (SELECT FROM (VALUES {known}) AS known(name, type) JOIN pg_attribute AS a
             ON a.attrelid = {table}::regclass AND a.attname = known.name AND NOT a.attisdropped
             WHERE format_type(a.atttypid, a.atttypmod) <> known.type) THEN
    RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch', MESSAGE = 'the types of the table''s columns were changed',
      HINT = 'run the same load again: it goes on from there';
  END IF;
END
"""

_STILL_SO = """
BEGIN
  IF EXISTS (SELECT FROM {stage} AS s LEFT JOIN {table} AS t ON {same} WHERE {changed}) THEN
    RAISE EXCEPTION 'somebody else changed some of them, whose vectors were to be kept'
      USING ERRCODE = '22000', HINT = 'run the same load again: it embeds what has changed';
  END IF;
END
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in COPY's binary form, and the position in the source of the first of those it was made of.

    It was made of ``documents`` rows of the source; ``skipped`` of its rows are left out; a null stands for a vector
    that the table has already.
    """

    data: bytes
    rows: int
    first: int
    skipped: int
    documents: int
    embed_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the rows of a batch; those in no count were in the table just so.

    ``deleted`` are chunks of documents that are shorter now.
    """

    inserted: int = 0
    updated: int = 0
    skipped: int = 0
    deleted: int = 0


class _AtOnce(io.BytesIO):
    """Bytes that are read in one piece: each further read would wait for the interpreter's lock."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read()


class Writer:
    """Writes batches, each in a transaction of its own."""

    def __init__(self, db: Database, target: Target, on_conflict: str) -> None:
        self._db = db
        self._target = target
        self._on_conflict = on_conflict
        self._direct = target.empty and target.direct

    def write(self, batch: Batch) -> Written:
        """Store a batch, all of it or nothing; LoadError for values that the server refuses."""
        if not batch.rows:
            return Written()
        try:
            return self._written(batch)
        except QueryError as error:
            if error.sqlstate is None or error.sqlstate[:2] not in ("21", "22", "23", "54"):
                raise
            raise LoadError(
                f"rows {batch.first} to {batch.first + batch.documents - 1} of the source, counted from 0, "
                f"were refused: {error.message}",
                error.hint or "none of them was written; mend them and run the same load again: it goes on from there",
            ) from error

    def _written(self, batch: Batch) -> Written:
        if self._direct:
            try:
                copy = self._copy(batch, self._target.sql_name)
                *_, copied = self._db.transaction([self._unchanged(), copy])
                return Written(int(copied.status.removeprefix("COPY ")))  # a trigger may have kept some out
            except QueryError as error:
                if error.sqlstate not in (_DUPLICATE_KEY, *_TRY_AGAIN) or self._on_conflict == "error":
                    raise
                self._direct = False  # somebody else is loading the same rows
        return self._upserted(batch)

    def _upserted(self, batch: Batch) -> Written:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                steps: list[Query | Copy] = [self._stage(), self._copy(batch, _STAGE), self._still_so()]
                *_, written, surplus = self._db.transaction([*steps, self._merge(), self._surplus()])
                inserted, changed = written.rows[0]
                skipped = batch.rows - inserted if self._on_conflict == "skip" else 0
                return Written(inserted, changed - inserted, skipped, surplus.rows[0][0])
            except QueryError as error:
                if error.sqlstate not in _TRY_AGAIN or attempt == _ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _copy(self, batch: Batch, table: str) -> Copy:
        columns = ", ".join(quote_ident(column.name) for column in self._target.columns)
        return Copy(f"COPY {table} ({columns}) FROM STDIN WITH (FORMAT binary)", _AtOnce(batch.data))

    def _unchanged(self) -> Query:
        """Return the statement that keeps the table's types as they are, and fails unless they are as they were.

        COPY takes the eight bytes of a bigint for a double precision, or a timestamp, without a word.
        """
        table = quote_literal(self._target.sql_name)
        known = ", ".join(f"({quote_literal(c.name)}, {quote_literal(c.sql_type)})" for c in self._target.columns)
        body = _UNCHANGED.format(name=self._target.sql_name, table=table, known=known)
        return Query(f"DO {quote_literal(body)}".replace("%", "%%"), settings=_UNHURRIED)

    def _stage(self) -> Query:
        columns = ", ".join(f"{quote_ident(c.name)} {c.staged}" for c in self._target.columns)
        statement = f"CREATE TEMPORARY TABLE pgvec_stage ({columns}) ON COMMIT DROP"
        return Query(statement.replace("%", "%%"), settings=_UNHURRIED)

    def _still_so(self) -> Query:
        """Return the statement that fails when a row that was to keep its vector has another text by now or is gone."""
        target, layout = self._target, self._target.layout
        if layout.given or not layout.text:
            return Query("SELECT")
        names = (*layout.text, target.hash) if target.hash else layout.text
        differ = " OR ".join(self._differs(column, self._sent(column)) for column in map(target.column, names))
        key, vector = quote_ident(layout.id), quote_ident(layout.vector)
        body = _STILL_SO.format(
            stage=_STAGE,
            table=target.sql_name,
            same=f"t.{key} = s.{key}::{target.column(layout.id).sql_type}",
            changed=f"s.{vector} IS NULL AND (t.{key} IS NULL OR {differ})",
        )
        return _query(f"DO {quote_literal(body)}")

    def _merge(self) -> Query:
        """Return the one statement that inserts and updates, in order of the key, so that loads do not deadlock.

        Rows that are there just so are left out first: for each row it gets, INSERT makes the generated columns.
        """
        target, key = self._target, quote_ident(self._target.layout.id)
        columns = ", ".join(quote_ident(column.name) for column in target.columns)
        values = ", ".join(self._sent(column) for column in target.columns)
        key_type = target.column(target.layout.id).sql_type
        return _query(f"""
WITH written AS (
INSERT INTO {target.sql_name} AS t ({columns}) OVERRIDING SYSTEM VALUE
SELECT {values} FROM {_STAGE} AS s LEFT JOIN {target.sql_name} AS t ON t.{key} = s.{key}::{key_type}
{self._wanted(key)}
ORDER BY s.{key}
{self._conflict(key)}
RETURNING {self._inserted(key)} AS inserted
)
SELECT count(*) FILTER (WHERE inserted), count(*) FROM written""")

    def _surplus(self) -> Query:
        """Return the statement that deletes the chunks that documents had when they were longer, and counts them."""
        target = self._target
        if not target.layout.chunked or self._on_conflict != "update":
            return Query("SELECT 0")
        parent, chunk = quote_ident(PARENT), quote_ident(CHUNK)
        return _query(f"""
WITH deleted AS (
DELETE FROM {target.sql_name} AS t USING (SELECT {parent}, max({chunk}) AS last FROM {_STAGE} GROUP BY {parent}) AS s
WHERE t.{parent} = s.{parent}::{target.column(PARENT).sql_type} AND t.{chunk} > s.last
RETURNING t.{chunk}
)
SELECT count(*) FROM deleted""")

    def _inserted(self, key: str) -> str:
        """Return the SQL that tells a row that is new; a row of a partition does not tell who locked it."""
        if not self._target.partitioned:
            return "t.xmax = 0"
        return f"NOT EXISTS (SELECT FROM {self._target.sql_name} AS before WHERE before.{key} = t.{key})"

    def _sent(self, column: Column) -> str:
        """Return a staged value as the column takes it; a vector that was not sent is the one that is there."""
        name = quote_ident(column.name)
        value = f"s.{name}" if column.staged == column.sql_type else f"s.{name}::{column.sql_type}"
        return f"coalesce({value}, t.{name})" if column.name == self._target.layout.vector else value

    def _wanted(self, key: str) -> str:
        if self._on_conflict == "error":
            return ""
        changed = " OR ".join(self._differs(column, self._sent(column)) for column in self._others)
        return f"WHERE t.{key} IS NULL{f' OR {changed}' if self._on_conflict == 'update' else ''}"

    def _conflict(self, key: str) -> str:
        if self._on_conflict == "error":
            return ""
        if self._on_conflict == "skip":
            return f"ON CONFLICT ({key}) DO NOTHING"
        names = [quote_ident(column.name) for column in self._others]
        sets = ", ".join(f"{name} = excluded.{name}" for name in names)
        differs = " OR ".join(self._differs(c, f"excluded.{quote_ident(c.name)}") for c in self._others)
        return f"ON CONFLICT ({key}) DO UPDATE SET {sets}\nWHERE {differs}"

    @property
    def _others(self) -> list[Column]:
        return [column for column in self._target.columns if column.name != self._target.layout.id]

    def _differs(self, column: Column, new: str) -> str:
        old = f"t.{quote_ident(column.name)}"
        if column.kind in _OF_PGVECTOR:  # whose = is not found where the extension is not on the search path
            both = f"num_nulls({old}, {new}) = 2"
            return f"({old} OPERATOR({self._target.operators}=) {new}) IS NOT TRUE AND NOT {both}"
        if column.kind in _NOT_COMPARABLE:
            old, new = f"{old}::text", f"({new})::text"
        return f"{old} IS DISTINCT FROM {new}"


def _query(sql: str) -> Query:
    return Query(sql.replace("%", "%%"))
