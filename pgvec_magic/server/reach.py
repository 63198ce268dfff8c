"""Copies binaries that root's unprivileged account cannot reach to a system directory, once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from pgvec_magic.errors import ConnectError

from .binaries import Binaries
from .locks import exclusive
from .process import Account, make_dirs, run

_COPY_SECONDS = 120.0
_NOT_COPIED = shutil.ignore_patterns("include", "doc", "man", "pgxs", "pkgconfig", "*.a")


def within_reach(binaries: Binaries, account: Account | None, home: Path) -> Binaries:
    """Return binaries that ``account`` can execute: these, or their copy in ``home``/binaries."""
    if account is None or _executable(binaries, account):
        return binaries
    copied = Binaries(_copied(binaries.bin_dir, home / "binaries", binaries.version), binaries.version)
    if not _executable(copied, account):
        raise ConnectError(f"the account {account.name} cannot execute the PostgreSQL copied to {copied.bin_dir}")
    return copied


def _executable(binaries: Binaries, account: Account) -> bool:
    try:
        return run([binaries.tool("postgres"), "-V"], account).code == 0
    except PermissionError:
        return False


def _copied(bin_dir: Path, store: Path, version: str) -> Path:
    """Copy an installation, unless that same one was copied before; return the bin folder of the copy."""
    prefix = bin_dir.parent
    target = store / f"{version}-{_fingerprint(prefix)}"
    # A wheel's libraries are found relative to the programs (../../../<package>.libs), so the copy keeps two levels.
    inner = Path(prefix.parent.name) / prefix.name
    make_dirs(store, 0o755)
    with exclusive(store / "copy.lock", _COPY_SECONDS, f"another kernel is still copying PostgreSQL to {store}"):
        for leftover in store.glob("copy-*/"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not target.exists():
            _copy(prefix, store, inner, target)
    return target / inner / "bin"


def _copy(prefix: Path, store: Path, inner: Path, target: Path) -> None:
    staging = Path(tempfile.mkdtemp(prefix="copy-", dir=store))
    try:
        shutil.copytree(prefix, staging / inner, ignore=_NOT_COPIED)
        libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, staging / libraries.name)
        _open_to_read(staging)
        staging.rename(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(staging)


def _open_to_read(tree: Path) -> None:
    """Let everybody read the copy, and execute what its owner could; the originals keep their modes."""
    for folder, _, files in os.walk(tree):
        os.chmod(folder, 0o755)
        for name in files:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _fingerprint(prefix: Path) -> str:
    """Return 12 hex digits over the names and sizes of an installation's files: another one gets another copy."""
    digest = hashlib.sha256()
    for path in sorted(prefix.rglob("*")):
        size = path.stat().st_size if path.is_file() else 0
        digest.update(f"{path.relative_to(prefix)}\0{size}\n".encode())
    return digest.hexdigest()[:12]
