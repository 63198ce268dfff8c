"""The verb: a table, or all of them, in; what is well and what is not, out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from .. import catalog
from ..catalog import TableInfo
from ..catalog.holders import LOCKED_TABLES, Holder, of_relations
from ..db import Database
from ..errors import UsageError
from ..query import Query
from . import guide, indexes, reading, server, sessions, statements, upkeep, vectors
from .check import Check
from .facts import Place, Table
from .reading import Reader
from .report import Health, ordered

_OF_TABLES: tuple[Callable[[Table, Place], Iterator[Check]], ...] = (
    guide.approximate,
    guide.next_build,
    statements.batches,
    guide.words,
    upkeep.dead,
    guide.memory,
    guide.tenants,
    guide.types,
    guide.measured,
    indexes.valid,
    indexes.sizes,
    indexes.use,
    indexes.doubles,
    indexes.cached,
    vectors.missing,
    vectors.lengths,
    vectors.copies,
    indexes.lists,
    upkeep.vacuum,
    statements.reading,
)
_OF_SERVERS: tuple[Callable[[Place], Iterator[Check]], ...] = (server.settings, server.pooler, sessions.in_the_way)
_WITH_ROWS = ("table", "partitioned table", "materialized view")
_BEHIND = """
SELECT DISTINCT c.relname::text FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
WHERE r.ev_class = to_regclass(%(name)s) AND c.oid <> r.ev_class AND c.relkind IN ('r', 'p', 'm')
ORDER BY 1"""


def health(db: Database, table: str | None = None) -> Health:
    """Return what is well and what is not of a table and its server; without one, of all tables that have vectors.

    It reads catalogs, statistics, and of each table at most 10,000 rows; it writes nothing. What this role may not see
    and what needs an extension that is not there is grey, with the reason. UsageError for a table that does not exist,
    has no vectors, or no rows of its own, such as a view.
    """
    started = time.perf_counter()
    reader = Reader(db)
    locked = _locked(reader, table)
    infos = [] if locked else [_one(db, table)] if table is not None else _all(db)
    place = reading.place(reader)
    found = reading.tables(reader, place.server, infos)
    if infos and table is not None and not found[0].info.vectors and not found[0].arrays:
        raise UsageError(f"{found[0].label} has no vectors", f"%vembed {found[0].label} --text COLUMN gives it some")
    checks = [replace(check, table=each.label) for each in found for look in _OF_TABLES for check in look(each, place)]
    checks += [check for look in _OF_SERVERS for check in look(place)]
    checks += [*server.version(place, found), *statements.slow(place, found)]
    about = table if table is not None else f"{_counted(found)} and {db.name}"
    return Health(about, ordered(checks), time.perf_counter() - started, locked or _notes(found))


def _locked(reader: Reader, table: str | None) -> tuple[str, ...]:
    """Tell why no table can be looked at: somebody's lock, behind which even a question for sizes would wait."""
    found = reader.rows(LOCKED_TABLES, {"name": table})
    return tuple(_held(name, of_relations(reader.db, oids), granted) for name, oids, granted in found)


def _held(name: str, holders: Sequence[Holder], granted: bool) -> str:
    who = " and ".join(map(str, holders)) or "a prepared transaction: see 23"
    if granted:
        return f"{name} is locked by {who}: tables were left out"
    return f"somebody waits to lock {name}, and others behind, until it is let go by {who}: tables were left out"


def _one(db: Database, name: str) -> TableInfo:
    catalog.changed(db, name)  # what others did a moment ago counts as well
    info = catalog.table(db, name)
    if info.kind not in _WITH_ROWS:
        behind = db.run(Query(_BEHIND, {"name": info.sql_name}, reads=True)).rows
        hint = "; ".join(f"%vhealth {other}" for (other,) in behind) or "look at the table on the server that has it"
        raise UsageError(f"{info.label} is a {info.kind}, which has no rows and no indexes of its own", hint)
    return info


def _all(db: Database) -> list[TableInfo]:
    return [info for info in catalog.tables(db) if info.kind in _WITH_ROWS]


def _counted(found: Sequence[Table]) -> str:
    return "1 table" if len(found) == 1 else f"{len(found):,} tables"


def _notes(found: Sequence[Table]) -> tuple[str, ...]:
    if not found:
        return ("no table here has a vector column yet: %vload docs sample:pydocs makes one",)
    guarded = [table.label for table in found if table.info.row_security]
    if not guarded:
        return ()
    return (f"row security: of {', '.join(guarded)} only the rows were looked at that this role may see",)
