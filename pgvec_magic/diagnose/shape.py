"""Rules on how a query is written: an index is there, and the order that is asked for is not what it gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..catalog import Index
from ..plan import Node, elide
from ..plan.words import count
from ..sqltext import quote_qualified
from .cures import second_index
from .facts import Facts
from .finding import Cure, Finding
from .keys import SortKey, sort_keys
from .rewrite import rewrite

# With fewer rows reading all of them is as good: what keeps an index out is worth a word, not a warning.
SMALL = 1_000
_QUALIFIER = re.compile(r'(?:\w+|"[^"]+")\.(?=[\w"])')
_NEEDS_ALL = {"Unique": "R12", "Aggregate": "R12", "Group": "R12", "WindowAgg": "R13"}
_AROUND = "take more than enough by {} LIMIT … in WITH … AS MATERIALIZED (…), and do the rest around it"
_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond")
_JOINS = ("Nested Loop", "Hash Join", "Merge Join")
_BESIDE = 4  # times the table, from which on the planner's idea of reading all of it is wrong
_ON_PURPOSE = ("enable_indexscan", "enable_indexonlyscan")


@dataclass(frozen=True, slots=True)
class Case:
    """A sort by a distance that read every row, the scan that read them, and the vector indexes of its column."""

    facts: Facts
    sort: Node
    key: SortKey
    scan: Node
    indexes: tuple[Index, ...]

    @property
    def mine(self) -> str:
        """The side of the distance that is the table's."""
        return self.key.left if _words(self.key.left) & _words_of(self.indexes) else self.key.right

    @property
    def other(self) -> str:
        """The side that the table is compared with."""
        return self.key.right if self.mine == self.key.left else self.key.left

    @property
    def same(self) -> tuple[Index, ...]:
        """The indexes of the very expression that the query has."""
        return tuple(index for index in self.indexes if _plain(index.key) == _plain(self.mine))

    @property
    def order(self) -> str:
        """The order that an index gives, as SQL."""
        return elide(f"ORDER BY {self.key.left} {self.key.operator} {self.key.right}")

    def finding(self, rule: str, why: str, fix: str | None = None, index: Index | None = None) -> Finding:
        """Return what is wrong, less urgent where the table is small; ``index`` is the one that could be used."""
        rows = self.facts.relation(self.scan)
        small = rows is not None and rows.rows < SMALL
        read = "" if self.scan.rows is None else f"; {count(self.scan.rows + self.scan.removed())} rows were read"
        cure = self._cure(rule, index)
        return Finding(rule, "info" if small else "warning", why + read, fix, self.sort.number, cure)

    def _cure(self, rule: str, index: Index | None) -> Cure | None:
        """The statement put right, or a second index where the distance is meant as it is."""
        sql = rewrite(rule, self.facts.sql, self.key.operator, index)
        before = second_index(index, self.key.operator) if rule == "R04" and index else ()
        built = Cure(before=before) if before else None
        return Cure(sql=sql, built=built) if sql else built


def shape(facts: Facts) -> Iterator[Finding]:
    """Yield what keeps a vector index out of a query, one cause a sort."""
    if any(facts.setting(name, "on") == "off" for name in _ON_PURPOSE):
        return  # somebody wanted it so
    for sort, key in facts.exact_sorts:
        words, tables = _words(key.left) | _words(key.right), _tables(key.left) | _tables(key.right)
        for scan in facts.scans_below(sort):
            if tables and str(scan.details.get("Alias", scan.relation)) not in tables:
                continue
            indexes = tuple(i for i in facts.indexes(scan) if i.of_vectors and _words(i.key) & words)
            if indexes:
                yield from _causes(Case(facts, sort, key, scan, indexes))
                break


def _causes(case: Case) -> Iterator[Finding]:
    """Yield the first cause there is: mended, it shows whether there is another."""
    if _is_exact_on_purpose(case.key):
        return
    for rule in _CAUSES:
        if found := rule(case):
            yield found
            return


def _is_exact_on_purpose(key: SortKey) -> bool:
    """Whether the order is ``distance + 0``, by which people ask for the exact search."""
    return re.search(r"\+ '?0(\.0*)?'?(::[a-z ]+)?$", key.text) is not None


def _invalid(case: Case) -> Finding | None:
    if any(index.valid for index in case.indexes):
        return None
    index = case.indexes[0]
    why = f"the index {index.name} is invalid: a build that failed left it, writes keep it up, and no query uses it"
    fix = f"REINDEX INDEX CONCURRENTLY {quote_qualified(index.schema, index.name)}"
    return case.finding("R25", why, fix)


def _grouped(case: Case) -> Finding | None:
    """A distance behind another key, or the least of a group: rows are grouped before they are near."""
    first = sort_keys(case.sort)[0]
    if re.match(r"(min|max|avg)\(", case.key.text):
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
    fix = elide(f"ORDER BY {case.key.left} {index.operators[0]} {case.key.right}")
    return case.finding("R04", why, fix, index)


