"""What Postgres does for a search or a statement: the same message, in a transaction that is undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .. import catalog, plan, sqltext
from ..db import Database, Rows
from ..errors import UsageError, did_you_mean
from ..plan import Plan
from ..query import Query, Search
from .explanation import Explanation
from .people import bound
from .run import dry_run

_EXPLAINED = frozenset(["SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE", "EXECUTE"])
_UPDATING = frozenset(["UPDATE", "WITH"])
_OF_SQL = frozenset(["query", "vector", "table", "params", "settings"])
_SERIALIZE = 170_000  # the version that knows SERIALIZE and MEMORY


def explain(
    db: Database,
    table: str | Search | None = None,
    text: str | None = None,
    *,
    sql: str | None = None,
    analyze: bool = True,
    **options: Any,
) -> Explanation:
    """Run a search, or a statement of ``sql``, as EXPLAIN and return what Postgres did.

    The options are those of ``search``, or ``query``, ``vector``, ``params`` and ``settings`` as for ``sql``. What is
    sent is the same: statement, values, settings. What it writes is rolled back, but for what no transaction undoes:
    sequences, advisory locks. Without ``analyze`` it is planned and not run. Raises UsageError, QueryError, EmbedError.
    """
    if sql is not None:
        query = _statement(db, sql, table, text, options)
    elif table is not None:
        query = dry_run(db, table, text, **options)
    else:
        raise UsageError("there is nothing to explain", 'name a table and a text, or give sql="SELECT …"')
    return explained(db, query, analyze=analyze)


def explained(db: Database, query: Query, *, analyze: bool = True) -> Explanation:
    """Explain a message as it would be sent; QueryError."""
    settings = (*((("transaction_read_only", "on"),) if query.reads else ()), *query.settings)
    asked = replace(query, sql=as_explain(db, query.sql, analyze=analyze), settings=settings)
    told, in_force, *updates = _rehearsed(db, asked, counted=sqltext.command(query.sql) in _UPDATING)
    found = plan_told(told)
    bounds = tuple(setting for setting in query.settings if setting[0] == "statement_timeout")
    scanned = {node.index for node in found.nodes if node.index and "Order By" in node.details}
    known = catalog.fingerprint(db, in_force, _tables(found), scanned, bounds, updates)
    return Explanation(found, query, known, told.notices)


def as_explain(db: Database, sql: str, *, analyze: bool = True) -> str:
    """Return the EXPLAIN of a statement with all that this server can tell."""
    wanted = ["VERBOSE", "SETTINGS", "FORMAT JSON"]
    if analyze:
        newer = ["SERIALIZE", "MEMORY"] if catalog.capabilities(db).server >= _SERIALIZE else []
        wanted = ["ANALYZE", "BUFFERS", *newer, *wanted]
    return f"EXPLAIN ({', '.join(wanted)})\n{sql}"


def plan_told(told: Rows) -> Plan:
    """Return the plan that an EXPLAIN gave; UsageError where there is not just one."""
    try:
        return plan.read(told.rows[0][0])
    except UsageError as error:
        hint = "explain what the rule makes of it"
        raise UsageError("a rule of the table makes several statements of this one, or none", hint) from error


def _rehearsed(db: Database, asked: Query, counted: bool) -> list[Rows]:
    """Return the plan, the settings in force, and what was updated before and after it, where that is counted."""
    if not counted:
        return db.rehearse([asked, catalog.SETTINGS])
    before, told, in_force, after = db.rehearse([catalog.UPDATES, asked, catalog.SETTINGS, catalog.UPDATES])
    return [told, in_force, before, after]


def read_plan(text: str) -> Explanation:
    """Return what a pasted EXPLAIN says, as text or JSON; UsageError for what is no plan."""
    return Explanation(plan.read(text))


def _tables(found: Plan) -> list[tuple[str, str]]:
    """Return the tables that a plan reads, as (schema, name): of a shard elsewhere, the one that it is part of."""
    named = ((owner is found, node.details) for owner, node in found.everywhere if "Relation Name" in node.details)
    told = ((here, str(details.get("Schema", "public")), str(details["Relation Name"])) for here, details in named)
    return [(schema, name if here else plan.of_shard(name)) for here, schema, name in told]


def _statement(
    db: Database, sql: str, table: str | Search | None, text: str | None, options: Mapping[str, Any]
) -> Query:
    """Return the one statement there is to explain; UsageError for what EXPLAIN cannot run and undo."""
    if text is not None or isinstance(table, Search):
        raise UsageError("a search and sql= cannot both be explained", "give one of them")
    for name in sorted(options.keys() - _OF_SQL):
        raise UsageError(f"explain(sql=…) has no option {name!r}", did_you_mean(name, _OF_SQL))
    _check(sqltext.statements(sql))
    (query,) = bound(db, sql, table=table, **options)
    return query


def _check(statements: Sequence[str]) -> None:
    if len(statements) != 1:
        what = f"{len(statements)} statements" if statements else "no statement"
        raise UsageError(f"one statement can be explained, and this is {what}", "explain one at a time")
    command = sqltext.command(statements[0])
    if command == "EXPLAIN":
        raise UsageError("the statement is an EXPLAIN itself", "leave EXPLAIN and its options out")
    if command not in _EXPLAINED:
        raise UsageError(f"{command or 'this'} has no plan", f"explain one of {', '.join(sorted(_EXPLAINED))}")
