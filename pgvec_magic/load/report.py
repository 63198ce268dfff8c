"""What a load did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Rows read, and what became of them: their sum is ``inserted + updated + unchanged + skipped``.

    ``skipped`` counts ids that were in the table under ``on_conflict="skip"``; ``embed_seconds`` is the part of
    ``seconds`` in which texts were embedded, ``embedder`` None where the source gave the vectors.
    """

    table: str
    rows: int
    inserted: int
    updated: int
    unchanged: int
    skipped: int
    seconds: float
    embed_seconds: float
    embedder: str | None
    dimensions: int
    created: bool
    notices: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = {n: getattr(self, n) for n in ("inserted", "updated", "unchanged", "skipped")}
        what = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        rate = f"{self.rows / self.seconds:,.0f} rows/s" if self.seconds else "at once"
        vectors = f"{self.dimensions} dimensions"
        if self.embedder is not None:
            vectors += f" by {self.embedder} in {self.embed_seconds:.1f} s"
        made = "new table, " if self.created else ""
        head = f"{self.table}: {made}{what} in {self.seconds:.1f} s ({rate}); {vectors}"
        return "\n".join([head, *self.notices])

    def _repr_html_(self) -> str:
        import html

        return f'<pre style="white-space:pre-wrap">{html.escape(str(self))}</pre>'

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text(str(self))  # type: ignore[attr-defined]
