"""A plan and what was in force -> findings: what is wrong, why, and what mends it. Silent when all is well."""

from __future__ import annotations

from dataclasses import replace

from .cures import cure_in
from .facts import Facts
from .finding import SEVERITIES, Cure, Finding
from .rows import lists, order, short
from .shape import shape

_RULES = (short, shape, order, lists)


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Return what is wrong, the gravest first, of equal ones in the order of the plan."""
    found = [f if f.cure else replace(f, cure=cure_in(f.fix)) for rule in _RULES for f in rule(facts)]
    return tuple(sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.step or 0)))


__all__ = ["Cure", "Facts", "Finding", "diagnose"]
