"""What of a table a search works on: its vector column, metric, index, text and output columns."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import metric as metrics
from ..errors import UsageError, did_you_mean
from ..metric import Metric
from ..sqltext import quote_ident
from .request import Search

if TYPE_CHECKING:
    from ..catalog import TableInfo, TextSource, VectorColumn, VectorIndex

HYBRID_COLUMNS = ("vector_rank", "vector_distance", "keyword_rank", "keyword_score")
# Types whose values nobody wants to read in a result.
UNREADABLE = ("vector", "halfvec", "sparsevec", "bit", "tsvector")


def ident(name: str) -> str:
    """Return a quoted identifier for the text of a ``Query``, where every ``%`` stands twice."""
    return quote_ident(name).replace("%", "%%")


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a table that one search uses; ``columns`` are those it returns, ``names`` what ours are called."""

    table: TableInfo
    column: VectorColumn
    metric: Metric
    index: VectorIndex | None
    text: TextSource | None
    columns: tuple[str, ...]
    names: Mapping[str, str]

    @property
    def distance_operator(self) -> str:
        """The metric's operator, qualified where the extension is not on the search path."""
        schema = self.table.extension_schema
        return f"OPERATOR({ident(schema)}.{self.metric.operator})" if schema else self.metric.operator

    @property
    def vector_type(self) -> str:
        """The column's type as a cast names it."""
        schema = self.table.extension_schema
        return f"{ident(schema)}.{self.column.type}" if schema else self.column.type

    @property
    def relation(self) -> str:
        """The table as a statement names it."""
        return self.table.sql_name.replace("%", "%%")

    @property
    def keys(self) -> list[str]:
        """The columns that tell rows apart, quoted."""
        return [ident(name) for name in self.table.key]

    @property
    def outputs(self) -> list[str]:
        """The columns that a search returns, quoted."""
        return [ident(name) for name in self.columns]

    def name(self, ours: str) -> str:
        """What one of our columns (``distance``, ``score``, …) is called in this table's results, quoted."""
        return ident(self.names[ours])


def find_target(search: Search, table: TableInfo) -> Target:
    """Return what a search works on; UsageError for a column, metric or language that does not exist."""
    column = _vector_column(search, table)
    usable = [i for i in table.indexes if i.column == column.name and i.valid and i.metric]
    metric = metrics.get(search.metric or (usable[0].metric if usable else None) or "cosine", column.type)
    index = next((i for i in usable if i.metric == metric.name), None)
    text = _text_source(search, table) if search.mode != "vector" else None
    columns = _output_columns(search, table)
    if search.per:
        table.column(search.per)
    if search.mode == "hybrid" and not table.key:
        raise UsageError(
            f"{table.name} has no key, so hybrid cannot tell its rows apart", "add a PRIMARY KEY, or use --mode vector"
        )
    return Target(table, column, metric, index, text, columns, _free_names({c.name for c in table.columns}))


def _vector_column(search: Search, table: TableInfo) -> VectorColumn:
    named = {c.name: c for c in table.vectors}
    if search.column is not None:
        if search.column not in named:
            raise UsageError(f"{table.name} has no vector column {search.column!r}", did_you_mean(search.column, named))
        return named[search.column]
    if len(named) == 1:
        return table.vectors[0]
    if not named:
        raise UsageError(f"{table.name} has no vector column", "%vtables lists the tables that have one")
    raise UsageError(f"{table.name} has several vector columns", f"choose one: --column {' | '.join(named)}")


def _text_source(search: Search, table: TableInfo) -> TextSource:
    if not table.texts:
        raise UsageError(f"{table.name} has no text column for a {search.mode} search", "use --mode vector")
    if search.language is None:
        return table.texts[0]
    return next((t for t in table.texts if t.language == search.language), None) or table.plain_text(search.language)


def _output_columns(search: Search, table: TableInfo) -> tuple[str, ...]:
    if search.columns:
        return tuple(table.column(name).name for name in search.columns)
    return tuple(c.name for c in table.columns if c.type not in UNREADABLE)


def _free_names(taken: Set[str]) -> dict[str, str]:
    """Return what our columns are called: their own names, with a suffix where the table has such a column."""
    names = {}
    for ours in ("distance", "score", *HYBRID_COLUMNS, "rank", "matched"):
        name, suffix = ours, 1
        while name in taken:
            name, suffix = f"{ours}_{suffix}", suffix + 1
        names[ours] = name
    return names
