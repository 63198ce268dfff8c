"""postmaster.pid, and the proof that the process it names is this data directory's server."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

# The file's time is the server's own clock reading just after it was forked.
_START_TOLERANCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The lines of a postmaster.pid; ``started`` in seconds since 1970, ``status`` ready, starting or stopping."""

    pid: int
    data_dir: str
    started: int
    port: int
    socket_dir: str
    host: str
    status: str


def find(data_dir: Path) -> Postmaster | None:
    """Return the running server of ``data_dir``; None without one, also when a stranger has the pid of a stale file."""
    noted = _read(data_dir / "postmaster.pid")
    return noted if noted and _is_server(noted, data_dir) else None


def _read(path: Path) -> Postmaster | None:
    """Return the file's lines; None when it is not there or not yet written to its end."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return None
    lines += [""] * (8 - len(lines))
    pid, folder, started, port, socket_dir, host, _, status = (line.strip() for line in lines[:8])
    if not (pid.isdigit() and started.isdigit() and port.isdigit()):
        return None
    return Postmaster(int(pid), folder, int(started), int(port), socket_dir, host, status)


def _is_server(noted: Postmaster, data_dir: Path) -> bool:
    """Whether executable, data directory, owner and start time all agree."""
    import psutil

    try:
        process = psutil.Process(noted.pid)
        if Path(process.exe()).name.removesuffix(" (deleted)") not in {"postgres", "postgres.exe"}:
            return False
        # A server's working directory is its data directory, whatever its command line says.
        if not (_same(Path(process.cwd()), data_dir) and _same(Path(noted.data_dir), data_dir)):
            return False
        started = abs(process.create_time() - noted.started) < _START_TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # root in a container without CAP_SYS_PTRACE may not look at its own server either
        return _listens(noted)
    return started or _listens(noted)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _listens(noted: Postmaster) -> bool:
    """Whether that process listens on the noted socket: a proof that needs neither rights nor an undisturbed clock."""
    if not hasattr(socket, "SO_PEERCRED") or not noted.socket_dir:
        return False
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(os.path.join(noted.socket_dir, f".s.PGSQL.{noted.port}"))
        except OSError:
            return False
        credentials = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[0] == noted.pid)
