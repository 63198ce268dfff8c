"""A statement that cannot use a vector index -> one that can, where only its order or a condition is in the way.

What is not surely the same question otherwise is left alone: then there is no other statement. Texts are those of a
``Query``, with ``%(name)s`` for values; all but the changed place stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..catalog import Index
from ..sqltext import quote_ident
from .clauses import Select, read
from .orders import Distance, Order, Span, order

Edit = tuple[int, int, str]
NAME = r'(?:\w+|"(?:[^"]|"")+")'  # as SQL has it
_CASTS = re.compile(r'(.+?)((?:\s*::\s*[\w."]+(?:\s*\(\s*\d+\s*\))?)+)', re.DOTALL)
# Of an index's definition: its schema if it has one, and the type that it is for.
OPCLASS = re.compile(r'((?:\w+\.|"[^"]+"\.)?)(vector|halfvec|bit|sparsevec)_\w+_ops\b')
_OF_A_CAST = re.compile(rf"\(*({NAME})\)*(::(?:{NAME}\.)?\w+(?:\(\d+\))?)\)*")
_NAME_OF_DISTANCE = "the distance"


def rewrite(rule: str, sql: str | None, operator: str | None, index: Index | None = None) -> str | None:
    """Return the statement with what a rule found put right, for an index; None where that is not certain."""
    change = _CHANGES.get(rule)
    found = order(sql, operator) if sql and change else None
    if not sql or not change or not found:
        return None
    made = _edited(sql, change(sql, found, index))
    return made if made != sql else None


def plain_distance(sql: str) -> str | None:
    """Return the distance, as SQL, that the rows of a statement are ordered by; None where it is not just that."""
    found = order(sql)
    is_plain = found and found.select.outermost and found.distance.bare and "DESC" not in found.behind
    return sql[slice(*found.distance.whole)] if found and is_plain and not found.distance.function else None


def with_distance(sql: str, distance: str) -> str | None:
    """Return a statement that also selects a distance, as its last column; None where it cannot just be added."""
    found = order(sql)
    if not found or not found.select.outermost or found.select.is_distinct:
        return None
    selected, clauses = found.select.clauses["SELECT"], found.select.clauses
    if not selected or "FROM" not in clauses or clauses.keys() & {"GROUP", "HAVING"}:
        return None
    at = selected[-1].end
    return _edited(sql, [(at, at, f", {distance} AS {quote_ident(_NAME_OF_DISTANCE)}")])


def _edited(sql: str, edits: Iterable[Edit]) -> str:
    for start, end, text in sorted(edits, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def _expression(sql: str, found: Order, edits: list[Edit]) -> list[Edit]:
    """Return the edits that order by the distance alone, itself edited; where it stands in a list it is written out."""
    start, end = found.distance.whole
    text = _edited(sql[start:end], [(a - start, b - start, new) for a, b, new in edits])
    if found.in_place and found.distance.bare:
        return [(start, end, text)]
    return [] if found.select.is_distinct else [(*found.written, text)]


def _without_words(found: Order) -> Edit:
    """Return the edit that takes DESC and NULLS FIRST away."""
    return (found.written[1], found.end, "")


def _similarity(sql: str, found: Order, index: Index | None) -> list[Edit]:
    if not found.distance.is_similarity or "DESC" not in found.behind:
        return []
    made = _expression(sql, found, _as_operator(sql, found.distance))
    return [*made, _without_words(found)] if made else []


def _as_operator(sql: str, distance: Distance) -> list[Edit]:
    """Return the edit that writes a function as its operator; nothing for an operator."""
    if distance.function is None:
        return []
    name, sign = sql[slice(*distance.sign)], distance.operator.replace("%", "%%")
    sign = f"OPERATOR({name.rpartition('.')[0]}.{sign})" if "." in name else sign
    left, right = (sql[slice(*side)] for side in (distance.left, distance.right))
    return [(*distance.whole, f"{left} {sign} {right}")]


def _function(sql: str, found: Order, index: Index | None) -> list[Edit]:
    distance = found.distance
    if distance.function is None or not distance.bare:
        return []
    if ("DESC" in found.behind) != (distance.function == "inner_product"):
        return []
    made = _expression(sql, found, _as_operator(sql, distance))
    return [*made, _without_words(found)] if made else []


def _direction(sql: str, found: Order, index: Index | None) -> list[Edit]:
    is_plain = found.distance.bare and found.distance.function is None
    return [_without_words(found)] if is_plain and "DESC" in found.behind else []


def _nulls(sql: str, found: Order, index: Index | None) -> list[Edit]:
    is_plain = found.distance.bare and found.distance.function is None and "DESC" not in found.behind
    return [_without_words(found)] if is_plain and "FIRST" in found.behind else []


def _operator(sql: str, found: Order, index: Index | None) -> list[Edit]:
    distance = found.distance
    if index is None or not distance.bare or distance.function or not index.operators:
        return []
    old, new = (sign.replace("%", "%%") for sign in (distance.operator, index.operators[0]))
    return _expression(sql, found, [(*distance.sign, sql[slice(*distance.sign)].replace(old, new))])


def _cast(sql: str, found: Order, index: Index | None) -> list[Edit]:
    """The column and the vector as the index has them: both without a cast, or both with the index's."""
    sides = _sides(sql, found.distance, index) if index is not None and found.distance.bare else None
    if index is None or sides is None or found.distance.operator not in index.operators:
        return []
    (mine, column), (other, text) = sides
    key = index.key.replace("%", "%%")
    if of_cast := _OF_A_CAST.fullmatch(key):
        new, vector = column + of_cast[2], _without_casts(text) + of_cast[2]
    elif re.fullmatch(NAME, key):
        new, vector = column, _without_casts(text) + _type_cast(text, index)
    elif _without_casts(text).startswith("binary_quantize(") and "binary_quantize(" in key:
        new, vector = _on(key, column), text
    else:
        return []
    return _expression(sql, found, [(*mine, new), (*other, vector)])


