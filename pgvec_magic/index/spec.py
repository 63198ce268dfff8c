"""``IndexSpec`` <-> the text of CREATE INDEX."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import metric as metrics
from ..errors import UsageError, did_you_mean
from ..metric import FORMS, in_form
from ..sqltext import check_condition, placeholders, quote_ident, quote_qualified

METHODS = ("hnsw", "ivfflat")
_NO_IVFFLAT = {"l1", "jaccard"}
_RANGES = {"m": (2, 100), "ef_construction": (4, 1000), "lists": (1, 32_768)}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSpec:
    """A vector index that is, or could be; a value that pgvector would refuse is a UsageError.

    ``type`` and ``dimensions`` are the column's; ``form`` how its vectors stand in the index, of which a ``subvector``
    has the first ``kept`` dimensions. ``m`` and ``ef_construction`` are HNSW's, ``lists`` IVFFlat's. ``where`` is the
    condition of a partial index, ``extension`` the schema that pgvector is in where that is off the search path.
    """

    table: str
    column: str
    dimensions: int
    schema: str = "public"
    type: str = "vector"
    metric: str = "cosine"
    method: str = "hnsw"
    form: str = "vector"
    kept: int | None = None
    m: int = 16
    ef_construction: int = 64
    lists: int = 100
    where: str | None = None
    name: str | None = None
    extension: str | None = None

    def __post_init__(self) -> None:
        for what, value, known in (("method", self.method, METHODS), ("form", self.form, FORMS)):
            if value not in known:
                raise UsageError(f"no index {what} {value!r}", did_you_mean(value, known))
        for option, (least, most) in _RANGES.items():
            if not least <= getattr(self, option) <= most:
                raise UsageError(f"{option} = {getattr(self, option)}: pgvector takes {least} to {most:,}")
        self._check_form()
        self._check_where()
        metrics.get(self.metric, self.stored_type)
        if self.method == "ivfflat" and (self.metric in _NO_IVFFLAT or self.stored_type == "sparsevec"):
            what = self.stored_type if self.stored_type == "sparsevec" else self.metric
            raise UsageError(f"IVFFlat has no operator class for {what}", "method hnsw has one")
        if self.method == "hnsw" and self.ef_construction < 2 * self.m:
            raise UsageError(f"ef_construction = {self.ef_construction} is less than twice m = {self.m}")
        most = metrics.MOST_INDEXED[self.stored_type]
        if self.stored_type != "sparsevec" and self.stored_dimensions > most:
            told = f"an index of {self.stored_type} takes {most:,} dimensions, and this has {self.stored_dimensions:,}"
            raise UsageError(told, "as halfvec (to 4,000), as binary (to 64,000), or as subvector, the first ones only")

    def _check_form(self) -> None:
        if self.form not in ("vector", self.type) and self.type not in ("vector", "halfvec"):
            raise UsageError(f"a {self.type} column is indexed as it is, not as {self.form}")
        if self.form == "subvector" and not 1 <= (self.kept or 0) < self.dimensions:
            raise UsageError(f"a subvector of {self.dimensions} dimensions keeps 1 to {self.dimensions - 1} of them")

    def _check_where(self) -> None:
        if self.where is None:
            return
        check_condition(self.where)
        if names := placeholders(self.where):
            raise UsageError(
                f"the condition of an index is fixed: :{names[0]} cannot be bound", "write the value there"
            )

    @property
    def stored_type(self) -> str:
        """The type of what stands in the index."""
        return {"halfvec": "halfvec", "binary": "bit"}.get(self.form, self.type)

    @property
    def stored_dimensions(self) -> int:
        """How many dimensions what stands in the index has."""
        return self.kept if self.form == "subvector" and self.kept else self.dimensions

    @property
    def expression(self) -> str:
        """What is indexed, as SQL: the column, or the expression that a query has to repeat."""
        return in_form(self.form, quote_ident(self.column), self.type, self.stored_dimensions, self._qualified(""))

    @property
    def opclass(self) -> str:
        """The operator class, qualified where it has to be."""
        return self._qualified(metrics.get(self.metric, self.stored_type).opclass(self.stored_type))

    @property
    def options(self) -> dict[str, int]:
        """What stands behind WITH: what differs from pgvector's own defaults."""
        given = {"m": self.m, "ef_construction": self.ef_construction} if self.method == "hnsw" else {}
        usual = {"m": 16, "ef_construction": 64}
        changed = {name: value for name, value in given.items() if value != usual[name]}
        return changed if self.method == "hnsw" else {"lists": self.lists}

    def sql(self, *, concurrently: bool = False) -> str:
        """Return the statement that builds it."""
        return " ".join(self._words(concurrently))

    def _words(self, concurrently: bool) -> Iterator[str]:
        yield "CREATE INDEX CONCURRENTLY" if concurrently else "CREATE INDEX"
        if self.name:
            yield quote_ident(self.name)
        indexed = self.expression if self.expression == quote_ident(self.column) else f"({self.expression})"
        yield f"ON {quote_qualified(self.schema, self.table)} USING {self.method} ({indexed} {self.opclass})"
        if self.options:
            yield f"WITH ({', '.join(f'{name} = {value}' for name, value in self.options.items())})"
        if self.where:
            yield f"WHERE (\n{self.where}\n)"

    def _qualified(self, name: str) -> str:
        return f"{quote_ident(self.extension)}.{name}" if self.extension else name


def usual_lists(rows: int) -> int:
    """Return how many lists pgvector's README takes: a thousandth of the rows, from a million on their square root."""
    return max(rows // 1000 if rows <= 1_000_000 else round(rows**0.5), 1)
