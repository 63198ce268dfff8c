"""What searches a table is asked: by which distance, for how many rows, filtered by which columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .. import catalog
from ..catalog import TableInfo
from ..db import Database
from ..errors import QueryError
from ..metric import METRICS
from ..query import Query
from ..sqltext import Token, tokens

_EXTENSION = """
SELECT quote_ident(n.nspname), pg_has_role('pg_read_all_stats', 'USAGE')
FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'"""
# By which a statement that measures is known from those that search.
OURS = "/* pgvec_magic measures */"
_STATEMENTS = """
SELECT s.query, s.calls, s.rows, s.total_exec_time / 1000
FROM {schema}.pg_stat_statements AS s JOIN pg_catalog.pg_database AS d ON d.oid = s.dbid
WHERE d.datname = current_database() AND position(%(name)s IN s.query) > 0 AND s.query ~ '<[-#=+~%%]>'
  AND s.query !~* '^\\s*(EXPLAIN|COPY|CREATE)' AND position(%(ours)s IN s.query) = 0
ORDER BY s.calls DESC LIMIT 200"""
# The library is not loaded, or the view is not for this role.
_NOT_FOR_US = ("55000", "42501")
_OPERATORS = {metric.operator: metric.name for metric in METRICS.values()}
_EQUAL, _RANGE = frozenset(["=", "IN"]), frozenset(["<", ">", "<=", ">=", "BETWEEN"])
_CONTAINS = frozenset(["@>", "?", "?|", "?&", "&&", "@@", "@?"])
_WHERE_ENDS = frozenset(["ORDER", "GROUP", "LIMIT", "OFFSET", "HAVING", "SELECT", "FROM", "SET", "RETURNING", "UNION"])


@dataclass(frozen=True, slots=True)
class Filter:
    """A column that searches are filtered by, and how: ``equal``, ``range`` or ``contains``; by how many calls."""

    column: str
    how: str
    calls: int


@dataclass(frozen=True, slots=True)
class Workload:
    """Searches of a column by distance: ``calls`` of pg_stat_statements by metric, rows and seconds of a call.

    ``filters`` come most used first, also those of searches made here. ``notes`` tell what was looked at.
    """

    metrics: Mapping[str, int] = field(default_factory=dict)
    rows: float | None = None
    seconds: float | None = None
    filters: tuple[Filter, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """How many searches were seen."""
        return sum(self.metrics.values())


def workload(db: Database, table: TableInfo, column: str) -> Workload:
    """Return what is known of the searches of a column, from pg_stat_statements and from this connection."""
    statements, notes = _statements(db, table)
    known = [each for each in statements if (seen := _names(each[0])) and table.name in seen and column in seen]
    metrics, filters = Counter[str](), Counter[tuple[str, str]]()
    for text, calls, _, _ in known:
        metrics.update(dict.fromkeys(_metrics(text), calls))
        filters.update(dict.fromkeys(filtered(text, table), calls))
    for where, times in catalog.past_filters(db, table).items():
        filters.update(dict.fromkeys(filtered(f"WHERE {where}", table), times))
    calls = sum(each[1] for each in known)
    return Workload(
        metrics,
        sum(each[2] for each in known) / calls if calls else None,
        sum(each[3] for each in known) / calls if calls else None,
        tuple(Filter(*used, times) for used, times in filters.most_common()),
        notes,
    )


def filtered(text: str, table: TableInfo) -> set[tuple[str, str]]:
    """Return the table's columns in a WHERE of a statement, each with how it is compared."""
    columns = {column.name for column in table.columns}
    found = [token for token in tokens(text) if token.kind not in ("space", "comment")]
    inside, used = False, set()
    for token, behind in pairwise(found):
        word = token.text.upper() if token.kind == "word" else ""
        inside = word == "WHERE" or (inside and word not in _WHERE_ENDS)
        name = _name(token)
        if inside and name in columns and (how := _how(behind.text.upper())):
            used.add((name, how))
    return used


def _how(operator: str) -> str | None:
    kinds = (("equal", _EQUAL), ("range", _RANGE), ("contains", _CONTAINS))
    return next((how for how, operators in kinds if operator in operators), None)


def _statements(db: Database, table: TableInfo) -> tuple[Sequence[tuple[str, int, int, float]], tuple[str, ...]]:
    found = db.run(Query(_EXTENSION, reads=True)).rows
    if not found:
        return (), ("pg_stat_statements is not installed in this database: what is asked of it is not known",)
    schema, sees_all = found[0]
    asked = _STATEMENTS.format(schema=schema.replace("%", "%%"))
    try:
        rows = db.run(Query(asked, {"name": table.name, "ours": OURS}, reads=True)).rows
    except QueryError as error:
        if error.sqlstate not in _NOT_FOR_US:
            raise
        return (), (f"pg_stat_statements cannot be read: {error.message.partition(chr(10))[0]}",)
    hidden = () if sees_all else ("of pg_stat_statements this role sees its own: GRANT pg_read_all_stats shows all",)
    return [(text, calls, count, float(seconds)) for text, calls, count, seconds in rows], hidden


def _names(text: str) -> set[str]:
    return {name for token in tokens(text) if (name := _name(token))}


def _metrics(text: str) -> Iterator[str]:
    """The distances of a statement: its operators."""
    return (name for name in {_OPERATORS.get(token.text) for token in tokens(text)} if name)


def _name(token: Token) -> str | None:
    """Return what an identifier names."""
    if token.kind == "name":
        return token.text.strip('"').replace('""', '"')
    return token.text.lower() if token.kind == "word" else None