def _sides(sql: str, distance: Distance, index: Index) -> tuple[tuple[Span, str], tuple[Span, str]] | None:
    """Return the table's side with its column as it is written, and the other side with its text."""
    known = {token.text for token in read(index.key) if token.kind in ("word", "name")}
    named = {}
    for side in (distance.left, distance.right):
        columns = [m[0] for m in re.finditer(rf"(?:{NAME}\.)*{NAME}", _unquoted(sql[slice(*side)]))]
        named[side] = {c for c in columns if c.rpartition(".")[2] in known - _TYPES}
    mine = [side for side in named if len(named[side]) == 1]
    other = [side for side in named if not named[side]]
    if len(mine) != 1 or len(other) != 1:
        return None
    return (mine[0], named[mine[0]].pop()), (other[0], sql[slice(*other[0])])


_TYPES = frozenset(["vector", "halfvec", "sparsevec", "bit", "binary_quantize", "subvector"])


def _unquoted(text: str) -> str:
    """Return SQL without what stands in quotes, and without its types."""
    return re.sub(rf"'[^']*'|%\([^)]*\)s|::\s*(?:{NAME}\.)*\w+", "", text)


def _without_casts(text: str) -> str:
    found = _CASTS.fullmatch(text)
    return found[1] if found else text


def _type_cast(text: str, index: Index) -> str:
    """Return the cast to the type of an index's column; in the schema that the cast of a text has."""
    opclass = OPCLASS.search(index.definition)
    schema = re.search(rf"::\s*({NAME}\.)", text)
    return f"::{schema[1] if schema else ''}{opclass[2] if opclass else 'vector'}"


def _on(key: str, column: str) -> str:
    """Return an index's expression with its column as a statement has it."""
    bare = column.rpartition(".")[2]
    return re.sub(rf"(?<![\w.\"]){re.escape(bare)}(?![\w\"(])", column.replace("\\", r"\\"), key)


def _volatile(sql: str, found: Order, index: Index | None) -> list[Edit]:
    """The call of a function without columns among its arguments, once instead of for every row."""
    for side in (found.distance.left, found.distance.right):
        text = sql[slice(*side)]
        call = re.fullmatch(rf"(?:{NAME}\.)?(?:{NAME})\s*\((.*)\)", _without_casts(text), re.DOTALL)
        if call and found.distance.bare and not any(t.kind in ("word", "name") for t in read(call[1])):
            return _expression(sql, found, [(*side, f"(SELECT {text})")])
    return []


def _limit(sql: str, found: Order, index: Index | None) -> list[Edit]:
    if not found.select.outermost or found.select.clauses.keys() & {"LIMIT", "FETCH", "FOR"}:
        return []
    end = found.select.end
    return [(end, end, " LIMIT 10")]


def _condition(sql: str, found: Order, index: Index | None) -> list[Edit]:
    """The condition of a partial index, beside what there is; its columns must be those of the only table."""
    clauses = found.select.clauses
    if index is None or index.where is None or "FROM" not in clauses or not _is_one_table(found.select):
        return []
    where, condition = clauses.get("WHERE"), index.where.replace("%", "%%")
    if not where:
        end = clauses["FROM"][-1].end
        return [(end, end, f" WHERE {condition}")]
    start, end = where[0].start, where[-1].end
    return [(start, start, f"({condition}) AND ("), (end, end, ")")]


def _is_one_table(select: Select) -> bool:
    """Whether a SELECT reads from one table, ``schema.name AS alias`` at most."""
    return all(t.kind in ("word", "name") or t.text == "." for t in select.clauses["FROM"]) and not any(
        t.text.upper() in ("JOIN", "LATERAL") for t in select.clauses["FROM"]
    )


_CHANGES: dict[str, Callable[[str, Order, Index | None], list[Edit]]] = {
    "R01": _similarity,
    "R02": _direction,
    "R03": _function,
    "R04": _operator,
    "R05": _cast,
    "R07": _cast,
    "R08": _cast,
    "R09": _volatile,
    "R15": _limit,
    "R16": _nulls,
    "R24": _condition,
}
