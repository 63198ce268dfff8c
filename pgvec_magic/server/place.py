"""Where a server's files are: its data directory, and beside it a directory of locks, log, settings and socket."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgvec_magic.errors import ConnectError

from .process import Account, can_enter, make_dirs, private_dir

PORT = 5432  # on unix it only names the socket
SHORT_NAME = "pgvec-"  # of a socket directory that had to leave its data
_SYSTEM_HOME = Path("/var/lib/pgvec_magic")
_SOCKET_PATH_BYTES = 103  # sun_path has 108 bytes on Linux, 104 on macOS, the last one is 0
_SHELL_SIGNS = '"$`\\\n'


@dataclass(frozen=True, slots=True)
class Place:
    """The paths of one server; ``run`` belongs to whoever starts the server, ``data`` to the account it runs under."""

    data: Path

    @property
    def run(self) -> Path:
        """The directory of everything but the data."""
        return self.data.with_name(f"{self.data.name}.run")

    @property
    def start_lock(self) -> Path:
        """Held exclusively while somebody starts or stops the server."""
        return self.run / "start.lock"

    @property
    def kernels_lock(self) -> Path:
        """Shared by every process that uses the server."""
        return self.run / "kernels.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the server's processes, down to the last orphan."""
        return self.run / "server.lock"

    @property
    def log(self) -> Path:
        """What the server writes to stderr."""
        return self.run / "server.log"

    @property
    def conf(self) -> Path:
        """The settings the server is started with."""
        return self.run / "server.conf"


def home() -> Path:
    """Return the base directory: $PGVEC_HOME, else the user's data directory, for root /var/lib/pgvec_magic."""
    named = os.environ.get("PGVEC_HOME")
    if named:
        return Path(named).expanduser().resolve()
    if os.name != "nt" and os.geteuid() == 0:
        return _SYSTEM_HOME
    import platformdirs

    return Path(platformdirs.user_data_dir("pgvec_magic", appauthor=False)).resolve()


def place_at(data_dir: Path) -> Place:
    """Return the place of a data directory; ConnectError for a path that initdb and pg_ctl would hand to a shell."""
    data = data_dir.expanduser().resolve()
    if os.name != "nt" and any(sign in _SHELL_SIGNS for sign in str(data)):
        raise ConnectError(f'PostgreSQL cannot use {str(data)!r}: a data directory may not contain " $ ` \\')
    return Place(data)


def prepare(place: Place, account: Account | None) -> None:
    """Make the directory ``run``; ConnectError when it is somebody else's or the account cannot get there."""
    make_dirs(place.data.parent, 0o755 if account else 0o700)
    if account and not can_enter(place.data.parent, account):
        raise ConnectError(
            f"root's server runs under the account {account.name}, which cannot reach {place.data.parent}",
            "set PGVEC_HOME to a directory that other users may enter; no existing mode is changed",
        )
    private_dir(place.run, 0o711 if account else 0o700)


def socket_dir(place: Place, account: Account | None) -> Path:
    """Make and return the 0700 directory of the unix socket; a short one elsewhere when the path would be too long."""
    directory = next((one for one in _socket_dirs(place, account) if _fits(one)), None)
    if directory is None:
        raise ConnectError(f"no directory with a short enough path for the socket of {place.data}", "set TMPDIR=/tmp")
    private_dir(directory, 0o700, account)
    return directory


def _socket_dirs(place: Place, account: Account | None) -> Iterator[Path]:
    yield place.run / "socket"
    name = f"{SHORT_NAME}{os.geteuid()}-{hashlib.sha256(os.fsencode(place.data)).hexdigest()[:12]}"
    runtime = None if account else os.environ.get("XDG_RUNTIME_DIR")
    for parent in (runtime, tempfile.gettempdir(), "/tmp"):
        if parent and os.access(parent, os.W_OK | os.X_OK) and can_enter(Path(parent), account):
            yield Path(parent) / name


def _fits(directory: Path) -> bool:
    """Whether libpq can use a socket there; it divides a host at commas."""
    return len(os.fsencode(directory / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_BYTES and "," not in str(directory)
