"""What a build did, beside what was predicted of it."""

from __future__ import annotations

from dataclasses import dataclass

from .. import render
from .settings import shown


@dataclass(frozen=True, slots=True, repr=False)
class BuildReport:
    """An index that was built, or rebuilt: ``memory`` is what it was given, ``predicted_memory`` what it would take.

    ``spilled_after`` is the row after which the graph left that memory, None where it did not; ``predicted_bytes``
    the size that was predicted, ``rows`` those that were counted before; sizes in bytes.
    """

    index: str
    table: str
    sql: str
    seconds: float
    rows: int
    bytes: int
    predicted_bytes: int
    memory: int
    predicted_memory: int
    workers: int
    spilled_after: int | None = None
    analyzed: bool = False
    notices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    def _grid(self) -> render.Grid:
        rate = f", {self.rows / self.seconds:,.0f} rows/s" if self.rows and self.seconds else ""
        memory = "allowed, not filled" if self.spilled_after is None else f"full after {self.spilled_after:,} rows"
        workers = f"1 and {self.workers} worker{'s' * (self.workers > 1)}"
        off = f" ({self.bytes / self.predicted_bytes - 1:+.1%})" if self.predicted_bytes else ""
        rows = [
            ("time", f"{self.seconds:.1f} s{rate}", ""),
            ("size", shown(self.bytes), f"{shown(self.predicted_bytes)} predicted{off}"),
            ("memory", f"{shown(self.memory)} {memory}", f"{shown(self.predicted_memory)} predicted"),
            ("processes", workers if self.workers else "1", ""),
        ]
        notes = (*self.notices, *(("the table had no statistics: ANALYZE was run",) if self.analyzed else ()))
        return render.Grid(
            ("what", "it was", "beforehand"), rows, caption=(self.index, f"on {self.table}"), notes=notes
        )
