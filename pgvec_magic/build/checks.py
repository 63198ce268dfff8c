"""What is wrong with a build is said before it is tried."""

from __future__ import annotations

from ..catalog import TableInfo
from ..catalog.given import no_dimensions
from ..db import Database
from ..errors import UsageError
from ..index import IndexSpec, usual_lists
from ..query import Query
from .facts import Facts


def vector_columns(info: TableInfo) -> dict[str, tuple[str, int | None]]:
    """Return the columns that can be indexed by name, with type and dimensions."""
    return {column.name: (column.type, column.dimensions) for column in (*info.vectors, *info.bits)}


def check_alone(db: Database, concurrently: bool) -> None:
    """UsageError for what would not last from one message to the next, as CONCURRENTLY needs."""
    if db.readonly:
        raise UsageError("this connection is read-only", "connect without --readonly to build an index")
    if not concurrently:
        return
    if db.acts_as:
        raise UsageError(
            f"CONCURRENTLY cannot run {db.acts_as}: role and --session hold within a transaction, which it refuses",
            "connect as whoever owns the table, or build without CONCURRENTLY",
        )
    if db.pooled():
        raise UsageError(
            "there is a pooler in between: CONCURRENTLY needs its settings for a session, which the pooler may give"
            " to somebody else",
            f"connect past it, such as %vconnect {_direct(db)}, or build without CONCURRENTLY",
        )


def _direct(db: Database) -> str:
    """Return a connection string past a pooler, as far as the server tells where it is."""
    sql = "SELECT current_user::text, host(inet_server_addr()), current_setting('port'), current_database()::text"
    user, host, port, name = db.run(Query(sql, reads=True)).rows[0]
    return f"postgresql://{user}@{host or 'HOST'}:{port}/{name}"


def check_column(info: TableInfo, spec: IndexSpec) -> None:
    """UsageError when the column is not there, or is not as the spec has it."""
    if info.kind not in ("table", "partitioned table", "materialized view"):
        raise UsageError(f"{info.label} is a {info.kind}, which has no indexes", "index the table behind it")
    info.column(spec.column)
    kind, dimensions = vector_columns(info).get(spec.column, (None, None))
    if kind is None:
        raise UsageError(f"{info.label}.{spec.column} is no vector column")
    if dimensions is None:
        raise no_dimensions(info, spec.column, kind)
    if (kind, dimensions) != (spec.type, spec.dimensions):
        told = f"{info.label}.{spec.column} is a {kind}({dimensions}), not a {spec.type}({spec.dimensions})"
        raise UsageError(told, "make the IndexSpec with type and dimensions of the column")


def check_rights(db: Database, info: TableInfo, facts: Facts, spec: IndexSpec, concurrently: bool) -> None:
    """UsageError for what this role may not build, or Postgres cannot, or what would be no use."""
    check_owner(facts, spec)
    if not facts.table.creates:
        hint = f"GRANT CREATE ON SCHEMA {spec.schema} TO {db.role or db.place.user}"
        raise UsageError(f"this role may not create indexes in the schema {spec.schema}", hint)
    if concurrently and facts.table.kind == "p":
        hint = "build it without CONCURRENTLY, or concurrently on each part"
        raise UsageError(f"{info.label} is partitioned, of which Postgres builds no index CONCURRENTLY", hint)
    if spec.method == "ivfflat" and facts.rows < spec.lists:
        hint = "load the rows first: the lists are found among them, once"
        if facts.rows:
            lists = usual_lists(facts.rows)
            hint += f"; or take {lists} list{'s' * (lists != 1)}"
        raise UsageError(f"{info.label} has {facts.rows:,} vectors, fewer than {spec.lists:,} lists", hint)


def check_owner(facts: Facts, spec: IndexSpec) -> None:
    """UsageError unless this role acts for the table's owner."""
    if not facts.table.owned:
        hint = f"connect as {facts.table.owner}, or as a member of it, or ask whoever may"
        raise UsageError(f"only its owner, {facts.table.owner}, may build indexes on {spec.table}", hint)
