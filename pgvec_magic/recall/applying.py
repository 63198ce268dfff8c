"""A measured setting put where searches, or all clients, take it from."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from .. import catalog
from ..catalog import Baseline, TableInfo, baseline_statement
from ..db import Database
from ..errors import QueryError, UsageError, did_you_mean
from ..query import Query
from ..sqltext import quote_ident, quote_qualified
from .point import Point

if TYPE_CHECKING:
    from .curve import RecallCurve

SCOPES = ("index", "database", "role")
# SQLSTATEs of who may not: not the owner, a read-only connection or server.
_NOT_ALLOWED = ("42501", "25006")
_METHODS = {"ef_search": "hnsw", "probes": "ivfflat"}


def statement(db: Database, curve: RecallCurve, best: Point, scope: str) -> str:
    """Return the statement that applies a setting to a scope; UsageError for a scope that does not exist."""
    if scope == "index":
        if curve.where:
            raise UsageError(
                "this was measured with a filter, and what is stored on an index holds for every search",
                "measure without where=, or apply it to the database or the role",
            )
        return _on_index(db, curve, best)
    setting = f"{_METHODS[best.setting]}.{best.setting} = {best.value}"
    database = quote_ident(db.place.database)
    if scope == "database":
        return f"ALTER DATABASE {database} SET {setting}"
    if scope == "role":
        return f"ALTER ROLE {quote_ident(db.place.user)} IN DATABASE {database} SET {setting}"
    raise UsageError(f"apply: {scope!r} is not one of {', '.join(SCOPES)}", did_you_mean(str(scope), SCOPES))


def run(db: Database, text: str, table: TableInfo) -> None:
    """Run such a statement; UsageError with it for whoever may not."""
    # A setting is known once pgvector is loaded; an unknown one only a superuser may set.
    schema = f"{quote_ident(table.extension_schema)}." if table.extension_schema else ""
    steps = [f"SELECT '[1]'::{schema}vector", text]
    try:
        db.transaction([Query(step.replace("%", "%%")) for step in steps])
    except QueryError as error:
        if error.sqlstate not in _NOT_ALLOWED:
            raise
        raise UsageError(f"{db.place.user} may not do that here: {error.message}", f"who may: {text}") from None
    catalog.forget(db)


def _on_index(db: Database, curve: RecallCurve, best: Point) -> str:
    name = quote_qualified(curve.table.schema, best.index)
    asked = Query("SELECT obj_description(%(index)s::regclass, 'pg_class')", {"index": name}, reads=True)
    ((comment,),) = db.run(asked).rows
    today = datetime.date.today().isoformat()
    measured = Baseline(best.setting, best.value, curve.k, best.recall, today, curve.rows)
    return baseline_statement(curve.table.schema, best.index, comment, measured)
