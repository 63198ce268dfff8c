"""Rules on conditions that no index serves as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..plan import Node, elide
from ..plan.words import count
from .case import SMALL, words
from .facts import Facts
from .finding import Finding
from .keys import sort_key

_GIVE_ON = ("Gather", "Gather Merge", "Limit", "Append", "Result", "Subquery Scan")
_SELECTIVE = 0.1  # the share of rows within a distance, up to which somebody looks for the nearest
_REMOVED = 0.5
_FIELD = re.compile(r"""\(\(?(?:\w+\.)?(\w+|"[^"]+") ->> '((?:[^']|'')*)'::text\)+ = '((?:[^']|'')*)'::text\)""")


def within(facts: Facts) -> Iterator[Finding]:
    """Yield searches for all rows within a distance: a condition on a distance leads to no index."""
    for scan in facts.plan.nodes:
        key = sort_key(str(scan.details.get("Filter", ""))) if scan.kind == "Seq Scan" else None
        if key is None or not key.is_distance or not scan.rows or not _is_list(facts, scan):
            continue
        named, compared = words(key.left) | words(key.right), scan.rows + scan.removed()
        index = next((i for i in facts.indexes(scan) if i.valid and i.of_vectors and words(i.key) & named), None)
        relation, limited = facts.relation(scan), any(above.kind == "Limit" for above in facts.above(scan))
        if index is None or key.operator not in index.operators or relation is None or relation.rows < SMALL:
            continue
        if not limited and scan.rows > min(SMALL, _SELECTIVE * compared):
            continue  # so many are wanted that reading all is the way
        order = elide(f"ORDER BY {key.left} {key.operator} {key.right}")
        why = (
            f"the rows are those within a distance, and {index.name} gives rows in order only: {count(compared)} were"
            f" compared for {count(scan.rows)}"
        )
        why += ", and the LIMIT took any, not the nearest" if limited else ""
        fix = f"{order} LIMIT … in WITH … AS MATERIALIZED (…), and the condition around it"
        yield Finding("R14", "warning", why, fix, scan.number)


def fields(facts: Facts) -> Iterator[Finding]:
    """Yield conditions on a field of JSON that the table's GIN index knows in another form only."""
    for scan in facts.plan.nodes:
        found = _FIELD.search(str(scan.details.get("Filter", "")))
        if found is None or scan.removed() < max(SMALL / 10, _REMOVED * ((scan.rows or 0) + scan.removed())):
            continue
        column, name, value = found.groups()
        index = next((i for i in facts.indexes(scan) if i.method == "gin" and i.valid and i.key == column), None)
        if index is None:
            continue
        why = (
            f"{column} ->> '{name}' = '{value}' removed {count(scan.removed())} rows that were read, and {index.name}"
            " knows of @> alone"
        )
        yield Finding("R82", "warning", why, f"""{column} @> '{{"{name}": "{value}"}}'""", scan.number)


def _is_list(facts: Facts, scan: Node) -> bool:
    """Whether the rows of a scan are the statement's, as they come."""
    nodes = (scan, *facts.above(scan))
    return all(n.kind in _GIVE_ON for n in nodes[1:]) and not any("Subplan Name" in n.details for n in nodes)
