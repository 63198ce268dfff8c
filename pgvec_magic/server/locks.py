"""File locks that a process holds by itself: dropped by the OS at its death, passed on by neither fork nor exec."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from pgvec_magic.errors import ConnectError

_POLL_SECONDS = 0.02

if sys.platform == "win32":
    import msvcrt

    _SLOTS = 64
    _slot_of: dict[int, int] = {}

    def _lock_range(fd: int, start: int, length: int) -> bool:
        os.lseek(fd, start, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, length)
        except OSError:
            return False
        return True

    def _try_lock(fd: int, exclusive: bool) -> bool:
        """Windows has no shared lock: sharing is one byte out of 64, exclusive is all of them."""
        if fd in _slot_of:
            os.lseek(fd, _slot_of.pop(fd), os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
        if exclusive:
            return _lock_range(fd, 0, _SLOTS)
        for slot in range(_SLOTS):
            if _lock_range(fd, slot, 1):
                _slot_of[fd] = slot
                return True
        return False

else:
    import fcntl

    def _try_lock(fd: int, exclusive: bool) -> bool:
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FileLock:
    """A lock on a file, shared or exclusive; a forked child finds it closed and its parent's lock untouched."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        _open_locks.add(self)

    @property
    def is_open(self) -> bool:
        """Whether this process (not one it was forked from) still holds the file open."""
        return self._fd is not None

    @property
    def fd(self) -> int:
        """The descriptor, for handing the lock to a child on purpose; ValueError when closed."""
        if self._fd is None:
            raise ValueError(f"the lock {self.path} is closed")
        return self._fd

    def try_shared(self) -> bool:
        """Take or change to a shared lock; False, at once, when somebody holds it exclusively."""
        return _try_lock(self.fd, exclusive=False)

    def try_exclusive(self) -> bool:
        """Take or change to an exclusive lock; False, at once, when somebody else has it (a share may then be lost)."""
        return _try_lock(self.fd, exclusive=True)

    def close(self) -> None:
        """Give the lock up; closing twice is nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


_open_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _close_in_forked_child() -> None:
    """Close, since a child's descriptor keeps the lock beyond its parent's death; LOCK_UN would take it from both."""
    for lock in list(_open_locks):
        lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_forked_child)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until ``condition()`` holds; False after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


@contextlib.contextmanager
def exclusive(path: Path, seconds: float, busy: str) -> Iterator[FileLock]:
    """Hold ``path`` exclusively; ConnectError with the message ``busy`` when it is not free within ``seconds``."""
    lock = FileLock(path)
    try:
        if not wait_for(lock.try_exclusive, seconds):
            raise ConnectError(busy, f"it waited {seconds:.0f} s for the lock {path}")
        yield lock
    finally:
        lock.close()
