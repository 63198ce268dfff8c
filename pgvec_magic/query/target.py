"""What of a table a search works on: its vectors and their indexes, its words, its key and its output columns."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import metric as metrics
from ..errors import UsageError, did_you_mean
from ..metric import Metric
from ..sqltext import quote_ident, quote_qualified
from .request import Search

if TYPE_CHECKING:
    from ..catalog import TableInfo, TextSource, VectorColumn, VectorIndex

HYBRID_COLUMNS = ("vector_rank", "vector_distance", "keyword_rank", "keyword_score")
# Columns of our statements that are never shown; like those that are, they must not be called as one of the table's.
_INTERNAL = ("rank", "every_word", "any_word", "matched", "found")
# What our statements call their parts. A table of such a name is named with its schema.
_PARTS = frozenset(["candidates", "query_vector", "vector_leg", "all_words", "some_words", "keyword_leg", "fused"])
# Types whose values nobody wants to read in a result.
_UNREADABLE = frozenset(["vector", "halfvec", "sparsevec", "bit", "tsvector"])


@functools.lru_cache(maxsize=1024)
def ident(name: str) -> str:
    """Return a quoted identifier for the text of a ``Query``, where every ``%`` stands twice."""
    return quote_ident(name).replace("%", "%%")


@dataclass(frozen=True, slots=True)
class VectorSource:
    """A vector column and the distance to search it by; ``indexes`` serve both, the likeliest to be used first."""

    column: VectorColumn
    metric: Metric
    indexes: tuple[VectorIndex, ...]
    extension_schema: str | None

    def distance(self, vector: str) -> str:
        """The bare operator on the bare column: the only form that a vector index serves."""
        return f"{ident(self.column.name)} {self._operator} {vector}"

    @property
    def type(self) -> str:
        """The column's type as a cast names it."""
        return f"{ident(self.extension_schema)}.{self.column.type}" if self.extension_schema else self.column.type

    @property
    def _operator(self) -> str:
        """The metric's operator, qualified where the extension is not on the search path."""
        schema = self.extension_schema
        return f"OPERATOR({ident(schema)}.{self.metric.operator})" if schema else self.metric.operator


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a table that one search uses; ``columns`` are those it returns, ``names`` what ours are called.

    A keyword search has no ``vectors``, a vector search no ``text``.
    """

    table: TableInfo
    vectors: VectorSource | None
    text: TextSource | None
    columns: tuple[str, ...]
    names: Mapping[str, str]

    @property
    def relation(self) -> str:
        """The table as a statement names it."""
        is_ours = self.table.sql_name in _PARTS
        name = quote_qualified(self.table.schema, self.table.name) if is_ours else self.table.sql_name
        return name.replace("%", "%%")

    @property
    def keys(self) -> list[str]:
        """The columns that tell rows apart, quoted."""
        return [ident(name) for name in self.table.key]

    @property
    def outputs(self) -> list[str]:
        """The columns that a search returns, quoted."""
        return [ident(name) for name in self.columns]

    def hidden(self, per: str | None) -> list[str]:
        """The key and the group where they are not among the outputs, quoted: a step outside needs them."""
        wanted = [*self.keys, *([ident(per)] if per else [])]
        return [name for name in dict.fromkeys(wanted) if name not in self.outputs]

    def name(self, ours: str) -> str:
        """What one of our columns (``distance``, ``score``, …) is called in this table's results, quoted."""
        return ident(self.names[ours])

    def need_vectors(self) -> VectorSource:
        """The vectors of a search that has them."""
        assert self.vectors is not None, "only a keyword search has no vectors"
        return self.vectors

    def need_text(self) -> TextSource:
        """The words of a search that has them."""
        assert self.text is not None, "only a vector search has no words"
        return self.text


