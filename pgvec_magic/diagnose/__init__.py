"""A plan and what was in force -> findings: what is wrong, why, and what mends it. Silent when all is well."""

from __future__ import annotations

from . import hybrid, statements, writes
from .facts import Facts
from .finding import SEVERITIES, Cure, Finding
from .keywords import words
from .rows import lists, order, short
from .shape import shape
from .statements import Statement

_RULES = (short, shape, order, lists, *hybrid.RULES, words, *writes.RULES)


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Return what is wrong, the gravest first, of equal ones in the order of the plan."""
    found = [finding for rule in _RULES for finding in rule(facts)]
    return tuple(sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.step or 0)))


__all__ = ["Cure", "Facts", "Finding", "Statement", "diagnose", "statements"]
