"""What of a table a search works on: its vectors and their indexes, its words, its key and its output columns."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import metric as metrics
from ..errors import UsageError, did_you_mean
from ..metric import Metric
from ..sqltext import quote_ident, quote_qualified
from .request import Search

if TYPE_CHECKING:
    from ..catalog import TableInfo, TextSource, VectorColumn, VectorIndex

HYBRID_COLUMNS = ("vector_rank", "vector_distance", "keyword_rank", "keyword_score")
# Columns of a result that was put in another order: where a row stood before, and the number that moved it.
REORDER_COLUMNS = ("rerank_score", "rank_before")
# Columns of our statements that are never shown; like those that are, they must not be called as one of the table's.
_INTERNAL = ("rank", "every_word", "any_word", "matched", "found", "words_found")
# What our statements call their parts. A table of such a name is named with its schema.
_WORD_PARTS = ("all_words", "some_words", "bm25_words", "words", "keyword_leg")
_PARTS = frozenset(["candidates", "query_vector", "vector_leg", *_WORD_PARTS, "fused"])
# Types whose values nobody wants to read in a result.
_UNREADABLE = frozenset(["vector", "halfvec", "sparsevec", "tsvector"])
# Metrics whose order bits made of vectors have nearly: for vectors of one length, as models make them, ip is cosine.
_BY_DIRECTION = ("cosine", "ip")
# Why they serve no other.
SIGNS_ONLY = "it has the sign of each number alone, which tells the direction of a vector and not how long it is"
# The type without its length: as ``bit`` it would be one bit long.
_ANY_BITS = 'pg_catalog."bit"'


@functools.lru_cache(maxsize=1024)
def ident(name: str) -> str:
    """Return a quoted identifier for the text of a ``Query``, where every ``%`` stands twice."""
    return quote_ident(name).replace("%", "%%")


@dataclass(frozen=True, slots=True)
class VectorSource:
    """A vector column and the distance to search it by.

    ``indexes`` serve the statement of a search, the likeliest to be used first: they all have the column in the same
    form. ``others`` have it in another, which takes another statement.
    """

    column: VectorColumn
    metric: Metric
    indexes: tuple[VectorIndex, ...]
    extension_schema: str | None
    others: tuple[VectorIndex, ...] = ()

    def by(self, index: VectorIndex) -> VectorSource:
        """Return the source of a statement that an index of ours serves."""
        rest = [i for i in (*self.indexes, *self.others) if i != index]
        same = tuple(i for i in rest if i.same_order(index))
        return replace(self, indexes=(index, *same), others=tuple(i for i in rest if i not in same))

    def distance(self, vector: str) -> str:
        """The bare operator on the bare column: the only form that an index on the column itself serves."""
        return f"{ident(self.column.name)} {self._qualified(self.metric)} {vector}"

    @property
    def plain(self) -> tuple[VectorIndex, ...]:
        """The indexes on the column itself, whose order is that of the distance."""
        return tuple(index for index in (*self.indexes, *self.others) if index.form == "vector")

    @property
    def is_coarse(self) -> bool:
        """Whether the indexes give the order of an expression, which is that of the vectors only nearly."""
        return bool(self.indexes) and self.indexes[0].form != "vector"

    def coarse_distance(self, vector: str) -> str:
        """The distance by which indexes on an expression are ordered: the same expression on both sides."""
        index = self.indexes[0]
        schema, size = self._schema, index.dimensions or 0
        mine, theirs = (
            metrics.in_form(index.form, side, self.column.type, size, schema)
            for side in (ident(self.column.name), vector)
        )
        return f"{mine} {self._qualified(metrics.METRICS[index.metric or ''])} {theirs}"

    @property
    def type(self) -> str:
        """The column's type as a cast names it."""
        return _ANY_BITS if self.column.type == "bit" else f"{self._schema}{self.column.type}"

    @property
    def _schema(self) -> str:
        """What pgvector's names begin with where it is not on the search path."""
        return f"{ident(self.extension_schema)}." if self.extension_schema else ""

    def _qualified(self, metric: Metric) -> str:
        """A metric's operator."""
        operator = metric.operator.replace("%", "%%")
        return f"OPERATOR({self._schema}{operator})" if self._schema else operator


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
    columns = _output_columns(search, table, vectors)
    if search.per:
        table.column(search.per)
    if search.mode == "hybrid" and not table.key:
        what = "add a PRIMARY KEY" if table.kind == "table" else f"search the table behind the {table.kind}"
        raise UsageError(f"{table.label} has no key, by which hybrid tells rows apart", f"{what}, or use --mode vector")
    return Target(table, vectors, text, columns, _free_names({column.name for column in table.columns}))


