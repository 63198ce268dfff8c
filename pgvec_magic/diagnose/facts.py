"""What rules look at: the plan, and what was in force when it was made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..catalog import Fingerprint, Index, Relation
from ..plan import Node, Plan, of_shard
from ..sqltext import Token
from .clauses import read
from .keys import SortKey, sort_keys

_SCANS_OF_ROWS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan", "Sample Scan")


@dataclass(frozen=True)
class Facts:
    """A plan, what is known beside it (nothing of a pasted one), the statement, and what the server said of it.

    Of what another server did ``whole`` has the facts here, and ``at`` is the node that it was done for.
    """

    plan: Plan
    fingerprint: Fingerprint | None = None
    sql: str | None = None
    notices: tuple[str, ...] = ()
    whole: Facts | None = None
    at: Node | None = None

    @cached_property
    def parents(self) -> dict[int, Node]:
        """Each node's parent, by its number."""
        return self.plan.parents()

    def above(self, node: Node) -> Iterator[Node]:
        """Yield what a node works for, the nearest first."""
        while (parent := self.parents.get(node.number)) is not None:
            yield parent
            node = parent
        if self.whole is not None and self.at is not None:
            yield self.at
            yield from self.whole.above(self.at)

    def shards(self) -> Iterator[Facts]:
        """Yield what other servers did; of a table's shards nothing is known but its indexes: here it is empty."""
        known = self.fingerprint
        if known is not None:
            known = replace(known, relations=(), indexes=tuple(replace(index, rows=0) for index in known.indexes))
        for node in self.plan.nodes:
            for remote in node.remote:
                yield Facts(remote.plan, known, remote.sql, whole=self, at=node)

    def _known_as(self, name: str | None) -> str | None:
        """Return the name under which the catalog here has a table or an index of the plan."""
        return name if name is None or self.whole is None else of_shard(name)

    def keys(self, node: Node, name: str = "Sort Key") -> list[SortKey]:
        """Return the keys of a node, of which texts with long vectors are read once."""
        key = (node.number, name)
        if key not in self._keys:
            self._keys[key] = sort_keys(node, name)
        return self._keys[key]

    @cached_property
    def _keys(self) -> dict[tuple[int, str], list[SortKey]]:
        return {}

    def users(self, node: Node) -> Iterator[Node]:
        """Yield what a node's rows go to, the nearest first: those of a CTE go to who reads it."""
        reader: Node | None = node
        while reader is not None:
            name = reader.details.get("Subplan Name")
            scans = (each for each in self.plan.nodes if name and f"CTE {each.details.get('CTE Name')}" == name)
            reader = next(scans, self.parents.get(reader.number))
            yield from [reader] if reader else []

    def setting(self, name: str, usual: str) -> str:
        """Return a setting's value when the plan was made, or what it usually is where that is not known."""
        return self.fingerprint.settings.get(name, usual) if self.fingerprint else usual

    @property
    def iterates(self) -> bool:
        """Whether this pgvector has iterative scans; the newest has, where it is not known."""
        return self.fingerprint is None or [int(n) for n in re.findall(r"\d+", self.fingerprint.vector)][:2] >= [0, 8]

    @property
    def server(self) -> int:
        """The major version; the newest where it is not known, of which the least is wrong."""
        return int(self.fingerprint.server.partition(".")[0]) if self.fingerprint else 18

    def relation(self, node: Node) -> Relation | None:
        """Return the table that a scan reads, where it is known."""
        known = self.fingerprint.relations if self.fingerprint else ()
        schema = node.details.get("Schema")
        return next((r for r in known if r.name == node.relation and schema in (None, r.schema)), None)

    @property
    def vector_indexes(self) -> tuple[Index, ...]:
        """The vector indexes of all tables that the statement reads."""
        return tuple(index for index in (self.fingerprint.indexes if self.fingerprint else ()) if index.of_vectors)

    def readers(self, node: Node) -> Iterator[Node]:
        """Yield what reads the CTE that a node works for, the nearest first."""
        names = [str(n.details.get("Subplan Name", "")) for n in (node, *self.above(node))]
        ctes = {name.removeprefix("CTE ") for name in names if name.startswith("CTE ")}
        for scan in [n for n in self.plan.nodes if n.details.get("CTE Name") in ctes]:
            yield from self.above(scan)

    def indexes(self, node: Node) -> tuple[Index, ...]:
        """Return the indexes of the table that a scan reads."""
        known = self.fingerprint.indexes if self.fingerprint else ()
        schema = node.details.get("Schema")
        name = self._known_as(node.relation)
        return tuple(i for i in known if i.table == name and schema in (None, i.schema))

    def index(self, node: Node) -> Index | None:
        """Return the index that a scan reads, where it is known."""
        name = self._known_as(node.index)
        return next((i for i in self.indexes(node) if i.name == name), None)

    def is_ann(self, node: Node) -> bool:
        """Whether a node reads a vector index in the order of a distance: other indexes have ``<->`` too."""
        keys = [key for key in self.keys(node, "Order By") if key.operator] if node.kind == "Index Scan" else []
        index = self.index(node)
        if not keys or index is not None:
            return bool(keys) and index is not None and index.of_vectors
        return any(_OF_VECTORS.search(key.text) for key in keys)

    @cached_property
    def ann_scans(self) -> tuple[Node, ...]:
        """The scans of vector indexes."""
        return tuple(node for node in self.plan.nodes if self.is_ann(node))

    @cached_property
    def exact_sorts(self) -> tuple[tuple[Node, SortKey], ...]:
        """The sorts by a distance to whose rows no vector index led: each with the key that has the distance."""
        sorts = (node for node in self.plan.nodes if node.kind in ("Sort", "Incremental Sort"))
        by_index = {scan.number for scan in self.ann_scans}
        exact = (n for n in sorts if by_index.isdisjoint(below.number for below in n.walk()))
        return tuple((node, key) for node in exact for key in [k for k in self.keys(node) if k.is_distance][:1])

    def scans_below(self, node: Node) -> list[Node]:
        """Return the scans of tables below a node."""
        return [below for below in node.walk() if below.kind in _SCANS_OF_ROWS and below.relation]

    def asked(self, limit: Node) -> float:
        """Return how many rows a LIMIT asks for, in one loop.

        The plan tells what the planner expects of it, which is fewer where it expects few rows to pass a filter: what
        the statement says goes before that, where it is clear which LIMIT of it this is.
        """
        if self.whole is not None and limit not in self.plan.nodes:
            return self.whole.asked(limit)
        said = self._limits
        plans = [str(n.details["Subplan Name"]) for n in (limit, *self.above(limit)) if "Subplan Name" in n.details]
        in_cte = [number.value for number in said if plans and plans[0] == f"CTE {number.cte}"]
        is_last = not plans and not any(above.kind == "Limit" for above in self.above(limit))
        outer = [number.value for number in said if number.depth == 0]
        if is_last and outer:
            return outer[-1]
        found = in_cte if len(in_cte) == 1 else [number.value for number in said]
        return found[0] if len(found) == 1 else limit.estimate or 0.0

    @property
    def offset(self) -> float:
        """How many rows the statement skips at its end."""
        return next((number.value for number in numbers(self.sql or "", "OFFSET") if number.depth == 0), 0.0)

    @cached_property
    def _limits(self) -> list[Number]:
        return numbers(self.sql or "", "LIMIT")

    def is_generic(self, key: SortKey) -> bool:
        """Whether a key compares with a parameter whose value the planner did not know: ``$1``, and no sub-plan's."""
        names = {side for side in (key.left, key.right) if re.fullmatch(r"\$\d+", side)}
        return any(not any(name in str(n.details.get("Subplan Name")) for n in self.plan.nodes) for name in names)

    def limit(self, node: Node) -> Node | None:
        """Return the LIMIT that a node works for, if nothing between needs all of its rows."""
        for above in self.above(node):
            if above.kind == "Limit":
                return above
            if above.kind not in _PASS_ON:
                return None
        return None


