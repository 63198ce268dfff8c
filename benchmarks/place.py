"""A Postgres of its own for the benchmarks, so that nobody's data is touched and every run starts alike."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgvec_magic import db, server
from pgvec_magic.db import Database


@contextmanager
def database() -> Iterator[Database]:
    """Yield a connection to a fresh embedded server, which is stopped and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="pgvec-bench-") as folder:
        place = server.start(data_dir=Path(folder) / "data")
        try:
            yield db.connect(place.dsn, name="bench", create_extension=True)
        finally:
            db.close_all()
            place.stop()