def find_target(search: Search, table: TableInfo) -> Target:
    """Return what a search works on; UsageError for a column, metric or language that does not exist."""
    vectors = _vector_source(search, table) if search.mode != "keyword" else None
    text = _text_source(search, table) if search.mode != "vector" else None
    columns = _output_columns(search, table)
    if search.per:
        table.column(search.per)
    if search.mode == "hybrid" and not table.key:
        what = "add a PRIMARY KEY" if table.kind == "table" else f"search the table behind the {table.kind}"
        raise UsageError(f"{table.label} has no key, by which hybrid tells rows apart", f"{what}, or use --mode vector")
    return Target(table, vectors, text, columns, _free_names({column.name for column in table.columns}))


def _vector_source(search: Search, table: TableInfo) -> VectorSource:
    column = _vector_column(search, table)
    if column.type == "sparsevec":
        raise UsageError(f"{table.label}.{column.name} is a sparsevec, which cannot be searched yet")
    metric = metrics.get(search.metric or _usual_metric(column, table.indexes), column.type)
    _check_threshold(search, metric)
    usable = [i for i in table.indexes if i.valid and i.metric == metric.name and _may_serve(i, column, search)]
    usable.sort(key=lambda index: (index.where is not None, index.method != "hnsw"))
    return VectorSource(column, metric, tuple(usable), table.extension_schema)


def _vector_column(search: Search, table: TableInfo) -> VectorColumn:
    named = {column.name: column for column in table.vectors}
    if search.column is not None:
        if search.column not in named:
            raise UsageError(
                f"{table.label} has no vector column {search.column!r}", did_you_mean(search.column, named)
            )
        return named[search.column]
    if len(named) == 1:
        return table.vectors[0]
    if not named:
        raise UsageError(f"{table.label} has no vector column", "%vtables lists the tables that have one")
    raise UsageError(f"{table.label} has several vector columns", f"choose one: --column {' | '.join(named)}")


def _usual_metric(column: VectorColumn, indexes: Iterable[VectorIndex]) -> str:
    """The metric that the column is indexed for, which is the one that its vectors are made for."""
    known = [index for index in indexes if index.column == column.name and index.metric]
    known.sort(key=lambda index: (not index.valid, index.where is not None, index.metric != "cosine"))
    return (known[0].metric if known else None) or "cosine"


def _may_serve(index: VectorIndex, column: VectorColumn, search: Search) -> bool:
    """Whether Postgres may use the index: of a partial one, if the search has a condition, which may imply its own."""
    if index.column != column.name:
        return False
    return index.where in (None, f"({quote_ident(column.name)} IS NOT NULL)") or bool(search.where)


def _check_threshold(search: Search, metric: Metric) -> None:
    if search.min_score is not None:
        metric.max_distance(search.min_score)
        if metric.name == "cosine" and not -1 <= search.min_score <= 1:
            raise UsageError(f"--min-score: {search.min_score} cannot be, a cosine score lies between -1 and 1")


def _text_source(search: Search, table: TableInfo) -> TextSource:
    if not table.texts:
        raise UsageError(f"{table.label} has no text column for a {search.mode} search", "use --mode vector")
    if search.language is None:
        return table.texts[0]
    language = quote_ident(search.language)
    return next((text for text in table.texts if text.language == language), None) or table.plain_text(language)


def _output_columns(search: Search, table: TableInfo) -> tuple[str, ...]:
    if search.columns:
        return tuple(dict.fromkeys(table.column(name).name for name in search.columns))
    return tuple(column.name for column in table.columns if column.type.removesuffix("[]") not in _UNREADABLE)


def _free_names(taken: Set[str]) -> dict[str, str]:
    """Return what our columns are called: their own names, with a suffix where the table has such a column."""
    names = {}
    for ours in ("distance", "score", *HYBRID_COLUMNS, *_INTERNAL):
        name, suffix = ours, 1
        while name in taken:
            name, suffix = f"{ours}_{suffix}", suffix + 1
        names[ours] = name
    return names
