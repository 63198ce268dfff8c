"""``Search``, what a person asks for, and ``Query``, what is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import index
from typing import SupportsIndex

from . import checks

MODES = ("vector", "keyword", "hybrid")
STRATEGIES = ("auto", "ann", "iterative", "exact")
# What orders rows by their texts: the name of a model, or fn(query, texts) -> one number a text, larger is better.
Reranker = str | Callable[[str, list[str]], Sequence[float]]

_COUNT = re.compile(r"\b((?:LIMIT|OFFSET)\s+)(%\((\w+)\)s)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, repr=False)
class Query:
    """One message to the server: ``settings`` as SET LOCAL literals, then ``sql`` with ``%(name)s`` for ``params``.

    Every other ``%`` of ``sql`` stands twice. ``reads`` runs it read-only: it may be sent again after a lost link.
    """

    sql: str
    params: Mapping[str, object] = field(default_factory=dict)
    settings: tuple[tuple[str, str], ...] = ()
    reads: bool = False

    def __repr__(self) -> str:
        """The message as it is sent, but for the values, which stand by their names."""
        return "".join(f"SET LOCAL {name} = {value};\n" for name, value in self.settings) + self.sql


def counted(sql: str, params: Mapping[str, object]) -> str:
    """Return the SQL of a ``Query`` with whole numbers behind LIMIT and OFFSET in place of their parameters."""
    return _COUNT.sub(lambda found: found[1] + _whole(params.get(found[3]), found[2]), sql)


def _whole(value: object, otherwise: str) -> str:
    return str(index(value)) if isinstance(value, SupportsIndex) else otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search; every option of ``%%vsearch`` is a field, and a value that cannot be meant is a UsageError.

    ``where`` holds SQL conditions with ``:name`` for ``params``; ``vector`` is a 1-d array, ``similar_to`` rows' keys.
    """

    table: str
    text: str | None = None
    k: int = 10
    mode: str = "vector"
    where: tuple[str, ...] = ()
    params: Mapping[str, object] = field(default_factory=dict)
    vector: object = None
    similar_to: tuple[object, ...] = ()
    column: str | None = None
    metric: str | None = None
    min_score: float | None = None
    max_distance: float | None = None
    strategy: str = "auto"
    as_is: bool = False
    ef_search: int | None = None
    probes: int | None = None
    settings: tuple[tuple[str, str], ...] = ()
    candidates: int | None = None
    weights: tuple[float, float] = (1.0, 1.0)
    rrf_k: int = 60
    per: str | None = None
    offset: int = 0
    columns: tuple[str, ...] = ()
    language: str | None = None
    rerank: Reranker | None = None
    diverse: bool = False

    def __post_init__(self) -> None:
        checks.check_choice("--mode", self.mode, MODES)
        checks.check_choice("--strategy", self.strategy, STRATEGIES)
        checks.check_types(self)
        checks.check_numbers(self)
        checks.check_sql(self)
        checks.check_contradictions(self)
        checks.check_what_to_find(self)

    @property
    def needed(self) -> int:
        """How many nearest rows the scan must give: those shown and those skipped."""
        return self.k + self.offset

    @property
    def reorders(self) -> bool:
        """Whether a second step chooses and orders the rows among the candidates of the first."""
        return self.rerank is not None or self.diverse

    @property
    def first_step(self) -> Search:
        """The search whose rows the second step chooses from; this one where there is none."""
        if not self.reorders:
            return self
        rows = max(self.candidates or max(4 * self.needed, 40), self.needed)
        return replace(self, k=rows, offset=0, rerank=None, diverse=False)

    @property
    def has_threshold(self) -> bool:
        """Whether rows that are too far are cut away."""
        return self.min_score is not None or self.max_distance is not None

    @property
    def asked(self) -> dict[str, str]:
        """The settings that the person gave, in small letters."""
        return {name.strip().lower(): value.strip().lower() for name, value in self.settings}

    @property
    def asks_for_index(self) -> bool:
        """Whether the person said how an index is scanned, and so wants such a scan."""
        given = self.ef_search is not None or self.probes is not None
        return given or any(name.startswith(("hnsw.", "ivfflat.")) for name in self.asked)
