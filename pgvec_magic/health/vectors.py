"""The vectors of a table, by a sample: missing, of zeros, of unequal lengths, the same many times."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import TableInfo, VectorColumn
from ..sqltext import quote_ident, quote_qualified
from .check import DECISION, TYPED, Check, grey
from .facts import Place, Sample, Table
from .making import dropped, statement, typed, wanted

_FEW_NULLS = 0.01
_UNEQUAL = 1.05  # the longest by the shortest: rounding makes some difference
# As many of one vector as pgvector keeps with one element of its graph, and a share of the rows.
_COPIES, _SAME = 10, 0.01
NOT_LOOKED = "of so many tables only the vectors of the largest were looked at: %vhealth TABLE"


def missing(table: Table, place: Place) -> Iterator[Check]:
    """16: rows without a vector, and vectors of zeros, which have no direction."""
    for column, on, looked in _samples(table):
        if not isinstance(looked, Sample) or not looked.rows:
            yield grey(16, on, _unknown(looked))
            continue
        nulls, zeros = looked.rows - looked.vectors, looked.zeros or 0
        value = f"{nulls:,} NULL, {zeros:,} zero"
        by_cosine = any(i.metric == "cosine" for i in table.info.indexes if table.column(i) == column.name)
        told = f"of {looked.rows:,} rows looked at"
        if zeros and (by_cosine or not table.info.indexes):
            yield _zeros(table, column, on, value, told)
        elif nulls > _FEW_NULLS * looked.rows:
            told = f"{nulls / looked.rows:.0%} {told} have no vector: no search finds them"
            yield _nulls(table, column, on, value, told)
        else:
            yield Check(16, on, "green", value, told)


def _zeros(table: Table, column: VectorColumn, on: str, value: str, told: str) -> Check:
    name, vector = quote_qualified(table.info.schema, table.info.name), quote_ident(column.name)
    prefix = f"{quote_ident(table.info.extension_schema)}." if table.info.extension_schema else ""
    norm = "vector_norm" if column.type == "vector" else "l2_norm"
    where = f"WHERE {prefix}{norm}({vector}) = 0"
    texts: tuple[str, ...] = (
        (f"UPDATE {name} SET {vector} = NULL {where}",) if column.nullable else (f"DELETE FROM {name} {where}",)
    )
    way = "as NULL, %vembed gives them vectors" if column.nullable else "embed them anew"
    if table.is_made(column.name):
        texts, way = (), "it is made from others: mend what it is made from"
    reason = (
        f"{told}: by cosine a vector of zeros is near to nothing, no index has it, and its distance is NaN. Failed"
        f" embeddings often are such; {way}"
    )
    return Check(16, on, "amber", value, reason, texts, "" if column.nullable else DECISION)


def _nulls(table: Table, column: VectorColumn, on: str, value: str, reason: str) -> Check:
    text = table.info.text_column
    if text is None or table.is_made(column.name):
        return Check(16, on, "amber", value, reason)
    line = typed("%vembed {} --text {}", "pv.embed_table(pv.current(), {}, text=[{}])", table.label, text)
    return Check(16, on, "amber", value, f"{reason}. %vembed gives them vectors", (line,), TYPED)


def lengths(table: Table, place: Place) -> Iterator[Check]:
    """17: under inner product, vectors of one length; else the long ones come first whatever is asked."""
    by_product = [index for index in table.info.indexes if index.metric == "ip" and index.valid]
    if not by_product:
        yield grey(17, table.label, "it has no index by inner product")
    for column, on, looked in _samples(table):
        mine = [index for index in by_product if table.column(index) == column.name]
        if not mine:
            continue
        if not isinstance(looked, Sample) or not looked.least or not looked.most:
            yield grey(17, on, _unknown(looked))
            continue
        value, told = f"{looked.least:.3g} to {looked.most:.3g}", f"of {looked.vectors:,} vectors looked at"
        if looked.most <= _UNEQUAL * looked.least:
            yield Check(17, on, "green", value, f"the lengths {told}")
            continue
        reason = (
            f"the lengths {told}: by inner product the long ones come first whatever the query, and the index misses"
            " others. An index by cosine, and <=> in the queries, or vectors of length 1 (l2_normalize)"
        )
        has_one = any(i.metric == "cosine" and i.where is None for i in table.ours(column.name))
        spec = None if has_one else wanted(table, column, metric="cosine")
        made = (statement(table, spec),) if spec else ()
        gone = tuple(dropped(table, table.info.schema, index.name) for index in mine)
        yield Check(17, on, "amber", value, reason, (*made, *gone), DECISION)


def copies(table: Table, place: Place) -> Iterator[Check]:
    """18: one and the same vector in many rows, near which a search finds little else."""
    for _, on, looked in _samples(table):
        if not isinstance(looked, Sample) or not looked.vectors:
            yield grey(18, on, _unknown(looked))
            continue
        told = f"rows share one vector, of {looked.vectors:,} looked at"
        if looked.copies <= max(_COPIES, _SAME * looked.vectors):
            value = f"{looked.copies:,}" if looked.copies > 1 else "none"
            yield Check(18, on, "green", value, f"at most so many {told}" if looked.copies > 1 else f"no two {told}")
            continue
        reason = f"{told}: near it a search finds little else. Empty texts and failed embeddings often are such"
        line = f"pv.duplicates(pv.current(), {table.label!r}, max_distance=0)"
        yield Check(18, on, "amber", f"{looked.copies:,}", reason, (line,), TYPED)


def _samples(table: Table) -> Iterator[tuple[VectorColumn, str, Sample | str]]:
    for column in table.info.vectors:
        yield column, _on(table.info, column), table.samples.get(column.name, NOT_LOOKED)


def _on(info: TableInfo, column: VectorColumn) -> str:
    return f"{info.label}.{column.name}"


def _unknown(looked: Sample | str) -> str:
    if isinstance(looked, str):
        return looked
    return "it has no rows that could be looked at" if not looked.vectors else "its vectors have no length"