def _cast(case: Case) -> Finding | None:
    if case.same:
        return None
    index = case.indexes[0]
    why = f"the query has {case.mine}, and the index {index.name} is on {index.key}: another expression"
    if "binary_quantize" in index.key:
        return case.finding("R08", why, f"ORDER BY {index.key} <~> …", index)
    if "::" in case.mine and "::" not in index.key:
        return case.finding("R05", why, f"cast the other side to the column's type, as {index.key}", index)
    return case.finding("R07", why, f"ORDER BY {index.key} {case.key.operator} …", index)


def _other_side(case: Case) -> Finding | None:
    other = case.other.strip("()")
    if case.facts.is_generic(case.key):
        why = f"the plan was made without knowing {other} and the numbers of the query, as prepared statements are"
        return case.finding("R22", why, "SET LOCAL plan_cache_mode = force_custom_plan")
    if re.match(r"(\w+\.)?\w+\(.*\)$", case.other) and not other.startswith(("InitPlan", "$")):
        why = f"{case.other} may give another vector for every row, so nothing can be looked up"
        fix = f"ALTER FUNCTION … STABLE, or (SELECT {case.other})"
        return case.finding("R09", why, fix)
    if re.fullmatch(r'(\w+|"[^"]+")\.(\w+|"[^"]+")', case.other):
        why = f"the vector to compare with is a column, {case.other}, so it is another for every row that is joined"
        fix = "(SELECT …) for one vector; for several, CROSS JOIN LATERAL (… ORDER BY … LIMIT …)"
        return case.finding("R10", why, fix)
    return None


def _partial(case: Case) -> Finding | None:
    if not case.same or any(index.where is None for index in case.same if index.valid):
        return None
    index = next(index for index in case.same if index.valid)
    conditions = (str(n.details.get(key, "")) for n in case.scan.walk() for key in _CONDITIONS)
    if any(_words(str(index.where)) & _words(condition) for condition in conditions):
        return None  # something is said of the same column: whether it implies the other is the planner's to tell
    why = (
        f"the index {index.name} has the rows WHERE {index.where} alone, and the query does not say that it wants those"
    )
    return case.finding("R24", why, f"AND {index.where}", index)


def _plan(case: Case) -> Finding | None:
    """What between the sort and the LIMIT needs every row; the query vector and the order are as they should be."""
    has_limit = any(above.kind == "Limit" for above in case.facts.above(case.sort))
    for above in case.facts.above(case.sort) if has_limit else ():
        if above.kind == "Limit":
            return None
        if rule := _NEEDS_ALL.get(above.kind):
            why = f"{above.label} needs the rows in that order, all of them, before the LIMIT can choose"
            fix = f"({case.order} LIMIT …) first, and the rest around it"
            return case.finding(rule, why, fix)
    why = "there is no LIMIT, so every row is wanted, and reading them all is the fastest way"
    return case.finding("R15", why, "LIMIT 10")


def _tied(case: Case) -> Finding | None:
    keys = sort_keys(case.sort)
    if len(keys) == 1 or case.facts.server >= 17:
        return None
    why = f"a second key, {keys[1].text}, decides between equal distances, and before PostgreSQL 17 no index gives that"
    fix = f"{case.order} LIMIT … inside, and ORDER BY {keys[1].text} around it"
    return case.finding("R11", why, fix)


def _joined(case: Case) -> Finding | None:
    joins = [node for node in case.sort.walk() if node.kind in _JOINS]
    if not joins:
        return None
    why = f"the rows are joined ({joins[0].label}) before they are ordered, so all of them are"
    fix = f"take the nearest by {case.order} LIMIT … in WITH … AS MATERIALIZED (…), and join these"
    return case.finding("R18", why, fix)


def _beside(case: Case) -> Finding | None:
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
    found = case.finding("R20", why, fix)
    return replace(found, cure=Cure(settings=(("enable_seqscan", "off"),)))


_CAUSES = (
    *(_invalid, _grouped, _expression, _direction, _function, _nulls, _operator, _cast, _other_side, _partial, _plan),
    *(_tied, _joined, _beside),
)


def _plain(expression: str) -> str:
    """Return an expression without what may be written either way: tables, parentheses, blanks."""
    return re.sub(r"[\s()]", "", _QUALIFIER.sub("", expression))


def _tables(expression: str) -> frozenset[str]:
    """Return the tables, by their aliases, that an expression names its columns with."""
    bare = re.sub(r"'[^']*'|::(?:\w+\.)?\w+", "", expression)
    return frozenset(name.strip('"').replace('""', '"') for name in re.findall(r'(\w+|"[^"]+")\.(?=[\w"])', bare))


def _words(expression: str) -> frozenset[str]:
    bare = re.sub(r"'[^']*'", "", expression)
    return frozenset(re.findall(r'"[^"]+"|[a-z_]\w*', bare)) - _NO_COLUMNS


def _words_of(indexes: tuple[Index, ...]) -> frozenset[str]:
    return frozenset(word for index in indexes for word in _words(index.key))


_NO_COLUMNS = frozenset(
    ["vector", "halfvec", "sparsevec", "bit", "binary_quantize", "subvector", "double", "precision"]
)
