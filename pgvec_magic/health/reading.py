"""Reading the facts in a few messages; what cannot be read is told in words, and the rest goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .. import catalog
from ..build.checks import vector_columns
from ..catalog import TableInfo
from ..db import Database
from ..errors import QueryError, UsageError
from ..index import IndexSpec, read_spec
from ..query import Query
from ..sqltext import quote_ident
from . import sql
from .facts import Heap, Index, Place, Server, Session, Statement, Table
from .looking import arrays, drift, sample

# Nobody waits long for a check-up: neither for a lock, nor for a part of it.
_LOCK_MS, _MOST_SECONDS = 1_000, 5.0
_TENANT = "tenant|customer|client|company|organi[sz]ation|workspace|account|^org(_|$)"
# To list what is in shared_buffers takes time in proportion: 2 GB some 100 ms.
_MOST_BUFFERS = 2 * 1024**3
# pgstattuple reads the pages of a table that VACUUM has not seen: 64 MB some 50 ms.
_MOST_COUNTED = 64 * 1024**2
# Of many tables the vectors of the largest are looked at.
MOST_TABLES = 20
_WORDS = {
    "42501": "this role may not read it",
    "55P03": "somebody holds a lock on it",
    "57014": f"it took longer than {_MOST_SECONDS:.0f} s",
    "55000": "it has to stand in shared_preload_libraries when the server starts",
}


class Reader:
    """Asks one connection, each message bounded in time; of those that fail the reason is kept."""

    def __init__(self, db: Database) -> None:
        self.db = db
        seconds = min(db.timeout or _MOST_SECONDS, _MOST_SECONDS)
        self._bounds = (("lock_timeout", f"{_LOCK_MS}"), ("statement_timeout", f"{round(seconds * 1000)}"))

    def rows(self, text: str, params: dict[str, object] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a message; QueryError."""
        return self.db.run(Query(text, params or {}, self._bounds, reads=True)).rows

    def try_rows(self, text: str, params: dict[str, object] | None = None) -> list[tuple[Any, ...]] | str:
        """Return the rows of a message, or why there are none."""
        try:
            return self.rows(text, params)
        except QueryError as error:
            if error.sqlstate is None:  # the link is lost: there is nothing to go on with
                raise
            return _WORDS.get(error.sqlstate, error.message.partition("\n")[0])


def place(reader: Reader) -> Place:
    """Return the server, and what goes on there."""
    db = reader.db
    able = catalog.capabilities(db)
    server = Server(*reader.rows(sql.SERVER)[0])
    sessions, holders = reader.try_rows(sql.SESSIONS), reader.try_rows(sql.HOLDERS)
    return Place(
        server,
        able.vector,
        db.pooled(),
        sessions if isinstance(sessions, str) else tuple(Session(*row) for row in sessions),
        () if isinstance(holders, str) else tuple((what, seconds, end) for what, seconds, end in holders),
        _statements(reader, server),
        _buffered(reader, server),
    )


def _statements(reader: Reader, server: Server) -> tuple[Statement, ...] | str:
    schema = server.extensions.get("pg_stat_statements")
    if schema is None:
        offered = "pg_stat_statements" in server.offered
        return (
            "pg_stat_statements tells: shared_preload_libraries, a restart, CREATE EXTENSION pg_stat_statements"
            if offered
            else "pg_stat_statements would tell, and this server has none"
        )
    found = reader.try_rows(sql.STATEMENTS.format(schema=_in_query(schema)))
    if isinstance(found, str):
        return f"pg_stat_statements is there, but {found}"
    return tuple(Statement(*row) for row in found)


def _buffered(reader: Reader, server: Server) -> dict[tuple[str, str], int] | str:
    schema = server.extensions.get("pg_buffercache")
    if schema is None:
        return "pg_buffercache would tell what is in memory now"
    if server.buffers > _MOST_BUFFERS:
        return "to ask pg_buffercache takes long with so large shared_buffers"
    found = reader.try_rows(sql.BUFFERED.format(schema=_in_query(schema)))
    if isinstance(found, str):
        return f"pg_buffercache is there, but {found}"
    return {(space, name): pages for name, space, pages in found}


def tables(reader: Reader, server: Server, infos: Sequence[TableInfo]) -> tuple[Table, ...]:
    """Return the facts of tables; of more than 20 the vectors of the largest ones only."""
    named: dict[str, object] = {"schemas": [i.schema for i in infos], "names": [i.name for i in infos]}
    heaps, indexes = reader.try_rows(sql.HEAPS, named), reader.try_rows(sql.INDEXES, named)
    tenants = reader.try_rows(sql.VALUES, {**named, "pattern": _TENANT})
    found = []
    for at, info in enumerate(infos, 1):
        found.append(
            Table(
                info,
                heaps if isinstance(heaps, str) else tuple(Heap(*row) for row in heaps if row[0] == at),
                indexes if isinstance(indexes, str) else tuple(Index(*row) for row in indexes if row[0] == at),
                tenants=tenants
                if isinstance(tenants, str)
                else tuple(row[1:2] + row[3:] + row[2:3] for row in tenants if row[0] == at),
                specs=_specs(info),
            )
        )
    largest = sorted(found, key=lambda table: -table.info.bytes)[:MOST_TABLES]
    return tuple(_looked_into(reader, server, table) if table in largest else table for table in found)


def _looked_into(reader: Reader, server: Server, table: Table) -> Table:
    info = table.info
    return replace(
        table,
        dead=_dead(reader, server, table),  # first: whoever reads a page may clear dead rows off it
        samples={column.name: sample(reader, table, column) for column in info.vectors},
        drift={i.name: drift(reader, table, i) for i in info.indexes if i.method == "ivfflat" and i.valid},
        arrays=arrays(reader, table),
    )


def _dead(reader: Reader, server: Server, table: Table) -> dict[int, tuple[int, int]]:
    schema, heaps = server.extensions.get("pgstattuple"), () if isinstance(table.heaps, str) else table.heaps
    if schema is None:
        return {}
    asked = (
        (h.oid, reader.try_rows(sql.DEAD.format(schema=_in_query(schema)), {"table": h.oid}))
        for h in heaps
        if h.bytes <= _MOST_COUNTED
    )
    return {oid: (found[0][0], found[0][1]) for oid, found in asked if not isinstance(found, str)}


def _specs(info: TableInfo) -> dict[str, IndexSpec]:
    """Return the indexes whose size can be predicted."""
    specs, columns = {}, vector_columns(info)
    for index in info.indexes:
        try:
            spec = read_spec(index.definition, info.schema, info.name, info.extension_schema, columns)
        except UsageError:
            continue
        specs[index.name] = replace(spec, name=index.name)
    return specs


def _in_query(name: str) -> str:
    return quote_ident(name).replace("%", "%%")
