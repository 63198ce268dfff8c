"""What a build stands on: the rows, the server's settings, and the machine as far as it can be seen from here."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .. import catalog
from ..db import Database
from ..errors import UsageError
from ..index import IndexSpec
from ..query import Query
from ..server import Machine, this_machine
from ..sqltext import quote_ident, quote_qualified

_TABLE = """
SELECT c.oid::bigint AS oid, c.relkind::text AS kind, pg_get_userbyid(c.relowner)::text AS owner,
  pg_has_role(c.relowner, 'USAGE') AS owned, has_schema_privilege(c.relnamespace, 'CREATE') AS creates,
  row_security_active(c.oid) AS guarded, greatest(c.reltuples, 0)::bigint AS estimated,
  (SELECT option_value::int FROM pg_options_to_table(c.reloptions) WHERE option_name = 'parallel_workers') AS workers,
  EXISTS (SELECT FROM pg_catalog.pg_stats AS s WHERE s.schemaname = n.nspname AND s.tablename = c.relname) AS analyzed,
  (SELECT coalesce(max(pg_table_size(t.relid)), pg_table_size(c.oid))
   FROM pg_partition_tree(c.oid) AS t WHERE t.isleaf) AS bytes,
  (SELECT coalesce(max(pg_relation_size(t.relid)), pg_relation_size(c.oid)) / current_setting('block_size')::int
   FROM pg_partition_tree(c.oid) AS t WHERE t.isleaf) AS pages
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(name)s"""
_SERVER = """
SELECT pg_size_bytes(current_setting('maintenance_work_mem')) AS memory,
  pg_size_bytes(current_setting('shared_buffers')) AS buffers,
  least(current_setting('max_parallel_workers')::int, current_setting('max_worker_processes')::int) AS most_workers,
  current_setting('max_parallel_maintenance_workers')::int AS workers,
  pg_size_bytes(current_setting('min_parallel_table_scan_size')) AS parallel_from,
  current_setting('dynamic_shared_memory_type') AS shared_memory,
  CASE current_setting('wal_level') WHEN 'minimal' THEN 0
    ELSE pg_size_bytes(current_setting('max_wal_size')) END AS wal,
  CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') AND current_setting('default_tablespace') = ''
    THEN current_setting('data_directory') END AS folder,
  (SELECT context = 'user' FROM pg_catalog.pg_settings WHERE name = 'maintenance_work_mem') AS settable,
  inet_server_addr() IS NULL AS by_socket"""


@dataclass(frozen=True, slots=True)
class Table:
    """The table; ``bytes`` and ``pages`` are those of its largest part, ``workers`` its own ``parallel_workers``."""

    oid: int
    kind: str
    owner: str
    owned: bool
    creates: bool
    guarded: bool
    estimated: int
    workers: int | None
    analyzed: bool
    bytes: int
    pages: int


@dataclass(frozen=True, slots=True)
class Server:
    """The server's settings; memory in bytes, ``folder`` its data directory where this role may know it."""

    memory: int
    buffers: int
    most_workers: int
    workers: int
    parallel_from: int
    shared_memory: str
    wal: int
    folder: str | None
    settable: bool
    by_socket: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """``parts`` are the rows to index of each part of the table, ``non_zero`` the mean count of a sparsevec's numbers.

    ``machine`` is None where the server runs elsewhere, ``available`` the machine's memory that nobody uses, ``disk``
    the bytes free where the index will be; None where they cannot be known.
    """

    table: Table
    parts: tuple[int, ...]
    server: Server
    non_zero: float | None = None
    machine: Machine | None = None
    available: int | None = None
    disk: int | None = None

    @property
    def rows(self) -> int:
        """The rows to index, in all."""
        return sum(self.parts)

    @property
    def largest(self) -> int:
        """The rows of the largest part: parts are built one after the other."""
        return max(self.parts, default=0)


def read(db: Database, spec: IndexSpec) -> Facts:
    """Return the facts of a build; the rows are counted, which takes a small part of the time that the build will."""
    rows = db.run(Query(_TABLE, {"schema": spec.schema, "name": spec.table}, reads=True))
    if not rows.rows:
        raise UsageError(f"no table {spec.schema}.{spec.table} in {db.name}", "%vtables lists those with vectors")
    table = Table(*rows.rows[0])
    server = Server(*db.run(Query(_SERVER, reads=True)).rows[0])
    here = db.embedded or (server.by_socket and db.place.host.startswith(("/", "@")))
    return Facts(
        table,
        _parts(db, spec, table),
        server,
        catalog.non_zero(db, spec.schema, spec.table, spec.column) if spec.stored_type == "sparsevec" else None,
        this_machine() if here else None,
        _available() if here else None,
        _free(server.folder) if here and server.folder else None,
    )


def _parts(db: Database, spec: IndexSpec, table: Table) -> tuple[int, ...]:
    only = "" if table.kind == "p" else "ONLY "
    where = f" WHERE (\n{spec.where}\n)" if spec.where else ""
    sql = f"SELECT count({quote_ident(spec.column)}) FROM {only}{_name(spec)}{where} GROUP BY tableoid"
    counted = tuple(count for (count,) in db.run(Query(sql.replace("%", "%%"), reads=True)).rows)
    return (max(table.estimated, *counted, 0),) if table.guarded else counted  # policies hide rows from the count


def _name(spec: IndexSpec) -> str:
    return quote_qualified(spec.schema, spec.table)


def _available() -> int:
    import psutil

    return int(psutil.virtual_memory().available)


def _free(folder: str) -> int | None:
    try:
        disk = os.statvfs(folder)
    except (OSError, AttributeError):  # another account's, or Windows
        return None
    return disk.f_bavail * disk.f_frsize
