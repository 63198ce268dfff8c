"""The open connections by name, and the one in use."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from ..errors import ConnectError, did_you_mean
from ..query import Query
from . import sources
from .database import Database
from .sources import Source

if TYPE_CHECKING:
    from ..server import Server

_open: dict[str, Database] = {}
_current: str | None = None
_server: Server | None = None
CONNECT_SECONDS = 10


def connect(
    source: Any = None,
    *,
    name: str | None = None,
    readonly: bool = False,
    timeout: float | None = None,
    create_extension: bool = False,
) -> Database:
    """Open a connection, make it the current one and return it.

    ``source`` is a DSN, a URL or a SQLAlchemy engine; without one the environment decides, and without that the
    embedded Postgres is started. ``timeout`` is in seconds, per statement. A name that is in use is connected anew.
    Raises ConnectError, UsageError.
    """
    found = sources.find(source)
    if found is None:
        database = _embedded(name or "embedded", readonly, timeout)
    else:
        parts = sources.parse(found.dsn)
        database = _opened(found, name or _default_name(parts), readonly, timeout)
    if create_extension or (database.embedded and not readonly):
        database.run(Query("CREATE EXTENSION IF NOT EXISTS vector"))
    _register(database)
    return database


def current() -> Database:
    """Return the connection in use; ConnectError when there is none."""
    if _current is None:
        raise ConnectError("not connected", "%vconnect opens a connection (without a word: a Postgres of its own)")
    return _open[_current]


def get(name: str | None = None) -> Database:
    """Return the connection of exactly that name, or the current one; ConnectError names those that exist."""
    if name is None:
        return current()
    if name not in _open:
        raise ConnectError(f"no connection is called {name!r}", did_you_mean(name, _open) or "%vconnect opens one")
    return _open[name]


def names() -> tuple[str, ...]:
    """Return the names of the open connections, oldest first."""
    return tuple(_open)


def use(name: str) -> Database:
    """Make an open connection the current one and return it."""
    global _current
    database = get(name)
    _current = name
    return database


def close(name: str) -> None:
    """Close a connection; the most recent of those left becomes current."""
    global _current
    get(name).close()
    del _open[name]
    if _current == name:
        _current = next(reversed(_open), None)
    _leave_server()


def close_all() -> None:
    """Close every connection and let go of the embedded server."""
    for name in names():
        close(name)


def _register(database: Database) -> None:
    global _current
    if database.name in _open:
        _open[database.name].close()
    _open[database.name] = database
    _current = database.name


def _default_name(parts: dict[str, str]) -> str:
    host = parts.get("host", "")
    name = parts.get("dbname") or parts.get("service") or "postgres"
    return f"{name}@{host}" if host and not host.startswith("/") else name


def _opened(found: Source, name: str, readonly: bool, timeout: float | None) -> Database:
    dsn = _with_connect_timeout(found.dsn)
    try:
        return Database(name, readonly, dsn, timeout)
    except ConnectError as error:
        if "no password supplied" not in error.message:
            raise ConnectError(sources.redact(error.message, dsn), _advice(error.message)) from None
    return Database(name, readonly, _with_password(dsn), timeout)


def _with_connect_timeout(dsn: str) -> str:
    from psycopg2.extensions import make_dsn

    return dsn if "connect_timeout" in sources.parse(dsn) else make_dsn(dsn, connect_timeout=CONNECT_SECONDS)


def _with_password(dsn: str) -> str:
    from psycopg2.extensions import make_dsn

    parts = sources.parse(dsn)
    prompt = f"Password for {parts.get('user', getpass.getuser())}@{parts.get('host', 'localhost')}: "
    try:
        return make_dsn(dsn, password=getpass.getpass(prompt))
    except Exception as error:  # each front end has its own way to say that nobody can answer
        raise ConnectError(
            "the server asks for a password and there is nobody to ask",
            "put it in ~/.pgpass, in $PGPASSWORD, or in a service of pg_service.conf",
        ) from error


def _advice(message: str) -> str | None:
    if "password authentication failed" in message:
        return "check the user name and the password (~/.pgpass, $PGPASSWORD, the URL)"
    if "Connection refused" in message or "No such file" in message:
        return "is the server running there? %vconnect without a word starts a Postgres of its own"
    if "does not exist" in message:
        return "connect to the database postgres, then SELECT datname FROM pg_database lists those there are"
    return None


def _embedded(name: str, readonly: bool, timeout: float | None) -> Database:
    global _server
    from .. import server

    _server = _server or server.start()
    return Database(name, readonly, _server.dsn, timeout, embedded=True)


def _leave_server() -> None:
    global _server
    if _server is not None and not any(database.embedded for database in _open.values()):
        _server.release()
        _server = None
