"""Vectors kept on disk, so that no text is paid for twice: one SQLite file, 0600, in the user's cache directory.

It holds hashes of texts, not texts. $PGVEC_EMBED_CACHE is the megabytes that it may take (1000), or ``off``. Every call
opens the file anew, so that threads, processes and forks may use it at the same time.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import EmbedError

if TYPE_CHECKING:
    import sqlite3

    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
SWITCH = "PGVEC_EMBED_CACHE"
_MEGABYTES = 1000
_KEPT = 0.9  # of the room, once there is no more
_DAY = 86_400
_AT_ONCE = 500  # rows in one statement
_PATIENCE = 30.0  # seconds for another process to finish its batch
_SEALED = 0xFFFFFFFF  # the sum of a row's words, the last of which makes it so: as a checksum, in one go for all rows
_BEGIN = "BEGIN IMMEDIATE"  # waits for another process, where a lock that is raised later would fail at once
_TABLES = f"""
{_BEGIN};
CREATE TABLE IF NOT EXISTS vectors (key BLOB NOT NULL UNIQUE, vector BLOB NOT NULL, used INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS vectors_used ON vectors (used);
COMMIT;
"""
_writing = threading.Lock()  # SQLite would have threads wait for each other as well, but asleep


def path() -> Path:
    """Return where the cache is: under ``$PGVEC_HOME``, else in the user's own cache directory; not created."""
    home = os.environ.get("PGVEC_HOME")
    if home:
        return Path(home, "cache", "embeddings", "vectors.sqlite")
    import platformdirs

    return Path(platformdirs.user_cache_dir("pgvec_magic"), "embeddings", "vectors.sqlite")


def keys(identity: str, texts: Sequence[str]) -> list[bytes]:
    """Return the keys of texts, 16 bytes each, for a model that ``identity`` tells from every other."""
    model = hashlib.blake2b(identity.encode(), digest_size=32).digest()
    return [hashlib.blake2b(text.encode(), digest_size=16, key=model).digest() for text in texts]


def read(keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
    """Return the vectors that are kept under those keys, and note that they were used."""
    return _done(lambda connection: dict(_read(connection, keys))) or {} if keys and _room() else {}


def write(keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
    """Keep float32 vectors, row i under key i, whole or not at all; the longest unused make room for them."""
    room = _room()
    if room:
        with _writing:
            _done(lambda connection: _write(connection, keys, vectors, room))


def _room() -> int:
    """Return the bytes that the cache may take; 0: there is to be none."""
    wanted = os.environ.get(SWITCH, "").strip() or str(_MEGABYTES)
    if wanted.lower() == "off":
        return 0
    if not wanted.isdecimal():
        raise EmbedError(f"{SWITCH} is {wanted!r}", "it is the megabytes that the cache may take, or off")
    return int(wanted) * 1_000_000


def _done(work: Callable[[sqlite3.Connection], T]) -> T | None:
    """Return ``work`` of the open cache, made anew where it was damaged; where none can be, warn and return None."""
    import sqlite3

    damaged = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    place = path()
    for attempt in (1, 2):
        try:
            opened = _made(place)
            with closing(_connected(place)) as connection:
                return work(connection)
        except (sqlite3.Error, OSError) as error:
            if attempt == 1 and getattr(error, "sqlite_errorcode", 0) & 0xFF in damaged:
                _set_aside(place, opened)
                continue
            warnings.warn(f"vectors are not kept in {place}: {error}; a text may be paid for twice", stacklevel=2)
            return None
    return None


def _made(place: Path) -> int:
    """Make the file if need be, readable by its owner alone; return its inode."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)  # SQLite gives its journal the same mode
    try:
        return os.fstat(handle).st_ino
    finally:
        os.close(handle)


def _connected(place: Path) -> sqlite3.Connection:
    import sqlite3

    connection = sqlite3.connect(place, timeout=_PATIENCE)
    try:
        connection.execute("PRAGMA page_size = 32768")  # several vectors a page, not several pages a vector
        connection.execute("PRAGMA synchronous = normal")
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'vectors_used'").fetchone() is None:
            connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(place: Path, opened: int) -> None:
    """Rename a damaged file, unless another process has done so and made a new one."""
    with suppress(OSError):
        if place.stat().st_ino != opened:
            return
        place.replace(place.with_name(f"{place.name}.damaged"))
        place.with_name(f"{place.name}-journal").unlink(missing_ok=True)


def _read(connection: sqlite3.Connection, keys: Sequence[bytes]) -> Iterator[tuple[bytes, NDArray[np.float32]]]:
    import numpy as np

    now, stale = int(time.time()), []
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        for key, blob, used in connection.execute(
            f"SELECT key, vector, used FROM vectors WHERE key IN ({marks})", some
        ):
            words = np.frombuffer(blob, "<u4")
            if words.sum(dtype="u4") == _SEALED:
                yield key, words[:-1].view("<f4")
                if used < now - _DAY:
                    stale.append((now, key))
    if stale:  # once a day: reading is not to be writing
        with connection:
            connection.execute(_BEGIN)
            connection.executemany("UPDATE vectors SET used = ? WHERE key = ?", stale)


def _write(connection: sqlite3.Connection, keys: Sequence[bytes], vectors: NDArray[np.float32], room: int) -> None:
    import numpy as np

    now = int(time.time())
    words = np.ascontiguousarray(vectors, "<f4").view("<u4")
    sealed = np.column_stack([words, ~words.sum(axis=1, dtype="u4")])
    rows = [(key, row.tobytes(), now) for key, row in zip(keys, sealed, strict=True)]
    with connection:
        connection.execute(_BEGIN)
        # Many rows a statement: each gives other threads a turn, and those read answers for milliseconds.
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            marks = ", ".join(["(?, ?, ?)"] * len(some))
            connection.execute(f"INSERT OR REPLACE INTO vectors VALUES {marks}", [item for row in some for item in row])
        taken = _taken(connection)
        if taken > room:
            (count,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
            most = count - int(count * _KEPT * room / taken)
            oldest = "SELECT rowid FROM vectors ORDER BY used, rowid LIMIT ?"
            connection.execute(f"DELETE FROM vectors WHERE rowid IN ({oldest})", (most,))


def _taken(connection: sqlite3.Connection) -> int:
    size, pages, free = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
    )
    return int(size * (pages - free))
