"""The plan panel: a plan's picture and what is wrong with it, linked, and a button that tries a fix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import ipywidgets as widgets

from .. import plan, render
from ..db import Database
from ..diagnose import Cure, Finding
from ..errors import PgvecError
from ..search import Explanation, explain
from .view import PlanView
from .words import framed, line

_NOTHING_WRONG = "nothing is wrong: click a step to see what it did"
_SPACE = {"margin": "4px 0 4px 0"}


class PlanPanel(widgets.VBox):  # type: ignore[misc]  # it has no types
    """A plan to look into; with a ``table`` that of a search in it, for the text that is typed in.

    ``explanation`` is what is shown, ``proof`` what the last try of a fix gave.
    """

    def __init__(
        self, db: Database | None, explanation: Explanation | None = None, *, table: str | None = None
    ) -> None:
        self.explanation: Explanation | None = None
        self.proof: Any = None
        self._db, self._table = db, table
        self._make()
        asking = [widgets.HBox([self.text, self.ask])] if table else []
        super().__init__([*asking, self.said, self._shown, self._tried])
        if explanation is not None:
            self.show(explanation)

    def show(self, explanation: Explanation) -> None:
        """Show a plan, with the gravest finding chosen."""
        self._clear()
        self.explanation = explanation
        self.step.options = [("–", None)] + [(_named(step), step.number) for step in explanation.plan.nodes]
        findings = [f"{_sign(each)} {each.title}" for each in explanation.findings]
        self.finding.options = findings
        self.finding.index = 0 if findings else None
        self.finding.layout.display = None if findings else "none"
        self._draw()
        self._tell()
        self._shown.layout.display = None

    def _make(self) -> None:
        """Make the parts and link them."""
        self.text = widgets.Text(placeholder=f"search in {self._table}", layout={"width": "32em"})
        self.ask = widgets.Button(description="Explain", icon="search", button_style="primary")
        self.said = widgets.HTML()
        self.kind = widgets.ToggleButtons(options=["icicle", "tree"], style={"button_width": "6em"}, layout=_SPACE)
        self.view = PlanView()
        self.finding = widgets.RadioButtons(options=[], layout={"width": "auto", **_SPACE})
        self.step = widgets.Dropdown(description="step", layout={"width": "32em"}, style={"description_width": "3em"})
        self.details = widgets.HTML()
        self.fix = widgets.Button(description="Try the fix", icon="play", disabled=True)
        self.why_not = widgets.HTML()
        self.proved, self.after = widgets.HTML(), widgets.HTML()
        tried = widgets.HBox([self.fix, self.why_not])
        shown = [self.finding, self.kind, self.view, self.step, self.details, tried]
        self._shown = widgets.VBox(shown, layout={"display": "none"})
        self._tried = widgets.HBox(
            [self.proved, self.after], layout={"flex_flow": "row wrap", "align_items": "flex-start"}
        )
        self.ask.on_click(lambda _: self._explain())
        self.fix.on_click(lambda _: self._prove())
        self.kind.observe(lambda _: self._draw(), "value")
        self.finding.observe(lambda _: self._finding_was_chosen(), "index")
        self.view.observe(lambda change: self._step_was_chosen(change.new), "step")
        widgets.link((self.view, "step"), (self.step, "value"))

    # --- what is chosen ----------------------------------------------------------------------------------------------

    @property
    def chosen(self) -> Finding | None:
        """The finding that is chosen."""
        if self.explanation is None or self.finding.index is None:
            return None
        index: int = self.finding.index
        return self.explanation.findings[index]

    def _finding_was_chosen(self) -> None:
        if self.chosen is not None:
            self.view.step = self.chosen.step
        self._tell()

    def _step_was_chosen(self, step: int | None) -> None:
        """Choose the finding of that step too, or none."""
        findings = self.explanation.findings if self.explanation else ()
        if self.chosen is None or self.chosen.step != step:
            at_it = (i for i, each in enumerate(findings) if step is not None and each.step == step)
            self.finding.index = next(at_it, None)
        self._tell()

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        if self.explanation is not None:
            self.view.page = self.explanation.html(self.kind.value, findings=False)

    def _tell(self) -> None:
        """Show the finding and the step that are chosen, and whether its fix can be tried."""
        if self.explanation is None:
            return
        parts = [render.notice(self.chosen.notice)] if self.chosen else []
        parts += [_facts(step) for step in self.explanation.plan.nodes if step.number == self.view.step]
        if not self.explanation.findings and self.view.step is None:
            parts.append(line(_NOTHING_WRONG))
        self.details.value = framed("".join(parts))
        reason = self._reason()
        self.fix.disabled = bool(reason)
        self.why_not.value = line(reason) if self.chosen else ""

    def _reason(self) -> str:
        """Say why the fix cannot be tried, or nothing."""
        if self.explanation is None or self.chosen is None:
            return "no finding is chosen"
        if self.explanation.query is None or self._db is None:
            return "a plan from elsewhere cannot be run here"
        cure = self.chosen.cure
        if cure is None or cure == Cure():
            return "this fix cannot be tried and undone: it is for you to do"
        if cure.before or not (cure.settings or cure.sql):
            return "an index would have to be built: pv.prove(db, explanation, finding, build=True) does, and undoes it"
        return ""

    def _clear(self) -> None:
        """Forget what was chosen and tried: it is of another plan."""
        self.explanation = self.proof = None
        self.finding.options, self.view.step = (), None
        for each in (self.said, self.proved, self.after):
            each.value = ""

    # --- what runs ---------------------------------------------------------------------------------------------------

    def _explain(self) -> None:
        assert self._db is not None, "a table has a connection"
        with self._running():
            self.show(explain(self._db, self._table, self.text.value))

    def _prove(self) -> None:
        from ..compare import prove

        db, found, finding = self._db, self.explanation, self.chosen
        if db is None or found is None or finding is None:
            return  # pressed before the page heard that there is nothing to try
        self.proof, self.proved.value, self.after.value = None, "", ""
        with self._running():
            self.proof = prove(db, found, finding)
            self.proved.value = self.proof._repr_mimebundle_()["text/html"]
            if self.proof.helped:
                self.after.value = self.proof.explanation.html(self.kind.value)

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Keep everything from being clicked while something runs, and show what went wrong as one line."""
        for each in (self.ask, self.fix, self.text):
            each.disabled = True
        self.said.value = line("running …")
        try:
            yield
            self.said.value = ""
        except PgvecError as error:
            self.said.value = line(str(error), severity="error")
        finally:
            self.ask.disabled = self.text.disabled = False
            self.fix.disabled = bool(self._reason())

    def _repr_mimebundle_(self, **options: object) -> dict[str, Any]:
        """Give what pages without a kernel show beside the widget."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        if self.explanation is None:
            return bundle | {"text/plain": f"a panel that searches in {self._table}: it needs a running notebook"}
        return bundle | {"text/html": self.explanation.html(), "text/plain": repr(self.explanation)}


def _named(step: plan.Node) -> str:
    return f"{step.number + 1}. {render.text_of(plan.elide(step.label))}"


def _sign(finding: Finding) -> str:
    severity = render.SEVERITIES[finding.severity]
    return f"{severity.sign} {severity.word} {finding.rule}:"


def _facts(step: plan.Node) -> str:
    facts = "".join(f"<li>{escape(render.clean(fact))}</li>" for fact in plan.facts(step))
    return f"<div><b>{escape(render.clean(plan.elide(step.label)))}</b><ul style='margin:2px 0'>{facts}</ul></div>"
