"""psycopg2's errors -> the package's: SQLSTATE, a caret at the place, and what to do about pgvector's usual ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import PgvecError, QueryError
from ..sqltext import caret

if TYPE_CHECKING:
    import psycopg2

# (pattern of the server's message, what to do), first match wins.
_HINTS = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r'type "(vector|halfvec|sparsevec)" does not exist', "the extension is not there: CREATE EXTENSION vector"),
        (r'extension "vector" is not available', "pgvector is not installed on this server: see its README"),
        (r"permission denied to create extension", "ask an administrator to run CREATE EXTENSION vector"),
        (r"different vector dimensions", "the query vector is from another model than the column's"),
        (r"expected \d+ dimensions, not \d+", "the vector is from another model than the column's"),
        (r"column does not have dimensions", "give the column its dimensions: ALTER TABLE … TYPE vector(n)"),
        (
            r"operator does not exist: .*(vector|halfvec).*(double precision|numeric|real|integer)\[\]",
            "a list of numbers is an array to Postgres: give floats or a numpy array, or write :name::vector",
        ),
        (
            r"operator does not exist: .*(vector|halfvec|sparsevec)",
            "cast one side to the other's type, or check schemas",
        ),
        (r"data type \w+ has no default operator class", "name one, such as vector_cosine_ops"),
        (r"operator class .* does not (accept|exist)", "operator classes are TYPE_METRIC_ops, such as vector_l2_ops"),
        (r"cannot have more than \d+ dimensions for", "index a halfvec cast (to 4,000) or binary_quantize (to 64,000)"),
        (r"does not support (multicolumn|included|unique)", "index the vector alone and give filters their own index"),
        (r"memory required is .* maintenance_work_mem", "SET maintenance_work_mem to more, or use fewer lists"),
        (r"could not resize shared memory segment", "raise /dev/shm, or SET max_parallel_maintenance_workers = 0"),
        (r"hnsw graph not repaired", "update pgvector to 0.8.4 or later and REINDEX"),
        (r"NaN not allowed in vector|infinite value not allowed", "the vector holds NaN or infinity: mend it first"),
        (
            r"cannot execute .* in a read-only transaction",
            "this reads only: write through %%vsql on a writable connection",
        ),
        (r"canceling statement due to statement timeout", "allow more: %vconnect … --timeout SECONDS"),
        (r"text search configuration .* does not exist", "SELECT cfgname FROM pg_ts_config lists the languages"),
        (r"unrecognized configuration parameter \"(hnsw|ivfflat)", "this setting needs a newer pgvector"),
    )
)


def translated(error: psycopg2.Error | ValueError, statement: str, prefix: int) -> PgvecError:
    """Return a ``QueryError`` for a driver's error.

    ``statement`` is the text that was sent and ``prefix`` how many of its first characters are settings of ours.
    """
    diagnostics = getattr(error, "diag", None)
    message = getattr(diagnostics, "message_primary", None) or str(error).strip().partition("\n")[0]
    lines = [message]
    if detail := getattr(diagnostics, "message_detail", None):
        lines.append(detail[:500])
    if position := getattr(diagnostics, "statement_position", None):
        at = int(position) - 1
        lines.append(caret(statement[prefix:], at - prefix) if at >= prefix else caret(statement, at))
    code = getattr(error, "pgcode", None)
    hint = _hint(message) or getattr(diagnostics, "message_hint", None)
    text = "\n".join(lines) + (f"\n[SQLSTATE {code}]" if code else "")
    return QueryError(text, hint, sqlstate=code)


def _hint(message: str) -> str | None:
    return next((hint for pattern, hint in _HINTS if pattern.search(message)), None)
