"""Rules on what the planner knows and chooses: an index that would serve was not taken, or another was."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalog import Index
from ..plan import Node
from ..sqltext import quote_qualified
from .case import Case, plain, words
from .facts import Facts
from .finding import Cure, Finding

_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond")
_BESIDE = 4  # times the table, from which on the planner's idea of reading all of it is wrong
_KEPT = 0.1  # the share of rows from which on it pays to join after the search
_STEPS = frozenset(
    f"enable_{step}"
    for step in ("seqscan", "indexscan", "indexonlyscan", "bitmapscan", "sort", "nestloop", "hashjoin", "mergejoin")
)
_CUSTOM = Cure(settings=(("plan_cache_mode", "force_custom_plan"),))


def invalid(case: Case) -> Finding | None:
    """Return whether all there is are indexes that a failed build left."""
    if any(index.valid for index in case.indexes):
        return None
    index = case.indexes[0]
    why = f"the index {index.name} is invalid: a build that failed left it, writes keep it up, and no query uses it"
    fix = f"REINDEX INDEX CONCURRENTLY {quote_qualified(index.schema, index.name)}"
    return case.finding("R25", why, fix)


def generic(case: Case) -> Finding | None:
    """Return what is lost where the plan was made before the values were known."""
    if not case.facts.is_generic(case.key):
        return None
    fix, where = "SET LOCAL plan_cache_mode = force_custom_plan", _conditions(case)
    condition = next((index.where for index in _usable(case) if index.where and _speaks_of(index.where, where)), None)
    if condition and all(index.where for index in _usable(case)) and re.search(r"\$\d", where):
        why = (
            f"the plan was made without the values of the query, as prepared statements are, and of {where} nobody can"
            f" tell that it keeps to the index's condition, {condition}"
        )
        return case.finding("R23", why, fix, cure=_CUSTOM)
    other = case.other.strip("()")
    why = f"the plan was made without knowing {other} and the numbers of the query, as prepared statements are"
    return case.finding("R22", why, fix, cure=_CUSTOM)


def partial(case: Case) -> Finding | None:
    """Return whether the query does not say that it wants the rows that a partial index has."""
    usable = _usable(case)
    if not usable or any(index.where is None for index in usable):
        return None
    where = _conditions(case)
    if any(_speaks_of(str(index.where), where) for index in usable):
        return None  # something is said of the same column: whether it implies the other is the planner's to tell
    index = usable[0]
    why = (
        f"the index {index.name} has the rows WHERE {index.where} alone, and the query does not say that it wants those"
    )
    return case.finding("R24", why, f"AND {index.where}", index)


def joined(case: Case) -> Finding | None:
    """Return whether many rows, most that there are, were joined and then ordered."""
    join = case.joined
    if join is None or (join.rows or 0) < _KEPT * (case.scan.rows or 0):
        return None  # few are left: searching among the nearest would not find them
    if any(node.kind == "CTE Scan" for node in case.sort.walk()):
        return None  # rows that were chosen before
    why = f"the rows are joined ({join.label}) before they are ordered, so all of them are"
    fix = f"take the nearest by {case.order} LIMIT … in WITH … AS MATERIALIZED (…), and join these"
    return case.finding("R18", why, fix)


def beside(case: Case) -> Finding | None:
    """Return whether the planner thinks little of reading a table whose vectors lie elsewhere."""
    relation = case.facts.relation(case.scan)
    if relation is None or case.scan.kind != "Seq Scan" or "Filter" in case.scan.details:
        return None
    if relation.toast < _BESIDE * max(relation.bytes, 1):
        return None
    why = (
        f"the vectors lie beside the table, {relation.toast:,} bytes beside {relation.bytes:,}, and the planner counts"
        " only the table, so reading all of it looks cheap"
    )
    fix = "SET LOCAL enable_seqscan = off shows whether the index is faster; then lower random_page_cost"
    return case.finding("R20", why, fix, cure=Cure(settings=(("enable_seqscan", "off"),)))


def rivals(facts: Facts) -> Iterator[Finding]:
    """Yield where two indexes give the same order of the same rows: the planner takes the one that looks cheaper."""
    for scan in facts.ann_scans:
        taken, operator = facts.index(scan), facts.keys(scan, "Order By")[0].operator
        if taken is None:
            continue
        others = [i for i in facts.indexes(scan) if i.of_vectors and i.valid and operator in i.operators]
        other = next((i for i in others if i.name != taken.name and _same_rows(i, taken)), None)
        if other is None:
            continue
        why = (
            f"{taken.name} ({taken.method}) and {other.name} ({other.method}) both give the order of {taken.key}"
            f" {operator} …: writes keep both up, and {taken.name} was taken because it looks cheaper, not better"
        )
        drop = taken if (taken.method, other.method) == ("ivfflat", "hnsw") else other
        fix = f"DROP INDEX {quote_qualified(drop.schema, drop.name)}"
        yield Finding("R31", "warning", why, fix, scan.number)


def _same_rows(one: Index, other: Index) -> bool:
    return plain(one.key) == plain(other.key) and one.where == other.where


def elsewhere(facts: Facts) -> Iterator[Finding]:
    """Yield what shows that a plan is not that of the search: a vector of another length, steps that were forbidden."""
    forbidden = sorted(name for name, value in facts.plan.settings.items() if name in _STEPS and value == "off")
    if facts.fingerprint is None and forbidden:
        why = (
            f"the plan was made with {' and '.join(f'{name} = off' for name in forbidden)}: without, it may be another"
        )
        yield Finding("R32", "info", why, f"RESET {forbidden[0]}", 0)
    if facts.plan.analyzed:
        return  # it would have failed
    for node in facts.plan.nodes:
        for key in facts.keys(node, "Order By" if node.index else "Sort Key"):
            found = next((d for side in (key.left, key.right) if (d := _dimensions(side))), None)
            index = next((i for i in facts.vector_indexes if plain(i.key) in (plain(key.left), plain(key.right))), None)
            declared = re.search(r"\((\d+)\)$", index.type) if index is not None else None
            if found and declared and found != int(declared[1]) and index is not None:
                why = f"the vector to search from has {found:,} dimensions, and {index.key} has {declared[1]}: it fails"
                yield Finding("R32", "error", why, "explain with the vector that the search has", node.number)


def _dimensions(operand: str) -> int | None:
    found = re.match(r"\(?'\[([^\]]+)\]'", operand)
    return found[1].count(",") + 1 if found else None


def _usable(case: Case) -> list[Index]:
    return [index for index in case.same if index.valid]


def _conditions(case: Case) -> str:
    """Return what the scan of the table says of its rows."""
    nodes: list[Node] = list(case.scan.walk())
    return " AND ".join(str(node.details[key]) for node in nodes for key in _CONDITIONS if key in node.details)


def _speaks_of(condition: str, where: str) -> bool:
    """Whether two conditions have a column in common."""
    return not words(condition).isdisjoint(words(where))
