"""The plans of the corpus as servers gave them: ``plans/captured/<version>/<kind>/<group>.json``, made by capture.py.

With a plan stands what ``diagnose`` looks at beside it, so that neither a server nor pgvector is needed to read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from corpus import PLANS

import pgvec_magic as pv
from pgvec_magic import plan
from pgvec_magic.catalog import Fingerprint
from pgvec_magic.diagnose import Finding
from pgvec_magic.plan import Plan
from pgvec_magic.query import Query

FOLDER = PLANS / "captured"
SERVERS = tuple(sorted(folder.parent.name for folder in FOLDER.glob("*/sick")))


@dataclass(frozen=True)
class Captured:
    """A plan, the statement it is of, what was in force, and what the server said while it ran.

    Of a sick one also the plan's text, of another run, and the plan when cured.
    """

    sql: str
    document: Mapping[str, Any]
    fingerprint: Fingerprint
    notes: tuple[str, ...] = ()
    text: str = ""
    cured: Captured | None = None

    @property
    def plan(self) -> Plan:
        """The plan as a tree."""
        return plan.read(self.document)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is said of it."""
        return self.said_of(self.plan)

    def said_of(self, other: Plan) -> tuple[Finding, ...]:
        """What is said of another plan of the same statement."""
        return pv.Explanation(other, Query(self.sql, {}), self.fingerprint, self.notes).findings

    def as_json(self) -> dict[str, Any]:
        """The entry of a file."""
        entry: dict[str, Any] = {"sql": self.sql, "plan": self.document, "fingerprint": asdict(self.fingerprint)}
        entry |= {"notes": self.notes} if self.notes else {}
        entry |= {"text": self.text.split("\n")} if self.text else {}
        if self.cured:
            cured = self.cured.as_json()
            same = {name for name in ("sql", "fingerprint") if cured[name] == entry[name]}
            entry["cured"] = {name: value for name, value in cured.items() if name not in same}
        return entry

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Captured:
        """The value of a file's entry."""
        cured = (
            cls.from_json({**entry, "notes": (), "text": (), "cured": None, **entry["cured"]})
            if entry.get("cured")
            else None
        )
        known, notes = _made(Fingerprint, entry["fingerprint"]), tuple(entry.get("notes", ()))
        return cls(entry["sql"], entry["plan"], known, notes, "\n".join(entry.get("text", ())), cured)


@cache
def captured(server: str, kind: str) -> Mapping[str, Captured]:
    """Return the plans of a kind, ``sick`` or ``healthy``, from a server, by group and name as in ``corpus.cases``."""
    return {
        f"{file.stem}: {name}": Captured.from_json(entry)
        for file in sorted((FOLDER / server / kind).glob("*.json"))
        for name, entry in json.loads(file.read_text("utf-8")).items()
    }


def _made(kind: Any, data: Any) -> Any:
    """Return the value of a dataclass that JSON holds; what a file made before a field does not have is its default."""
    if get_origin(kind) is UnionType and data is not None:
        kind = get_args(kind)[0]
    if get_origin(kind) is tuple:
        return tuple(_made(get_args(kind)[0], each) for each in data)
    if not is_dataclass(kind):
        return data
    hints = get_type_hints(kind)
    return kind(**{name: _made(hints[name], value) for name, value in data.items()})
