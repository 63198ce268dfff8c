"""Work done in a thread, a step ahead of who uses it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_AHEAD = 1
_PATIENCE = 5.0  # seconds for the thread to end; one that waits for a slow model ends when that answers


def ahead(work: Callable[[T], R], items: Iterable[T], stop: Callable[[], None]) -> Generator[R]:
    """Yield ``work(item)`` in order, computed in one other thread while the caller uses what came before.

    Items are read by the caller's thread: some sources can be read in no other. What fails does so after all that came
    before it was used. Closing the generator calls ``stop``, which must make running work end early, and waits for it.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="pgvec-load")
    waiting: deque[Future[R]] = deque()
    rest = iter(items)
    try:
        while True:
            while len(waiting) <= _AHEAD and (task := _next(pool, work, rest)) is not None:
                waiting.append(task)
            if not waiting:
                return
            done = waiting[0].result()
            waiting.popleft()
            yield done
    finally:
        stop()
        pool.shutdown(wait=False, cancel_futures=True)
        running = wait([task for task in waiting if not task.cancelled()], _PATIENCE).not_done
        pool.shutdown(wait=not running)


def _next(pool: ThreadPoolExecutor, work: Callable[[T], R], rest: Iterator[T]) -> Future[R] | None:
    try:
        return pool.submit(work, next(rest))
    except StopIteration:
        return None
    except Exception as error:
        failed: Future[R] = Future()
        failed.set_exception(error)
        return failed
