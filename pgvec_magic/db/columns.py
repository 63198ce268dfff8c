"""What comes back: columns that psycopg2 gives as text or memory although Python has a better form for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from . import vectors

if TYPE_CHECKING:
    import numpy as np
    import psycopg2.extensions
    from pgvector import SparseVector

Row = tuple[Any, ...]
Reader = Callable[[Any], Any]
_BYTEA, _BIT = 17, 1560
# Flags fit into a machine's word; a longer bit(n) is read, listed and searched as a vector.
LONGEST_FLAGS = 64
# The types that extensions and people add have numbers from here on.
_FIRST_ADDED = 16384
_PGVECTOR_TYPES = """
SELECT t.oid, t.typname::text FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_depend d
  ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e'
JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'vector' AND t.typname IN ('vector', 'halfvec', 'sparsevec')
"""


# Dates and times that Postgres has and Python has not, which psycopg2 refuses or silently makes into others.
_BEYOND_PYTHON = ("infinity", "-infinity", "24:00:00")


def keep_what_python_cannot_hold(connection: psycopg2.extensions.connection) -> None:
    """Have this connection, and no other, give a date or a time that Python has no value for as the server's text."""
    from psycopg2 import extensions

    for name in ("DATE", "TIME", "DATETIME", "DATETIMETZ"):
        known = getattr(extensions, f"PY{name}")
        extensions.register_type(extensions.new_type(known.values, f"{name}_OR_TEXT", _or_text(known)), connection)


def _or_text(known: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    from psycopg2 import Error

    def read(text: str | None, cursor: Any) -> Any:
        if text is None or text.startswith(_BEYOND_PYTHON):
            return text
        try:
            return known(text, cursor)
        except (ValueError, OverflowError, Error):
            return text

    return read


class Readers:
    """How a column is read, by the number of its type; the server is asked about a number when it first comes.

    So pgvector may be created, moved or created anew at any time and by anybody, and connecting costs nothing.
    """

    def __init__(self) -> None:
        self._known: dict[int, Reader | None] = {_BYTEA: bytes, _BIT: read_bits}

    def read(self, rows: list[Row], cursor: psycopg2.extensions.cursor) -> list[Row]:
        """Return the rows that a cursor fetched, with vectors as Python has them and bytea as bytes.

        A vector and a halfvec are float32 arrays, a sparsevec is a SparseVector, a bit longer than flags a bool array.
        """
        types = [column.type_code for column in cursor.description or ()]
        if any(number >= _FIRST_ADDED and number not in self._known for number in types):
            self._learn(types, cursor.connection)
        places = {i: reader for i, number in enumerate(types) if (reader := self._known.get(number))}
        return [_read(row, places) for row in rows] if places else rows

    def _learn(self, types: Collection[int], connection: psycopg2.extensions.connection) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_PGVECTOR_TYPES)
            found = {number: read_sparse if name == "sparsevec" else read_vector for number, name in cursor.fetchall()}
        for number in types:
            self._known.setdefault(number, found.get(number))


def _read(row: Row, places: Mapping[int, Reader]) -> Row:
    values = list(row)
    for i, reader in places.items():
        if values[i] is not None:
            values[i] = reader(values[i])
    return tuple(values)


def read_vector(text: str) -> np.ndarray:
    """Return pgvector's text form as a float32 array, shape (dimensions,)."""
    import numpy as np

    return np.array(text[1:-1].split(","), dtype=np.float32)


def read_sparse(text: str) -> SparseVector:
    """Return pgvector's text form of a sparse vector as its class, whose indices count from 0."""
    from pgvector import SparseVector

    return SparseVector.from_text(text)


def read_bits(text: str) -> np.ndarray | str:
    """Return a bit string that is too long to be flags as a bool array, shape (bits,), and any other as it is."""
    return vectors.bits(text) if len(text) > LONGEST_FLAGS else text
