"""How many numbers of a sparse vector are not zero, on average."""

from __future__ import annotations

from ..db import Database
from ..query import Query
from ..sqltext import quote_ident, quote_qualified

_SAMPLED = 10_000
_BESIDE, _NUMBER = 16, 8  # bytes of a value beside its numbers, and of each of these


def non_zero(db: Database, schema: str, table: str, column: str) -> float | None:
    """Return the mean of the first 10,000 vectors of a sparsevec column, None where there are none."""
    vectors = f"SELECT {quote_ident(column)} AS v FROM {quote_qualified(schema, table)}"
    sampled = f"{vectors} WHERE {quote_ident(column)} IS NOT NULL LIMIT {_SAMPLED}"
    sql = f"SELECT avg((pg_column_size(v) - {_BESIDE}) / {_NUMBER}.0)::float8 FROM ({sampled}) AS sampled"
    found: float | None = db.run(Query(sql.replace("%", "%%"), reads=True)).rows[0][0]
    return found
