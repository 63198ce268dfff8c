"""psycopg2's errors -> the package's: SQLSTATE, a caret at the place, and what to do about the usual ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import ConnectError, QueryError
from ..sqltext import caret, tokens

if TYPE_CHECKING:
    import psycopg2

Hints = tuple[tuple[str, str] | tuple[str, str, str], ...]
_VECTOR = r"(?:\w+\.)?(?:vector|halfvec|sparsevec)"
_LONGEST = 500
_ENVIRONMENT = "the connection was taken from {origin}: unset that to start a Postgres of your own"


# (pattern of the server's message, what to do, and the rule that has more to say of it, where there is one); the first
# match wins; compiled when something fails, not when imported. Behind the message stands what was done, by ``_doing``.
_REFUSED: Hints = (
    (
        r'type "(vector|halfvec|sparsevec)" does not exist|access method "(hnsw|ivfflat)" does not exist',
        "CREATE EXTENSION vector, or put the schema it is in on the search_path",
        "R63",
    ),
    (r'extension "vector" is not available', "pgvector is not installed on this server: see pgvector's README"),
    (r"permission denied to create extension", "ask an administrator to run CREATE EXTENSION vector"),
    (r"different \w+ dimensions", "the query vector is from another model than the column's", "R55"),
    (r"expected \d+ dimensions, not \d+", "the vector is from another model than the column's", "R55"),
    (r"column does not have dimensions", "give the column its dimensions: ALTER TABLE … TYPE vector(n)"),
    (r"column cannot have more than \d+ dimensions", "index a halfvec cast, to 4,000, or bits, to 64,000", "R28"),
    (
        rf"operator does not exist: ({_VECTOR} \S+ .*\[\]|.*\[\] \S+ {_VECTOR})",
        "a list of whole numbers is an array to Postgres: write :name::vector",
        "R06",
    ),
    (
        rf"operator does not exist: (.* )?{_VECTOR}\b",
        "cast one side to the type of the other, or put pgvector's schema on the search_path",
        "R06",
    ),
    (r"operator does not exist: .* = .*\[\]|at or near \"ARRAY\"", "a list goes into = ANY(:name)"),
    (r"operator is not unique: unknown", "neither side has a type: write :name::vector", "R06"),
    (r"data type \w+ has no default operator class", "name one behind the column, such as vector_cosine_ops", "R26"),
    (r"_(l1|jaccard)_ops\" does not exist for access method \"ivfflat\"", "IVFFlat has none of it: USING hnsw", "R27"),
    (
        r"operator class .* does not (accept|exist)",
        "operator classes are TYPE_METRIC_ops, such as vector_l2_ops",
        "R27",
    ),
    (r"does not support (multicolumn|included|unique)", "index the vector alone, and what you filter by apart", "R29"),
    (r"ef_construction must be", "raise ef_construction to twice m, or lower m"),
    (r"memory required is .* maintenance_work_mem", "set maintenance_work_mem higher, or use fewer lists", "R73"),
    (r"could not resize shared memory segment", "enlarge /dev/shm, or SET max_parallel_maintenance_workers = 0", "R71"),
    (
        r"(server closed the connection|out of memory).* while an index is built",
        "if the server ran out of memory: maintenance_work_mem of half the RAM at most, for all builds together",
        "R72",
    ),
    (r"hnsw graph not repaired", "pgvector 0.8.4 mends that: ALTER EXTENSION vector UPDATE, then REINDEX", "R78"),
    (r"syntax error in tsquery", "websearch_to_tsquery takes any text that people write", "H05"),
    (
        r"tsquery stack too small|value is too big in tsquery|string is too long for tsquery"
        r"|stack depth limit exceeded with a tsquery",
        "look for fewer words: the first 200, say",
        "H07",
    ),
    (
        r"(NaN|infinite value) not allowed in|is out of range for type (vector|halfvec)",
        "mend the vector that holds it first",
    ),
    (r'type sparsevec: "\[', "a list is sent as a dense vector: write :name::vector::sparsevec"),
    (r"malformed array literal: \"\[", "a list of floats is sent as a vector: write :name::float8[]"),
    (r"is of type jsonb? but expression is of type .*\[\]", "a list is sent as an array: write :name::jsonb"),
    (r"in a read-only transaction", "connect without --readonly, or to the primary if this is a standby"),
    (r"can't execute COPY", "%vload loads files; what a table holds is read with SELECT"),
    (
        r"canceling statement due to statement timeout while an index is built",
        "a build takes its time: SET statement_timeout = 0, and a connection that no platform cuts short",
        "R81",
    ),
    (r"canceling statement due to statement timeout", "allow more: %vconnect … --timeout SECONDS"),
    (r"cannot (run inside|be executed within) a transaction block|cannot be executed from", "run it by itself"),
    (r"current transaction is aborted", "ROLLBACK ends it"),
    (r"violates row-level security policy", "a policy keeps this role from writing such rows: --role, --session"),
    (
        r"unrecognized configuration parameter \"(?!hnsw\.|ivfflat\.)\w+\.",
        "a policy or the statement reads it: %vconnect … --session NAME=VALUE gives it",
    ),
    (r'^role "[^"]*" does not exist', "SELECT rolname FROM pg_roles lists the roles"),
    (r"permission denied to set role", "whoever logs in must be a member of it: GRANT role TO login"),
    (r"No space left on device", "make room on the server's disk, then run it again"),
    (r"text search configuration .* does not exist", "SELECT cfgname FROM pg_ts_config lists the languages"),
    (
        r"configuration parameter (name )?\"(hnsw|ivfflat)\.",
        "this pgvector has no such setting, or is not loaded yet, which SELECT '[1]'::vector does",
    ),
    (r"NUL \(0x00\)", "PostgreSQL's texts cannot hold it: take it out with .replace('\\x00', '')"),
    (r"can't adapt type", "give a number, text, date, list, dict, or an array of numpy or pandas"),
)
# What libpq says when it cannot connect, or the server, or PgBouncer.
_UNREACHABLE: Hints = (
    (r"password authentication failed", "check the user and the password (the URL, ~/.pgpass, $PGPASSWORD)"),
    (
        r"Connection refused|No such file|timeout expired|could not translate|No route",
        "is the server running there?",
    ),
    (
        r'database "[^"]*" does not exist|no such database',
        "connect to the database postgres: pg_database lists those there are",
    ),
    (r'role "[^"]*" does not exist', "name a user that exists: postgresql://user@…"),
    (
        r"no pg_hba.conf entry|pg_hba.conf rejects",
        "the server does not let this user in from here: ask its administrator",
    ),
    (r"too many (clients|connections)|connection slots", "close a connection first: %vconnect --close NAME"),
    (r"does not support SSL", "connect with sslmode=prefer"),
    (r"definition of service", "services stand in ~/.pg_service.conf, or where $PGSERVICEFILE says"),
    (r"the database system is", "wait a moment, then connect again"),
)


class PasswordNeeded(ConnectError):  # noqa: N818 - named for what is missing
    """The server wants a password and none is known."""


def refused(error: psycopg2.Error | ValueError, statement: str, prefix: int) -> QueryError:
    """Return a ``QueryError`` for a driver's error over ``statement``, which was sent behind ``prefix`` characters."""
    diagnostics = getattr(error, "diag", None)
    message = getattr(diagnostics, "message_primary", None) or str(error).strip().partition("\n")[0]
    message = message.partition(": use the copy_")[0]  # a method of psycopg2's, which nobody here can call
    lines = [_short(message)]
    if detail := getattr(diagnostics, "message_detail", None):
        lines.append(_short(detail))
    position = getattr(diagnostics, "statement_position", None)
    if position and (at := int(position) - 1 - prefix) >= 0:
        lines.append(caret(statement, at))
    code = getattr(error, "pgcode", None)
    hint, rule = _hint(message + _doing(statement), _REFUSED)
    hint = hint or _short(getattr(diagnostics, "message_hint", None) or "") or None
    return QueryError("\n".join(lines) + (f"\n[SQLSTATE {code}]" if code else ""), hint, sqlstate=code, rule=rule)


