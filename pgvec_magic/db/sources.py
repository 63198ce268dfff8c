"""Where a connection string comes from, and how it is read without ever showing its password."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from ..errors import ConnectError, UsageError

# libpq takes a connection from these when it is given an empty string.
_LIBPQ = ("PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE", "PGUSER", "PGPORT")
_URL = re.compile(r"^(postgres(?:ql)?)(?:\+\w+)?://", re.IGNORECASE)
_DRIVER = re.compile(r"^(\w+)\+\w+://")


@dataclass(frozen=True, slots=True)
class Source:
    """A libpq connection string and where it was found; ``typed_password`` warns that it now stands in a notebook."""

    dsn: str
    origin: str
    typed_password: bool = False

    def __repr__(self) -> str:
        return f"Source({self.origin})"


def find(given: Any = None) -> Source | None:
    """Return the source to connect to, or None for the embedded server.

    ``given`` is a DSN, a URL (a ``+driver`` suffix is dropped) or a SQLAlchemy engine; without it $PGVEC_DSN,
    $DATABASE_URL and libpq's own PG* variables are looked at, in this order. Raises UsageError, ConnectError.
    """
    if given is not None:
        text = given if isinstance(given, str) else _from_engine(given)
        return Source(clean(text), "given", isinstance(given, str) and _has_password(text))
    for variable in ("PGVEC_DSN", "DATABASE_URL"):
        if text := os.environ.get(variable):
            return Source(clean(text), f"${variable}")
    if any(os.environ.get(name) for name in _LIBPQ):
        return Source("", "libpq's PG* variables")
    return None


def clean(text: str) -> str:
    """Return a connection string as libpq takes it; ConnectError, without the text, when it cannot be read."""
    text = text.strip()
    if "://" in text:
        text = _clean_url(text)
    parse(text)
    return text


def parse(dsn: str) -> dict[str, str]:
    """Return the keywords of a connection string; ConnectError, which never shows the text, when libpq refuses it."""
    import psycopg2
    from psycopg2.extensions import parse_dsn

    try:
        return dict(parse_dsn(dsn))
    except psycopg2.ProgrammingError:
        # libpq quotes what it could not read, and that may be the password.
        raise ConnectError(
            "that is not a connection string",
            "expected postgresql://user@host:5432/dbname or host=… dbname=… user=…",
        ) from None


def redact(message: str, dsn: str) -> str:
    """Return a message in which the password of a connection string is hidden."""
    password = parse(dsn).get("password")
    return message.replace(password, "***") if password else message


def _clean_url(text: str) -> str:
    if not _URL.match(text):
        scheme = text.partition("://")[0]
        raise UsageError(f"{scheme}:// is not Postgres", "expected postgresql://user@host:5432/dbname")
    authority = text.partition("://")[2].partition("/")[0].partition("?")[0]
    if authority.count("@") > 1:
        raise UsageError("the connection URL holds more than one @", "write an @ of the password as %40")
    return _DRIVER.sub(r"\1://", text)


def _from_engine(engine: Any) -> str:
    url = getattr(engine, "url", None)
    if url is None:
        raise UsageError(
            f"cannot connect through a {type(engine).__name__}", "give a connection string or a SQLAlchemy engine"
        )
    return str(url.render_as_string(hide_password=False))


def _has_password(text: str) -> bool:
    return bool(parse(clean(text)).get("password"))
