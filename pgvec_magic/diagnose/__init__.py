"""A plan and what was in force -> findings: what is wrong, why, and what mends it. Silent when all is well."""

from __future__ import annotations

from .facts import Facts
from .finding import SEVERITIES, Cure, Finding
from .rows import lists, order, short
from .shape import shape
from .shards import on_shards

_RULES = (short, shape, order, lists)


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Return what is wrong, the gravest first, of equal ones in the order of the plan."""
    found = [finding for rule in _RULES for finding in rule(facts)]
    found += on_shards(facts, _RULES)
    return tuple(sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.step or 0)))


__all__ = ["Cure", "Facts", "Finding", "diagnose"]
