"""The embedded server, for as long as a connection to it is open."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .sources import Source

if TYPE_CHECKING:
    from ..server import Server

# Reentrant: the garbage collector may close a forgotten connection while another is being closed.
_guard = threading.RLock()
_server: Server | None = None
_users = 0


def source() -> Source:
    """Return how to connect to the embedded server, started if need be; also after somebody stopped it."""
    global _server
    from .. import server

    started = server.start()
    _server = started
    return Source(started.dsn, "the embedded PostgreSQL")


def enter() -> None:
    """Note one more connection."""
    global _users
    with _guard:
        _users += 1


def leave() -> None:
    """Note one connection less; behind the last, this process lets go of the server."""
    global _server, _users
    with _guard:
        _users -= 1
        if not _users and _server is not None:
            _server.release()
            _server = None
