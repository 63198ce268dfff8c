"""Statements that people write themselves: bound, split, and sent one message each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import catalog, sqltext
from ..db import Database
from ..errors import UsageError
from ..query import Query, Search
from ..query.target import find_target
from .result import Result
from .run import _query_vector

READS = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN")


def sql(
    db: Database,
    text: str,
    *,
    query: str | None = None,
    vector: object = None,
    table: str | None = None,
    params: Mapping[str, object] | None = None,
    settings: Sequence[tuple[str, str]] = (),
) -> Result:
    """Run statements in order and return the result of the last; the first error stops the rest.

    ``:query`` is the query vector, from ``vector`` or from the text ``query`` by ``table``'s model; other ``:name`` come
    from ``params``. Nothing is added to the statements. Raises UsageError, QueryError, EmbedError.
    """
    statements = sqltext.statements(text)
    if not statements:
        raise UsageError("there is no statement to run")
    if db.readonly:
        for statement in statements:
            sqltext.check_readonly(statement)
    values = dict(params or {}) | _query_value(db, query, vector, table)
    literals = tuple(sqltext.check_setting(name, value) for name, value in settings)
    queries = [_query(statement, values, literals) for statement in statements]
    statuses: list[str] = []
    for sent in queries:
        rows = db.run(sent)
        statuses.append(rows.status)
        if sqltext.command(sent.sql).partition(" ")[0] not in READS:
            catalog.forget(db)
    notes = [*(f"{done}" for done in statuses[:-1]), *rows.notices]
    return Result(db, sent, rows.columns, rows.rows, rows.seconds, tuple(notes), status=rows.status)


def _query(statement: str, values: Mapping[str, object], literals: tuple[tuple[str, str], ...]) -> Query:
    used = sqltext.placeholders(statement)
    if "query" in used and "query" not in values:
        raise UsageError(
            "nothing is bound to :query", "give a text (-q TEXT, with the TABLE whose model embeds it) or --vector :v"
        )
    return Query(sqltext.bind(statement, values.keys()), {name: values[name] for name in used}, literals)


def _query_value(db: Database, query: str | None, vector: Any, table: str | None) -> dict[str, object]:
    if query is None and vector is None:
        return {}
    if table is None:
        if query is not None:
            raise UsageError(
                "a text is embedded by a table's model, and no table was named", "name it: %%vsql TABLE -q …"
            )
        return {"query": [float(value) for value in vector]}
    search = Search(table=table, text=query, vector=vector)
    return {"query": _query_vector(db, search, find_target(search, catalog.table(db, table)))}
