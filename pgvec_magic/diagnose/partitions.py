"""Rules on a table in parts."""

from __future__ import annotations

from collections.abc import Iterator

from ..plan.words import count
from .facts import Facts
from .finding import Finding

_MANY = 8


def partitions(facts: Facts) -> Iterator[Finding]:
    """Yield searches of all partitions with a condition that leaves none of them out."""
    for node in facts.plan.nodes:
        if node.kind not in ("Append", "Merge Append") or node.details.get("Subplans Removed"):
            continue
        scans = [scan for scan in facts.ann_scans if facts.parents.get(scan.number) is node and scan.executed]
        if len(scans) < _MANY or not all("Filter" in scan.details for scan in scans):
            continue
        removed = sum(scan.removed() for scan in scans)
        why = (
            f"the condition, {scans[0].details['Filter']}, leaves none of the {len(scans)} partitions out: each one's"
            f" index was searched, and {count(removed)} rows that these gave were removed"
        )
        fix = "a condition on the column by which the table is partitioned; or partitions by this one"
        yield Finding("R80", "warning", why, fix, node.number)
