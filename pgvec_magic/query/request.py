"""``Search``, what a person asks for, and ``Query``, what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import UsageError, did_you_mean

MODES = ("vector", "keyword", "hybrid")
STRATEGIES = ("auto", "ann", "iterative", "exact")


@dataclass(frozen=True, slots=True)
class Query:
    """One message to the server: ``settings`` as SET LOCAL literals, then ``sql`` with ``%(name)s`` for ``params``.

    Every other ``%`` of ``sql`` stands twice. ``reads`` runs it read-only, so that it may be sent again after a lost link.
    """

    sql: str
    params: Mapping[str, object] = field(default_factory=dict)
    settings: tuple[tuple[str, str], ...] = ()
    reads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search; every option of ``%%vsearch`` is a field, and a value that cannot be meant is a UsageError.

    ``where`` holds SQL conditions with ``:name`` for ``params``; ``vector`` is a 1-d array, ``similar_to`` keys of rows.
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

    def __post_init__(self) -> None:
        _check_choice("mode", self.mode, MODES)
        _check_choice("strategy", self.strategy, STRATEGIES)
        _check_numbers(self)
        _check_what_to_find(self)

    @property
    def needed(self) -> int:
        """How many nearest rows the scan must give: those shown, those skipped, and the rows searched from."""
        return self.k + self.offset + len(self.similar_to)

    @property
    def filtered(self) -> bool:
        """Whether a condition may remove rows from what the index gives."""
        return bool(self.where)


def _check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"--{option}: {value!r} is not one of {', '.join(choices)}", did_you_mean(str(value), choices))


def _check_numbers(search: Search) -> None:
    least = {"k": 1, "offset": 0, "candidates": 1, "rrf_k": 1, "ef_search": 1, "probes": 1}
    for name, low in least.items():
        value = getattr(search, name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < low):
            option = "-k" if name == "k" else "--" + name.replace("_", "-")
            raise UsageError(f"{option}: {value!r} is not a whole number of {low} or more")
    if len(search.weights) != 2 or min(search.weights) < 0 or sum(search.weights) <= 0:
        raise UsageError("--weights takes two numbers of 0 or more, vector then keyword, such as 0.6,0.4")
    if search.min_score is not None and search.max_distance is not None:
        raise UsageError("--min-score and --max-distance say the same thing twice", "give one of them")


def _check_what_to_find(search: Search) -> None:
    given = [search.text is not None, search.vector is not None, bool(search.similar_to)]
    if search.text is not None and not search.text.strip():
        raise UsageError("the query text is empty", "write what to look for below the magic line")
    if search.mode != "vector" and search.text is None:
        raise UsageError(f"a {search.mode} search needs a query text")
    if search.mode == "keyword" and sum(given) > 1:
        raise UsageError("a keyword search takes a text only", "use --mode hybrid for a text and a vector")
    if search.mode == "vector" and sum(given) != 1:
        raise UsageError("give one thing to look for: a text, --vector :v or --similar-to ID")
