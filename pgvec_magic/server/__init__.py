"""The embedded Postgres: finds its programs, starts it, shares it between kernels, stops it after the last one.

``start()`` returns a ``Server`` whose ``dsn`` works at once. Everything belongs to one user: the data directory and
the unix socket are 0700, the password is random and in a file that only that user reads, nothing listens on TCP.
Root's server runs as ``postgres`` or ``nobody``, with its data in /var/lib/pgvec_magic. $PGVEC_HOME names another base
directory, $PGVEC_PG_BIN the programs. On Windows there is no private unix socket: the server listens on 127.0.0.1
with the same password; that path is written by the book and untested.
"""

from __future__ import annotations

from .lifecycle import Server, start
from .settings import Machine, this_machine

__all__ = ["Machine", "Server", "start", "this_machine"]
