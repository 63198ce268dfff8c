"""A plan's picture and table that know which of their steps is chosen, and are clicked to choose another."""

from __future__ import annotations

import anywidget
import traitlets

# The page is ours and escaped; a step is a sign of the picture with its number, and a row of the table by its place.
_SCRIPT = """
function render({ model, el }) {
  const signs = () => [...el.querySelectorAll("[data-step]")];
  const rows = () => [...el.querySelectorAll("tbody tr")];
  const mark = () => {
    const chosen = model.get("step");
    for (const sign of signs()) sign.classList.toggle("pgvec-chosen", Number(sign.dataset.step) === chosen);
    rows().forEach((row, i) => row.classList.toggle("pgvec-chosen", i === chosen));
  };
  const draw = () => {
    el.innerHTML = model.get("page");
    for (const sign of signs()) {
      sign.setAttribute("tabindex", "0");
      sign.setAttribute("role", "button");
    }
    mark();
  };
  const choose = event => {
    const sign = event.target.closest("[data-step]"), row = event.target.closest("tbody tr");
    if (!sign && !row) return;
    event.preventDefault();
    model.set("step", sign ? Number(sign.dataset.step) : rows().indexOf(row));
    model.save_changes();
  };
  el.addEventListener("click", choose);
  el.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") choose(event) });
  model.on("change:page", draw);
  model.on("change:step", mark);
  draw();
}
export default { render };
"""
_STYLE = """
.pgvec [data-step], .pgvec tbody tr { cursor: pointer }
.pgvec [data-step]:focus { outline: none }
.pgvec [data-step]:focus-visible rect { stroke: currentColor; stroke-width: 2 }
.pgvec .pgvec-chosen rect { stroke: var(--jp-ui-font-color1, currentColor); stroke-width: 3 }
.pgvec .pgvec-scroll tbody tr.pgvec-chosen:nth-child(n) { background: rgba(47,134,209,.22) }
"""


class PlanView(anywidget.AnyWidget):
    """``page`` is HTML with steps, ``step`` the number of the chosen one, None for none."""

    _esm = _SCRIPT
    _css = _STYLE
    page = traitlets.Unicode("").tag(sync=True)
    step = traitlets.Int(None, allow_none=True).tag(sync=True)
