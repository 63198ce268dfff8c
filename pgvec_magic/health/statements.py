"""What pg_stat_statements tells: slow vector queries, inserts row by row, inserts that read the whole index."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..catalog import TableInfo
from ..plan.elide import elide
from ..sqltext import quote_ident, quote_qualified
from .check import TYPED, Check, grey
from .facts import Place, Statement, Table
from .making import rebuilt

SLOW_MS, _SLOW_CALLS, _VERY_SLOW = 100.0, 2, 1_000.0
_MOST, _SHOWN = 3, 160
_MANY_CALLS, _BATCH = 1_000, 2.0
# An insert reads some thousand pages to find its neighbours, and of an index that is larger never all.
_LARGE_PAGES = 5_000
_DISTANCE = re.compile(r"<->|<=>|<#>|<\+>|<~>|<%>")
_INSERT = re.compile(r"\s*INSERT\s+INTO\s", re.IGNORECASE)
_SELECT = re.compile(r"\s*(SELECT|WITH)\s", re.IGNORECASE)


def slow(place: Place, tables: Sequence[Table]) -> Iterator[Check]:
    """22: the vector queries that take longest, with the cell that shows the plan of each."""
    if isinstance(place.statements, str):
        yield grey(22, "", place.statements)
        return
    asked = [s for s in place.statements if _DISTANCE.search(s.text) and _SELECT.match(s.text)]
    mine = [(s, table) for s in asked for table in tables if _is_about(s, table.info)][: 10 * _MOST]
    found = [each for each in mine if each[0].mean_ms >= SLOW_MS and each[0].calls >= _SLOW_CALLS]
    for statement, table in found[:_MOST]:
        state = "red" if statement.mean_ms >= _VERY_SLOW else "amber"
        value = f"{statement.mean_ms:,.0f} ms on average, {statement.calls:,} calls"
        cell, missing = _cell(statement.text, table.info)
        told = f"{_short(statement.text)}. Its plan, from the vector of a row"
        if missing:
            told += f"; give {', '.join(missing)} their values first"
        yield Check(22, table.label, state, value, told, (cell,), TYPED)
    hidden = sum(s.is_hidden for s in place.statements)
    if hidden and not found:
        yield grey(
            22, "", f"{hidden:,} statements are other roles', hidden from {place.server.role}", f"{hidden:,} hidden"
        )
    elif not found:
        value = "1 query" if len(mine) == 1 else f"{len(mine):,} queries"
        yield Check(22, "", "green", value, f"none takes {SLOW_MS:.0f} ms or more on average, of those called twice")


def batches(table: Table, place: Place) -> Iterator[Check]:
    """4: rows inserted in batches; calls as many as rows are inserts row by row."""
    if isinstance(place.statements, str):
        yield grey(4, table.label, place.statements)
        return
    found = _inserts(place.statements, table.info)
    calls, rows = sum(s.calls for s in found), sum(s.rows for s in found)
    if not calls:
        yield grey(4, table.label, "no INSERT into it is counted", "none")
        return
    value = f"{rows:,} rows by {calls:,} calls"
    if calls >= _MANY_CALLS and rows < _BATCH * calls:
        alone = max(found, key=lambda statement: statement.calls)
        reason = (
            f"row by row, {alone.mean_ms:.2g} ms each on the server, a round trip and a commit besides: several rows in"
            " one INSERT or COPY, as pv.load and %vload send them"
        )
        yield Check(4, table.label, "amber", value, reason)
    else:
        yield Check(4, table.label, "green", value, "in batches, or few")


def reading(table: Table, place: Place) -> Iterator[Check]:
    """25: pages that an insert reads after VACUUM: it may look for room through the whole index (R77)."""
    graphs = [index for index in table.info.indexes if index.method == "hnsw" and index.valid]
    if not graphs or isinstance(place.statements, str):
        yield grey(25, table.label, "it has no HNSW index" if not graphs else str(place.statements))
        return
    found = [s for s in _inserts(place.statements, table.info) if s.rows]
    if not found:
        yield grey(25, table.label, "no INSERT into it is counted", "none")
        return
    each, pages = max(s.blocks / s.rows for s in found), max(index.bytes for index in graphs) // 8192
    value = f"{each:,.0f} of {pages:,} pages"
    if pages < _LARGE_PAGES or each < pages:
        yield Check(25, table.label, "green", value, "a row that is inserted reads so many, and the index has so many")
        return
    reason = (
        "a row that is inserted reads as many pages as the index has: it looks for room where VACUUM left too little"
    )
    yield Check(25, table.label, "amber", value, reason, tuple(rebuilt(table.info, index) for index in graphs))


def _inserts(statements: Sequence[Statement], info: TableInfo) -> list[Statement]:
    return [s for s in statements if _INSERT.match(s.text) and _is_about(s, info)]


def _is_about(statement: Statement, info: TableInfo) -> bool:
    name = re.escape(quote_ident(info.name))
    return re.search(rf'(?<![\w"$]){name}(?![\w"$])', statement.text) is not None


def _short(text: str) -> str:
    line = " ".join(elide(text).split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _cell(text: str, info: TableInfo) -> tuple[str, list[str]]:
    """Return a cell that explains a statement, and the variables that it needs.

    Its parameters become the vector of a row, LIMIT 10, and values of a row where they are compared with a column.
    """
    name = quote_qualified(info.schema, info.name)

    def of_a_row(column: str) -> str:
        return f"(SELECT {column} FROM {name} WHERE {column} IS NOT NULL LIMIT 1)"

    if info.vectors:
        for mine in (quote_ident(each.name) for each in info.vectors):
            beside = rf'((?<![\w"$]){re.escape(mine)}\s*(?:{_DISTANCE.pattern})\s*)\$\d+'
            text = re.sub(beside, lambda found, c=mine: f"{found[1]}{of_a_row(c)}", text)  # type: ignore[misc]
        vector = of_a_row(quote_ident(info.vectors[0].name))
        text = re.sub(rf"({_DISTANCE.pattern})(\s*)\$\d+", lambda found: f"{found[1]}{found[2]}{vector}", text)
        text = re.sub(rf"\$\d+(?=(?:::[\w.]+(?:\(\d+\))?)?\s*(?:{_DISTANCE.pattern}))", lambda _: vector, text)
    text = re.sub(r"(\bLIMIT\s+)\$\d+", r"\g<1>10", text, flags=re.IGNORECASE)
    text = re.sub(r"(\bOFFSET\s+)\$\d+", r"\g<1>0", text, flags=re.IGNORECASE)
    for column in sorted((quote_ident(each.name) for each in info.columns), key=len, reverse=True):
        compared = rf'((?<![\w"$]){re.escape(column)}\s*(?:=|<>|<=|>=|<|>)\s*)\$\d+'
        text = re.sub(compared, lambda found, c=column: f"{found[1]}{of_a_row(c)}", text)  # type: ignore[misc]
    missing = sorted(set(re.findall(r"\$(\d+)", text)), key=int)
    text = re.sub(r"\$(\d+)", r":p\1", text)
    return f"%%vsql --explain\n{text.strip()}", [f"p{number}" for number in missing]
