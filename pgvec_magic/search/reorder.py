"""The second step of a search: of more rows than were asked for, which to show, and in what order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import UsageError
from ..query import Search
from ..query.statement import VECTOR
from ..query.target import Target, find_target
from . import diverse, rerank
from .result import Found, Result


def with_what_it_reads(target: Target, wanted: Search) -> Target:
    """Return the target with the column that the second step reads; UsageError where the table has none."""
    name = target.need_vectors().column.name if wanted.diverse else _text_column(target)
    return target if name in target.columns else replace(target, columns=(*target.columns, name))


def reordered(result: Result, wanted: Search) -> Result:
    """Return the rows that were wanted out of the first step's, without a column that nobody asked for; EmbedError."""
    assert result.found is not None, "only a search has a second step"
    target = replace(result.found.target, columns=find_target(wanted, result.found.target.table).columns)
    order = _diverse if wanted.diverse else _reranked
    places, scores, second_step, notes = order(result, result.found, wanted) if result.rows else ([], [], "", [])
    names = result.found.target.names
    added: dict[str, Sequence[object]] = {"rerank_score": scores, "rank_before": list(range(1, len(result) + 1))}
    found = replace(result.found, search=wanted, target=target, second_step=second_step)
    ours = [ours for ours in found.ours if ours in added]
    dropped = [i for i, name in enumerate(result.found.target.columns) if name not in target.columns]
    return replace(
        result,
        columns=(*_without(result.columns, dropped), *(names[name] for name in ours)),
        rows=[
            (*_without(result.rows[i], dropped), *(added[name][i] for name in ours))
            for i in places[wanted.offset : wanted.needed]
        ],
        notes=(*result.notes, *notes),
        found=found,
    )


_Order = tuple[list[int], list[float | None], str, list[str]]


def _reranked(result: Result, found: Found, wanted: Search) -> _Order:
    """The places of the first rows by a model's scores, which those without a text do not get: they come last."""
    assert wanted.rerank is not None, "this is a search that is re-ranked"
    name, column = rerank.name(wanted.rerank), _text_column(found.target)
    texts = _values(result, column)
    readable = [i for i, text in enumerate(texts) if isinstance(text, str) and text.strip()]
    started = time.perf_counter()
    read = [texts[i] for i in readable]
    given = rerank.scores(wanted.rerank, wanted.text or "", read)
    seconds = time.perf_counter() - started
    scores: list[float | None] = [None] * len(texts)
    for i, score in zip(readable, given, strict=True):
        scores[i] = score
    places = sorted(range(len(texts)), key=lambda i: (scores[i] is None, -(scores[i] or 0.0)))
    notes = [f"{name} put the {_rows(len(readable))} in order by what stands in {column}, rank_before is without it"]
    if len(readable) < len(texts):
        notes.append(f"{_rows(len(texts) - len(readable))} without a text in {column} could not be re-ranked: last")
    if partly := rerank.partly_read(wanted.rerank, wanted.text or "", read):
        notes.append(f"{_rows(partly)} with a text too long for {name}, which read the beginning of it")
    return places, scores, f"re-ranked by {name}: {_rows(len(readable))} in {seconds * 1000:.0f} ms", notes


def _diverse(result: Result, found: Found, wanted: Search) -> _Order:
    """The places of rows that are good and unlike those before them."""
    values = result.column(found.main)
    sign = -1.0 if found.main == "distance" else 1.0
    vectors = _values(result, found.target.need_vectors().column.name)
    scores = [None if value is None else sign * value for value in values]
    places = diverse.choose(scores, vectors, result.params[VECTOR], wanted.needed)
    first, share = _rows(len(values)), f"λ = {diverse.RELEVANCE}"
    notes = [f"chosen among {first} to be good and unlike those above (MMR, {share}); rank_before is without it"]
    unknown = sum(vector is None for vector in vectors)
    if unknown:
        notes.append(f"{_rows(unknown)} without a vector passed as like the others as these are on average")
    return places, [], f"diverse: of {first} ({share})", notes


def _text_column(target: Target) -> str:
    column = target.table.text_column
    if column is None:
        raise UsageError(f"{target.table.label} has no text column that --rerank could read")
    return column


def _values(result: Result, column: str) -> list[Any]:
    """The values of one of the table's columns."""
    at = result.columns.index(column)
    return [row[at] for row in result.rows]


def _without(values: tuple[Any, ...], dropped: list[int]) -> tuple[Any, ...]:
    return tuple(value for i, value in enumerate(values) if i not in dropped)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
