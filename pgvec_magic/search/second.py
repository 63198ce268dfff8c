"""A second look at a query that gave fewer rows than asked: what Postgres did, and what there is when all is looked at.

It is taken in transactions of its own that only read and are undone, each for no longer than a few times as long as the
first look, and not at all within a transaction of the person's, or where a function may do more than give a value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from .. import catalog
from ..db import Database
from ..diagnose import Facts
from ..query import Query, counted
from ..sqltext import tokens

# What a step of it may take: this many times as long as the first look, and these seconds more.
_TIMES, _SECONDS = 2, 0.5
_TERMS = """
SELECT extract(epoch FROM current_setting('statement_timeout')::interval)::float8,
  EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = ANY(%(called)s) AND provolatile = 'v')"""
# What this session has deleted a moment ago is counted before it is looked for, which PostgreSQL 15 can be asked for.
_COUNT_NOW, _SINCE = ", pg_catalog.pg_stat_force_next_flush()", 150_000
_READ_ONLY = ("transaction_read_only", "on")


@dataclass(frozen=True, slots=True)
class Second:
    """A query that may be run once more, each time for so many ``seconds`` at most."""

    db: Database
    query: Query
    seconds: float

    def facts(self) -> Facts:
        """Explain the query as it was sent; PgvecError where that fails or takes too long."""
        from .explaining import explained

        seen = explained(self.db, self._bounded(self.query))
        return Facts(seen.plan, seen.fingerprint, counted(self.query.sql, self.query.params))

    def rows(self, query: Query) -> list[tuple[Any, ...]]:
        """Run another query in its place and return its rows; PgvecError where that fails or takes too long."""
        bounded = self._bounded(query)
        (found,) = self.db.rehearse([replace(bounded, settings=(_READ_ONLY, *bounded.settings))])
        return found.rows

    def _bounded(self, query: Query) -> Query:
        limit = ("statement_timeout", str(max(1, round(self.seconds * 1000))))
        return replace(query, settings=(*query.settings, limit), reads=True)


def second(db: Database, query: Query, seconds: float) -> Second | None:
    """Return the second look at a query that took so many ``seconds``; None where it may not be run again, PgvecError.

    A limit of time that is in force stays.
    """
    terms_of = _TERMS + (_COUNT_NOW if catalog.capabilities(db).server >= _SINCE else "")
    asked = replace(query, sql=terms_of, params={"called": _called(query.sql)}, settings=(_READ_ONLY, *query.settings))
    (terms,) = db.rehearse([asked])
    ((in_force, is_volatile, *_),) = terms.rows
    if is_volatile:
        return None
    most = _TIMES * seconds + _SECONDS
    return Second(db, query, min(most, in_force) if in_force else most)


def _called(sql: str) -> list[str]:
    """Return every name that stands before a parenthesis: the functions are among them."""
    found = [token for token in tokens(sql) if token.kind not in ("space", "comment")]
    names = [token for token, after in pairwise(found) if after.text == "("]
    words = {token.text.lower() for token in names if token.kind == "word"}
    return sorted(words | {token.text[1:-1].replace('""', '"') for token in names if token.kind == "name"})
