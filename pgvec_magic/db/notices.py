"""What the server says while a statement runs, at once: psycopg2 tells of it when the statement is over."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg2.extensions


def follow(connection: psycopg2.extensions.connection, heard: Callable[[str], None]) -> object:
    """Have ``heard`` called with each notice of a connection as it comes, on the thread that waits for the server.

    What is returned must be kept for as long as the connection lives. psycopg2 hears of the notice as well.
    """
    with contextlib.suppress(OSError, AttributeError):  # Windows: there libpq cannot be seen inside of psycopg2
        return _processor(connection, heard)
    return None


def _processor(connection: psycopg2.extensions.connection, heard: Callable[[str], None]) -> object:
    import psycopg2._psycopg

    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
    register = ctypes.CDLL(psycopg2._psycopg.__file__).PQsetNoticeProcessor
    register.argtypes, register.restype = (ctypes.c_void_p, kind, ctypes.c_void_p), kind
    before: list[Callable[[int, bytes], None]] = []

    def processor(whose: int, said: bytes) -> None:
        for each in before:
            each(whose, said)
        heard(said.decode(errors="replace").strip())

    kept = kind(processor)
    before.append(register(connection.pgconn_ptr, kept, id(connection)))  # psycopg2's own is given its connection
    return kept
