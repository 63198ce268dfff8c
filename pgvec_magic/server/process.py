"""Runs the server's programs: a clean environment, the right account, output that never blocks."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pgvec_magic.errors import ConnectError

# The server may outlive the kernel and runs as somebody else for root: the kernel's API keys are not its business.
_PASSED_ON = ("PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TEMP", "TMP", "SYSTEMROOT")
_UNPRIVILEGED = ("postgres", "_postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account that the server of root runs under."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A program's exit code, and what it wrote to stdout and stderr."""

    code: int
    output: str


def account_for(data_dir: Path) -> Account | None:
    """Return the account to run under: None is the user itself; for root postgres or nobody, whose the data is."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd

    entries = {entry.pw_name: entry for entry in pwd.getpwall()}
    known = [Account(name, entries[name].pw_uid, entries[name].pw_gid) for name in _UNPRIVILEGED if name in entries]
    if not known:
        raise ConnectError("PostgreSQL refuses to run as root, and there is no account postgres or nobody for it")
    owner = data_dir.stat().st_uid if data_dir.exists() else None
    return next((account for account in known if account.uid == owner), known[0])


def run(argv: Sequence[str | Path], account: Account | None = None, *, hand_over: Sequence[int] = ()) -> Finished:
    """Run a program to its end under ``account``; it inherits the descriptors ``hand_over`` and no others.

    OSError when it cannot be executed. Output goes through a file: a pipe would stay open as long as the server that
    pg_ctl leaves behind, and reading one on Windows needs a thread, which Python refuses at its exit.
    """
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",  # the kernel's own directory may be closed to the account
            env={"LC_ALL": "C"} | {name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            pass_fds=hand_over,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            check=False,
        )
        output.seek(0)
        return Finished(done.returncode, output.read().decode(errors="replace").strip())


def can_enter(directory: Path, account: Account | None) -> bool:
    """Whether ``account`` can reach that directory, asked of the system and not of mode bits, which ACLs overrule."""
    return account is None or run(["/bin/sh", "-c", 'cd -- "$1"', "sh", directory], account).code == 0


def make_dirs(directory: Path, mode: int) -> None:
    """Make a directory and its missing parents with that mode whatever the umask; those that exist keep theirs."""
    for missing in reversed([path for path in (directory, *directory.parents) if not path.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(mode)


def private_dir(path: Path, mode: int, account: Account | None = None) -> None:
    """Make ``path`` a directory of ours (or of ``account``) with that mode; ConnectError when it is somebody else's."""
    path.mkdir(mode=mode, exist_ok=True)
    if sys.platform == "win32":
        return
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise ConnectError(f"{path} is not a directory that the embedded server may use: {error.strerror}") from error
    try:  # by descriptor: the name may be exchanged for a link in between
        owner = os.fstat(fd).st_uid
        if owner not in {os.geteuid(), account.uid if account else os.geteuid()}:
            raise ConnectError(f"{path} belongs to another user (uid {owner})", "remove it, or set PGVEC_HOME")
        os.fchmod(fd, mode)
        if account:
            os.fchown(fd, account.uid, account.gid)
    finally:
        os.close(fd)
