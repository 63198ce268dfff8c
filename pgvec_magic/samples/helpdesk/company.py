"""The company's tenants with their users and projects: one huge workspace, many tiny ones."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import isqrt
from typing import TYPE_CHECKING, Any

from .draws import Draws
from .texts import LANGUAGES, texts

if TYPE_CHECKING:
    import pandas as pd

WORKSPACES = 400
_LARGEST_SHARE = 35  # percent of all documents
_PLANS = ("enterprise", "business", "starter")
_REGIONS = ("eu-central", "eu-west", "eu-north")
_ROLES = ("member", "member", "member", "agent", "admin")
_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", " ": "-"})


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant; ``users`` and ``projects`` are (id, name)."""

    id: int
    name: str
    german: int  # percent of its documents; the others are in English
    users: tuple[tuple[int, str], ...]
    projects: tuple[tuple[int, str], ...]

    @property
    def domain(self) -> str:
        """The domain of the tenant's mail addresses."""
        return f"{self.name.lower().translate(_ASCII)}.example"


@cache
def workspaces() -> tuple[Workspace, ...]:
    """Return the tenants, those with the most documents first."""
    made, user, project = [], 1, 1
    for n in range(1, WORKSPACES + 1):
        people, projects = _people(n), _projects(n)
        made.append(
            Workspace(n, _name(n), _german(n), tuple(enumerate(people, user)), tuple(enumerate(projects, project)))
        )
        user, project = user + len(people), project + len(projects)
    return tuple(made)


def drawn(draws: Draws) -> Workspace:
    """Return the workspace of a document: the first in 35 of 100 cases, the others after a power law."""
    limits = _limits()
    return workspaces()[bisect(limits, draws.below(limits[-1]))]


@cache
def _limits() -> list[int]:
    """Return the running sums of weights n ** -1.25, in integers: floats may differ between machines."""
    others = [10**10 // isqrt(isqrt(n**5 * 10**16)) for n in range(2, WORKSPACES + 1)]
    return list(accumulate([sum(others) * _LARGEST_SHARE // (100 - _LARGEST_SHARE), *others]))


def _name(n: int) -> str:
    companies, trades = (texts()[0].phrases[name] for name in ("company", "trade"))
    turn, at = divmod(n - 1, len(companies))
    return f"{companies[at]} {trades[(turn + at) % len(trades)]}"


def _german(n: int) -> int:
    return 50 if n == 1 else Draws(f"workspace {n}").pick((12, 88))


def _people(n: int) -> list[str]:
    first, last = (texts()[0].phrases[name] for name in ("first_name", "last_name"))
    at = Draws(f"users {n}").below(len(first) * len(last))
    # 331 shares no factor with the number of names, so that nobody of a workspace has another's.
    pairs = (divmod((at + i * 331) % (len(first) * len(last)), len(last)) for i in range(max(3, 400 // n)))
    return [f"{first[i]} {last[j]}" for i, j in pairs]


def _projects(n: int) -> list[str]:
    names = texts()[0].phrases["project"]
    at = Draws(f"projects {n}").below(len(names))
    return [names[(at + i) % len(names)] for i in range(max(2, len(names) // n))]


def tables() -> Mapping[str, pd.DataFrame]:
    """Return what documents refer to: workspaces, users and projects, each with a column ``id``."""
    import pandas as pd

    rows = {
        "workspaces": [_workspace_row(w) for w in workspaces()],
        "users": [_user_row(w, number, name) for w in workspaces() for number, name in w.users],
        "projects": [
            {"id": number, "workspace_id": w.id, "name": name} for w in workspaces() for number, name in w.projects
        ],
    }
    return {name: pd.DataFrame(table) for name, table in rows.items()}


def _workspace_row(w: Workspace) -> dict[str, Any]:
    plan = _PLANS[(w.id > 1) + (w.id > 30)]
    region = Draws(f"region {w.id}").pick(_REGIONS)
    language = LANGUAGES[w.german > 50]
    return {"id": w.id, "name": w.name, "plan": plan, "region": region, "language": language}


def _user_row(w: Workspace, number: int, name: str) -> dict[str, Any]:
    email = f"{name.lower().replace(' ', '.')}@{w.domain}"
    role = Draws(f"user {number}").pick(_ROLES)
    return {"id": number, "workspace_id": w.id, "name": name, "email": email, "role": role}
