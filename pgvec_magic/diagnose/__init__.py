"""A plan and what was in force -> findings: what is wrong, why, and what mends it. Silent when all is well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from . import hybrid, statements, writes
from .cost import cold, sent, walked
from .cures import cure_in
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
from .shards import on_shards
from .statements import Statement
from .vectorless import no_vector, zeros

_RULES = (
    *(short, shape, order, lists, within, fields, rivals, elsewhere),
    *(coarse, lengths, repeated, strict, untrained, partitions, walked, cold, sent),
    *(*hybrid.RULES, words, *writes.RULES),
)


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Return what is wrong, the gravest first, of equal ones in the order of the plan."""
    found = [*_told(facts), *on_shards(facts, _told)]
    return tuple(sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.step or 0)))


def _told(facts: Facts) -> Iterator[Finding]:
    """Yield what the rules say, with the cure that a fix is by itself."""
    for rule in _RULES:
        for finding in rule(facts):
            yield finding if finding.cure else replace(finding, cure=cure_in(finding.fix))


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
