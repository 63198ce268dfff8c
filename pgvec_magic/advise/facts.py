"""What advice stands on: the rows, how they change, the other columns, their indexes, and the server's memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .. import catalog
from ..catalog import Capabilities, TableInfo, VectorColumn, VectorIndex
from ..catalog.given import no_dimensions
from ..db import Database
from ..errors import QueryError, UsageError
from ..index import IndexSpec, read_spec
from ..query import Query, Search
from ..query.target import VectorSource, find_target, ident
from ..server import this_machine
from .workload import Workload, workload

# A table of fewer rows is counted, of a larger one the planner's estimate is taken.
_COUNTED, _PATIENCE_MS = 100_000, 3_000
_SERVER = """
SELECT pg_size_bytes(current_setting('shared_buffers')), pg_size_bytes(current_setting('effective_cache_size')),
  pg_size_bytes(current_setting('maintenance_work_mem')), inet_server_addr() IS NULL"""
_CHANGES = """
SELECT n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del, extract(epoch FROM now() - d.stats_reset)::float8 / 86400
FROM pg_catalog.pg_stat_user_tables AS t
JOIN pg_catalog.pg_stat_database AS d ON d.datname = current_database()
WHERE t.schemaname = %(schema)s AND t.relname = %(name)s"""
_PAGES = """
SELECT coalesce((SELECT max(pg_relation_size(t.relid)) FROM pg_partition_tree(c.oid) AS t WHERE t.isleaf),
  pg_relation_size(c.oid)) / current_setting('block_size')::int
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(name)s"""
_COLUMNS = """
SELECT attname::text, null_frac, n_distinct, most_common_vals::text, most_common_freqs
FROM pg_catalog.pg_stats WHERE schemaname = %(schema)s AND tablename = %(name)s ORDER BY inherited"""
_PLAIN = """
SELECT m.amname::text, a.attname::text
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE n.nspname = %(schema)s AND c.relname = %(name)s"""


@dataclass(frozen=True, slots=True)
class Server:
    """Memory in bytes; ``machine`` is that of the machine, None where the server runs elsewhere."""

    buffers: int
    cache: int
    maintenance: int
    machine: int | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows that came, were changed (of these in place), and went, in so many ``days``; None where nobody can tell."""

    inserted: int
    updated: int
    in_place: int
    deleted: int
    days: float | None


@dataclass(frozen=True, slots=True)
class Spread:
    """The values of a column: how many, the share of rows without one, and the usual ones (as texts) by their share."""

    distinct: int
    nulls: float
    usual: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a column of vectors; ``rows`` are those with one, ``counted`` or the planner's estimate.

    ``pages`` are the largest part's, ``plain`` the indexes that are not of vectors: method and first column, ``made``
    the vector indexes that are there. ``non_zero`` is how many numbers a sparsevec has on average.
    """

    table: TableInfo
    source: VectorSource
    able: Capabilities
    rows: int
    counted: bool
    server: Server
    pages: int
    changes: Changes | None = None
    spread: Mapping[str, Spread] = field(default_factory=dict)
    plain: frozenset[tuple[str, str]] = frozenset()
    made: tuple[tuple[IndexSpec, VectorIndex], ...] = ()
    workload: Workload = field(default_factory=Workload)
    non_zero: float | None = None

    @property
    def column(self) -> VectorColumn:
        """The column that is asked about."""
        return self.source.column

    @property
    def metric(self) -> str:
        """The distance that it is searched by."""
        return self.source.metric.name

    @property
    def dimensions(self) -> int:
        """The column's dimensions, without which there is no advice."""
        return self.column.dimensions or 0

    @property
    def version(self) -> tuple[int, ...]:
        """Pgvector's."""
        return self.able.vector or ()


def read(db: Database, name: str, column: str | None, metric: str | None) -> Facts:
    """Return the facts of a table; UsageError for one without vectors, or whose vectors have no fixed dimensions."""
    catalog.changed(db, name)
    info = catalog.table(db, name)
    if info.kind not in ("table", "partitioned table", "materialized view"):
        raise UsageError(f"{info.label} is a {info.kind}, which has no indexes", "ask about the table behind it")
    vectors = find_target(Search(table=name, vector="any", column=column, metric=metric), info).need_vectors()
    found = vectors.column
    if found.dimensions is None:
        raise no_dimensions(info, found.name, found.type)
    here = {"schema": info.schema, "name": info.name}
    spread = _spread(db, here, info.rows or 0)
    rows, counted = _rows(db, info, found, spread)
    buffers, cache, maintenance, by_socket = db.run(Query(_SERVER, reads=True)).rows[0]
    local = db.embedded or (by_socket and db.place.host.startswith(("/", "@")))
    changes = db.run(Query(_CHANGES, here, reads=True)).rows
    return Facts(
        info,
        vectors,
        catalog.capabilities(db),
        rows,
        counted,
        Server(buffers, cache, maintenance, this_machine().memory if local else None),
        db.run(Query(_PAGES, here, reads=True)).rows[0][0],
        Changes(*changes[0]) if changes else None,
        spread,
        frozenset((method, first) for method, first in db.run(Query(_PLAIN, here, reads=True)).rows),
        _made(info),
        workload(db, info, found.name),
        catalog.non_zero(db, info.schema, info.name, found.name) if found.type == "sparsevec" else None,
    )


def _rows(db: Database, info: TableInfo, column: VectorColumn, spread: Mapping[str, Spread]) -> tuple[int, bool]:
    known = info.rows
    if known is None or known < _COUNTED:
        sql = f"SELECT count({ident(column.name)}) FROM {relation(info)}"
        try:
            limit = (("statement_timeout", str(_PATIENCE_MS)),)
            return int(db.run(Query(sql, settings=limit, reads=True)).rows[0][0]), True
        except QueryError as error:
            if error.sqlstate != "57014" or known is None:
                raise
    nulls = spread[column.name].nulls if column.name in spread else 0.0
    return round(known * (1 - nulls)), False


def _spread(db: Database, here: Mapping[str, object], rows: int) -> dict[str, Spread]:
    """What ANALYZE found, as far as this role may see it."""
    found = {}
    for name, nulls, distinct, values, shares in db.run(Query(_COLUMNS, here, reads=True)).rows:
        count = round(distinct if distinct >= 0 else -distinct * rows)
        usual = zip(_array(values), shares, strict=False) if values and shares else ()
        found[name] = Spread(count, nulls, tuple(usual))
    return found


def _array(text: str) -> list[str]:
    """Return the elements of an array as Postgres writes it."""
    import csv

    return next(csv.reader([text[1:-1]], quotechar='"', escapechar="\\", doublequote=False), [])


def _made(info: TableInfo) -> tuple[tuple[IndexSpec, VectorIndex], ...]:
    """The vector indexes that are there, valid, and of a kind that is known here."""
    columns = {column.name: (column.type, column.dimensions) for column in (*info.vectors, *info.bits)}
    made = []
    for index in info.indexes:
        try:
            spec = read_spec(index.definition, info.schema, info.name, info.extension_schema, columns)
            made += [(spec, index)] * index.valid
        except UsageError:  # of another extension, or over an expression of somebody's own
            continue
    return tuple(made)


def relation(info: TableInfo) -> str:
    """The table as the text of a ``Query`` names it."""
    return info.sql_name.replace("%", "%%")
