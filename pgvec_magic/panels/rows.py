"""A table of which one row is chosen, by a click or by the keyboard."""

from __future__ import annotations

import anywidget
import traitlets

# The page is ours and escaped; its rows are told apart by their place.
_SCRIPT = """
function render({ model, el }) {
  const rows = () => [...el.querySelectorAll("tbody tr")];
  const mark = () => rows().forEach((row, i) => {
    row.classList.toggle("pgvec-chosen", i === model.get("row"));
    row.setAttribute("aria-checked", i === model.get("row"));
  });
  const draw = () => {
    el.innerHTML = model.get("page");
    el.querySelector("tbody")?.setAttribute("role", "radiogroup");
    for (const row of rows()) {
      row.setAttribute("role", "radio");
      row.setAttribute("tabindex", "0");
    }
    mark();
  };
  const choose = event => {
    const row = event.target.closest("tbody tr");
    if (!row) return;
    event.preventDefault();
    model.set("row", rows().indexOf(row));
    model.save_changes();
  };
  el.classList.add("pgvec-rows");
  el.addEventListener("click", choose);
  el.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") choose(event) });
  model.on("change:page", draw);
  model.on("change:row", mark);
  draw();
}
export default { render };
"""
_STYLE = """
.pgvec-rows tbody tr { cursor: pointer }
.pgvec-rows tbody tr:focus { outline: none }
.pgvec-rows tbody tr:focus-visible { outline: 2px solid var(--jp-brand-color1, #2f86d1) }
.pgvec-rows .pgvec .pgvec-scroll tbody tr.pgvec-chosen:nth-child(n) { background: rgba(47,134,209,.18) }
.pgvec-rows tbody td:first-child::before { content: "○"; margin-right: 6px; opacity: .6 }
.pgvec-rows tbody tr.pgvec-chosen td:first-child::before { content: "◉"; color: #2f86d1; opacity: 1 }
"""


class RowView(anywidget.AnyWidget):
    """``page`` is HTML with a table, ``row`` the place of the chosen row, None for none."""

    _esm = _SCRIPT
    _css = _STYLE
    page = traitlets.Unicode("").tag(sync=True)
    row = traitlets.Int(None, allow_none=True).tag(sync=True)
