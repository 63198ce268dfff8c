"""What a search or a statement gave: rows, how they were found, and what a person should know about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import figures, plan, render
from ..db import Database, frames
from ..diagnose import Finding
from ..errors import UsageError
from ..query import Query, Scan, Search
from ..query.keyword import is_bm25
from ..query.target import HYBRID_COLUMNS, REORDER_COLUMNS, Target, is_whole

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from ..diagnose import Finding
    from .explanation import Explanation

RANKS = frozenset(["vector_rank", "keyword_rank", "rank_before"])
LEGS = {"vector": ("vector_rank", "vector_distance"), "keyword": ("keyword_rank", "keyword_score")}
_SHORT_KEY = 12  # of the 44 characters that a picture has room for
_SCANS = {"exact": "exact", "ann": "approximate", "iterative": "approximate", "as-is": "as Postgres does it"}


@dataclass(frozen=True)
class Found:
    """How a search was run: what it worked on and how the index was scanned.

    ``leg`` is how many rows the vector leg of a hybrid search had, ``words`` what the ``words_found`` rows of a keyword
    leg have: all words, any, some (of which BM25 does not tell); none, no words where there is no such row. All are
    empty for other modes and where there is no row. ``second_step`` says how the rows were chosen among the first ones.
    """

    search: Search
    target: Target
    scan: Scan
    leg: int | None = None
    words: str | None = None
    words_found: int = 0
    second_step: str = ""

    @property
    def ours(self) -> tuple[str, ...]:
        """The columns that a search adds, by our names for them."""
        legs = HYBRID_COLUMNS if self.search.mode == "hybrid" else ()
        if self.search.rerank is not None:
            return ("distance", "score", *legs, *REORDER_COLUMNS)
        return ("distance", "score", *legs, *(("rank_before",) if self.search.diverse else ()))

    @property
    def ranking(self) -> str:
        """What the words are ranked by."""
        return "BM25" if is_bm25(self.target) else "ts_rank_cd"

    @property
    def main(self) -> str:
        """Our column that people read the order from."""
        if self.search.rerank is not None:
            return "rerank_score"
        return "score" if self.has_similarity else "distance"

    @property
    def has_similarity(self) -> bool:
        """Whether the score says something that the distance does not."""
        return self.search.mode != "vector" or self.target.need_vectors().metric.similarity is not None


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """Rows as tuples under ``columns``, best first; ``seconds`` is the wire time of what gave them, with
    scans that found too few.

    ``notes`` are sentences a person should read, ``findings`` what is wrong, such as why rows are missing that there
    are, and ``proof`` is the exact query that gives these; ``found`` is None for a statement of their own.
    """

    db: Database
    query: Query
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    seconds: float
    notes: tuple[str, ...] = ()
    found: Found | None = field(default=None)
    status: str = ""
    findings: tuple[Finding, ...] = ()
    proof: Query | None = None

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

        frame = frames.frame(self.rows, self.columns)
        if self.found is not None:
            first, names = self.found.search.offset + 1, self.found.target.names
            frame.index = pd.RangeIndex(first, first + len(frame), name="rank")
            # A column that is all NULL, or has a NULL among its integers, would be one of objects or of fractions.
            kinds = {names[ours]: "Int64" if ours in RANKS else "float64" for ours in self.found.ours}
            frame = frame.astype(kinds)
        return frame

    def explain(self) -> Explanation:
        """Run the statement that gave these rows once more, as EXPLAIN, and return what Postgres did; QueryError."""
        from .explaining import explained

        return explained(self.db, self.query)

    def figure(self) -> go.Figure:
        """Draw the scores and their gaps; for hybrid, each row's share from the two legs and how ranks moved."""
        if self.found is None:
            raise UsageError("only a search can be drawn", "use .df for the rows of a statement")
        is_fused = self.found.search.mode == "hybrid" and self.found.search.rerank is None
        return self._shares(self.found) if is_fused else self._scores(self.found)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        proof = render.details("the proof, as it is sent", plan.elide(repr(self.proof))) if self.proof else ""
        return {"text/html": render.html(self._grid()) + proof, "text/plain": repr(self)}

    def column(self, name: str) -> list[Any]:
        """Return one column's values; one of ours goes by its own name even where the table's is so called."""
        name = self.found.target.names.get(name, name) if self.found else name
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    @property
    def _notes(self) -> tuple[str | render.Notice, ...]:
        """What a person should know, each finding with what mends it, and what proves it."""
        told: tuple[str | render.Notice, ...] = (*(finding.notice for finding in self.findings), *self.notes)
        if self.proof is None:
            return told
        return (*told, f"the proof: the same {self._exactly}; .proof is its statement")

    @property
    def _exactly(self) -> str:
        """How a person gets what the proof gives."""
        if self.found is None:
            sent = (
                (setting for setting in self.proof.settings if setting not in self.query.settings) if self.proof else ()
            )
            return "with " + " ".join(f"--set {name}={value}" for name, value in sent)
        search = self.found.search
        given = "--as-is" if search.as_is else f"--strategy {search.strategy}"
        return f"with --exact in place of {given}"

    def _grid(self) -> render.Grid:
        if self.found is None:
            rows = f"{len(self.rows):,} {'row' if len(self.rows) == 1 else 'rows'}"
            facts = (self.status or rows, _time(self.seconds))
            return render.Grid(self.columns, self.rows, caption=facts, notes=self._notes)
        search, names = self.found.search, self.found.target.names
        hidden = {names[ours] for ours in _hidden(self.found)}
        kept = [i for i, name in enumerate(self.columns) if name not in hidden]
        main = self.found.main
        legs = {leg: (names[rank], names[value]) for leg, (rank, value) in LEGS.items()}
        return render.Grid(
            tuple(self.columns[i] for i in kept),
            [tuple(row[i] for i in kept) for row in self.rows],
            caption=_facts(self.found, len(self.rows), self.query.settings, self.seconds),
            notes=self._notes,
            index=range(search.offset + 1, search.offset + len(self.rows) + 1),
            bars={names[main]: self._bar_range(main, self.found)},
            legs=legs if search.mode == "hybrid" else {},
        )

    def _bar_range(self, main: str, found: Found) -> tuple[float, float]:
        """An empty bar and a full one: a share has its own scale, other numbers that of this result."""
        known = [value for value in self.column(main) if value is not None]
        largest = max(known, default=1.0)
        if main == "distance":
            return (largest, 0.0)
        if main == "rerank_score":  # of a scale of its own, and below zero for many a model
            return (min(0.0, *known), largest) if known else (0.0, 1.0)
        is_share = found.search.mode == "vector" and found.target.need_vectors().metric.name in ("cosine", "jaccard")
        return (0.0, 1.0 if is_share else largest)

    def _labels(self, found: Found) -> list[str]:
        """Return what to call each row: its key, by which it is found again, and its title, name or text.

        A short key stands first; a long one would leave no room in a picture, and stands where the whole label does.
        """
        table = found.target.table
        wanted = ("title", "name", table.text_column)
        name = next((column for column in wanted if column in self.columns and column not in table.key), None)
        texts = self._texts([name] if name else [], 150)
        keys = self._texts([column for column in table.key if column in self.columns], 40)
        if not any(keys):
            return texts if name else self._texts(self.columns[:1], 150)
        is_short = max(map(len, keys)) <= _SHORT_KEY
        return [
            " · ".join(filter(None, (key, text) if is_short else (text, key)))
            for key, text in zip(keys, texts, strict=True)
        ]

    def _texts(self, columns: Sequence[str], width: int) -> list[str]:
        places = [self.columns.index(column) for column in columns]
        return [", ".join(render.text_of(row[at], width) for at in places) for row in self.rows]

    def _scores(self, found: Found) -> go.Figure:
        main = found.main
        name = found.ranking
        if main == "rerank_score":
            name = main
        elif found.search.mode == "vector":
            name = f"{found.target.need_vectors().metric.name} {'similarity' if main == 'score' else 'distance'}"
        title = found.search.text or "nearest rows"
        labels, values = self._labels(found), self.column(main)
        return figures.scores(labels, values, value_name=name, title=title, lower_is_better=main == "distance")

    def _shares(self, found: Found) -> go.Figure:
        search, ranks = found.search, [self.column(rank) for rank, _ in LEGS.values()]
        shares = [
            [None if rank is None else weight / (search.rrf_k + rank) for rank in leg]
            for weight, leg in zip(search.weights, ranks, strict=True)
        ]
        return figures.shares(self._labels(found), *shares, *ranks, title=search.text or "")


