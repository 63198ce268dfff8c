"""One connection: messages on its own worker thread, so that an interrupt cancels on the server at once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any, TypeVar

from ..errors import ConnectError, PgvecError, QueryError
from ..query import Query
from . import values
from .failures import translated

if TYPE_CHECKING:
    import psycopg2.extensions

T = TypeVar("T")
Setting = tuple[str, str]
# A backend that a cancel has reached answers within this time; after it the caller gets control back anyway.
CANCEL_SECONDS = 5.0
# SQLSTATE active_sql_transaction: a statement that cannot run inside a transaction block.
ALONE = "25001"


@dataclass(frozen=True, slots=True)
class Rows:
    """What a message gave: column names, rows as tuples, the status tag, server notices, and seconds on the wire."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    status: str = ""
    notices: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Copy:
    """A ``COPY … FROM STDIN`` and the binary stream it reads."""

    sql: str
    stream: IO[bytes]


@dataclass(slots=True)
class Database:
    """A named connection; it runs one statement at a time and is safe to use from several threads.

    ``cache`` holds what the catalog has read through it, until something may have changed.
    """

    name: str
    readonly: bool
    dsn: str = field(repr=False)
    timeout: float | None = None
    embedded: bool = False
    cache: dict[str, Any] = field(default_factory=dict, repr=False)
    _connection: psycopg2.extensions.connection | None = field(default=None, init=False, repr=False)
    _worker: ThreadPoolExecutor = field(init=False, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)

    def __post_init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"pgvec-{self.name}")
        self._on_worker(self._open)

    def run(self, query: Query) -> Rows:
        """Send one message, an implicit transaction of its own; QueryError with the server's words when it fails.

        A lost link: a query that only reads is sent again once, any other is not.
        """
        return self._on_worker(lambda: self._send_again_if_lost(query))

    def transaction(self, steps: Sequence[Query | Copy]) -> list[Rows]:
        """Run the steps between BEGIN and COMMIT: all of them or none; never sent again."""
        return self._on_worker(lambda: self._transaction(steps))

    def cancel(self) -> None:
        """Ask the server to stop what this connection runs; harmless when it runs nothing."""
        connection = self._connection
        if connection is not None and not connection.closed:
            connection.cancel()

    def clone(self, name: str | None = None) -> Database:
        """Open another connection to the same place, for work beside this one; close it when done."""
        return Database(name or f"{self.name} (clone)", self.readonly, self.dsn, self.timeout, self.embedded)

    def close(self) -> None:
        """Close the connection and end its thread; a running statement is cancelled."""
        self.cancel()
        self._worker.submit(self._disconnect)
        self._worker.shutdown(wait=True)

    def _on_worker(self, work: Callable[[], T]) -> T:
        future = self._worker.submit(work)
        try:
            return future.result()
        except KeyboardInterrupt:
            self._stop(future)
            raise

    def _stop(self, future: Future[Any]) -> None:
        future.cancel()
        self.cancel()
        with contextlib.suppress(Exception):
            future.result(CANCEL_SECONDS)

    def _open(self) -> psycopg2.extensions.connection:
        import psycopg2

        try:
            connection = psycopg2.connect(self.dsn)
        except psycopg2.OperationalError as error:
            raise ConnectError(str(error).strip()) from None
        connection.autocommit = True
        self._connection = connection
        _read_vectors_as_arrays(connection)
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _send_again_if_lost(self, query: Query) -> Rows:
        connection = self._connection
        if connection is None or connection.closed:
            self._open()
        try:
            return self._send(query)
        except QueryError:
            if not self._lost():
                raise
        if not (query.reads or self.readonly):
            raise QueryError(
                "the connection was lost while a statement ran, and it may or may not have taken effect",
                "look at the data, then run it again; the next statement connects anew",
            )
        self._open()
        rows = self._send(query)
        return replace(rows, notices=("the connection was lost; connected again and repeated the query", *rows.notices))

    def _lost(self) -> bool:
        return self._connection is None or bool(self._connection.closed)

    def _send(self, query: Query) -> Rows:
        prefix = "".join(f"SET LOCAL {name} = {value};" for name, value in self._settings(query)).replace("%", "%%")
        try:
            return self._execute(prefix, query)
        except QueryError as error:
            # VACUUM and the like refuse the transaction that a message with a setting is; nothing was done yet.
            if error.sqlstate != ALONE or query.settings or self.readonly or not prefix:
                raise
        return self._execute("", query)

    def _settings(self, query: Query) -> list[Setting]:
        settings: list[Setting] = []
        if query.reads or self.readonly:
            settings.append(("transaction_read_only", "on"))
        if self.timeout is not None:
            settings.append(("statement_timeout", f"{round(self.timeout * 1000)}"))
        return [*settings, *query.settings]

    def _execute(self, prefix: str, query: Query) -> Rows:
        import psycopg2

        connection = self._connection
        assert connection is not None, "a worker opens before it sends"
        connection.notices.clear()
        with connection.cursor() as cursor:
            started = time.perf_counter()
            try:
                cursor.execute(prefix + query.sql, values.bindable(query.sql, query.params))
                rows = cursor.fetchall() if cursor.description else []
            except (psycopg2.Error, ValueError) as error:
                sent = cursor.query.decode(errors="replace") if cursor.query else query.sql
                raise translated(error, sent, len(prefix)) from None
            seconds = time.perf_counter() - started
            columns = tuple(column.name for column in cursor.description or ())
            status = cursor.statusmessage or ""
        if status == "CREATE EXTENSION":
            _read_vectors_as_arrays(connection)
        return Rows(columns, rows, status, tuple(text.strip() for text in connection.notices), seconds)

    def _transaction(self, steps: Sequence[Query | Copy]) -> list[Rows]:
        if self._lost():
            self._open()
        self._execute("", Query("BEGIN READ ONLY" if self.readonly else "BEGIN"))
        try:
            done = [self._copy(step) if isinstance(step, Copy) else self._send(step) for step in steps]
            self._execute("", Query("COMMIT"))
        except BaseException:
            if not self._lost():
                self._execute("", Query("ROLLBACK"))
            raise
        return done

    def _copy(self, copy: Copy) -> Rows:
        import psycopg2

        connection = self._connection
        assert connection is not None, "a transaction has a connection"
        with connection.cursor() as cursor:
            started = time.perf_counter()
            try:
                cursor.copy_expert(copy.sql, copy.stream, size=1 << 18)
            except psycopg2.Error as error:
                # What the stream raised is the cause; the server only says that the client gave up.
                if isinstance(error.__cause__, PgvecError):
                    raise error.__cause__ from None
                raise translated(error, copy.sql, 0) from None
            return Rows((), [], cursor.statusmessage or "", (), time.perf_counter() - started)


def _read_vectors_as_arrays(connection: psycopg2.extensions.connection) -> None:
    """Have this connection, and no other, return vector and halfvec values as numpy arrays."""
    from psycopg2.extensions import new_type, register_type

    with connection.cursor() as cursor:
        cursor.execute("SELECT oid FROM pg_type WHERE typname IN ('vector', 'halfvec') AND typtype = 'b'")
        oids = tuple(oid for (oid,) in cursor.fetchall())
    if oids:
        register_type(new_type(oids, "VECTOR", values.read_vector), connection)
