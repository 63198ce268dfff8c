"""A sort by a distance to whose rows no vector index led, with all that rules ask about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..catalog import Index
from ..plan import Node, elide
from ..plan.words import rows
from .cures import QUALIFIER, second_index
from .facts import Facts
from .finding import Cure, Finding
from .keys import OPERATORS, SortKey
from .rewrite import NAME, rewrite

# Fewer distances than these are computed in a millisecond or two, whatever the plan: what keeps an index out is worth a
# word where the table grows, not a warning.
SMALL = 1_000
JOINS = ("Nested Loop", "Hash Join", "Merge Join")
_OF_PLAN = r"\(InitPlan \d+\)\.col\d+|\$\d+"  # a sub-query's value, as newer servers have it and older ones
_NO_COLUMNS = frozenset(
    ["vector", "halfvec", "sparsevec", "bit", "binary_quantize", "subvector", "double", "precision"]
)


@dataclass(frozen=True)
class Case:
    """A sort by a distance that read every row, the scan that read them, and the vector indexes of its column."""

    facts: Facts
    sort: Node
    key: SortKey
    scan: Node
    indexes: tuple[Index, ...]

    @cached_property
    def mine(self) -> str:
        """The side of the distance that is the table's."""
        of_indexes = frozenset(word for index in self.indexes for word in words(index.key))
        alias = str(self.scan.details.get("Alias", self.scan.relation))
        sides = [side for side in (self.key.left, self.key.right) if words(side) & of_indexes]
        own = (side for side in sides if alias in tables_of(side))
        return next(own, sides[0] if sides else self.key.right)

    @property
    def other(self) -> str:
        """The side that the table is compared with."""
        return self.key.right if self.mine == self.key.left else self.key.left

    @cached_property
    def same(self) -> tuple[Index, ...]:
        """The indexes of the very expression that the query has."""
        return tuple(index for index in self.indexes if plain(index.key) == plain(self.mine))

    @property
    def order(self) -> str:
        """The order that an index gives, as SQL."""
        return self.ordered_by(self.key.operator)

    def ordered_by(self, operator: str | None) -> str:
        """Return the order by a distance of the same vectors, as SQL: a sub-query's number in the plan is none."""
        of_plan = re.compile(r"\(InitPlan \d+\)\.col\d+" if self.facts.is_generic(self.key) else _OF_PLAN)
        return of_plan.sub("(SELECT …)", elide(f"ORDER BY {self.key.left} {operator} {self.key.right}"))

    @property
    def joined(self) -> Node | None:
        """The join whose rows are sorted."""
        return next((node for node in self.sort.walk() if node.kind in JOINS), None)

    @property
    def compared(self) -> float:
        """How many distances were computed in one loop; the planner's guess where the statement did not run."""
        source, loops = self.joined or self.scan, max(self.sort.loops or 1, 1)
        if any(above.kind.startswith("Gather") for above in self.facts.above(self.sort)):
            loops = 1  # they are processes then
        if source.rows is None:
            return source.estimate or 0.0
        removed = source.removed() if _has_distance(str(source.details.get("Filter", ""))) else 0.0
        return (source.rows + removed) / loops

    def finding(
        self, rule: str, why: str, fix: str | None = None, index: Index | None = None, cure: Cure | None = None
    ) -> Finding:
        """Return what is wrong, less urgent where few rows were compared; ``index`` is the one that could be used."""
        severity = "info" if self.compared < SMALL else "warning"
        found = None if self.scan.rows is None else self.scan.rows + self.scan.removed()
        read = "" if found is None else f"; {rows(found)} {'was' if found == 1 else 'were'} read"
        return Finding(rule, severity, why + read, fix, self.sort.number, cure or self._cure(rule, index))

    def _cure(self, rule: str, index: Index | None) -> Cure | None:
        """The statement put right, or a second index where the distance is meant as it is."""
        sql = rewrite(rule, self.facts.sql, self.key.operator, index)
        before = second_index(index, self.key.operator) if rule == "R04" and index else ()
        built = Cure(before=before) if before else None
        return Cure(sql=sql, built=built) if sql else built


def cases(facts: Facts) -> Iterator[Case]:
    """Yield the sorts by a distance of which a vector index has the column."""
    for sort, key in facts.exact_sorts:
        named, tables = words(key.left) | words(key.right), tables_of(key.left) | tables_of(key.right)
        found = []
        for scan in facts.scans_below(sort):
            if tables and str(scan.details.get("Alias", scan.relation)) not in tables:
                continue
            indexes = tuple(i for i in facts.indexes(scan) if i.of_vectors and words(i.key) & named)
            found += [Case(facts, sort, key, scan, indexes)] if indexes else []
        # Of a vector that comes from a row of the same table too, it is the scan of the many that an index would spare.
        yield from [max(found, key=lambda case: case.scan.rows or case.scan.estimate or 0.0)] if found else []


def plain(expression: str) -> str:
    """Return an expression without what may be written either way: tables, parentheses, blanks."""
    return re.sub(r"[\s()]", "", QUALIFIER.sub("", expression))


def tables_of(expression: str) -> frozenset[str]:
    """Return the tables, by their aliases, that an expression names its columns with."""
    bare = re.sub(r"::(?:\w+\.)?\w+", "", _without_strings(expression))
    return frozenset(name.strip('"').replace('""', '"') for name in re.findall(rf'({NAME})\.(?=[\w"])', bare))


def words(expression: str) -> frozenset[str]:
    """Return the names in an expression that may be columns."""
    return frozenset(re.findall(r'"(?:[^"]|"")+"|[a-z_]\w*', _without_strings(expression))) - _NO_COLUMNS


def _without_strings(expression: str) -> str:
    return "".join(expression.split("'")[::2])  # a regular expression takes its time over a long vector


def _has_distance(condition: str) -> bool:
    return any(f" {operator} " in condition for operator in OPERATORS) or "_distance(" in condition
