"""The one table of distances: name, operator, operator class per column type, and how to read the number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .errors import UsageError, did_you_mean


@dataclass(frozen=True, slots=True)
class Metric:
    """A distance of pgvector.

    ``similarity`` is the number people read (larger is closer), as SQL over ``{d}``; None where there is none.
    """

    name: str
    operator: str
    opclass_suffix: str
    column_types: tuple[str, ...]
    similarity: str | None = None

    def opclass(self, column_type: str) -> str:
        """Return the operator class of this metric, such as ``vector_cosine_ops``."""
        return f"{column_type}_{self.opclass_suffix}_ops"

    def score(self, distance: float) -> float | None:
        """Return the similarity of a distance, or None where the metric has none."""
        if self.name in ("cosine", "jaccard"):
            return 1.0 - distance
        return -distance if self.name == "ip" else None

    def max_distance(self, score: float) -> float:
        """Return the distance at which the similarity is ``score``; UsageError where the metric has no similarity."""
        if self.name in ("cosine", "jaccard"):
            return 1.0 - score
        if self.name == "ip":
            return -score
        raise UsageError(f"--min-score: {self.name} is a distance and has no similarity score", "use --max-distance")


_DENSE = ("vector", "halfvec", "sparsevec")

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        m.name: m
        for m in (
            Metric("cosine", "<=>", "cosine", _DENSE, "1 - {d}"),
            Metric("l2", "<->", "l2", _DENSE),
            Metric("ip", "<#>", "ip", _DENSE, "-{d}"),
            Metric("l1", "<+>", "l1", _DENSE),
            Metric("hamming", "<~>", "hamming", ("bit",)),
            Metric("jaccard", "<%>", "jaccard", ("bit",), "1 - {d}"),
        )
    }
)

# What HNSW and IVFFlat take: dimensions, for sparsevec numbers that are not zero (and HNSW alone). From pgvector's
# README, as are the most that a column holds, where sparsevec counts both.
MOST_INDEXED: Mapping[str, int] = MappingProxyType(
    {"vector": 2_000, "halfvec": 4_000, "bit": 64_000, "sparsevec": 1_000}
)
MOST_STORED: Mapping[str, int] = MappingProxyType(
    {"vector": 16_000, "halfvec": 16_000, "bit": 83_886_080, "sparsevec": 1_000_000_000}
)
MOST_NON_ZERO = 16_000


# How the vectors of a column stand in an index: as they are, or as an expression of them; the most faithful first.
FORMS = ("vector", "halfvec", "subvector", "binary")


def get(name: str, column_type: str = "vector") -> Metric:
    """Return the metric of that name; UsageError when it does not exist for the column's type."""
    usable = [m.name for m in METRICS.values() if column_type in m.column_types]
    if name not in usable:
        raise UsageError(f"no metric {name!r} for a {column_type} column", did_you_mean(name, usable))
    return METRICS[name]


def usual(column_type: str) -> str:
    """Return the metric of a column that no index tells of: cosine, and hamming for bits."""
    return "hamming" if column_type == "bit" else "cosine"


def in_form(form: str, vector: str, column_type: str, dimensions: int, schema: str = "") -> str:
    """Return a vector, SQL of the column's type, as it stands in an index of that form and so many dimensions, as SQL.

    ``schema`` is what pgvector's names have to begin with, with its dot, where it is not on the search path.
    """
    if form == "binary":
        return f"{schema}binary_quantize({vector})::bit({dimensions})"
    if form == "subvector":
        return f"{schema}subvector({vector}, 1, {dimensions})::{schema}{column_type}({dimensions})"
    return vector if form in ("vector", column_type) else f"{vector}::{schema}{form}({dimensions})"


def too_wide(column: str, column_type: str, dimensions: int) -> str | None:
    """Return why no vector index takes a column of so many dimensions, with the ways out; None where one does.

    How many numbers of a sparsevec are not zero is known with its rows only.
    """
    most = MOST_INDEXED[column_type]
    if column_type == "sparsevec" or dimensions <= most:
        return None
    wider = [kind for kind in ("halfvec", "bit") if dimensions <= MOST_INDEXED[kind]]
    ways = [*(f"--type {kind} (up to {MOST_INDEXED[kind]:,})" for kind in wider), "vectors of fewer dimensions"]
    if wider and column_type != "bit":
        as_form = "halfvec" if "halfvec" in wider and column_type != "halfvec" else "binary"
        ways.append(f"an index on them as something smaller (%vindex build --as {as_form})")
    return (
        f"{column} has {dimensions:,} dimensions, and an index on a {column_type} takes {most:,}: without one every"
        f" search looks at each row. Ways out: {', '.join(ways)}"
    )


def by_opclass(opclass: str) -> Metric | None:
    """Return the metric an operator class such as ``halfvec_l2_ops`` serves, or None for one that is not pgvector's."""
    for metric in METRICS.values():
        if any(opclass == metric.opclass(kind) for kind in metric.column_types):
            return metric
    return None
