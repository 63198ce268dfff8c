"""One link to the server: a message out, rows back; made anew when it was lost."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from ..errors import ConnectError
from . import failures, notices, values
from .canceling import canceler
from .columns import Readers, keep_what_python_cannot_hold
from .sources import Source

if TYPE_CHECKING:
    import psycopg2.extensions

# A server that starts, or recovers from a crash of one of its processes, is waited for this long. At the crash itself
# it ends who connects without a word.
STARTING_SECONDS = 5.0
_STARTING = re.compile(
    r"the database system is (starting up|in recovery mode|not yet accepting connections)"
    r"|server closed the connection unexpectedly"
)
# psycopg2's TRANSACTION_STATUS_IDLE and _INERROR.
_IDLE, _FAILED = 0, 3
# A server of ours that has just ended is started again, or it is said why it does not start.
_GONE = re.compile("No such file|Connection refused")
_USUAL_PORT = 5432
# Each read goes through Python: few large ones. Beyond 64 KiB there is nothing to gain.
_COPY_BYTES = 1 << 18


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
    """A ``COPY … FROM STDIN`` and the binary stream it reads, or ``… TO STDOUT`` and the one it writes, row by row.

    With ``params`` its text is as that of a ``Query``, else it is sent as it is.
    """

    sql: str
    stream: IO[bytes]
    params: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a link leads to: what libpq made of the connection string, the environment, files and its defaults."""

    user: str
    host: str
    port: int
    database: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    @property
    def brief(self) -> str:
        """The database, with the host unless it is a local socket, and the port unless it is the usual one."""
        host = "" if self.host.startswith(("/", "@")) else f"@{self.host}"
        return f"{self.database}{host}{'' if self.port == _USUAL_PORT else f':{self.port}'}"


