"""What Postgres did, as a value: a picture, a table of steps, a file, and what changed since another one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .. import figures, plan, render
from ..catalog import Fingerprint
from ..diagnose import Facts, Finding, diagnose
from ..errors import UsageError, did_you_mean
from ..plan import Node, Plan
from ..query import Query, counted
from .steps import named, own, steps

if TYPE_CHECKING:
    import plotly.graph_objects as go

_PICTURES = MappingProxyType({"icicle": (figures.icicle, "milliseconds"), "tree": (figures.tree, "the time")})
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
        sql = counted(self.query.sql, self.query.params) if self.query else None
        return diagnose(Facts(self.plan, self.fingerprint, sql, self.notes))

    @property
    def json(self) -> str:
        """The plan as EXPLAIN (FORMAT JSON) prints it, for any other viewer."""
        return json.dumps([self.plan.document], indent=2)

    def figure(self, kind: str = "icicle") -> go.Figure:
        """Draw the steps, with the scans of vector indexes and what is wrong marked; UsageError for another kind.

        ``icicle``: each as wide as it took, below the one that it works for; ``tree``: a card each, with its share of
        the time, rows and pages.
        """
        return self.sketch(kind).figure()

    def sketch(self, kind: str = "icicle", *, titled: bool = True) -> figures.Sketch:
        """Return a picture before it is drawn: as an SVG it stands by itself, and needs no plotly."""
        if kind not in _PICTURES:
            raise UsageError(f"there is no picture {kind!r} of a plan", did_you_mean(kind, _PICTURES))
        draw, unit = _PICTURES[kind]
        found = steps(self.plan, self._vector_indexes, self.findings)
        title = f"{self._total} in {len(found)} {'step' if len(found) == 1 else 'steps'}"
        return draw(found, unit=unit if self.plan.timed else "the planner's cost", title=title if titled else "")

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
        return {"text/html": self.html(), "text/plain": repr(self)}

    def html(self, kind: str = "icicle", *, findings: bool = True) -> str:
        """Return what is wrong, the picture of that kind where it is not too big to come unasked, and the table."""
        is_small = len(self.plan.nodes) <= figures.MOST_STEPS
        grid = self._grid() if findings else replace(self._grid(), notes=self.notes)
        return render.html(grid, picture=self.sketch(kind, titled=False).svg() if is_small else "")

    @property
    def _notes(self) -> tuple[str | render.Notice, ...]:
        """Each finding with what mends it, and what the server said."""
        return (*(finding.notice for finding in self.findings), *self.notes)

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
        most = max((own(self.plan, node) for node, _ in self._lines), default=1.0)
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
        wrong: dict[int | None, list[str]] = {}
        for each in self.findings:
            wrong.setdefault(each.step, []).append(f"{render.SEVERITIES[each.severity].sign} {each.rule} ")
        return [
            (node, lines + "".join(wrong.get(node.number, ())) + name) for node, lines, name in _tree(self.plan.root)
        ]

    @cached_property
    def _vector_indexes(self) -> frozenset[str]:
        known = self.fingerprint.indexes if self.fingerprint else ()
        return frozenset(index.name for index in known if index.of_vectors)

    def _page(self) -> str:
        tree = self.sketch("tree", titled=False).svg()
        return render.document("EXPLAIN", [self.html(), f'<div class="pgvec">{tree}</div>', *self._details()])

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


def _tree(node: Node, first: str = "", others: str = "") -> Iterator[tuple[Node, str, str]]:
    """Yield each step with the lines of the tree before its name, and the name."""
    yield node, first, named(node) + ("" if node.executed else " (never ran)")
    for i, child in enumerate(node.children):
        is_last = i == len(node.children) - 1
        yield from _tree(
            child, others + ("└─ " if is_last else "├─ "), others + (_BLANK * 3 if is_last else f"│{_BLANK * 2}")
        )
