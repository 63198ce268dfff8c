"""Canceling on the server without stopping this process meanwhile."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg2.extensions

_MESSAGE_BYTES = 256


def canceler(connection: psycopg2.extensions.connection) -> Callable[[], None]:
    """Return what cancels on the server what runs on a connection; it may be called from any thread, at any time.

    psycopg2's own cancel() holds Python's global lock until the server has answered: no thread runs meanwhile, and when
    the server is gone, or is reached through a tunnel in this very process, none ever does. So libpq is called past it.
    """
    with contextlib.suppress(OSError, AttributeError):  # Windows: there libpq cannot be seen inside of psycopg2
        return _Key(connection).cancel
    return connection.cancel


class _Key:
    """libpq's own note of where and how to cancel; it outlives the connection."""

    def __init__(self, connection: psycopg2.extensions.connection) -> None:
        import psycopg2._psycopg

        self._libpq = libpq = ctypes.CDLL(psycopg2._psycopg.__file__)
        libpq.PQgetCancel.argtypes, libpq.PQgetCancel.restype = (ctypes.c_void_p,), ctypes.c_void_p
        libpq.PQcancel.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int)
        libpq.PQfreeCancel.argtypes, libpq.PQfreeCancel.restype = (ctypes.c_void_p,), None
        self._key = libpq.PQgetCancel(connection.pgconn_ptr)

    def cancel(self) -> None:
        """Ask the server to stop; whether it will is not known."""
        self._libpq.PQcancel(self._key, ctypes.create_string_buffer(_MESSAGE_BYTES), _MESSAGE_BYTES)

    def __del__(self) -> None:
        if key := getattr(self, "_key", None):
            self._libpq.PQfreeCancel(key)
