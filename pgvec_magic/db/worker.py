"""One thread that runs jobs in turn, so that its caller can be interrupted while the server is still busy."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from ..errors import ConnectError, QueryError, UsageError

T = TypeVar("T")
# What was asked to stop answers within this time; after it the caller gets control back anyway.
PATIENCE_SECONDS = 5.0
# A wait without end cannot be interrupted on Windows, and would not notice that the thread is gone.
_SLICE_SECONDS = 0.1


class _Job(Generic[T]):
    """Work and its outcome; ``claim`` goes to whoever runs it or takes it back, ``done`` to its caller."""

    __slots__ = ("claim", "done", "error", "result", "stopped", "work")

    def __init__(self, work: Callable[[], T]) -> None:
        self.work: Callable[[], T] | None = work
        self.claim, self.done = threading.Lock(), threading.Lock()
        self.done.acquire()
        self.stopped = False
        self.result: T
        self.error: BaseException | None = None

    @property
    def ran(self) -> bool:
        return self.work is None

    def run(self) -> None:
        assert self.work is not None, "a job runs once"
        try:
            self.result = self.work()
        except BaseException as error:  # the caller's, whatever it is
            self.error = error
        # What the work refers to is let go here, so that this thread never holds the last reference to a connection.
        self.work = None

    def outcome(self) -> T:
        try:
            if self.error is not None:
                raise self.error
            return self.result
        finally:
            self.error = None  # an error and the frames it passed hold each other


class Worker:
    """A daemon thread with a queue of jobs; ``cancel`` makes the running one end early, ``hang_up`` forces it to."""

    def __init__(self, name: str, cancel: Callable[[], None], hang_up: Callable[[], None]) -> None:
        self._cancel, self._hang_up = cancel, hang_up
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._running: _Job[Any] | None = None
        self._turn = threading.Condition()
        self._stopping = 0
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether jobs are run: not after ``end``, and not in a forked child, which has no such thread."""
        return self._thread.is_alive()

    def do(self, work: Callable[[], T], patience: float = PATIENCE_SECONDS) -> T:
        """Run ``work`` on the thread and return what it returns.

        A KeyboardInterrupt stops it first, for at most ``patience`` seconds. Raises what the work raises, ConnectError
        when the thread has ended, and UsageError when the work it runs asks for this one and so would wait for itself.
        """
        job = _Job(work)
        try:
            self._put(job)
            while not job.done.acquire(timeout=_SLICE_SECONDS):
                if not job.ran:
                    self._refuse_when_ended()
        except KeyboardInterrupt:
            self._give_up(job, patience)
            raise
        return job.outcome()

    def stop(self, job: _Job[Any] | None = None) -> None:
        """Cancel what runs, if it is ``job`` or none is given; the next begins after that, so that it cannot be hit."""
        with self._turn:
            if self._running is None or (job is not None and job is not self._running):
                return
            self._running.stopped = True
            self._stopping += 1
        try:
            self._cancel()
        finally:
            with self._turn:
                self._stopping -= 1
                self._turn.notify_all()

    def check(self) -> None:
        """For the running job, between two of its steps: QueryError when it was stopped meanwhile."""
        if self._running is not None and self._running.stopped:
            raise QueryError("canceled", sqlstate="57014")

    def end(self, last: Callable[[], None], patience: float = PATIENCE_SECONDS) -> None:
        """Stop what runs, drop what waits, run ``last`` and end the thread; nothing when it has ended."""
        if not self.alive:
            return
        self._stop_aside()
        with contextlib.suppress(Empty):
            while True:
                self._jobs.get_nowait()
        self._jobs.put(_Job(last))
        self._jobs.put(None)
        self._thread.join(patience)
        if self.alive:
            self._hang_up()
            self._thread.join(patience)

    def _put(self, job: _Job[Any]) -> None:
        self._refuse_when_ended()
        if threading.current_thread() is self._thread:
            raise UsageError("this connection is busy with the statement that asks for this one", "use db.clone()")
        self._jobs.put(job)

    def _refuse_when_ended(self) -> None:
        if not self.alive:
            raise ConnectError("this connection is closed", "%vconnect opens one")

    def _give_up(self, job: _Job[Any], patience: float) -> None:
        """Take the job back or stop it; on whoever does not answer it is hung up."""
        if job.claim.acquire(blocking=False) or job.ran:
            return
        self._stop_aside(job)
        if not job.done.acquire(timeout=patience):
            self._hang_up()

    def _stop_aside(self, job: _Job[Any] | None = None) -> None:
        """Stop without waiting: a cancel opens a connection of its own, which may hang as well."""
        try:
            threading.Thread(target=self.stop, args=(job,), name="pgvec-cancel", daemon=True).start()
        except RuntimeError:  # the interpreter is ending and starts no more threads
            self.stop(job)

    def _loop(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not job.claim.acquire(blocking=False):
                continue
            with self._turn:
                self._running = job
            job.run()
            with self._turn:
                self._running = None
                self._turn.wait_for(lambda: not self._stopping, PATIENCE_SECONDS)
            job.done.release()
            del job
