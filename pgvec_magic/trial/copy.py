"""A copy of some rows of a table on a connection of its own, which takes it along however it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import types
from collections.abc import Iterator
from typing import Any, Self

from .. import catalog
from ..catalog import TableInfo, VectorColumn
from ..catalog.given import given_vector
from ..db import Database
from ..errors import QueryError, UsageError
from ..index import IndexSpec, build_memory
from ..query import Query
from ..query.target import ident
from ..sqltext import quote_ident

# A temporary table is dropped by the server when its connection ends: by an interrupt, or with the kernel.
NAME, _DRAWN = "pgvec_trial", "pgvec_trial_drawn"
INDEX, _KEY = "pgvec_trial_idx", "pgvec_trial_key"
_NOT_HERE = ("25006", "42501")
# The planner would rather read so few rows all; temporary tables have no place in shared_buffers.
_SESSION = ("SET enable_seqscan = off", "SET temp_buffers = '{buffers}MB'")
_MIB = 1024 * 1024
_MARGIN = 1.05


class Copy:
    """The copy, on a clone of a connection, which ends with the block that it is made for."""

    def __init__(self, db: Database, info: TableInfo, column: VectorColumn) -> None:
        if db.readonly:
            raise UsageError("this connection is read-only", "connect without --readonly: indexes are built on a copy")
        if db.pooled():
            told = "there is a pooler in between, which gives the copy's connection to others"
            raise UsageError(told, "connect past it to compare indexes")
        self.info, self.column = info, column
        self.db = db.clone(f"{db.name} (trial)")
        self.db.timeout = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.db.close()

    def draw(self, rows: int, queries: int, *, with_direction: bool) -> tuple[int, list[Any]]:
        """Draw rows, and vectors to ask about that are not among them; return how many rows there are, and these.

        ``with_direction`` leaves vectors of zeros out. UsageError without the right to make temporary tables.
        """
        column, known = ident(self.column.name), f"{ident(self.column.name)} IS NOT NULL"
        if with_direction:
            known += f" AND ({column} {self._operator('<=>')} {column}) < 2"  # NaN is above all numbers
        drawn = f"SELECT {column} FROM {self.info.sql_name.replace('%', '%%')} WHERE {known}"
        wanted = f"{drawn} ORDER BY random() LIMIT {rows + queries}"
        made = (
            f"CREATE TEMPORARY TABLE {_DRAWN} AS SELECT row_number() OVER () AS {_KEY}, * FROM (\n{wanted}\n) AS drawn"
        )
        buffers = max(8, min(256, 2 * (rows + queries) * 4 * (self.column.dimensions or 1) // _MIB))
        try:
            for setting in _SESSION:
                self.db.run(Query(setting.format(buffers=buffers)))
            self.db.run(Query(made))
            self.db.run(Query(f"CREATE TEMPORARY TABLE {NAME} (LIKE {_DRAWN}, PRIMARY KEY ({_KEY}))"))
        except QueryError as error:
            if error.sqlstate not in _NOT_HERE:
                raise
            place = self.db.place
            hint = f"GRANT TEMPORARY ON DATABASE {quote_ident(place.database)} TO {self.db.role or place.user}"
            raise UsageError(f"no copy can be made here: {error.message.partition(chr(10))[0]}", hint) from None
        ((count,),) = self.db.run(Query(f"SELECT count(*) FROM {_DRAWN}", reads=True)).rows
        asked = min(queries, count // 3)
        last = f"SELECT {column} FROM {_DRAWN} WHERE {_KEY} > {count - asked} ORDER BY {_KEY}"
        vectors = self.db.run(Query(last, reads=True)).rows
        return count - asked, [given_vector(vector, self.column) for (vector,) in vectors]

    def fill(self, first: int, last: int) -> float:
        """Have the rows from ``first`` to ``last`` in the copy, and return the seconds that takes."""
        took = self.db.run(Query(f"INSERT INTO {NAME} SELECT * FROM {_DRAWN} WHERE {_KEY} BETWEEN {first} AND {last}"))
        self.db.run(Query(f"ANALYZE {NAME}"))
        return took.seconds

    @contextlib.contextmanager
    def emptied(self) -> Iterator[None]:
        """Begin and end without rows and without an index."""
        statement = Query(f"DROP INDEX IF EXISTS {INDEX}; TRUNCATE {NAME}")
        self._changed(statement)
        yield
        self._changed(statement)

    def build(self, spec: IndexSpec, rows: int, most: int) -> tuple[float, int]:
        """Build the index and return the seconds and its bytes; it has the memory it takes, up to ``most`` bytes."""
        made = dataclasses.replace(spec, schema="pg_temp", table=NAME, name=INDEX)
        seconds = self._changed(Query(made.sql().replace("%", "%%"), settings=_memory(spec, rows, most)))
        return seconds, self.bytes()

    def rebuild(self, spec: IndexSpec, rows: int, most: int) -> float:
        """Build the index anew as REINDEX does, and return the seconds."""
        return self._changed(Query(f"REINDEX INDEX {INDEX}", settings=_memory(spec, rows, most)))

    def bytes(self, name: str = INDEX) -> int:
        """Return the size of the index, or of the copy."""
        return int(self.db.run(Query(f"SELECT pg_relation_size('{name}')", reads=True)).rows[0][0])

    def _changed(self, statement: Query) -> float:
        seconds = self.db.run(statement).seconds
        catalog.forget(self.db)
        return seconds

    def _operator(self, operator: str) -> str:
        schema = self.info.extension_schema
        return f"OPERATOR({ident(schema)}.{operator})" if schema else operator


def _memory(spec: IndexSpec, rows: int, most: int) -> tuple[tuple[str, str], ...]:
    needed = int(build_memory(spec, rows) * _MARGIN) + _MIB
    return (("maintenance_work_mem", f"'{min(needed, max(most, 64 * _MIB)) // 1024}kB'"),)
