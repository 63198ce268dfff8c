"""What is wrong with a query, in words."""

from __future__ import annotations

from dataclasses import dataclass

SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause: ``rule`` is its id in the catalogue, ``why`` has this query's own numbers, ``fix`` is SQL or a line.

    ``step`` is the number of the plan's node that shows it.
    """

    rule: str
    severity: str
    title: str
    why: str
    fix: str | None = None
    step: int | None = None

    @property
    def link(self) -> str:
        """Where its entry stands, in the project's docs."""
        return f"docs/findings.md#{self.rule.lower()}"

    def __str__(self) -> str:
        return f"{self.title}: {self.why}"
