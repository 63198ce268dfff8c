"""The data directory and its server: initdb and pg_ctl, and what has to be true before and after them."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import socket
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from pgvec_magic.errors import ConnectError

from . import postmaster, settings
from .binaries import Binaries
from .locks import FileLock, wait_for
from .place import PORT, SHORT_NAME, Place, socket_dir
from .postmaster import Postmaster
from .process import Account, Finished, run

USER = "postgres"
PASSWORD_FILE = "pgvec_magic.password"
_SETTLE_SECONDS = 60
# A notebook's server writes out what it holds well within this time.
_FAST_SECONDS = 10
_ORPHAN_SECONDS = 15.0
_LOG_BYTES = 1_000_000
_TAIL_BYTES = 4000
_CTYPES = ("C.UTF-8", "C")  # the second for systems without the first


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data directory, the programs for it, and the account they run under (None: the user itself)."""

    place: Place
    binaries: Binaries
    account: Account | None

    def password(self) -> str:
        """Return the superuser's password."""
        fd = os.open(self.place.data / PASSWORD_FILE, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(fd) as file:
            return file.read()

    def exists(self) -> bool:
        """Whether the data directory is there and whole; ConnectError when these programs cannot use it."""
        data, version_file = self.place.data, self.place.data / "PG_VERSION"
        if not data.exists() or not any(data.iterdir()):
            return False
        version = version_file.read_text().strip() if version_file.is_file() else None
        if version is not None and version != str(self.binaries.major):
            raise ConnectError(
                f"{data} has the data format of PostgreSQL {version}, and the programs in {self.binaries.bin_dir} are "
                f"PostgreSQL {self.binaries.version}",
                f"set PGVEC_PG_BIN to a PostgreSQL {version}, or leave data_dir out: every major version has its own",
            )
        if version is None or not (data / PASSWORD_FILE).is_file() or not (data / "global" / "pg_control").is_file():
            raise ConnectError(
                f"{data} is not empty, and not a whole data directory made by pgvec_magic; nothing in it was changed",
                "move it away, or name another data_dir",
            )
        return True

    def clear_staging(self) -> None:
        """Remove what a killed kernel left of an initdb; the start lock is held, so nobody's is in use."""
        for leftover in self.place.run.glob("init-*/"):
            shutil.rmtree(leftover, ignore_errors=True)  # an orphaned initdb may still write: the next start goes on

    def create(self) -> None:
        """Run initdb in a staging directory and rename the result, so that no half-made one is taken for good.

        Its thousand files are synced in the background: on a busy disk that takes as long as initdb itself.
        """
        staging = Path(tempfile.mkdtemp(prefix="init-", dir=self.place.run))
        try:
            staging.chmod(0o711 if self.account else 0o700)
            data = staging / "data"
            data.mkdir(mode=0o700)
            self._give(data)
            password_file = self._new_password(staging)
            self._initdb(data, password_file)
            password_file.rename(data / PASSWORD_FILE)
            if self.place.data.exists():
                self.place.data.rmdir()  # it is empty
            data.rename(self.place.data)
        finally:
            shutil.rmtree(staging)
        sync = [self.binaries.tool("initdb"), "--sync-only", "-D", self.place.data]
        threading.Thread(target=run, args=(sync, self.account), name="pgvec-sync", daemon=True).start()

    def _new_password(self, staging: Path) -> Path:
        path = staging / "password"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
        self._give(path)
        return path

    def _initdb(self, data: Path, password_file: Path) -> None:
        argv: list[str | Path] = [self.binaries.tool("initdb"), "-D", data, "-U", USER, "--pwfile", password_file]
        argv += ["--no-sync", "-A", "scram-sha-256", "-E", "UTF8", "-T", "english", "--locale=C"]
        if self.binaries.major >= 17:
            argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        for ctype in _CTYPES:
            done = run([*argv, f"--lc-ctype={ctype}"], self.account)
            if done.code == 0:
                return
            if "invalid locale name" not in done.output:
                break
        raise ConnectError(f"initdb failed for {self.place.data}", done.output)

    def ensure_running(self) -> Postmaster:
        """Return the ready server, started if there is none; ConnectError when one is in the way or does not start."""
        found: Postmaster | None = None
        lock = FileLock(self.place.server_lock)

        def running_or_free() -> bool:
            nonlocal found
            found = self._settled()
            return found is not None or lock.try_exclusive()

        try:
            if not wait_for(running_or_free, _ORPHAN_SECONDS):
                raise ConnectError(
                    f"a server of {self.place.data} still lives where this process cannot see it, or is just ending",
                    "another container or machine may share this directory: set PGVEC_HOME to one of your own",
                )
            return found or self._launch(lock)
        finally:
            lock.close()

    def _settled(self) -> Postmaster | None:
        """Return the server when it has done starting; None when there is none, or once it has done stopping."""
        found = postmaster.find(self.place.data)

        def settled() -> bool:
            nonlocal found
            found = postmaster.find(self.place.data)
            return found is None or found.status == "ready"

        if found is not None and not wait_for(settled, _SETTLE_SECONDS):
            raise ConnectError(
                f"the server (pid {found.pid}) has been {found.status} for {_SETTLE_SECONDS} s", self._tail()
            )
        return found

    def _launch(self, lock: FileLock) -> Postmaster:
        """Start the server, and have it inherit ``lock``, which thereby tells everywhere whether any of it still lives.

        A pid means nothing in another container or on another machine that shares the directory; this lock does.
        """
        self._clear_leftovers()
        self._open_log()
        self.place.conf.write_text(settings.conf(self._settings(), self.place.data / "postgresql.conf"))
        self.place.conf.chmod(0o644)
        conf = f'"{self.place.conf}"' if os.name == "nt" else shlex.quote(str(self.place.conf))
        hand_over = () if os.name == "nt" else (lock.fd,)
        started = self._pg_ctl("start", "-l", self.place.log, "-o", f"-c config_file={conf}", hand_over=hand_over)
        found = postmaster.find(self.place.data)
        if started.code or found is None:
            raise ConnectError(
                f"the PostgreSQL server in {self.place.data} did not start", self._tail() or started.output
            )
        return found

    def stop(self) -> None:
        """Stop the server if it runs: sessions are ended, everything committed is on disk."""
        found = postmaster.find(self.place.data)
        if found is None:
            return
        done = self._pg_ctl("stop", "-m", "fast", "-t", str(_FAST_SECONDS))
        if done.code and postmaster.find(self.place.data) is not None:
            # A server in which a process has just crashed does not heed the first; what is committed stays safe.
            done = self._pg_ctl("stop", "-m", "immediate")
        if done.code and postmaster.find(self.place.data) is not None:
            raise ConnectError(f"the server in {self.place.data} did not stop", done.output)
        if Path(found.socket_dir).name.startswith(SHORT_NAME):
            with contextlib.suppress(OSError):  # somebody put a file there: then it stays
                Path(found.socket_dir).rmdir()

    def _pg_ctl(self, action: str, *options: str | Path, hand_over: tuple[int, ...] = ()) -> Finished:
        waiting = ("-w", "-s", "-t", str(_SETTLE_SECONDS))
        argv = [self.binaries.tool("pg_ctl"), action, *waiting, "-D", self.place.data, *options]
        return run(argv, self.account, hand_over=hand_over)

    def _settings(self) -> dict[str, str]:
        chosen = settings.sized(settings.this_machine())
        # A notebook shows its errors itself: people's texts, vectors and secrets stay out of the log.
        chosen["log_min_error_statement"] = "panic"
        if sys.platform == "win32":
            return chosen | {"listen_addresses": "127.0.0.1", "port": str(_free_port()), "unix_socket_directories": ""}
        return chosen | {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": f'"{socket_dir(self.place, self.account)}"',
            "unix_socket_permissions": "0700",
        }

    def _clear_leftovers(self) -> None:
        """Remove what a killed server left: a stranger with its pid would otherwise keep PostgreSQL from starting.

        The server lock is held, so none of its processes is alive; PostgreSQL makes sure once more, by shared memory.
        """
        (self.place.data / "postmaster.pid").unlink(missing_ok=True)
        if sys.platform != "win32":
            for path in socket_dir(self.place, self.account).glob(".s.PGSQL.*"):
                path.unlink()

    def _open_log(self) -> None:
        """Make a log that the account may write; one that grew beyond a megabyte becomes ``server.log.1``."""
        log = self.place.log
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        self._give(log)

    def _tail(self) -> str:
        if not self.place.log.exists():
            return ""
        with self.place.log.open("rb") as file:
            file.seek(max(self.place.log.stat().st_size - _TAIL_BYTES, 0))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join([f"the end of {self.place.log}:", *lines[-8:]])

    def _give(self, path: Path) -> None:
        if self.account:
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
