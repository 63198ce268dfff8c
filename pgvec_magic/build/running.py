"""A build on a connection of its own: followed while it runs, stopped at any time, and cleared away when it fails."""

from __future__ import annotations

import atexit
import contextlib
import re
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from .. import catalog, render
from ..catalog.holders import LOCKED, of_relations
from ..db import Database
from ..errors import PgvecError, QueryError
from ..index import IndexSpec
from ..query import Query
from ..sqltext import quote_qualified
from . import leftover
from .facts import Facts
from .progress import Pace, Progress, look
from .report import BuildReport
from .settings import Settings

_SECONDS_BETWEEN = 0.25  # one look takes a millisecond of the server's time
_SPILLED = re.compile(r"no longer fits into maintenance_work_mem after (\d+) tuples")
_STOPPED = "57014"
_PATIENCE_SECONDS = 10.0
_END = "SELECT pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity WHERE application_name = %(mark)s"
_SIZE = """
SELECT (SELECT coalesce(sum(pg_relation_size(t.relid)), pg_relation_size(i.indexrelid))
        FROM pg_partition_tree(i.indexrelid) AS t WHERE t.isleaf)::bigint
FROM pg_catalog.pg_index AS i WHERE i.indexrelid = to_regclass(%(name)s) AND i.indisvalid"""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be built: the ``statement``, the index's ``schema`` and ``name``, and what is known beforehand.

    ``known`` are the table's invalid indexes by oid, which are not this build's to drop.
    """

    statement: str
    schema: str
    name: str
    spec: IndexSpec
    facts: Facts
    settings: Settings
    alone: bool
    known: tuple[int, ...] = ()

    @property
    def is_rebuilt(self) -> bool:
        """Whether the index was there before."""
        return self.statement.startswith("REINDEX")


class Build:
    """A build that runs: iterate over it for its ``Progress``, ``wait`` for its ``BuildReport``, or ``cancel`` it.

    As a context manager it is waited for at the end of the block, and canceled when the block fails.
    """

    def __init__(self, db: Database, job: Job) -> None:
        """Begin at once; ConnectError when there are no two connections more."""
        self._db, self.job = db, job
        self._mark = f"pgvec_magic build {secrets.token_hex(4)}"
        self._notices: list[str] = []
        self._spilled: int | None = None
        self._canceled = False
        self._over, self._done = threading.Event(), threading.Event()
        self._report: BuildReport | None = None
        self._error: BaseException | None = None
        self._took: float | None = None
        self._pace = Pace()
        with contextlib.ExitStack() as opened:
            self._beside = opened.enter_context(contextlib.closing(db.clone(f"{db.name} (beside a build)")))
            self._own = opened.enter_context(contextlib.closing(db.clone(f"{db.name} (build)", self._hear)))
            self._own.timeout = self._beside.timeout = None
            self._open = opened.pop_all()
        self._started = time.perf_counter()
        atexit.register(self.cancel)  # before the connections are closed, or it would leave an invalid index
        threading.Thread(target=self._run, name="pgvec-build", daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether it is not over yet."""
        return not self._done.is_set()

    @property
    def report(self) -> BuildReport | None:
        """What it did; None while it runs, and when it failed."""
        return self._report

    @property
    def progress(self) -> Progress:
        """Where it stands now."""
        with contextlib.suppress(PgvecError):
            if not self._over.is_set():
                rows, method = self.job.facts.rows, self.job.spec.method
                return look(self._beside, self._mark, rows, self._pace, self._started, self._spilled, method)
        phase = "over" if not self.running else "finishing" if self._over.is_set() else "out of sight"
        return Progress(phase, self._took or self._seconds, spilled=self._spilled)

    def __iter__(self) -> Iterator[Progress]:
        """Yield where it stands, a few times a second, to its end; an interrupt cancels it. Raises what it raised."""
        try:
            while self.running:
                yield self.progress
                self._done.wait(_SECONDS_BETWEEN)
        except KeyboardInterrupt:
            self.cancel()
            raise
        self._raise()

    def wait(self) -> BuildReport:
        """Return the report when it is over; an interrupt cancels it. Raises QueryError when it failed."""
        try:
            while not self._done.wait(_SECONDS_BETWEEN):
                pass
        except KeyboardInterrupt:
            self.cancel()
            raise
        self._raise()
        assert self._report is not None, "what did not fail has a report"
        return self._report

    def cancel(self) -> None:
        """Stop the server's work at once, and wait until what it left is cleared away; harmless when it is over."""
        self._canceled = True
        until = time.monotonic() + _PATIENCE_SECONDS
        while not self._over.is_set() and time.monotonic() < until:
            self._own.cancel()  # again, should it have come between two statements
            self._over.wait(0.1)
        self._done.wait(_PATIENCE_SECONDS)

    def __enter__(self) -> Build:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.wait()
        else:
            self.cancel()

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    def _grid(self) -> render.Grid:
        if self._report is not None:
            return self._report._grid()
        notes = (str(self._error),) if self._error else (*self._notices, "name.cancel() stops it, name.wait() waits")
        return render.Grid((), (), caption=(self.job.name, str(self.progress)), notes=notes)

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def _hear(self, notice: str) -> None:
        if found := _SPILLED.search(notice):
            self._spilled = int(found[1])
        else:
            self._notices.append(notice.partition("\n")[0].removeprefix("NOTICE:").strip())

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        """Build, and tell what became of it; on a thread of its own."""
        try:
            self._report = self._built()
        except BaseException as error:  # that of whoever waits
            self._error = error
        finally:
            self._took = self._seconds
            self._over.set()
            catalog.forget(self._db)
            self._open.close()
            self._done.set()
            atexit.unregister(self.cancel)

    def _built(self) -> BuildReport:
        try:
            self._send()
        except PgvecError as error:
            self._over.set()
            if self._canceled or not self._is_there(error):
                raise self._explained(error) from None
        seconds = self._seconds
        self._over.set()
        job = self.job
        return BuildReport(
            index=job.name,
            table=job.spec.table,
            sql=job.statement,
            seconds=seconds,
            rows=job.facts.rows,
            bytes=self._size() or 0,
            predicted_bytes=job.settings.predicted_bytes,
            memory=job.settings.memory,
            predicted_memory=job.settings.needed,
            workers=job.settings.workers,
            spilled_after=self._spilled,
            analyzed=self._analyzed(),
            notices=(*job.settings.notes, *self._notices),
        )

    def _send(self) -> None:
        """Send the statement with its settings: in one message, or where it must stand alone for the session before."""
        statement = self.job.statement.replace("%", "%%")
        settings = (*self.job.settings.pairs, ("application_name", f"'{self._mark}'"))
        if not self.job.alone:
            self._own.run(Query(statement, settings=settings))
            return
        for name, value in settings:
            self._own.run(Query(f"SET {name} = {value}"))
        if not self._canceled:
            self._own.run(Query(statement))
        else:
            raise QueryError("canceled", sqlstate=_STOPPED)

    def _is_there(self, error: PgvecError) -> bool:
        """Whether the index was finished after all when the connection was lost."""
        if getattr(error, "sqlstate", None) is not None or self.job.is_rebuilt:
            return False
        with contextlib.suppress(PgvecError):
            return self._size() is not None
        return False

    def _size(self) -> int | None:
        name = quote_qualified(self.job.schema, self.job.name)
        rows = self._beside.run(Query(_SIZE, {"name": name}, reads=True)).rows
        return int(rows[0][0]) if rows else None

    def _analyzed(self) -> bool:
        """Count the table's rows for the planner where nobody ever has."""
        if self.job.facts.table.analyzed:
            return False
        try:
            self._beside.run(Query(f"ANALYZE {quote_qualified(self.job.spec.schema, self.job.spec.table)}"))
        except PgvecError:
            return False
        return True

    def _explained(self, error: PgvecError) -> PgvecError:
        """Return why there is no index, and what of it is left, after clearing away what can be."""
        what = "rebuild" if self.job.is_rebuilt else "build"
        state = getattr(error, "sqlstate", None)
        said, _, code = error.message.partition("\n[")
        if state == _STOPPED:
            said = f"the {what} of {self.job.name} was stopped"
        elif state is None:
            said = f"the {what} of {self.job.name} was cut off: {error.message.partition(chr(10))[0]}"
        try:
            if state is None:  # the server may not have noticed, and go on
                self._beside.run(Query(_END, {"mark": self._mark}))
            elif state == LOCKED and (held := of_relations(self._beside, [self.job.facts.table.oid])):
                said += f": {' and '.join(map(str, held))} holds a lock on the table"
            left = self._cleared()
        except PgvecError as later:
            left = f"whether something of it is left cannot be seen: {later.message.partition(chr(10))[0]}"
        hint = "run it again" if state is None else error.hint
        told = f"{said}; {left}" + (f"\n[{code}" if code and state != _STOPPED else "")
        return QueryError(told, None if state == _STOPPED else hint, sqlstate=state)

    def _cleared(self) -> str:
        """Drop the invalid indexes that are this build's, and return what is left."""
        if not self.job.alone:
            return "nothing of it is left"
        told = [self._cleared_one(left) for left in self._left()]
        return "; ".join(filter(None, told)) or "nothing of it is left"

    def _left(self) -> list[leftover.Leftover]:
        """A rebuild's are called as the index, with _ccnew or _ccold at the end of a name that may be cut."""
        found = leftover.invalid(self._beside, self.job.schema, self.job.facts.table.oid, self.job.known)
        if not self.job.is_rebuilt:
            return [left for left in found if left.name == self.job.name]
        return [left for left in found if re.search("_cc(new|old)[0-9]*$", left.name)]

    def _cleared_one(self, left: leftover.Leftover) -> str | None:
        held = leftover.drop(self._beside, left)
        if held is None:
            return None
        leftover.remember(self._db, left)
        who = " and ".join(map(str, held)) or "another session"
        return (
            f"the index {left.name} is left, invalid: every write keeps it up to date, and no search uses it. {who}"
            f" holds a lock that forbids to drop it. It is dropped at the next build through this connection, or when"
            f" that is closed; by hand: {left.sql}"
        )
