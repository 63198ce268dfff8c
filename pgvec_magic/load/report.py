"""What a load did."""

from __future__ import annotations

from dataclasses import dataclass

from .. import render


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Rows of the table, and what became of them: their sum is ``inserted + updated + unchanged + skipped``.

    ``skipped`` counts ids that were in the table under ``on_conflict="skip"``, in a table that was given vectors the
    rows that could get none; ``deleted`` chunks of documents that are shorter now, ``documents`` what the chunks are
    of, None where a row is a document. ``embed_seconds`` is the part of ``seconds`` in which texts were embedded,
    ``embedder`` None where the source gave the vectors.
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
    deleted: int = 0
    documents: int | None = None

    def __str__(self) -> str:
        made, seconds, vectors = self._facts()
        return render.clean("\n".join([f"{made} in {seconds}; {vectors}", *self.notices]))

    def _repr_html_(self) -> str:
        return render.html(self._grid())

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text(render.text(self._grid()))  # type: ignore[attr-defined]

    def _grid(self) -> render.Grid:
        return render.Grid((), (), caption=self._facts(), notes=self.notices)

    def _facts(self) -> tuple[str, str, str]:
        """What became of the rows, how long it took, what the vectors are."""
        counts = {n: getattr(self, n) for n in ("inserted", "updated", "unchanged", "skipped", "deleted")}
        what = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "no rows"
        if self.documents is not None:
            what = f"{self.documents:,} documents in {self.rows:,} chunks: {what}"
        rate = f"{self.rows / self.seconds:,.0f} rows/s" if self.seconds else "at once"
        vectors = f"{self.dimensions} dimensions"
        if self.embedder is not None:
            vectors += f" by {self.embedder} in {self.embed_seconds:.1f} s"
        made = "new table, " if self.created else ""
        return f"{self.table}: {made}{what}", f"{self.seconds:.1f} s ({rate})", vectors
