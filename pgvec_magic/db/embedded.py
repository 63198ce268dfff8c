"""The embedded server, for as long as a connection to it is open."""

from __future__ import annotations

import contextlib
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
    """Return how to connect to the embedded server, started if need be; also after somebody stopped it.

    As long as a connection is open it is the one that this process began with, whatever $PGVEC_HOME says meanwhile: a
    query that is sent again must not meet other data.
    """
    global _server
    from .. import server

    started = server.start(_server.data_dir if _server else None)
    _server = started
    return Source(started.dsn, "the embedded PostgreSQL", ours=True)


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
            with contextlib.suppress(OSError):  # somebody has removed its directory: there is nothing to let go of
                _server.release()
            _server = None
