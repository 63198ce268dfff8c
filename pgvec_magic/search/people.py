"""Statements that people write themselves: bound, split, and sent one message each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import catalog, sqltext
from ..db import Database, Rows
from ..diagnose import Finding, Statement, statements
from ..errors import UsageError
from ..query import Query
from .result import Result
from .vectors import value_of_query
from .watching import watched

# Commands after which the catalog is as it was.
_READS = frozenset(["SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN"])


def sql(
    db: Database,
    text: str,
    *,
    query: str | None = None,
    vector: object = None,
    table: str | None = None,
    params: Mapping[str, object] | None = None,
    settings: Mapping[str, object] | Sequence[tuple[str, str]] = (),
) -> Result:
    """Run statements in order and return the result of the last; the first error stops the rest.

    ``:query`` is the query vector, from ``vector`` or from the text ``query`` by ``table``'s model; other ``:name``
    come from ``params``. Nothing is added to the statements; a last one with fewer rows than its LIMIT, ordered by a
    distance, is looked at a second time. Raises UsageError, QueryError, EmbedError.
    """
    queries = bound(db, text, query=query, vector=vector, table=table, params=params, settings=settings)
    done: list[Rows] = []
    findings: list[Finding] = []
    for sent in queries:
        done.append(_run(db, sent))
        findings += _findings(db, sent, done[-1])
    statuses = [rows.status for rows in done]
    notices = tuple(notice for rows in done for notice in rows.notices)
    status = " · ".join(statuses) if len(done) > 1 or not done[-1].columns else ""
    last, seconds = done[-1], sum(rows.seconds for rows in done)
    found = Result(db, queries[-1], last.columns, last.rows, seconds, notices, None, status, tuple(findings))
    return watched(found)


def bound(
    db: Database,
    text: str,
    *,
    query: str | None = None,
    vector: object = None,
    table: str | None = None,
    params: Mapping[str, object] | None = None,
    settings: Mapping[str, object] | Sequence[tuple[str, str]] = (),
) -> list[Query]:
    """Return the messages that ``sql`` sends, one a statement; UsageError, EmbedError."""
    statements = sqltext.statements(text)
    if not statements:
        raise UsageError("there is no statement to run")
    if db.readonly:
        for statement in statements:
            sqltext.check_readonly(statement)
    values = dict(params or {})
    if any("query" in sqltext.placeholders(statement) for statement in statements):
        values |= _query_value(db, query, vector, table, values, statements)
    pairs = settings.items() if isinstance(settings, Mapping) else settings
    literals = tuple(sqltext.check_setting(name, str(value)) for name, value in pairs)
    return [_query(statement, values, literals) for statement in statements]


def _run(db: Database, query: Query) -> Rows:
    try:
        return db.run(query)
    finally:  # a statement that failed may have left something behind, such as an invalid index
        if sqltext.command(query.sql) not in _READS:
            catalog.forget(db)


def _findings(db: Database, sent: Query, rows: Rows) -> tuple[Finding, ...]:
    """Return what is wrong with a statement, by its text and the notices; more is asked only where these tell."""
    said = Statement(sent.sql, rows.notices)
    built = catalog.built(db, said.built, sent.settings) if said.built else None
    return statements.told(said, built, pooled=said.sets is not None and db.pooled())


def _query(statement: str, values: Mapping[str, object], literals: tuple[tuple[str, str], ...]) -> Query:
    used = sqltext.placeholders(statement)
    return Query(sqltext.bind(statement, values.keys()), {name: values[name] for name in used}, literals)


def _query_value(
    db: Database,
    query: str | None,
    vector: object,
    table: str | None,
    values: Mapping[str, object],
    statements: Sequence[str],
) -> dict[str, object]:
    """What ``:query`` stands for; UsageError when there is nothing, or nothing to embed it with."""
    if query is not None and table is not None and not query.strip():
        raise UsageError("the query text is empty")
    if vector is not None or (query is not None and table is not None):
        return {"query": value_of_query(db, table, query, vector, statements)}
    if query is not None:
        raise UsageError("a text is embedded by a table's model, and no table was named", "name it: %%vsql TABLE -q …")
    if "query" in values:
        return {}
    hint = "give a text (-q TEXT, with the TABLE whose model embeds it) or --vector :v"
    raise UsageError("nothing is bound to :query", hint)
