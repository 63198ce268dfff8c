"""A plan and what was in force -> findings: what is wrong, why, and what mends it. Silent when all is well."""

from __future__ import annotations

from dataclasses import replace

from . import hybrid, statements, writes
from .cost import cold, sent, walked
from .facts import Facts, numbers
from .filters import fields, within
from .finding import SEVERITIES, Cure, Finding
from .keys import FUNCTIONS, OPERATORS
from .keywords import words
from .partitions import partitions
from .planner import elsewhere, rivals
from .recall import coarse, lengths, repeated, strict, untrained
from .rows import lists, order, short
from .shape import shape
from .statements import Statement
from .vectorless import no_vector, zeros

_RULES = (
    *(short, shape, order, lists, within, fields, rivals, elsewhere),
    *(coarse, lengths, repeated, strict, untrained, partitions, walked, cold, sent),
    *(*hybrid.RULES, words, *writes.RULES),
)


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Return what is wrong, the gravest first, of equal ones in the order of the plan."""
    found = [finding for rule in _RULES for finding in rule(facts)]
    for node, there in facts.alone:
        found += [replace(finding, step=node.number) for rule in _RULES for finding in rule(there)]
    return tuple(sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.step or 0)))


__all__ = [
    "FUNCTIONS",
    "OPERATORS",
    "Cure",
    "Facts",
    "Finding",
    "Statement",
    "diagnose",
    "no_vector",
    "numbers",
    "short",
    "statements",
    "zeros",
]
