"""How long the vectors of an index are, told by a few pages of its table."""

from __future__ import annotations

from dataclasses import dataclass

from ..db import Database
from ..query import Query
from ..sqltext import quote_qualified

_ROWS, _PAGES, _PAGE = 1_000, 10, 8192


@dataclass(frozen=True, slots=True)
class Norms:
    """Of ``rows`` that were looked at ``zeros`` are vectors of zeros; the others are ``least`` to ``most`` long."""

    rows: int
    zeros: int
    least: float
    most: float


def norms(
    db: Database, table: tuple[str, str], size: int, vectors: str, product: str, where: str | None
) -> Norms | None:
    """Return the lengths of some of a table's vectors, None where there are none; some ms, whatever the size.

    ``table`` is (schema, name) and has ``size`` bytes, ``vectors`` is the column or expression, ``product`` the
    function of the negative inner product of its type, and ``where`` the condition of a partial index.
    """
    percent = min(100.0, 100 * _PAGES * _PAGE / max(size, 1))
    known = f"({vectors}) IS NOT NULL" + (f" AND ({where})" if where else "")
    sample = f"{quote_qualified(*table)} TABLESAMPLE SYSTEM ({percent!r}) REPEATABLE (1)"
    sql = f"""
SELECT count(*), count(*) FILTER (WHERE norm = 0), min(norm) FILTER (WHERE norm > 0), max(norm)
FROM (SELECT sqrt(greatest(-{product}(v, v), 0)) AS norm
      FROM (SELECT ({vectors}) AS v FROM {sample} WHERE {known} LIMIT {_ROWS}) AS few) AS measured"""
    rows, zeros, least, most = db.run(Query(sql.replace("%", "%%"), reads=True)).rows[0]
    return Norms(rows, zeros, least or 0.0, most) if rows else None
