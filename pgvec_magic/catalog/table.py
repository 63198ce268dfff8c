"""A table as values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UsageError, did_you_mean
from ..sqltext import quote_ident, quote_literal
from .baseline import Baseline

# The line of a column's comment that names its model.
EMBEDDER_LINE = re.compile(r"^pgvec: embedder=(.+)$", re.MULTILINE)
# What people call the column that holds the text, the likeliest first.
_TEXT_NAMES = ("content", "text", "body", "document", "chunk", "description", "summary", "title", "name")
_TEXT_TYPES = frozenset(["text", "character varying", "character", "citext"])


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its type without modifiers, such as ``text`` or ``vector``."""

    name: str
    type: str
    nullable: bool = True
    avg_width: int = 0


@dataclass(frozen=True, slots=True)
class VectorColumn:
    """A vector column; ``dimensions`` is None where the type has none, ``embedder`` the remembered model."""

    name: str
    type: str
    dimensions: int | None = None
    nullable: bool = True
    embedder: str | None = None


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """A vector index; ``metric`` is None for an operator class that is not pgvector's, ``bytes`` its size on disk.

    ``column`` is what it stands on, None for an expression that is not known; ``form`` how the vectors stand in it, as
    they are or by an expression that gives ``dimensions`` of them. ``where`` is the condition of a partial index,
    ``baseline`` what is stored of its recall, with a setting that searches then use, ``rows`` how many it has, where
    that is known.
    """

    name: str
    column: str | None
    method: str
    metric: str | None
    valid: bool = True
    options: tuple[str, ...] = ()
    where: str | None = None
    bytes: int = 0
    definition: str = ""
    baseline: Baseline | None = None
    rows: int | None = None
    form: str = "vector"
    dimensions: int | None = None

    @property
    def column_metric(self) -> str | None:
        """The metric that the index tells of its column: none where it has bits that were made of the vectors."""
        return None if self.form == "binary" else self.metric

    def same_order(self, other: VectorIndex) -> bool:
        """Whether one ORDER BY is served by both."""
        return (self.form, self.dimensions, self.metric) == (other.form, other.dimensions, other.metric)

    @property
    def lists(self) -> int:
        """The number of lists of an IVFFlat index (pgvector's default is 100)."""
        return next((int(o.partition("=")[2]) for o in self.options if o.startswith("lists=")), 100)


@dataclass(frozen=True, slots=True)
class TextSource:
    """What is searched by words: its SQL, its language as a ``regconfig`` names it, and whether an index serves it.

    ``method`` is tsvector, or bm25: then ``expression`` is a text column, ``index`` the qualified name of its index and
    ``schema`` where pg_textsearch is, if that is not on the search path.
    """

    expression: str
    language: str
    indexed: bool
    method: str = "tsvector"
    index: str | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table, view or partitioned table.

    ``sql_name`` is the quoted name as statements use it, ``key`` the columns that tell rows apart (``ctid``, with
    ``tableoid`` where there are parts, for a table without a key; empty where nothing does), ``rows`` the planner's
    estimate or None when nobody has counted yet, ``bytes`` with indexes; with ``row_security`` policies choose the rows
    that this role sees. ``bits`` are columns of type bit that nothing marks as vectors and that may be flags: they are
    searched where they are named, or where there is nothing else to search.
    """

    schema: str
    name: str
    kind: str
    sql_name: str
    columns: tuple[Column, ...]
    vectors: tuple[VectorColumn, ...]
    indexes: tuple[VectorIndex, ...]
    key: tuple[str, ...]
    texts: tuple[TextSource, ...]
    rows: int | None = None
    bytes: int = 0
    extension_schema: str | None = None
    row_security: bool = False
    bits: tuple[VectorColumn, ...] = ()

    @property
    def label(self) -> str:
        """The name as people write it: without quotes, and with its schema where it needs one."""
        return self.name if self.sql_name == quote_ident(self.name) else f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column:
        """Return a column by name; UsageError with the closest name when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise UsageError(f"{self.label} has no column {name!r}", did_you_mean(name, (c.name for c in self.columns)))

    @property
    def text_column(self) -> str | None:
        """The column that most likely holds what people read."""
        texts = self._texts
        return (
            (self._named_as_text or sorted(texts, key=lambda c: (c.name in self.key, -c.avg_width)))[0].name
            if texts
            else None
        )

    @property
    def text_is_unclear(self) -> bool:
        """Whether only the widths of the columns tell which of them holds what people read."""
        return len(self._texts) > 1 and not self._named_as_text

    @property
    def _texts(self) -> list[Column]:
        return [column for column in self.columns if column.type in _TEXT_TYPES]

    @property
    def _named_as_text(self) -> list[Column]:
        """The text columns with a usual name, the likeliest first; a key is no text."""
        return [c for name in _TEXT_NAMES for c in self._texts if c.name.lower() == name and c.name not in self.key]

    def plain_text(self, language: str) -> TextSource:
        """Return the text column, to be parsed while searching; ``language`` as a ``regconfig`` names it."""
        if self.text_column is None:
            raise UsageError(f"{self.label} has no text column")
        return TextSource(f"to_tsvector({quote_literal(language)}, {quote_ident(self.text_column)})", language, False)
