"""How long the vectors of an index are, told by a few pages of its table."""

from __future__ import annotations

from dataclasses import dataclass

from ..db import Database
from ..query import Query
from ..sqltext import quote_qualified

_ROWS, _PAGES, _PAGE = 200, 10, 8192


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
    """Return the lengths of some of a table's vectors, None where there are none.

    It takes some 10 ms for 1,536 dimensions, whatever the size of the table: most of it is reading 200 long vectors.
    That they are taken by a hash of their places makes them the same each time, and of all the pages looked at.

    ``table`` is (schema, name) and has ``size`` bytes, ``vectors`` is the column or expression, ``product`` the
    function of the negative inner product of its type, and ``where`` the condition of a partial index.
    """
    percent = min(100.0, 100 * _PAGES * _PAGE / max(size, 1))
    sample = f"{quote_qualified(*table)} TABLESAMPLE SYSTEM ({percent!r}) REPEATABLE (1)"
    kept = f"WHERE ({where})" if where else ""
    sql = f"""
SELECT count(*), count(*) FILTER (WHERE norm = 0), min(norm) FILTER (WHERE norm > 0), max(norm)
FROM (SELECT sqrt(greatest(-{product}(v, v), 0)) AS norm
      FROM (SELECT ({vectors}) AS v FROM {sample} {kept} ORDER BY hashtid(ctid) LIMIT {_ROWS}) AS few
      WHERE v IS NOT NULL) AS measured"""
    rows, zeros, least, most = db.run(Query(sql.replace("%", "%%"), reads=True)).rows[0]
    return Norms(rows, zeros, least or 0.0, most) if rows else None