def _hidden(found: Found) -> list[str]:
    """Our columns that would say nothing: no distance by words, none beside those of the legs, no score of an l2."""
    return (
        []
        if found.search.mode == "vector" and found.has_similarity
        else ["distance" if found.has_similarity else "score"]
    )


def _facts(found: Found, rows: int, settings: tuple[tuple[str, str], ...], seconds: float) -> tuple[str, ...]:
    """How many rows, by what, how they were looked for, every setting that was sent, and how long it took."""
    vectors, text, scan = found.target.vectors, found.target.text, found.scan
    by = [f"vector ({vectors.metric.name})"] if vectors else []
    by += [f"keyword ({found.ranking}, {text.language})"] if text else []
    mode = f"hybrid: {' + '.join(by)}" if len(by) > 1 else by[0]
    looked = [_SCANS[scan.kind] + (f" ({scan.why})" if scan.why else "")] if vectors else []
    looked += _by_index(found) if vectors and vectors.indexes and scan.kind != "exact" else []
    looked += [found.second_step] if found.second_step else []
    sent = [f"{name} = {value}" for name, value in settings]
    return (
        f"{rows:,} {'row' if rows == 1 else 'rows'} of {found.target.table.label}",
        mode,
        *looked,
        *sent,
        _time(seconds),
    )


def _by_index(found: Found) -> list[str]:
    """Say of an index with some of the rows which, and of one on an expression what was made of what it gave."""
    source, read = found.target.need_vectors(), found.scan.read
    index = source.indexes[0]
    said = [] if is_whole(index, source.column) else [f"by {index.name} WHERE {index.where}"]
    if read is None:
        return said
    by = {"binary": "the bits that differ", "subvector": f"the first {index.dimensions} dimensions"}
    names = " or ".join(other.name for other in source.indexes if other.where == index.where)
    most = "up to " if found.scan.kind == "as-is" else ""  # as many as the setting in force finds
    order = f"{most}{read:,} candidates in the order of {names} ({by.get(index.form, index.form)})"
    return [*said, f"{order}, re-ranked on the full vectors"]


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
