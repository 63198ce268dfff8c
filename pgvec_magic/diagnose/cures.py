"""A fix as something that can be tried and undone: settings, the statement written otherwise, an index."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

from ..catalog import Index
from ..metric import METRICS
from ..plan import Node
from ..sqltext import quote_qualified, tokens
from .finding import Cure
from .rewrite import NAME, OPCLASS

_SETTING = re.compile(r"SET LOCAL ([\w.]+) = '?([\w.]+)'?")
_REINDEX = re.compile(r"REINDEX INDEX (?:CONCURRENTLY )?(\S.*)")
_TYPE = re.compile(r"::(?:\w+\.)?(vector|halfvec|bit|sparsevec)\(\d+\)$")
_OF_IVFFLAT = ("<->", "<#>", "<=>", "<~>")
QUALIFIER = re.compile(rf'{NAME}\.(?=[\w"])')


def cure_in(fix: str | None) -> Cure | None:
    """Return what a fix itself says, where it is nothing but settings or an index to be built anew."""
    parts = [_SETTING.fullmatch(part.strip()) for part in (fix or "").split(";")]
    if all(parts):
        return Cure(settings=tuple((part[1], part[2]) for part in parts if part))
    if index := _REINDEX.fullmatch(fix or ""):  # CONCURRENTLY cannot be undone
        return Cure(before=(f"REINDEX INDEX {index[1].replace('%', '%%')}",))
    return None


def second_index(index: Index, operator: str | None) -> tuple[str, ...]:
    """Return the statement that makes an index like this one for another distance; nothing where there is none."""
    opclass = OPCLASS.search(index.definition)
    metric = next((m for m in METRICS.values() if m.operator == operator), None)
    if opclass is None or metric is None or opclass[2] not in metric.column_types:
        return ()
    if index.method != "hnsw" and operator not in _OF_IVFFLAT:
        return ()
    return (_create(index, opclass[1] + metric.opclass(opclass[2]), index.where),)


def expression_index(index: Index, expression: str, operator: str | None) -> str | None:
    """Return the statement that makes an HNSW index of an expression of the table; None where its type is not seen."""
    found = _TYPE.search(expression)
    metric = next((m for m in METRICS.values() if m.operator == operator), None)
    if found is None or metric is None or found[1] not in metric.column_types:
        return None
    schema = (OPCLASS.search(index.definition) or [""] * 2)[1]
    of_rows = replace(index, method="hnsw", key=f"({QUALIFIER.sub('', expression)})")
    return _create(of_rows, schema + metric.opclass(found[1]), index.where)


def partial_index(index: Index, scan: Node) -> tuple[str, ...]:
    """Return the statement that makes an index of the rows that pass a scan's filter; nothing for one of many values.

    A filter with functions, parameters or sub-plans may be another for each query.
    """
    condition, opclass = str(scan.details.get("Filter", "")), OPCLASS.search(index.definition)
    found = [token for token in tokens(condition) if token.kind not in ("space", "comment")]
    calls = any(
        one.kind == "word" and one.text.upper() not in ("AND", "OR", "NOT", "ANY", "ALL") and two.text == "("
        for one, two in pairwise(found)
    )
    varies = any(token.kind == "parameter" or token.text in ("SubPlan", "InitPlan") for token in found)
    distances = {metric.operator for metric in METRICS.values()}
    if not condition or opclass is None or index.where or calls or varies or any(t.text in distances for t in found):
        return ()
    without_table = "".join(t if t.startswith("'") else QUALIFIER.sub("", t) for t in re.split(r"('[^']*')", condition))
    return (_create(index, opclass[0], without_table),)


def _create(index: Index, opclass: str, where: str | None) -> str:
    table, condition = quote_qualified(index.schema, index.table), f" WHERE {where}" if where else ""
    return f"CREATE INDEX ON {table} USING {index.method} ({index.key} {opclass}){condition}".replace("%", "%%")
