"""What a ``Search`` may not hold: each check raises a UsageError that names the option."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, did_you_mean
from ..sqltext import bind, check_condition, check_setting

if TYPE_CHECKING:
    from .request import Search

# Options that are whole numbers, and the least that each may be; and what a search must have.
_LEAST = {"k": 1, "offset": 0, "candidates": 1, "rrf_k": 1, "ef_search": 1, "probes": 1}
_REQUIRED = ("table", "k", "offset", "rrf_k")
_WORDS = ("table", "text", "column", "metric", "per", "language")
_SEVERAL = ("where", "similar_to", "columns", "settings")
# How many candidates a diverse search compares with one another, every two of them.
MOST_COMPARED = 4_000
_SETTINGS = {"ef_search": "hnsw.ef_search", "probes": "ivfflat.probes"}


def check_choice(option: str, value: object, choices: tuple[str, ...]) -> None:
    """UsageError unless the value is one of the choices."""
    if value not in choices:
        raise UsageError(f"{option}: {value!r} is not one of {', '.join(choices)}", did_you_mean(str(value), choices))


def check_types(search: Search) -> None:
    """UsageError for names and texts that are no text, and for one value where a tuple stands for several."""
    for name in _WORDS:
        value = getattr(search, name)
        if value is None and name not in _REQUIRED:
            continue
        if not isinstance(value, str):
            raise UsageError(f"{_option(name)}: expected text, got {value!r}")
        if not value.strip():
            what = "write what to look for below the magic line" if name == "text" else None
            raise UsageError("the query text is empty" if name == "text" else f"{_option(name)} is empty", what)
    for name in _SEVERAL:
        if not isinstance(getattr(search, name), tuple):
            raise UsageError(f"{_option(name)}: expected a tuple, got {getattr(search, name)!r}")
    for name in (*search.where, *search.columns):
        if not isinstance(name, str):
            raise UsageError(f"--where and --columns: expected text, got {name!r}")
    if search.rerank is not None and not callable(search.rerank):
        _check_reranker(search.rerank)
    if not isinstance(search.params, Mapping):
        raise UsageError(f"params: expected a dict of names and values, got {search.params!r}")


def check_numbers(search: Search) -> None:
    """UsageError for a number that is none, or out of its range."""
    for name, least in _LEAST.items():
        value: Any = getattr(search, name)
        if value is None and name not in _REQUIRED:
            continue
        if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
            raise UsageError(f"{_option(name)}: {value!r} is not a whole number of {least} or more")
    for name in ("min_score", "max_distance"):
        if getattr(search, name) is not None and not _is_number(getattr(search, name)):
            raise UsageError(f"{_option(name)}: {getattr(search, name)!r} is not a number")
    weights = search.weights
    two = isinstance(weights, list | tuple) and len(weights) == 2 and all(map(_is_number, weights))
    if not two or min(weights) < 0 or sum(weights) <= 0:
        raise UsageError("--weights takes two numbers of 0 or more, vector then keyword, such as 0.6,0.4")


def check_sql(search: Search) -> None:
    """UsageError for a condition that could leave its place or names an undefined variable, and for bad settings."""
    for condition in search.where:
        check_condition(condition)
        bind(condition, search.params.keys())
    for name, value in (*search.settings, *((_SETTINGS[name], getattr(search, name)) for name in _SETTINGS)):
        if value is not None:
            check_setting(name, str(value))


def check_contradictions(search: Search) -> None:
    """UsageError for options that cannot both be meant."""
    if search.min_score is not None and search.max_distance is not None:
        raise UsageError("--min-score and --max-distance say the same thing twice", "give one of them")
    if search.as_is and search.strategy != "auto":
        raise UsageError(f"--as-is leaves the scan to Postgres, --strategy {search.strategy} does not", "give one")
    if search.mode == "keyword" and search.has_threshold:
        raise UsageError("a keyword search has no distance that a threshold could cut", "use --mode vector or hybrid")
    if search.reorders:
        _check_second_step(search)


def _check_second_step(search: Search) -> None:
    if search.rerank is not None and search.diverse:
        raise UsageError("--rerank and --diverse each choose an order of their own", "give one of them")
    if search.rerank is not None and search.text is None:
        raise UsageError(
            "--rerank compares a text with the rows' texts, and this search has none", "write what to look for"
        )
    if search.diverse and search.mode == "keyword":
        raise UsageError("--diverse compares vectors, which a keyword search has none of", "use --mode hybrid")
    if search.diverse and (rows := search.first_step.k) > MOST_COMPARED:
        raise UsageError(
            f"--diverse compares every two candidates: {rows:,} are too many, {MOST_COMPARED:,} are the most",
            f"-k up to {MOST_COMPARED // 4:,}, or fewer --candidates",
        )


def _check_reranker(model: object) -> None:
    if not isinstance(model, str):
        raise UsageError(f"--rerank: expected the name of a model or a function, got {model!r}")
    if not model.strip():
        raise UsageError("--rerank is empty")
    if model.startswith(":"):
        raise UsageError(f"--rerank: {model!r} names a function in a magic's line only", "give the function itself")


def check_what_to_find(search: Search) -> None:
    """UsageError unless there is exactly what the mode looks for."""
    given = [search.text is not None, search.vector is not None, bool(search.similar_to)]
    if any(key is None for key in search.similar_to):
        raise UsageError("--similar-to: None is no row's key")
    if search.mode != "vector" and search.text is None:
        raise UsageError(f"a {search.mode} search needs a query text")
    if search.mode == "keyword" and sum(given) > 1:
        raise UsageError("a keyword search takes a text only", "use --mode hybrid for a text and a vector")
    if search.mode == "vector" and sum(given) != 1:
        raise UsageError("give one thing to look for: a text, --vector :v or --similar-to ID")
    if search.vector is not None and search.similar_to:
        raise UsageError("--vector and --similar-to are two vectors to search from", "give one of them")


def _option(name: str) -> str:
    return {"k": "-k", "table": "the table", "text": "the query text"}.get(name, "--" + name.replace("_", "-"))


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