class Link:
    """A connection of psycopg2's in autocommit; ``cancel`` and ``hang_up`` may come from any thread.

    ``in_block`` tells whether a BEGIN waits for its COMMIT, ``aborted`` whether for its ROLLBACK only. ``heard`` is
    called with each notice as it comes.
    """

    def __init__(self, source: Callable[[], Source], heard: Callable[[str], None] | None = None) -> None:
        self._source, self._heard = source, heard
        self._ear: object = None
        self._connection: psycopg2.extensions.connection | None = None
        self._cancel: Callable[[], None] = lambda: None
        self._readers = Readers()
        self.in_block = self.aborted = False
        self.place = Place("", "", 0, "")

    @property
    def lost(self) -> bool:
        """Whether there is no link, as far as is known without asking."""
        return self._connection is None or bool(self._connection.closed)

    @property
    def process(self) -> int | None:
        """The number of the server's process as whoever answers there gave it: a pooler's is another one."""
        return None if self._connection is None or self.lost else self._connection.info.backend_pid

    def open(self, check: Callable[[], None]) -> None:
        """Connect, anew if need be; ConnectError with what to do. ``check`` raises to end a wait."""
        self.close()
        self._connection = _connect(self._source, check)
        self._cancel = canceler(self._connection)
        self._readers = Readers()
        if self._heard:
            self._ear = notices.follow(self._connection, self._heard)
        info = self._connection.info
        self.place = Place(info.user, info.host, info.port, info.dbname)

    def hung_up(self) -> str | None:
        """Return why the server ended the link while nothing ran on it, "" when that is known; None when it did not."""
        import psycopg2

        connection = self._connection
        if connection is None or connection.closed:
            return ""
        try:
            connection.poll()
            connection.poll()  # the first reads the server's last words, the second that it hung up
        except psycopg2.Error as error:
            return failures.last_words(connection.notices, error)
        return None

    def send(self, prefix: str, sql: str, params: Mapping[str, object]) -> Rows:
        """Send ``prefix`` and ``sql`` as one message; QueryError with the server's words.

        ``sql`` is psycopg2's (``%(name)s``, ``%%``), ``prefix`` is sent as it is.
        """
        import psycopg2

        connection = self._live()
        with connection.cursor() as cursor:
            try:
                bound = values.bindable(sql, params)
                started = time.perf_counter()
                cursor.execute(prefix.replace("%", "%%") + sql, bound)
                rows = cursor.fetchall() if cursor.description else []
                seconds = time.perf_counter() - started
                rows = self._readers.read(rows, cursor)
            except (psycopg2.Error, ValueError) as error:
                sent = cursor.query.decode(errors="replace") if cursor.query else prefix
                raise failures.refused(error, sent[len(prefix) :], len(prefix)) from None
            finally:
                self._note_block(connection)
            columns = tuple([column.name for column in cursor.description or ()])
            return Rows(columns, rows, cursor.statusmessage or "", self._said(connection), seconds)

    def copy(self, copy: Copy, check: Callable[[], None]) -> Rows:
        """Run a COPY; raises what its stream raises, or ``check`` between two reads or writes, else QueryError."""
        import psycopg2

        connection = self._live()
        stream = _Stream(copy.stream, check)
        with connection.cursor() as cursor:
            sql = copy.sql
            if copy.params is not None:
                sql = cursor.mogrify(sql, values.bindable(sql, copy.params)).decode()
            started = time.perf_counter()
            try:
                cursor.copy_expert(sql, cast("IO[bytes]", stream), size=_COPY_BYTES)
            except psycopg2.Error as error:
                # Of what the stream raised the server knows only that the client gave up.
                raise (stream.error or failures.refused(error, sql, 0)) from None
            finally:
                self._note_block(connection)
            if stream.error is not None:
                raise stream.error
            seconds = time.perf_counter() - started
            return Rows((), [], f"COPY {cursor.rowcount}", _notices(connection), seconds)

    def cancel(self) -> None:
        """Ask the server to stop what runs on this link; nothing when nothing does."""
        import psycopg2

        with contextlib.suppress(psycopg2.Error):
            self._cancel()

    def hang_up(self) -> None:
        """Shut the socket down, so that whoever waits for the server on it learns that the link is lost."""
        import psycopg2

        if self._connection is None:
            return
        with contextlib.suppress(psycopg2.Error, OSError):
            number = self._connection.fileno()
            with socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as ours:
                ours.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection, if there is one, which rolls an open block back."""
        self.in_block = self.aborted = False
        if self._connection is not None:
            self._connection.close()

    def _live(self) -> psycopg2.extensions.connection:
        assert self._connection is not None, "a link is opened before anything is sent"
        self._connection.notices.clear()
        return self._connection

    def _said(self, connection: psycopg2.extensions.connection) -> tuple[str, ...]:
        """Return the notices of the statement; whoever wants to hear of them and could not meanwhile is told now."""
        said = _notices(connection)
        if self._heard and self._ear is None:
            for notice in said:
                self._heard(notice)
        return said

    def _note_block(self, connection: psycopg2.extensions.connection) -> None:
        """Remember whether a block is open; when the link was lost, whether one was."""
        if not connection.closed:
            status = connection.get_transaction_status()
            self.in_block, self.aborted = status != _IDLE, status == _FAILED


class _Stream:
    """A stream for COPY that ends when the statement is stopped, and keeps what went wrong in it."""

    def __init__(self, stream: IO[bytes], check: Callable[[], None]) -> None:
        self._stream, self._check = stream, check
        self.error: BaseException | None = None

    def read(self, size: int) -> bytes:
        try:
            self._check()
            return self._stream.read(size)
        except BaseException as error:
            self.error = error
            raise

    def write(self, data: bytes) -> None:
        """Hand a row on; what goes wrong is kept for later, for psycopg2 would leave the connection amid the rows."""
        if self.error is not None:
            return
        try:
            self._check()
            self._stream.write(data)
        except BaseException as error:
            self.error = error


def _notices(connection: psycopg2.extensions.connection) -> tuple[str, ...]:
    return tuple([text.strip() for text in connection.notices])


def _connect(find: Callable[[], Source], check: Callable[[], None]) -> psycopg2.extensions.connection:
    until = time.monotonic() + STARTING_SECONDS
    while True:
        source = find()
        made = _attempt(source)
        if not isinstance(made, str):
            made.autocommit = True
            if made.get_parameter_status("standard_conforming_strings") == "off":
                made.close()
                raise ConnectError(
                    "standard_conforming_strings is off there, so quotes mean something else than what is checked here",
                    "ALTER ROLE … SET standard_conforming_strings = on",
                )
            keep_what_python_cannot_hold(made)
            return made
        waits = _STARTING.search(made) or (source.ours and _GONE.search(made))
        if not waits or time.monotonic() > until:
            raise failures.unreachable(made, source.origin)
        check()
        time.sleep(0.1)


def _attempt(source: Source) -> psycopg2.extensions.connection | str:
    """Return a connection, or why there is none.

    The reason and not the error: psycopg2's frames, which an error holds, have the password among their variables.
    """
    import psycopg2

    try:
        made: psycopg2.extensions.connection = psycopg2.connect(source.dsn, **source.keywords())
    except psycopg2.Error as error:
        return str(error)
    return made
