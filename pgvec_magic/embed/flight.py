"""Several pieces of work at once, for work that waits for a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def at_once(work: Callable[[T], R], items: Iterable[T], most: int) -> Generator[tuple[T, R]]:
    """Yield each item with ``work(item)`` as it is done, ``most`` at a time; what fails is raised here.

    A single item, or ``most`` of 1, is worked on by the caller's own thread. After a failure or an interrupt nothing
    more begins and nobody waits for what runs: the threads are daemons, unlike those of a ThreadPoolExecutor, for whose
    requests and retries Python would wait at its exit.
    """
    waiting = list(items)
    if most == 1 or len(waiting) <= 1:
        for item in waiting:
            yield item, work(item)
        return
    todo: SimpleQueue[T] = SimpleQueue()
    done: SimpleQueue[tuple[T, R] | BaseException] = SimpleQueue()
    for item in waiting:
        todo.put(item)
    stopped = threading.Event()
    for number in range(min(most, len(waiting))):
        name = f"pgvec-embed-{number}"
        threading.Thread(target=_run, args=(work, todo, done, stopped), name=name, daemon=True).start()
    try:
        for _ in waiting:
            outcome = done.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        stopped.set()


def _run(
    work: Callable[[T], R],
    todo: SimpleQueue[T],
    done: SimpleQueue[tuple[T, R] | BaseException],
    stopped: threading.Event,
) -> None:
    while not stopped.is_set():
        try:
            item = todo.get_nowait()
        except Empty:
            return
        try:
            done.put((item, work(item)))
        except BaseException as error:  # raised where the answers are awaited
            done.put(error)
            return