def unreachable(message: str, origin: str) -> ConnectError:
    """Return the error for what was said when connecting; ``origin`` is where the connection string was found."""
    # libpq indents advice of its own, which knows nothing of notebooks.
    text = "\n".join(line for line in message.strip().splitlines() if not line.startswith("\t"))
    if "no password supplied" in text:
        return PasswordNeeded(text)
    hints = [_hint(text, _UNREACHABLE)[0], _ENVIRONMENT.format(origin=origin) if origin.startswith("$") else None]
    return ConnectError(text, "; ".join(filter(None, hints)) or None)


def last_words(notices: Sequence[str], error: Exception) -> str:
    """Return why a server ended a link: what it said before it did, else what libpq makes of it."""
    said = [text for text in notices if text.startswith("FATAL:")]
    return (said[-1].removeprefix("FATAL:") if said else str(error)).strip().partition("\n")[0]


def _short(text: str) -> str:
    """Cut what is in quotes, then the whole: a vector's text is thousands of characters long."""
    text = re.sub(r'"([^"]{60})[^"]{20,}"', r'"\1…"', text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _hint(message: str, hints: Hints) -> tuple[str | None, str | None]:
    """Return what to do, which ends with the rule, and the rule."""
    for pattern, hint, *rule in hints:
        if re.search(pattern, message):
            return (f"{hint} ({rule[0]})", rule[0]) if rule else (hint, None)
    return None, None


def _doing(statement: str) -> str:
    """Return what a statement does, where an error that many may meet has a cause of its own in it."""
    words = [token.text.upper() for token in tokens(statement[:_LONGEST]) if token.kind == "word"]
    if words[:1] == ["REINDEX"] or (words[:1] == ["CREATE"] and "INDEX" in words[1:3]):
        return " while an index is built"
    return " with a tsquery" if "tsquery" in statement.lower() else ""
