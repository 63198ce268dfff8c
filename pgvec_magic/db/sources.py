"""Where a connection string comes from, and how it is read without ever showing its password."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ConnectError, UsageError

# libpq takes a connection from these when it is given an empty string.
_LIBPQ = ("PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE", "PGUSER", "PGPORT")
_SCHEME = re.compile(r"postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)
_PASSWORD = re.compile(r"://[^/?#\s]*:[^/?#\s]*[^@\s]@|\b(?:ssl)?password\s*=\s*\S", re.IGNORECASE)
_EXPECTED = "expected postgresql://user@host:5432/dbname or host=… dbname=… user=…"
_ENCODE = "if a password stands in it, write its @ / ? and % as %40 %2F %3F and %25"
# Texts are sent as UTF-8, whatever the database is in.
_ALWAYS = {"client_encoding": "UTF8", "fallback_application_name": "pgvec_magic"}
# A server that is not there is noticed in time, and no router forgets a notebook that idles.
_UNLESS_SAID = {"connect_timeout": "10", "keepalives_idle": "60"}


@dataclass(frozen=True, slots=True)
class Source:
    """A libpq connection string, which no repr shows, where it was found, and whether the server is started for it."""

    dsn: str = field(repr=False)
    origin: str
    ours: bool = False

    @property
    def parts(self) -> dict[str, str]:
        """The string's keywords, a password among them; ConnectError when libpq cannot read it."""
        import psycopg2
        from psycopg2.extensions import parse_dsn

        with contextlib.suppress(psycopg2.ProgrammingError):
            return dict(parse_dsn(self.dsn))
        # libpq quotes what it could not read, and that may be the password.
        raise ConnectError(f"{self.origin} is not a connection string", _EXPECTED)

    @property
    def service(self) -> str | None:
        """The service of pg_service.conf that the string or the environment names."""
        return self.parts.get("service") or os.environ.get("PGSERVICE")

    @property
    def login(self) -> str:
        """Who logs in where, as far as the string and the environment tell: ``user@host``."""
        user = self.parts.get("user") or os.environ.get("PGUSER")
        host = self.parts.get("host") or os.environ.get("PGHOST") or "localhost"
        return f"{user}@{host}" if user else host

    def keywords(self) -> dict[str, Any]:
        """Return what libpq is told beside the string; a service is left to say what it wants."""
        parts = self.parts
        if self.service or os.environ.get("PGCONNECT_TIMEOUT"):
            return _ALWAYS
        return _ALWAYS | {name: value for name, value in _UNLESS_SAID.items() if name not in parts}

    def with_password(self, password: str) -> Source:
        """Return the same source with a password."""
        from psycopg2.extensions import make_dsn

        return replace(self, dsn=make_dsn(self.dsn, password=password))


def find(given: Any = None) -> Source | None:
    """Return the source to connect to, or None for the embedded server.

    ``given`` is a DSN, a URL (a ``+driver`` suffix is dropped) or a SQLAlchemy engine; without it $PGVEC_DSN,
    $DATABASE_URL and libpq's own PG* variables are looked at, in this order. Raises UsageError, ConnectError.
    """
    if given is not None:
        return _checked(given if isinstance(given, str) else _from_engine(given), "what was given")
    for variable in ("PGVEC_DSN", "DATABASE_URL"):
        if text := os.environ.get(variable):
            return _checked(text, f"${variable}")
    found = [f"${name}" for name in _LIBPQ if os.environ.get(name)]
    return Source("", ", ".join(found)) if found else None


def has_password(text: str) -> bool:
    """Whether a password stands in a connection string, be it one that can be read or not."""
    return _PASSWORD.search(text) is not None


def _checked(text: str, origin: str) -> Source:
    text = text.strip()
    source = Source(_without_driver(text, origin) if "://" in text else text, origin)
    if not re.fullmatch("[0-9,]*", source.parts.get("port", "")):
        raise UsageError(f"{origin}: the port is not a number", _ENCODE)
    return source


def _without_driver(url: str, origin: str) -> str:
    if not _SCHEME.match(url):
        raise UsageError(f"{origin}: {url.partition('://')[0]}:// is not Postgres", _EXPECTED)
    place = _SCHEME.sub("", url)
    # Of a password with an @ or a / in it libpq would take some for the host, and show it as such.
    if "@" in re.sub("^[^@/]*@", "", place).partition("?")[0]:
        raise UsageError(f"{origin}: there is an @ too many", _ENCODE)
    return f"postgresql://{place}"


def _from_engine(engine: Any) -> str:
    url = getattr(engine, "url", None)
    if url is None:
        raise UsageError(
            f"cannot connect through a {type(engine).__name__}", "give a connection string or a SQLAlchemy engine"
        )
    return str(url.render_as_string(hide_password=False))
