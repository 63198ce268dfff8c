"""What a search or a statement gave: rows, how they were found, and what a person should know about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import figures, render
from ..db import Database
from ..errors import UsageError
from ..query import Query, Scan, Search
from ..query.target import Target

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

LEGS = {"vector": ("vector_rank", "vector_distance"), "keyword": ("keyword_rank", "keyword_score")}


@dataclass(frozen=True)
class Found:
    """How a search was run: what it worked on and how the index was scanned."""

    search: Search
    target: Target
    scan: Scan


@dataclass(frozen=True)
class Result:
    """Rows as tuples under ``columns``, best first; ``seconds`` is the wire time of the statement that gave them.

    ``notes`` are sentences a person should read; ``found`` is None for a statement of their own.
    """

    db: Database = field(repr=False)
    query: Query
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    seconds: float
    notes: tuple[str, ...] = ()
    found: Found | None = None
    status: str = ""

    @property
    def sql(self) -> str:
        """The statement, with ``%(name)s`` where ``params`` are bound."""
        return self.query.sql

    @property
    def params(self) -> Mapping[str, object]:
        """The bound values."""
        return self.query.params

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings that were sent with the statement."""
        return dict(self.query.settings)

    @cached_property
    def df(self) -> pd.DataFrame:
        """The rows as a DataFrame, made when first asked for; the index of a search is the rank, from 1."""
        import pandas as pd

        frame = pd.DataFrame.from_records(self.rows, columns=list(self.columns))
        if self.found is not None:
            first = self.found.search.offset + 1
            frame.index = pd.RangeIndex(first, first + len(frame), name="rank")
        return frame

    def figure(self) -> go.Figure:
        """Draw the scores and their gaps; for hybrid, each row's share from the two legs and how ranks moved."""
        if self.found is None:
            raise UsageError("only a search can be drawn", "use .df for the rows of a statement")
        if self.found.search.mode == "hybrid":
            return self._shares()
        return self._scores()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}

    def column(self, name: str) -> list[Any]:
        """Return one column's values; one of ours goes by its own name even where the table's is so called."""
        name = self.found.target.names.get(name, name) if self.found else name
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def _grid(self) -> render.Grid:
        if self.found is None:
            return render.Grid(self.columns, self.rows, caption=self._facts(), notes=self.notes)
        names, search = self.found.target.names, self.found.search
        hidden = {names["distance"]} if search.mode == "keyword" else set()
        score = names["score"] if self.found.target.metric.similarity or search.mode != "vector" else names["distance"]
        hidden |= {names["score"]} if score == names["distance"] else set()
        kept = [i for i, name in enumerate(self.columns) if name not in hidden]
        legs = {leg: (names[rank], names[value]) for leg, (rank, value) in LEGS.items()}
        return render.Grid(
            tuple(self.columns[i] for i in kept),
            [tuple(row[i] for i in kept) for row in self.rows],
            caption=self._facts(),
            notes=self.notes,
            index=range(search.offset + 1, search.offset + len(self.rows) + 1),
            bars={score: self._bar_range(score)},
            legs=legs if search.mode == "hybrid" else {},
        )

    def _bar_range(self, name: str) -> tuple[float, float]:
        """An empty bar and a full one: a cosine score has its own scale, other numbers that of this result."""
        values = [v for v in self.column(name) if v is not None]
        if self.found and self.found.target.metric.name == "cosine" and self.found.search.mode == "vector":
            return (0.0, 1.0)
        if self.found and name == self.found.target.names["distance"]:
            return (max(values, default=1.0), 0.0)
        return (0.0, max(values, default=1.0))

    def _facts(self) -> tuple[str, ...]:
        milliseconds = f"{self.seconds * 1000:.1f} ms"
        if self.found is None:
            return (self.status or f"{len(self.rows)} rows", milliseconds)
        search, target, scan = self.found.search, self.found.target, self.found.scan
        facts = [f"{len(self.rows)} {'row' if len(self.rows) == 1 else 'rows'} of {target.table.name}", search.mode]
        if search.mode != "keyword":
            facts.append(target.metric.name)
            facts.append(f"{scan.kind} scan{f' ({scan.why})' if scan.why else ''}")
        facts += [f"{name} = {value}" for name, value in self.query.settings]
        return (*facts, milliseconds)

    def _labels(self) -> list[str]:
        assert self.found is not None, "only a search has labels"
        shown = set(self.columns)
        wanted = [*self.found.target.table.key, self.found.target.table.text_column]
        name = next((c for c in wanted if c in shown), self.columns[0])
        return [render.text_of(value, 40) for value in self.column(name)]

    def _scores(self) -> go.Figure:
        assert self.found is not None, "only a search has scores"
        metric, mode = self.found.target.metric, self.found.search.mode
        plain = mode == "vector" and metric.similarity is None
        values = self.column("distance" if plain else "score")
        name = (
            metric.name + " distance" if plain else "ts_rank_cd" if mode == "keyword" else metric.name + " similarity"
        )
        title = f"{self.found.search.text or 'nearest rows'}"
        return figures.scores(self._labels(), values, value_name=name, title=title, lower_is_better=plain)

    def _shares(self) -> go.Figure:
        assert self.found is not None, "only a search has shares"
        search = self.found.search
        ranks = {leg: self.column(rank) for leg, (rank, _) in LEGS.items()}
        weights = dict(zip(LEGS, search.weights, strict=True))
        shares = {
            leg: [0.0 if rank is None else weights[leg] / (search.rrf_k + rank) for rank in found]
            for leg, found in ranks.items()
        }
        return figures.shares(
            self._labels(),
            shares["vector"],
            shares["keyword"],
            ranks["vector"],
            ranks["keyword"],
            title=search.text or "",
        )