def seen(scan: Node) -> float:
    """Return how many rows a scan took from its index, in one loop."""
    return ((scan.rows or 0) + scan.removed() + scan.removed("Index Recheck")) / max(scan.loops or 1, 1)


# What tells in a pasted plan that a distance is one of vectors: a type, a parameter, a sub-plan.
_OF_VECTORS = re.compile(r'::(\w+\.)?"?(vector|halfvec|sparsevec|bit)\b|\$\d|InitPlan|SubPlan|\w\.\w')


@dataclass(frozen=True, slots=True)
class Number:
    """A number behind a word of a statement: in how many parentheses it stands, and in which CTE's own."""

    value: float
    depth: int
    cte: str | None


def numbers(sql: str, word: str) -> list[Number]:
    """Return the numbers behind a word, such as LIMIT, in order; what is calculated is left out."""
    found = read(sql)
    said: list[Number] = []
    opened: list[str | None] = []
    for i, token in enumerate(found):
        if token.text == "(":
            opened.append(_cte(found[max(i - 4, 0) : i]))
        elif token.text == ")":
            opened = opened[:-1]
        elif token.kind == "word" and token.text.upper() == word and (number := _number(found[i + 1 : i + 3])):
            said.append(Number(float(number), len(opened), opened[-1] if opened else None))
    return said


def _number(behind: Sequence[Token]) -> str | None:
    """Return the number that two tokens begin with, if nothing is calculated with it."""
    is_all = len(behind) < 2 or behind[1].kind == "word" or behind[1].text in (")", ";")
    return behind[0].text if behind and is_all and behind[0].text.isdigit() else None


def _cte(before: Sequence[Token]) -> str | None:
    """Return the name that stands before ``AS [[NOT] MATERIALIZED]``, if that is what the tokens end with."""
    while before and before[-1].text.upper() in ("MATERIALIZED", "NOT"):
        before = before[:-1]
    if len(before) < 2 or before[-1].text.upper() != "AS":
        return None
    name = before[-2]
    return name.text[1:-1].replace('""', '"') if name.kind == "name" else name.text.lower()


# What gives rows on as they come.
_PASS_ON = ("Gather Merge", "Gather", "Sort", "Incremental Sort", "Result", "Subquery Scan", "Merge Append", "LockRows")
