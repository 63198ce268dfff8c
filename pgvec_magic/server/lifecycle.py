"""start() and Server: who uses the server, and who stops it."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from pathlib import Path

from pgvec_magic.errors import ConnectError, PgvecError

from .binaries import find
from .cluster import USER, Cluster
from .locks import FileLock, exclusive
from .place import home, place_at, prepare
from .postmaster import Postmaster
from .process import account_for
from .reach import within_reach

_BUSY_SECONDS = 120.0

_servers: dict[Path, Server] = {}
_guard = threading.RLock()


def start(data_dir: Path | None = None, bin_dir: Path | None = None) -> Server:
    """Return the running server of ``data_dir``, made and started if need be; the same one again in the same process.

    Without ``data_dir`` it is ``postgres-<major>`` in $PGVEC_HOME or the user's data directory (root:
    /var/lib/pgvec_magic, and the server runs as postgres or nobody); without ``bin_dir`` the programs are looked for.
    ConnectError says what is missing, in the way or went wrong.
    """
    try:
        with _guard:
            cluster = _cluster(data_dir, bin_dir)
            server = _servers.get(cluster.place.data) or Server(cluster)
            server._start()
            _servers[cluster.place.data] = server
            return server
    except OSError as error:
        raise ConnectError(
            f"the embedded PostgreSQL cannot be started: {error}",
            "set PGVEC_HOME to a directory on a local disk that you may write, or connect to another server",
        ) from error


def _cluster(data_dir: Path | None, bin_dir: Path | None) -> Cluster:
    binaries = find(bin_dir)
    base = home()
    place = place_at(data_dir or base / f"postgres-{binaries.major}")
    account = account_for(place.data)
    prepare(place, account)
    return Cluster(place, within_reach(binaries, account, base), account)


class Server:
    """The share that one process has in a running server; the last one to give its share up stops the server."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._share: FileLock | None = None
        self._running: Postmaster | None = None

    @property
    def data_dir(self) -> Path:
        """The data directory."""
        return self._cluster.place.data

    @property
    def version(self) -> int:
        """The major version of PostgreSQL."""
        return self._cluster.binaries.major

    @property
    def dsn(self) -> str:
        """A libpq connection string for the database postgres, with the password; ConnectError when never started."""
        if self._running is None:
            raise ConnectError(f"the server in {self.data_dir} was not started")
        host = (self._running.socket_dir or self._running.host).replace("\\", "\\\\").replace("'", "\\'")
        return f"host='{host}' port={self._running.port} dbname={USER} user={USER} password={self._cluster.password()}"

    def __repr__(self) -> str:
        shared = "in use" if self._share is not None and self._share.is_open else "not in use by this process"
        return f"Server(PostgreSQL {self.version} in {self.data_dir}, {shared})"

    def _start(self) -> None:
        """Take a share, and start the server unless it runs; who comes at the same moment waits, then adopts it."""
        with _guard, self._start_lock():
            share = self._share if self._share is not None and self._share.is_open else self._take_share()
            try:
                self._cluster.clear_staging()
                if not self._cluster.exists():
                    self._cluster.create()
                self._running = self._cluster.ensure_running()
            except BaseException:
                share.close()
                raise
            self._share = share

    def stop(self) -> None:
        """Stop the server now, for everybody who uses it."""
        with _guard, self._start_lock():
            self._cluster.stop()
            self._drop()

    def release(self) -> None:
        """Give this process's share up, and stop the server if it was the last; a forked child has none to give up."""
        with _guard:
            if self._share is None or not self._share.is_open:
                return
            # Under the start lock nobody takes a share while this one is tried for being the last.
            with self._start_lock():
                try:
                    if self._share.try_exclusive():
                        self._cluster.stop()
                finally:
                    self._drop()

    def _take_share(self) -> FileLock:
        share = FileLock(self._cluster.place.kernels_lock)
        if not share.try_shared():
            share.close()
            raise ConnectError(f"{share.path} is locked by another program")
        return share

    def _drop(self) -> None:
        if self._share is not None:
            self._share.close()
        self._share = None
        _servers.pop(self.data_dir, None)

    def _start_lock(self) -> contextlib.AbstractContextManager[FileLock]:
        busy = f"another process is still starting or stopping the server in {self.data_dir}"
        return exclusive(self._cluster.place.start_lock, _BUSY_SECONDS, busy)


@atexit.register
def _release_all() -> None:
    for server in list(_servers.values()):
        with contextlib.suppress(PgvecError, OSError):  # nobody is left to tell, and other servers wait their turn
            server.release()


def _renew_guard_in_forked_child() -> None:
    """Another thread of the parent may have held the guard, and does not exist in the child."""
    global _guard
    _guard = threading.RLock()
    _servers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_guard_in_forked_child)
