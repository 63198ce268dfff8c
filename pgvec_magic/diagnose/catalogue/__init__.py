"""What every finding means, in words: the TOML files beside this one, from which docs/findings.md is made too."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

# The files in the order of the docs, each with its heading there.
GROUPS = {
    "shape": "The index is not used: how the query is written",
    "planner": "The index is not used: what the planner knows",
    "rows": "Fewer rows, or another order",
    "recall": "Other rows than the nearest",
    "cost": "The right rows, and more work than they need",
    "hybrid": "Words and vectors together",
    "sessions": "Settings, connections, errors",
    "upkeep": "Building, loading, keeping",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """An entry: what one sees, why it is so, what mends it, and where the finding may be mistaken or keeps silent.

    The texts are Markdown; below ``docs`` is the table, ``embedding`` its vector column, ``q`` the query vector.
    """

    id: str
    group: str
    title: str
    symptom: str
    why: str
    cure: str
    mistaken: str = ""


@cache
def rules() -> Mapping[str, Rule]:
    """Return the entries by their ids, in the order of the docs."""
    return {rule.id: rule for group in GROUPS for rule in _of_group(group)}


def _of_group(group: str) -> list[Rule]:
    text = resources.files(__package__).joinpath(f"{group}.toml").read_text("utf-8")
    return [
        Rule(id, group, **{"symptom": "", "cure": ""} | {name: " ".join(said.split()) for name, said in entry.items()})
        for id, entry in tomllib.loads(text).items()
    ]
