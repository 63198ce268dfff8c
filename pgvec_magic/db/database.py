"""One connection as the rest of the package sees it: what a message carries, and what follows when the link is lost."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import QueryError, UsageError
from ..query import Query
from ..sqltext import check_readonly, statements
from . import embedded as embedded_server
from .identity import ROLES, identity
from .link import Copy, Link, Place, Rows
from .sources import Source
from .worker import PATIENCE_SECONDS, Worker

Setting = tuple[str, str]
# SQLSTATE active_sql_transaction: a statement that cannot run inside a transaction block.
_ALONE = "25001"
_NOT_AS_SOMEBODY = "it cannot run as a role or with --session: these hold within a transaction; connect without them"
# Whoever interrupts while a connection is made need not wait for a server that does not answer.
_OPENING_PATIENCE_SECONDS = 0.2


class Database:
    """A named connection; it runs one statement at a time and is safe to use from several threads.

    ``timeout`` is in seconds, for each statement; every message begins by taking ``role`` and the settings of
    ``session``, for itself alone; ``cache`` holds what the catalog has read through the connection,
    until something may have changed.
    """

    def __init__(
        self,
        name: str,
        source: Callable[[], Source],
        *,
        readonly: bool = False,
        timeout: float | None = None,
        embedded: bool = False,
        role: str | None = None,
        session: Mapping[str, str] | None = None,
    ) -> None:
        """Connect; ConnectError. ``source`` is asked at each connecting, for a server may come back elsewhere."""
        self.name, self.readonly, self.timeout, self.embedded = name, readonly, timeout, embedded
        self._identity = identity(role, session)
        self.cache: dict[str, Any] = {}
        self._source = source
        self._link = Link(source)
        self._worker = Worker(f"pgvec-{name}", self._link.cancel, self._link.hang_up)
        # Once: by close(), when nobody refers to this any more, or when the interpreter ends.
        self._finish = weakref.finalize(self, _end, self._worker, self._link, embedded)
        if embedded:
            embedded_server.enter()
        try:
            self._worker.do(lambda: self._link.open(self._worker.check), _OPENING_PATIENCE_SECONDS)
        except BaseException:
            self._finish.detach()
            _end(self._worker, self._link, embedded, _OPENING_PATIENCE_SECONDS)
            raise

    def __repr__(self) -> str:
        described = [repr(self.name), str(self.place), "read-only" if self.readonly else "", self.acts_as]
        return f"Database({', '.join(filter(None, described))})"

    @property
    def place(self) -> Place:
        """What it is connected to; as text ``user@host:port/database``."""
        return self._link.place

    @property
    def role(self) -> str | None:
        """The role that every message takes; None for whoever logged in."""
        return self._identity.role

    @property
    def session(self) -> Mapping[str, str]:
        """The settings that every message makes, such as ``{"app.tenant_id": "42"}``."""
        return self._identity.session

    @property
    def acts_as(self) -> str:
        """Role and session settings for people to read; empty where there are none."""
        return str(self._identity)

    @property
    def closed(self) -> bool:
        """Whether it runs nothing any more; a lost link is made anew, and so does not count."""
        return not self._worker.alive

    def run(self, query: Query) -> Rows:
        """Send one message, an implicit transaction of its own; QueryError with the server's words when it fails.

        When the link is lost meanwhile, a query that only reads is sent again, once, and any other never.
        """
        self._check(query)
        return self._worker.do(lambda: self._run(query))

    def transaction(self, steps: Sequence[Query | Copy]) -> list[Rows]:
        """Run the steps between BEGIN and COMMIT: all of them or none; never sent again.

        A step's settings last to the end. QueryError, what a Copy's stream raises, UsageError inside a block of BEGIN.
        """
        for step in steps:
            if isinstance(step, Query):
                self._check(step)
        return self._worker.do(lambda: self._transaction(steps, "COMMIT"))

    def rehearse(self, steps: Sequence[Query]) -> list[Rows]:
        """Run the steps between BEGIN and ROLLBACK: what they change is undone; else as ``transaction``."""
        for step in steps:
            self._check(step)
        return self._worker.do(lambda: self._transaction(steps, "ROLLBACK"))

    def pooled(self) -> bool:
        """Whether a pooler stands in between: the process that answers is not the one that the link was told of."""
        return self.run(Query("SELECT pg_backend_pid()", reads=True)).rows != [(self._link.process,)]

    def cancel(self) -> None:
        """Stop what this connection runs, which raises QueryError there; harmless when it runs nothing."""
        self._worker.stop()

    def clone(self, name: str | None = None) -> Database:
        """Open another connection to the same place, for work beside this one; close it when done."""
        return Database(
            name or f"{self.name} (clone)",
            self._source,
            readonly=self.readonly,
            timeout=self.timeout,
            embedded=self.embedded,
            role=self.role,
            session=self.session,
        )

    def close(self) -> None:
        """Stop what runs, close the connection and end its thread; harmless when it is closed."""
        self._finish()

    def check_identity(self) -> None:
        """ConnectError when the server does not let this connection take its role and settings."""
        if self._identity.any:
            self._worker.do(self._check_identity)

    def _check_identity(self) -> None:
        try:
            self._send(Query("SELECT", reads=True))
        except QueryError as error:
            known = [] if self._link.lost else [name for (name,) in self._link.send("", ROLES, {}).rows]
            raise self._identity.refusal(error, known) from None

    def _check(self, query: Query) -> None:
        if self.readonly:
            _refuse_escape(query.sql)
        if self._identity.any:
            self._identity.check(query)

    def _run(self, query: Query) -> Rows:
        notice = self._connect_anew()
        try:
            rows = self._send(query)
        except QueryError as error:
            if not self._link.lost:
                raise
            notice = self._connect_again(query, error)
            rows = self._send(query)
        return replace(rows, notices=(notice, *rows.notices)) if notice else rows

    def _connect_anew(self) -> str | None:
        """Connect when the server hung up while nothing ran, and return a notice; QueryError inside a block."""
        reason = self._link.hung_up()
        if reason is None:
            return None
        self._refuse_in_block(reason)
        self._link.open(self._worker.check)
        return f"the connection was lost ({reason}); connected again" if reason else "connected again"

    def _connect_again(self, query: Query, error: QueryError) -> str:
        """Connect for a query that may be repeated, and return a notice; QueryError for one that may not."""
        reason = _first_line(error)
        self._refuse_in_block(reason)
        if not (query.reads or self.readonly):
            raise _in_doubt(error) from None
        self._link.open(self._worker.check)
        return f"the connection was lost ({reason}); connected again and repeated the query"

    def _refuse_in_block(self, reason: str) -> None:
        if self._link.in_block:
            self._link.in_block = False
            raise _in_block(reason) from None

    def _send(self, query: Query) -> Rows:
        if self._link.aborted:  # it refuses settings as well, and so the ROLLBACK behind them
            return self._link.send("", query.sql, query.params)
        # Inside a block it would hold for what follows as well.
        readonly = (query.reads or self.readonly) and not self._link.in_block
        try:
            return self._link.send(self._prefix(query.settings, readonly), query.sql, query.params)
        except QueryError as error:
            # VACUUM and the like refuse the transaction that a message with a setting is; nothing was done yet.
            if error.sqlstate != _ALONE or readonly or query.settings or self._link.in_block:
                raise
            if self._identity.any:
                raise QueryError(error.message, _NOT_AS_SOMEBODY, sqlstate=_ALONE) from None
            if self.timeout is None:
                raise
        rows = self._link.send("", query.sql, query.params)
        return replace(rows, notices=(f"ran without the timeout of {self.timeout:g} s", *rows.notices))

    def _prefix(self, settings: Iterable[Setting] = (), readonly: bool = False) -> str:
        """Return what every message begins with, role and session anew each time: nothing is left behind by any."""
        first = [*self._identity.role_settings, *self._limit(), *settings, *self._identity.session_settings]
        return _prefix([*([("transaction_read_only", "on")] * readonly), *first])

    def _limit(self) -> list[Setting]:
        return [] if self.timeout is None else [("statement_timeout", f"{max(1, round(self.timeout * 1000))}")]

    def _transaction(self, steps: Sequence[Query | Copy], end: str) -> list[Rows]:
        self._connect_anew()
        if self._link.in_block:
            raise UsageError("a transaction is open on this connection", "COMMIT or ROLLBACK it first")
        committing = False
        try:
            self._link.send("", f"BEGIN{' READ ONLY' * self.readonly};{self._prefix()}", {})
            done = [self._step(step) for step in steps]
            committing = end == "COMMIT"
            self._link.send("", end, {})
        except BaseException as error:
            self._undo(error, committing)
            raise
        return done

    def _step(self, step: Query | Copy) -> Rows:
        self._worker.check()
        if isinstance(step, Copy):
            return self._link.copy(step, self._worker.check)
        return self._link.send(_prefix(step.settings), step.sql, step.params)

    def _undo(self, error: BaseException, committing: bool) -> None:
        """Roll back after ``error``; QueryError in its place when the link was lost, which rolls back by itself."""
        if self._link.lost:
            self._link.in_block = False
            raise _in_doubt(error) if committing else _in_block(error)
        if self._link.in_block:
            try:
                self._link.send("", "ROLLBACK", {})
            except QueryError:  # a cancel that came late
                self._link.close()


def _in_block(reason: object) -> QueryError:
    message = "the connection was lost in the middle of a transaction, of which nothing was kept"
    return QueryError(f"{message} ({_first_line(reason)})", "run it again from its beginning")


def _in_doubt(reason: BaseException) -> QueryError:
    message = "the connection was lost while a statement ran, which may or may not have taken effect"
    hint, rule = "look at the data, then run it again if need be", None
    if isinstance(reason, QueryError) and reason.rule:
        hint, rule = f"{hint}; {reason.hint}", reason.rule
    return QueryError(f"{message} ({_first_line(reason)})", hint, rule=rule)


def _first_line(reason: object) -> str:
    return str(reason).partition("\n")[0]


def _end(worker: Worker, link: Link, embedded: bool, patience: float = PATIENCE_SECONDS) -> None:
    worker.end(link.close, patience)
    if embedded:
        embedded_server.leave()


def _prefix(settings: Iterable[Setting]) -> str:
    return "".join([f"SET LOCAL {name} = {value};" for name, value in settings])


@functools.lru_cache(maxsize=256)
def _refuse_escape(sql: str) -> None:
    """UsageError for SQL that could end the read-only transaction that its message is, or outlive it."""
    for statement in statements(sql):
        check_readonly(statement)