def _vector_source(search: Search, table: TableInfo) -> VectorSource:
    column = vector_column(table, search.column)
    metric = metrics.get(search.metric or _usual_metric(column, table.indexes), column.type)
    _check_threshold(search, metric)
    is_filtered = bool(search.where) or table.row_security
    usable = [i for i in table.indexes if i.valid and serves(i, column, metric) and _has_rows(i, column, is_filtered)]
    usable.sort(key=lambda index: (not is_whole(index, column), *faithfulness(index), index.method != "hnsw"))
    source = VectorSource(column, metric, (), table.extension_schema, tuple(usable))
    return source.by(usable[0]) if usable else source


def vector_column(table: TableInfo, name: str | None) -> VectorColumn:
    """Return the column to search by distance: that of the name, else the only one; UsageError where neither is."""
    named = {column.name: column for column in (*table.vectors, *table.bits)}
    if name is not None:
        if name not in named:
            raise UsageError(f"{table.label} has no vector column {name!r}", did_you_mean(name, named))
        return named[name]
    usable = table.vectors or table.bits  # bits alone are what can be searched; beside vectors they are flags
    if len(usable) == 1:
        return usable[0]
    if not usable:
        raise UsageError(f"{table.label} has no vector column", "%vtables lists the tables that have one")
    choices = " | ".join(column.name for column in usable)
    raise UsageError(f"{table.label} has several vector columns", f"choose one: --column {choices}")


def _usual_metric(column: VectorColumn, indexes: Iterable[VectorIndex]) -> str:
    """The metric that the column is indexed for, which is the one that its vectors are made for."""
    known = [index for index in indexes if index.column == column.name and index.column_metric]
    known.sort(key=lambda i: (not i.valid, i.where is not None, i.column_metric != "cosine", i.form != "vector"))
    return (known[0].column_metric if known else None) or metrics.usual(column.type)


def serves(index: VectorIndex, column: VectorColumn, metric: Metric) -> bool:
    """Whether the order of an index is, at least nearly, that of the column by the metric.

    Bits made of vectors are the signs of their numbers: the fewer differ, the smaller the angle. Of lengths, by which
    l2 and l1 go as well, they tell nothing.
    """
    if index.column != column.name or (index.form in ("halfvec", "binary") and index.dimensions != column.dimensions):
        return False
    if index.form == "binary":
        return index.metric == "hamming" and metric.name in _BY_DIRECTION
    return index.metric == metric.name


def faithfulness(index: VectorIndex) -> tuple[int, int]:
    """By what to sort indexes so that those come first whose order is most like that of the vectors."""
    return metrics.FORMS.index(index.form), -(index.dimensions or 0)


def _has_rows(index: VectorIndex, column: VectorColumn, is_filtered: bool) -> bool:
    """Whether the index has the rows that are searched: a partial one, if a condition or policy may imply its own."""
    return is_whole(index, column) or is_filtered


def is_whole(index: VectorIndex, column: VectorColumn) -> bool:
    """Whether the index has every row that has a vector."""
    return index.where in (None, f"({quote_ident(column.name)} IS NOT NULL)")


def _check_threshold(search: Search, metric: Metric) -> None:
    if search.min_score is not None:
        metric.max_distance(search.min_score)
        if metric.name == "cosine" and not -1 <= search.min_score <= 1:
            raise UsageError(f"--min-score: {search.min_score} cannot be, a cosine score lies between -1 and 1")
        if metric.name == "jaccard" and not 0 <= search.min_score <= 1:
            raise UsageError(f"--min-score: {search.min_score} cannot be, a jaccard score lies between 0 and 1")


def _text_source(search: Search, table: TableInfo) -> TextSource:
    if not table.texts:
        raise UsageError(f"{table.label} has no text column for a {search.mode} search", "use --mode vector")
    if search.language is None:
        return table.texts[0]
    language = quote_ident(search.language)
    return next((text for text in table.texts if text.language == language), None) or table.plain_text(language)


def _output_columns(search: Search, table: TableInfo, vectors: VectorSource | None) -> tuple[str, ...]:
    if search.columns:
        return tuple(dict.fromkeys(table.column(name).name for name in search.columns))
    hidden = {column.name for column in (*table.vectors, *((vectors.column,) if vectors else ()))}
    # Beside a vector embed_table notes of which text it is.
    hidden |= {c.name for c in table.columns if c.type == "uuid" and c.name.removesuffix("_hash") in hidden}
    columns = (c for c in table.columns if c.type.removesuffix("[]") not in _UNREADABLE and c.name not in hidden)
    return tuple(column.name for column in columns)


def _free_names(taken: Set[str]) -> dict[str, str]:
    """Return what our columns are called: their own names, with a suffix where the table has such a column."""
    names = {}
    for ours in ("distance", "score", *HYBRID_COLUMNS, *REORDER_COLUMNS, *_INTERNAL):
        name, suffix = ours, 1
        while name in taken:
            name, suffix = f"{ours}_{suffix}", suffix + 1
        names[ours] = name
    return names
