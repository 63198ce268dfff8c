"""What is wrong with a query, in words."""

from __future__ import annotations

from dataclasses import dataclass

from ..render import Notice
from .catalogue import rules

SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Cure:
    """A fix as something that can be tried: settings, the statement written otherwise, statements before it.

    These belong together. ``sql`` has the placeholders of the statement it stands for; ``before`` are statements that a
    transaction can undo, such as CREATE INDEX, in order. ``built`` is another cure for the same, by an index.
    """

    settings: tuple[tuple[str, str], ...] = ()
    sql: str | None = None
    before: tuple[str, ...] = ()
    built: Cure | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause: ``rule`` is its id in the catalogue, ``why`` has this query's own numbers, ``fix`` is SQL or a line.

    ``step`` is the number of the plan's node that shows it; ``cure`` is there where the fix can be tried and undone.
    """

    rule: str
    severity: str
    why: str
    fix: str | None = None
    step: int | None = None
    cure: Cure | None = None

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        return rules()[self.rule].title

    @property
    def link(self) -> str:
        """Where its entry stands, in the project's docs."""
        return f"docs/findings.md#{self.rule.lower()}"

    @property
    def notice(self) -> Notice:
        """What pages and terminals show of it."""
        return Notice(self.severity, self.rule, self.title, self.why, self.fix, self.link)

    def __str__(self) -> str:
        return f"{self.title}: {self.why}"
