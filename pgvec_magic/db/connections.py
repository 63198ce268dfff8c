"""The open connections by name, and the one in use."""

from __future__ import annotations

import getpass
import itertools
import warnings
from collections.abc import Mapping
from typing import Any

from ..errors import ConnectError, QueryError, UsageError, did_you_mean
from ..query import Query
from . import embedded, sources
from .database import Database
from .failures import PasswordNeeded
from .sources import Source

_open: dict[str, Database] = {}
_current: str | None = None
# Another kernel made it between the server's look and its own making: unique_violation, duplicate_object.
_MADE_MEANWHILE = ("23505", "42710")


def connect(
    source: Any = None,
    *,
    name: str | None = None,
    readonly: bool = False,
    timeout: float | None = None,
    create_extension: bool = False,
    role: str | None = None,
    session: Mapping[str, str] | None = None,
) -> Database:
    """Open a connection, make it the current one and return it.

    ``source`` is a DSN, a URL or a SQLAlchemy engine; without one the environment decides, and without that the
    embedded Postgres is started. ``timeout`` is in seconds, for each statement. ``role`` and the settings of
    ``session`` (``{"app.tenant_id": "42"}``) hold for every statement, and for nothing else on the server's
    connection; row-level security sees them. They keep people from accidents and take no right from them: whoever may
    log in may also connect without. A name in use is connected anew.
    Raises ConnectError, UsageError, and QueryError when the extension cannot be made.
    """
    if timeout is not None and not timeout > 0:
        raise UsageError(f"a timeout of {timeout} s ends nothing", "give a number of seconds above 0")
    found = sources.find(source)
    source = None  # a traceback with variables would show its password
    kept = {"readonly": readonly, "timeout": timeout, "role": role, "session": session}
    database = _embedded(kept) if found is None else _opened(found, kept)
    try:
        database.check_identity()
        if create_extension or (database.embedded and not readonly):
            _create_extension(database)
    except BaseException:
        database.close()
        raise
    database.name = name or _default_name(database, found)
    return _registered(database)


def current() -> Database:
    """Return the connection in use; ConnectError when there is none."""
    living = _living()
    if not living:
        raise ConnectError("not connected", "%vconnect opens a connection (without a word: a Postgres of its own)")
    return living[_current] if _current in living else living[next(reversed(living))]


def get(name: str | None = None) -> Database:
    """Return the connection of exactly that name, or the current one; ConnectError names those that exist."""
    if name is None:
        return current()
    living = _living()
    if name not in living:
        raise ConnectError(f"no connection is called {name!r}", did_you_mean(name, living) or "%vconnect opens one")
    return living[name]


def names() -> tuple[str, ...]:
    """Return the names of the open connections, oldest first."""
    return tuple(_living())


def use(name: str) -> Database:
    """Make an open connection the current one and return it."""
    global _current
    database = get(name)
    _current = name
    return database


def close(name: str) -> None:
    """Close a connection; the most recent of those left becomes current if it was."""
    get(name).close()


def close_all() -> None:
    """Close every connection, and with the last let go of the embedded server."""
    for database in list(_open.values()):
        database.close()
    _open.clear()


def _living() -> dict[str, Database]:
    """Return the open connections; one may have been closed by itself, or belong to the process that was forked."""
    for name in [name for name, database in _open.items() if database.closed]:
        del _open[name]
    return _open


def _registered(database: Database) -> Database:
    global _current
    if before := _living().pop(database.name, None):
        before.close()
    _open[database.name] = database
    _current = database.name
    return database


def _default_name(database: Database, found: Source | None) -> str:
    """Return the service or ``dbname@host``; numbered when another place has that name."""
    wanted = "embedded" if found is None else found.service or database.place.brief
    numbered = (f"{wanted}-{number}" for number in itertools.count(2))
    living = _living()
    return next(
        name
        for name in itertools.chain([wanted], numbered)
        if name not in living or living[name].place == database.place
    )


def _opened(found: Source, kept: Mapping[str, Any]) -> Database:
    def opened(source: Source) -> Database:
        return Database("connection", lambda: source, **kept)

    try:
        return opened(found)
    except PasswordNeeded:
        pass
    return opened(_with_password(found))


def _embedded(kept: Mapping[str, Any]) -> Database:
    return Database("embedded", embedded.source, **kept, embedded=True)


def _with_password(found: Source) -> Source:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it is about to show what is typed
            return found.with_password(getpass.getpass(f"Password for {found.login}: "))
    except Exception:  # each front end has its own way to say that nobody can answer
        pass
    raise ConnectError(
        "the server asks for a password and there is nobody to ask",
        "put it in ~/.pgpass, in $PGPASSWORD, or in a service of pg_service.conf",
    )


def _create_extension(database: Database) -> None:
    try:
        database.run(Query("CREATE EXTENSION IF NOT EXISTS vector"))
    except QueryError as error:
        if error.sqlstate not in _MADE_MEANWHILE:
            raise
