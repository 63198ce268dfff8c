"""What Postgres did, as a value: a picture, a table of steps, a file, and what changed since another one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from .. import figures, plan, render
from ..catalog import Fingerprint
from ..diagnose import Facts, Finding, diagnose
from ..errors import UsageError
from ..plan import Node, Plan
from ..query import Query

if TYPE_CHECKING:
    import plotly.graph_objects as go

_BLANK = "\u2800"  # an empty sign that is no space: spaces at the beginning of a cell would be lost


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """A plan and what it depended on; for a pasted plan ``query`` and ``fingerprint`` are None.

    Its times are those of EXPLAIN, which measures each step: a plain run of the statement is faster.
    """

    plan: Plan
    query: Query | None = None
    fingerprint: Fingerprint | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, the gravest first; empty when all is well."""
        return diagnose(Facts(self.plan, self.fingerprint, self.query.sql if self.query else None, self.notes))

    @property
    def json(self) -> str:
        """The plan as EXPLAIN (FORMAT JSON) prints it, for any other viewer."""
        return json.dumps([self.plan.document], indent=2)

    def figure(self) -> go.Figure:
        """Draw each step as wide as it took, below the one that it works for, scans of vector indexes marked."""
        unit = "milliseconds" if self.plan.timed else "the planner's cost"
        title = f"{self._total} in {len(self.plan.nodes)} steps"
        return figures.steps(list(self._steps()), unit=unit, title=title, marked="vector index")

    def compare(self, other: Explanation) -> list[str]:
        """Return sentences on what is another in ``other``: steps, rows, pages, times, settings, indexes."""
        said = plan.changes(self.plan, other.plan)
        if self.fingerprint and other.fingerprint:
            said += [line for line in self.fingerprint.changes(other.fingerprint) if line not in said]
        if self.query and other.query and self.query.sql != other.query.sql:
            said.insert(0, "the statement is another")
        return said

    def save(self, path: str | Path) -> Path:
        """Write a page of everything (``.html``), or the plan for other viewers (``.json``), and return the path."""
        path = Path(path)
        if path.suffix not in (".html", ".json"):
            raise UsageError(f"{path.name}: a plan is saved as .html or .json", "name a file with one of these endings")
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}", "make it first, or name another")
        path.write_text(self.json if path.suffix == ".json" else self._page(), "utf-8")
        return path

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    @property
    def _notes(self) -> tuple[str, ...]:
        """What the server said, and each finding with what mends it."""
        return (*self.notes, *(each.told for each in self.findings))

    @property
    def _total(self) -> str:
        if self.plan.execution is not None:
            return f"executed in {plan.milliseconds(self.plan.execution)}"
        if self.plan.root.time is not None:
            return f"executed in {plan.milliseconds(self.plan.root.time.wall)}"
        return "executed, not timed" if self.plan.analyzed else "planned, not executed"

    def _grid(self) -> render.Grid:
        analyzed, timed = self.plan.analyzed, self.plan.timed
        names = ["step", "own ms" if timed else "own cost", "rows" if analyzed else "planned rows"]
        names += ["planned rows", "removed"] if analyzed else []
        names += ["pages"] if any(node.blocks for node in self.plan.nodes) else []
        rows = [tuple(self._cells(node, label, names)) for node, label in self._lines]
        most = max((self._own(node) for node, _ in self._lines), default=1.0)
        counts = frozenset(names[2:])
        return render.Grid(
            tuple(names), rows, tuple(self._facts()), self._notes, bars={names[1]: (0.0, most or 1.0)}, counts=counts
        )

    def _cells(self, node: Node, label: str, names: list[str]) -> Iterator[object]:
        loops = max(node.loops or 1, 1)
        known: Mapping[str, object] = {
            "step": label,
            "own ms": round(node.time.own, 4) if node.time and node.executed else None,
            "own cost": node.cost,
            "rows": None if node.rows is None else round(node.rows),
            "planned rows": None if node.estimate is None else round(node.estimate * loops),
            "removed": round(node.removed() + node.removed("Join Filter")),
            "pages": node.blocks.own if node.blocks else None,
        }
        return (known[name] for name in names)

    def _facts(self) -> Iterator[str]:
        yield self._total
        if self.plan.planning is not None:
            yield f"planned in {plan.milliseconds(self.plan.planning)}"
        for name, took in self.plan.outside.items():
            if took >= 0.1:
                yield f"{name} {plan.milliseconds(took)}"
        if self.plan.jit:
            yield f"JIT {plan.milliseconds(self.plan.jit)} (within the steps)"
        if self.query:
            yield from (f"{name} = {value}" for name, value in self.query.settings)

    @cached_property
    def _lines(self) -> list[tuple[Node, str]]:
        """Each step with the lines of the tree before its name."""
        return list(_tree(self.plan.root, "", ""))

    @cached_property
    def _vector_indexes(self) -> frozenset[str]:
        known = self.fingerprint.indexes if self.fingerprint else ()
        return frozenset(index.name for index in known if index.of_vectors)

    def _is_vector_scan(self, node: Node) -> bool:
        """Whether a step reads a vector index: by the catalog, or as only an index that gives distances is read."""
        return node.index is not None and (node.index in self._vector_indexes or "Order By" in node.details)

    def _steps(self) -> Iterator[figures.Step]:
        """Lengths are sums of what is each step's own, so that they fit together whoever ran a CTE."""
        yield from self._below(self.plan.root, 0, 0.0)

    def _below(self, node: Node, depth: int, start: float) -> Iterator[figures.Step]:
        own = self._own(node)
        length = sum(self._own(each) for each in node.walk())
        marked = self._is_vector_scan(node)
        yield figures.Step(plan.elide(node.label), plan.facts(node), depth, start, length, own, marked)
        for child in node.children:
            yield from self._below(child, depth + 1, start)
            start += sum(self._own(each) for each in child.walk())

    def _own(self, node: Node) -> float:
        if not self.plan.timed:
            return node.cost
        return node.time.own if node.time else 0.0

    def _page(self) -> str:
        from ..render.picture import Picture

        picture = self.figure()
        assert isinstance(picture, Picture)
        drawn = picture._repr_mimebundle_().get("image/svg+xml", "")
        return render.document("EXPLAIN", [drawn, render.html(self._grid()), *self._details()])

    def _details(self) -> Iterator[str]:
        if self.query:
            yield render.details("the statement", plan.elide(repr(self.query)))
        if self.fingerprint:
            yield render.details("what was in force", _told(self.fingerprint))
        yield render.details("the plan as JSON, for other viewers", self.json)


def _told(found: Fingerprint) -> str:
    lines = [f"PostgreSQL {found.server}, pgvector {found.vector}"]
    lines += [f"{name} = {value}" for name, value in found.settings.items()]
    lines += [f"{each.schema}.{each.name}: {each.rows:,} rows, {each.bytes:,} bytes" for each in found.relations]
    for index in found.indexes:
        lines.append(f"{index.definition}: {index.bytes:,} bytes{'' if index.valid else ', invalid'}")
    return "\n".join(lines)


def _tree(node: Node, first: str, others: str) -> Iterator[tuple[Node, str]]:
    name = node.details.get("Subplan Name")
    never = "" if node.executed else " (never ran)"
    yield node, first + (f"{name}: " if name else "") + plan.elide(node.label) + never
    for i, child in enumerate(node.children):
        is_last = i == len(node.children) - 1
        yield from _tree(
            child, others + ("└─ " if is_last else "├─ "), others + (_BLANK * 3 if is_last else f"│{_BLANK * 2}")
        )
