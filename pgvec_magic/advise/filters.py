"""The plain indexes that filters need; pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..sqltext import quote_ident
from .advice import Suggestion
from .facts import Facts, Spread

_CONTAINERS = ("jsonb", "tsvector")
# With fewer values no index tells enough rows apart.
_LEAST_VALUES = 3


def filters(facts: Facts) -> list[Suggestion]:
    """Return the indexes that searches seen would use and that are not there."""
    wanted = {(method, column): why for method, column, why in (*_words(facts), *_used(facts))}
    return [_suggested(facts, *place, why) for place, why in wanted.items()]


def _used(facts: Facts) -> Iterator[tuple[str, str, str]]:
    for used in facts.workload.filters:
        kind, spread = facts.table.column(used.column).type, facts.spread.get(used.column)
        seen = f"{used.calls:,} searches seen filter by it"
        if used.how == "contains":
            if (kind in _CONTAINERS or kind.endswith("[]")) and ("gin", used.column) not in facts.plain:
                yield "gin", used.column, seen
        elif kind not in _CONTAINERS and ("btree", used.column) not in facts.plain and _tells(spread):
            values = "" if spread is None else f", which has about {spread.distinct:,} values"
            yield "btree", used.column, seen + values


def _tells(spread: Spread | None) -> bool:
    return spread is None or spread.distinct >= _LEAST_VALUES


def _words(facts: Facts) -> Iterator[tuple[str, str, str]]:
    """Words that are kept for searching, and that every search by words reads row by row."""
    for column in facts.table.columns:
        if column.type == "tsvector" and not {("gin", column.name), ("gist", column.name)} & facts.plain:
            yield "gin", column.name, "searches by words, and hybrid ones, read every row without it"


def _suggested(facts: Facts, method: str, column: str, why: str) -> Suggestion:
    using = "" if method == "btree" else f" USING {method}"
    sql = f"CREATE INDEX ON {facts.table.sql_name}{using} ({quote_ident(column)})"
    return Suggestion(title=f"{method} on {column}", why=why, sql=sql)
