"""A Postgres of its own for the benchmarks, so that nobody's data is touched and every run starts alike."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgvec_magic import db, server
from pgvec_magic.db import Database


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a temporary directory that the account under which root's server runs may enter."""
    with tempfile.TemporaryDirectory(prefix="pgvec-bench-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@contextmanager
def database() -> Iterator[tuple[Database, str]]:
    """Yield a connection to a fresh embedded server, and its address; the server is gone afterwards."""
    with folder() as made:
        place = server.start(data_dir=made / "data")
        try:
            yield db.connect(place.dsn, name="bench", create_extension=True), place.dsn
        finally:
            db.close_all()
            place.stop()
