"""Tables kept on disk, one file a package and version; a file that was damaged counts as missing."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def folder() -> Path:
    """Return the cache directory of samples: under ``$PGVEC_HOME``, else in the user's own cache; not created."""
    home = os.environ.get("PGVEC_HOME")
    if home:
        return Path(home, "cache", "samples")
    import platformdirs

    return Path(platformdirs.user_cache_dir("pgvec_magic"), "samples")


def digest(table: pa.Table) -> str:
    """Return 32 hex digits over the ids and contents of a table, in their order."""
    hashed = hashlib.blake2b(digest_size=16)
    for name in ("id", "content"):
        hashed.update("\0".join(table.column(name).to_pylist()).encode())
        hashed.update(b"\1")
    return hashed.hexdigest()


def read(name: str) -> pa.Table | None:
    """Return the table kept under ``name``, or None when there is none that is whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(folder() / f"{name}.parquet", memory_map=False)
        whole = (table.schema.metadata or {}).get(b"digest") == digest(table).encode()
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return None  # not there, cut short or overwritten: it is built again
    return table if whole else None


def write(name: str, table: pa.Table) -> None:
    """Keep a table under ``name``, whole or not at all; without a place to write there is no cache."""
    import pyarrow.parquet as pq

    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, path = tempfile.mkstemp(suffix=".part", dir=folder())
        os.close(handle)
        try:
            pq.write_table(table.replace_schema_metadata({"digest": digest(table)}), path, compression="zstd")
            # Two kernels may build the same file at once: the last one wins, and both wrote the same.
            os.replace(path, folder() / f"{name}.parquet")
        except OSError:
            os.unlink(path)
            raise
