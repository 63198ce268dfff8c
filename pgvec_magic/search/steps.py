"""A plan and what is wrong with it -> the steps of its pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from .. import figures, plan
from ..diagnose import Finding
from ..plan import Node, Plan


def own(plan: Plan, node: Node) -> float:
    """Return what of a plan is a step's own: milliseconds, or the planner's cost where nothing was timed."""
    if not plan.timed:
        return node.cost
    return node.time.own if node.time else 0.0


def named(node: Node) -> str:
    """Return what a step is called: by the CTE or sub-plan that it computes, and what it does."""
    name = node.details.get("Subplan Name")
    return (f"{name}: " if name else "") + plan.elide(node.label)


def steps(plan: Plan, vector_indexes: Collection[str], findings: Sequence[Finding]) -> list[figures.Step]:
    """Return the steps in the order of the plan, each with what is wrong there."""
    return list(_Steps(plan, vector_indexes, findings).below(plan.root, 0, 0.0))


@dataclass(frozen=True)
class _Steps:
    """Lengths are sums of what is each step's own, so that they fit together whoever ran a CTE."""

    plan: Plan
    vector_indexes: Collection[str]
    findings: Sequence[Finding]

    def below(self, node: Node, depth: int, start: float) -> Iterator[figures.Step]:
        """Yield a node and those below it, each beginning where those before it ended."""
        yield self._step(node, depth, start)
        for child in node.children:
            yield from self.below(child, depth + 1, start)
            start += sum(own(self.plan, each) for each in child.walk())

    def _step(self, node: Node, depth: int, start: float) -> figures.Step:
        is_vector_scan = self._is_vector_scan(node)
        return figures.Step(
            label=named(node),
            facts=plan.facts(node),
            depth=depth,
            start=start,
            length=sum(own(self.plan, each) for each in node.walk()),
            own=own(self.plan, node),
            is_vector_scan=is_vector_scan,
            ran=node.executed,
            took=_took(node),
            brief=self._brief(node, is_vector_scan),
            rows=node.rows,
            marks=[figures.Mark(f.rule, f.severity, f.title) for f in self.findings if f.step == node.number],
        )

    def _brief(self, node: Node, is_vector_scan: bool) -> list[str]:
        """A vector index is expected to give the whole table, and a stopped step all it has: neither is a mistake."""
        guessed = not is_vector_scan and node.number not in plan.stopped_early(self.plan)
        said = plan.measured(node, guessed=guessed)
        if node.time is not None and node.time.most > node.time.least * 1.01:
            said.append(f"in parallel: {plan.milliseconds(node.time.least)} to {plan.milliseconds(node.time.most)}")
        return said

    def _is_vector_scan(self, node: Node) -> bool:
        """Whether a step reads a vector index: by the catalog, or as only an index that gives distances is read."""
        return node.index is not None and (node.index in self.vector_indexes or "Order By" in node.details)


def _took(node: Node) -> str:
    return plan.milliseconds(node.time.own) if node.time else f"cost {node.cost:,.0f}"
