"""One check: what was looked at, what was found, and the SQL that mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..index import IndexSpec
from ..render import Notice

# Why a statement is shown and not run by us.
RESTART = "a server's setting is for its administrator to change: %vhealth --fix does not run this"
TYPED = "not SQL: run it in a cell"
DECISION = "%vhealth --fix does not run this: it is for you to decide"
STATES = ("red", "amber", "green", "grey")
# The ten of the production checklist, then what else keeps a vector table well.
TITLES: Mapping[int, str] = MappingProxyType(
    {
        1: "an HNSW index",
        2: "memory for the next build",
        3: "ef_search behind a pooler",
        4: "inserts in batches",
        5: "an index of the words",
        6: "dead rows and autovacuum",
        7: "memory for the index",
        8: "an index for a large tenant",
        9: "vectors in a type of their own",
        10: "recall, measured",
        11: "valid indexes",
        12: "size against prediction",
        13: "use of the index",
        14: "indexes that do the same",
        15: "reads from memory",
        16: "NULL and zero vectors",
        17: "lengths under inner product",
        18: "identical vectors",
        19: "lists of IVFFlat",
        20: "version of pgvector",
        21: "a pooler in between",
        22: "slow vector queries",
        23: "sessions that hold VACUUM back",
        24: "time that VACUUM takes",
        25: "pages that an insert reads",
    }
)
# What docs/findings.md says more of.
RULES: Mapping[int, str] = MappingProxyType(
    {2: "R70", 11: "R25", 15: "R79", 16: "R50", 17: "R51", 18: "R52", 19: "R48", 24: "R76", 25: "R77"}
)


@dataclass(frozen=True, slots=True)
class Check:
    """What one look found: ``state`` is red, amber, green, or grey for what could not be looked at or is not there.

    ``on`` is the table, column or index, empty for the server; ``value`` what was measured, ``reason`` what it means.
    ``statements`` mend it, each a message of its own; ``by_hand`` says why these are shown and never run, and is empty
    for those that ``%vhealth --fix`` may run; ``builds`` is the index that the first of them makes. ``table`` is the
    one that it is about, empty for the server.
    """

    number: int
    on: str
    state: str
    value: str
    reason: str
    statements: tuple[str, ...] = ()
    by_hand: str = ""
    builds: IndexSpec | None = None
    table: str = ""

    @property
    def name(self) -> str:
        """What is looked at, in a few words."""
        return TITLES[self.number]

    @property
    def link(self) -> str:
        """Where more is said of it in the project's docs; empty where nothing is."""
        return f"docs/findings.md#{RULES[self.number].lower()}" if self.number in RULES else ""

    @property
    def sql(self) -> str:
        """What mends it, as it can be run; empty where nothing does."""
        return ";\n".join(self.statements)

    @property
    def notice(self) -> Notice:
        """What pages and terminals show of it where it is not well."""
        title = " · ".join(filter(None, [self.name, self.on, self.value]))
        why = self.reason + (f". {self.by_hand[0].upper()}{self.by_hand[1:]}" if self.sql and self.by_hand else "")
        return Notice(self.state, f"{self.number}", title, why, self.sql or None, self.link)


def grey(number: int, on: str, reason: str, value: str = "") -> Check:
    """Return a check of what is not there, or could not be looked at, with the reason."""
    return Check(number, on, "grey", value, reason)
