"""Rules on how a query is written: an index is there, and the order that is asked for is not what it gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

from ..plan import elide
from .case import Case, cases, plain, tables_of
from .cures import expression_index
from .facts import Facts
from .finding import Cure, Finding
from .keys import SortKey
from .planner import beside, generic, invalid, joined, partial
from .rewrite import NAME

_NEEDS_ALL = {"Unique": "R12", "Aggregate": "R12", "Group": "R12", "WindowAgg": "R13"}
_GROUPS = ("Aggregate", "Group")
_AROUND = "take more than enough by {} LIMIT … in WITH … AS MATERIALIZED (…), and do the rest around it"
_OF_PGVECTOR = ("binary_quantize", "l2_normalize", "subvector")  # the same for the same vector
_ON_PURPOSE = ("enable_indexscan", "enable_indexonlyscan")
# Where few rows are compared these alone are told: slips, or an index for nothing. The rest is as good as it gets.
_EVEN_OF_FEW = frozenset(["R01", "R02", "R03", "R04", "R05", "R07", "R08", "R16", "R25"])


def shape(facts: Facts) -> Iterator[Finding]:
    """Yield what keeps a vector index out of a query, one cause a sort: mended, it shows whether there is another."""
    if any(facts.setting(name, "on") == "off" for name in _ON_PURPOSE):
        return  # somebody wanted it so
    for case in cases(facts):
        if _is_exact_on_purpose(case.key) or _needs_all(case):
            continue
        found = next((found for rule in _CAUSES if (found := rule(case))), None)
        if found and (found.severity != "info" or _is_slip(case, found)):
            yield found


def _is_slip(case: Case, found: Finding) -> bool:
    """Whether a finding is worth a word where few rows were compared, unless these were chosen before."""
    return found.rule in _EVEN_OF_FEW and not any(node.kind == "CTE Scan" for node in case.sort.walk())


def _is_exact_on_purpose(key: SortKey) -> bool:
    """Whether the order is ``distance + 0``, by which people ask for the exact search."""
    return re.search(r"\+ '?0(\.0*)?'?(::[a-z ]+)?$", key.text[-60:]) is not None


def _needs_all(case: Case) -> bool:
    """Whether each row counts: groups or numbers of all of which none are left out, a histogram, an average."""
    facts, above = case.facts, list(case.facts.above(case.sort))
    chooses = any(node.kind == "Limit" or "Run Condition" in node.details for node in above)
    user = next((node for node in above if not node.kind.startswith("Gather")), None)
    below = takewhile(lambda node: node is not case.sort, facts.above(case.scan))
    if case.key.bare:
        is_whole = any(node.kind in ("Unique", "WindowAgg") for node in above)
        return is_whole and not chooses
    if user is not None and user.kind in _GROUPS:
        return True
    if not any(node.kind in _GROUPS for node in below):
        return False
    return not chooses or not re.match(r"(min|max)\(", case.key.text)


def _grouped(case: Case) -> Finding | None:
    """A distance behind another key, or the least of a group: rows are grouped before they are near."""
    first = case.facts.keys(case.sort)[0]
    if re.match(r"(min|max)\(", case.key.text):
        why = f"the order is that of {elide(case.key.text)} of each group, and groups are made of all rows"
    elif first.is_distance:
        return None
    elif any(above.kind == "Unique" for above in case.facts.above(case.sort)):
        why = f"DISTINCT ON orders by {first.text} first, and only then by the distance: it reads all rows"
    else:
        why = f"the order is by {first.text} first, and an index gives that of the distance alone"
        return case.finding("R17", why, _AROUND.format(case.order))
    return case.finding("R12", why, _AROUND.format(case.order))


def _function(case: Case) -> Finding | None:
    if case.key.function is None:
        return None
    why = f"the order is that of the function {case.key.function}(), and an index gives the order of the operator only"
    return case.finding("R03", why, case.order)


def _expression(case: Case) -> Finding | None:
    if case.key.bare:
        return None
    text = elide(case.key.text)
    if case.key.descending and re.match(r"\(?'?1(\.0*)?'?(::[a-z ]+)?\)? - ", case.key.text):
        why = f"the order is that of the similarity, {text}, and an index gives the order of the distance itself"
        return case.finding("R01", why, f"{case.order}, and 1 - distance among the columns")
    why = f"the order is that of an expression, {text}, and an index gives the order of one distance alone"
    fix = f"take candidates by {case.order} LIMIT … in WITH … AS MATERIALIZED (…), and order these by the expression"
    return case.finding("R17", why, fix)


def _direction(case: Case) -> Finding | None:
    if not case.key.descending:
        return None
    why = "the order is descending, the farthest rows first, and a vector index gives the nearest first only"
    return case.finding("R02", why, case.order)


def _nulls(case: Case) -> Finding | None:
    if not case.key.nulls_first:
        return None
    why = "the order is NULLS FIRST, and an index gives rows without a vector last, or not at all"
    return case.finding("R16", why, case.order)


def _operator(case: Case) -> Finding | None:
    valid = [index for index in case.same if index.valid]
    if not valid or any(case.key.operator in index.operators for index in valid):
        return None
    index, operator = valid[0], case.key.operator
    why = f"the order is that of {operator}, and the index {index.name} gives that of {' and '.join(index.operators)}"
    return case.finding("R04", why, case.ordered_by(index.operators[0]), index)


def _cast(case: Case) -> Finding | None:
    if case.same:
        return None
    index = case.indexes[0]
    why = f"the query has {case.mine}, and the index {index.name} is on {index.key}: another expression"
    if "binary_quantize" in index.key:
        return case.finding("R08", why, f"ORDER BY {index.key} <~> …", index)
    if plain(case.mine).startswith(f"{plain(index.key)}::"):
        return case.finding("R05", why, f"cast the other side to the column's type, as {index.key}", index)
    if case.key.operator not in index.operators and (before := expression_index(index, case.mine, case.key.operator)):
        return case.finding("R07", why, before.replace("%%", "%"), cure=Cure(built=Cure(before=(before,))))
    return case.finding("R07", why, f"ORDER BY {index.key} {case.key.operator} …", index)


def _other_side(case: Case) -> Finding | None:
    other = case.other.strip("()")
    name = re.match(r"(?:\w+\.)?(\w+)\(.*\)$", case.other)
    if name and name[1] not in _OF_PGVECTOR and not other.startswith(("InitPlan", "$")):
        why = f"{case.other} may give another vector for every row, so nothing can be looked up"
        fix = f"ALTER FUNCTION … STABLE, or (SELECT {case.other})"
        return case.finding("R09", why, fix)
    if re.fullmatch(rf"{NAME}\.{NAME}", case.other) and not _comes_from_outside(case):
        why = f"the vector to compare with is a column, {case.other}, so it is another for every row that is joined"
        fix = "(SELECT …) for one vector; for several, CROSS JOIN LATERAL (… ORDER BY … LIMIT …)"
        return case.finding("R10", why, fix)
    return None


def _comes_from_outside(case: Case) -> bool:
    """Whether the other vector is one for all rows that are sorted: that of a row to which LATERAL searches others."""
    aliases = {str(node.details.get("Alias", node.relation)) for node in case.sort.walk()}
    return tables_of(case.other).isdisjoint(aliases)


def _plan(case: Case) -> Finding | None:
    """What between the sort and the LIMIT needs every row; the query vector and the order are as they should be."""
    has_limit = any(above.kind == "Limit" for above in case.facts.above(case.sort))
    for above in case.facts.above(case.sort):
        if above.kind == "Limit":
            return None
        condition = above.details.get("Run Condition")
        if (rule := _NEEDS_ALL.get(above.kind)) and (has_limit or condition):
            chooser = f"the condition on its numbers, {condition}," if condition else "the LIMIT"
            why = f"{above.label} needs the rows in that order, all of them, before {chooser} can choose"
            fix = f"({case.order} LIMIT …) first, and the rest around it"
            return case.finding(rule, why, fix)
    why = "there is no LIMIT, so every row is wanted, and reading them all is the fastest way"
    return case.finding("R15", why, "LIMIT 10")


def _tied(case: Case) -> Finding | None:
    keys = case.facts.keys(case.sort)
    if len(keys) == 1 or case.facts.server >= 17:
        return None
    why = f"a second key, {keys[1].text}, decides between equal distances, and before PostgreSQL 17 no index gives that"
    fix = f"{case.order} LIMIT … inside, and ORDER BY {keys[1].text} around it"
    return case.finding("R11", why, fix)


_CAUSES = (
    *(invalid, _grouped, _expression, _direction, _function, _nulls, _operator, _cast, generic, _other_side, partial),
    *(_plan, _tied, joined, beside),
)
