"""Which rows of a batch the table has already, and which of them with the same text: those need no new vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..db import Database
from ..query import Query
from ..sqltext import quote_ident
from . import texts
from .target import Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class There:
    """For each row of a batch whether its id is in the table, and whether with the same text and a vector of it.

    Where nothing tells of which text a vector is, it is taken for that of the text beside it.
    """

    ids: NDArray[np.bool_]
    texts: NDArray[np.bool_]


def there(db: Database, target: Target, ids: Sequence[str], digests: Sequence[str]) -> There:
    """Ask the table about ids (as text) and the SHA-256 of their texts, in hex."""
    import numpy as np

    found = There(np.zeros(len(ids), bool), np.zeros(len(ids), bool))
    rows = db.run(Query(_sql(target), {"ids": list(ids), "digests": list(digests)}, reads=True)).rows
    positions = np.array([position for position, _ in rows], np.int64) - 1
    found.ids[positions] = True
    found.texts[positions] = [same for _, same in rows]
    return found


def _sql(target: Target) -> str:
    key, vector = quote_ident(target.layout.id), quote_ident(target.layout.vector)
    key_type = target.column(target.layout.id).sql_type
    text = texts.sql(target.layout.text, "t")
    digest = f"encode(sha256(convert_to({text}, 'UTF8')), 'hex')" if target.layout.text else "''"
    table, key, vector, digest, key_type = (
        part.replace("%", "%%") for part in (target.sql_name, key, vector, digest, key_type)
    )
    noted = f" AND t.{quote_ident(target.hash)} = left(s.digest, 32)::uuid".replace("%", "%%") if target.hash else ""
    return f"""
SELECT s.position, t.{vector} IS NOT NULL AND {digest} = s.digest{noted}
FROM unnest(%(ids)s::text[], %(digests)s::text[]) WITH ORDINALITY AS s(id, digest, position)
JOIN {table} AS t ON t.{key} = s.id::{key_type}"""
