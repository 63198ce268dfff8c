"""The ways in which one search can be done, and why some cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..catalog import Capabilities
from ..query import Search
from ..query.scan import ITERATIVE_SINCE
from ..query.target import Target
from ..search import Explanation
from .measure import vector_indexes

Settings = tuple[tuple[str, str], ...]
# With these an index scan is what is left: where Postgres prefers another way, they show what it would have given.
BY_INDEX: Settings = tuple((name, "off") for name in ("enable_seqscan", "enable_sort", "enable_bitmapscan"))
_STRICT: Settings = (("hnsw.iterative_scan", "strict_order"),)
_AT_FILTER = ("Index Cond", "Recheck Cond")


def goes_by_filter(plan: Explanation) -> bool:
    """Whether an ordinary index finds the rows of the filter."""
    found = (node for node in plan.plan.nodes if any(key in node.details for key in _AT_FILTER))
    return any(node.index not in vector_indexes(plan) for node in found)


def goes_by_partial(plan: Explanation) -> bool:
    """Whether the rows come from a partial vector index."""
    used, known = vector_indexes(plan), plan.fingerprint.indexes if plan.fingerprint else ()
    return any(index.where for index in known if index.name in used)


def _goes_by_index(plan: Explanation) -> bool:
    return bool(vector_indexes(plan))


def _any(plan: Explanation) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Way:
    """A way: what people call it, what of ``%vsearch`` asks for it, and the fields of ``Search`` that do.

    ``shows`` tells whether a plan is what the way is called, ``otherwise`` what to say where none is; ``forced`` ways
    are tried with an index scan that Postgres would not choose.
    """

    name: str
    option: str
    change: Mapping[str, Any]
    settings: Settings = ()
    shows: Callable[[Explanation], bool] = _any
    otherwise: str = ""
    forced: bool = False
    iterates: bool = False

    def fields(self, search: Search) -> dict[str, Any]:
        """Return the fields that make a search go this way."""
        plain = {"strategy": "auto", "as_is": False}
        return {**plain, **self.change, "settings": (*search.settings, *self.settings)}

    def with_option(self, settings: Settings) -> Way:
        """Return the way as it is asked for with more settings."""
        return replace(self, option=" ".join([self.option, *_options(settings)])) if settings else self


def _options(settings: Settings) -> list[str]:
    return [f"--set {name}={value}" for name, value in settings]


def _by_index(name: str, strategy: str, settings: Settings = (), *, iterates: bool = False) -> Way:
    option = " ".join([f"--strategy {strategy}", *_options(settings)])
    no = "Postgres does not use a vector index for it"
    return Way(name, option, {"strategy": strategy}, settings, _goes_by_index, no, forced=True, iterates=iterates)


EXACT = Way("exact", "--exact", {"strategy": "exact"})
FILTER_FIRST = Way(
    "filter first",
    "--exact --set enable_seqscan=off",
    {"strategy": "exact"},
    (("enable_seqscan", "off"),),
    goes_by_filter,
    "no index finds the rows of the filter",
)
AS_IT_IS = Way("as it is", "--as-is", {"as_is": True})
ONE_PASS = _by_index("one pass", "ann")
STRICT = _by_index("iterative, strict", "iterative", _STRICT, iterates=True)
RELAXED = _by_index("iterative, relaxed", "iterative", iterates=True)
PARTIAL = replace(
    _by_index("partial index", "ann"), shows=goes_by_partial, otherwise="Postgres prefers another index to it"
)
AUTO = Way("auto", "nothing: it is the default", {})
WAYS = (EXACT, FILTER_FIRST, AS_IT_IS, ONE_PASS, STRICT, RELAXED, PARTIAL, AUTO)


def impossible(way: Way, search: Search, target: Target, able: Capabilities) -> str | None:
    """Return why a way is not there for a search; an empty text where that needs no word, None where it may be."""
    indexes = target.need_vectors().indexes
    if way is FILTER_FIRST and not (search.where or target.table.row_security):
        return ""
    if way is PARTIAL and not any(index.where for index in indexes):
        return ""
    if way.forced and not indexes:
        return "no vector index serves this search"
    if way.iterates and (able.vector or ()) < ITERATIVE_SINCE:
        return "iterative scans need pgvector 0.8"
    if way is STRICT and not any(index.method == "hnsw" for index in indexes):
        return "only HNSW has a strict order"
    return None
