"""The verb: one search in every way there is, measured in turn."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import catalog
from ..db import Database, Rows
from ..errors import QueryError, UsageError
from ..query import Query, Scan, Search, build
from ..query.statement import VECTOR
from ..search import Explanation
from ..search.explaining import explained
from ..search.result import Found
from ..search.run import request, ways
from .comparison import Comparison, Outcome
from .measure import recall, vector_indexes
from .ways import AUTO, BY_INDEX, EXACT, FILTER_FIRST, PARTIAL, WAYS, Way, goes_by_filter, goes_by_partial, impossible

# All runs together, how many at most of each way, and the longest that one may take.
_SECONDS, _MOST_RUNS, _PATIENCE = 3.0, 30, 60.0
_KINDS = {"exact": "exact", "ann": "one pass", "iterative": "iterative, relaxed"}
_TIMED_OUT = "57014"
_LEG = "the vector leg is compared, with as many rows as it gives: the keyword leg is the same in every way"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A way with its message and its plan, ready to be timed, and what follows where that gives too few rows."""

    way: Way
    found: Found
    query: Query
    plan: Explanation
    further: tuple[Query, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    """The rows that a way ends with, the ``seconds`` of all its messages, and whether there were several."""

    rows: Rows
    seconds: float
    went_on: bool


def compare(db: Database, table: str | Search, text: str | None = None, **options: Any) -> Comparison:
    """Run a search exactly and in every way that its index can be scanned, and return what each gave and took.

    The options are those of ``search``; what they say of the strategy is left out. The number of runs is bounded by
    time. Of a hybrid search the vector leg is compared. Raises UsageError, also for a keyword search; QueryError.
    """
    asked = table if isinstance(table, Search) else request(table, text, **options)
    wanted, notes = _by_distance(asked)
    messages = ways(db, wanted, [way.fields(wanted) for way in WAYS])
    entries, left_out = _entries(db, list(zip(WAYS, messages, strict=True)))
    outcomes = _timed(db, entries)
    exact = next((way.rows for way in outcomes if way.name == EXACT.name), None)
    title = f"{messages[0][0].search.text or 'nearest rows'} in {messages[0][0].target.table.label}"
    return Comparison(title, tuple(outcomes), exact, tuple(left_out), notes)


def _by_distance(asked: Search) -> tuple[Search, tuple[str, ...]]:
    """Return the part of a search that goes by distance."""
    if asked.mode == "keyword":
        raise UsageError("a keyword search scans no vector index", "--compare takes --mode vector or hybrid")
    plain = replace(asked, strategy="auto", as_is=False)
    if asked.reorders:
        return plain.first_step, ("what is compared is the search for candidates, before they are put in order",)
    if asked.mode == "vector":
        return plain, ()
    rows = plain.candidates or max(4 * plain.needed, 40)
    return replace(plain, mode="vector", k=max(rows, plain.needed), offset=0, per=None, text=_text(asked)), (_LEG,)


def _text(asked: Search) -> str | None:
    """Return the text, but for a hybrid search whose vector leg has another vector."""
    return None if asked.vector is not None or asked.similar_to else asked.text


def _entries(db: Database, asked: Sequence[tuple[Way, tuple[Found, Query]]]) -> tuple[list[_Entry], list[str]]:
    """Return the ways that are there, each explained once, and of the others why not."""
    able = catalog.capabilities(db)
    made: dict[str, _Entry] = {}
    left_out: dict[str, list[str]] = {}
    for way, (found, query) in asked:
        why = impossible(way, found.search, found.target, able)
        entry = _entry(db, way, found, query) if why is None else why
        if isinstance(entry, _Entry):
            entry = _doubled(entry, made) or entry
        if isinstance(entry, _Entry):
            made[way.name] = entry
        elif entry:
            left_out.setdefault(entry, []).append(way.name)
    return list(made.values()), [f"{' and '.join(names)} ({why})" for why, names in left_out.items()]


def _entry(db: Database, way: Way, found: Found, query: Query) -> _Entry | str:
    """Explain a way, or say why it is none; one whose plan is not what the way is called is not run."""
    for settings in ((), *((BY_INDEX,) if way.forced else ())):
        limited = replace(query, settings=_merged(db, query, settings))
        if way.shows(explained(db, limited, analyze=False)):
            break
    else:
        return way.otherwise
    try:
        further = tuple(replace(each, settings=_merged(db, each, ())) for each in _further(way, found, query))
        return _Entry(way.with_option(settings), found, limited, explained(db, limited), further)
    except QueryError as error:
        if error.sqlstate != _TIMED_OUT:
            raise
        return f"it took longer than {_PATIENCE:g} s"


def _further(way: Way, found: Found, query: Query) -> Iterator[Query]:
    """Yield what ``auto`` does next where a scan that may have stopped early gave too few rows, as a search does."""
    if way is not AUTO or not found.scan.may_stop_early or found.search.has_threshold:
        return
    for scan in filter(None, (found.scan.deeper, Scan("exact", found.scan.candidates))):
        yield build(found.search, found.target, scan, query.params[VECTOR])


def _doubled(entry: _Entry, made: Mapping[str, _Entry]) -> str | None:
    """Return which other way is the same one here."""
    exact, one_pass = made.get(EXACT.name), made.get("one pass")
    if entry.way is FILTER_FIRST and exact and goes_by_filter(exact.plan):
        return "exact goes by the filter's own index already"
    if entry.way.name == PARTIAL.name and one_pass and goes_by_partial(one_pass.plan):
        return "the other ways go by it already"
    return None


def _merged(db: Database, query: Query, settings: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the settings of a message with others, and an end to how long it may take."""
    seconds = _PATIENCE if db.timeout is None else min(_PATIENCE, db.timeout)
    limit = {"statement_timeout": str(max(1, round(1000 * seconds)))}
    return tuple((limit | dict(query.settings) | dict(settings)).items())


def _timed(db: Database, entries: Sequence[_Entry]) -> list[Outcome]:
    """Run the ways in turn, so that what else the machine does meets all of them; the first round is not counted.

    Each round has an order of its own: what comes behind a long run is slower than it would be.
    """
    first = [_run(db, entry) for entry in entries]
    took = sum(run.seconds for run in first)
    seconds: list[list[float]] = [[] for _ in entries]
    for turn in range(max(1, min(_MOST_RUNS, int(_SECONDS / max(took, 1e-4))))):
        for i in random.Random(turn).sample(range(len(entries)), len(entries)):
            seconds[i].append(_run(db, entries[i]).seconds)
    exact = next((sorted(_distances(run.rows)) for e, run in zip(entries, first, strict=True) if e.way is EXACT), None)
    return [
        _outcome(entry, run, tuple(times), None if exact is None else recall(_distances(run.rows), exact))
        for entry, run, times in zip(entries, first, seconds, strict=True)
    ]


def _run(db: Database, entry: _Entry) -> _Run:
    rows = db.run(entry.query)
    seconds, went_on = rows.seconds, False
    for query in entry.further:
        if len(rows.rows) >= entry.found.search.k:
            break
        rows, went_on = db.run(query), True
        seconds += rows.seconds
    return _Run(rows, seconds, went_on)


def _outcome(entry: _Entry, run: _Run, seconds: tuple[float, ...], found: float | None) -> Outcome:
    """Return what a way gave; the pages of several messages are not known."""
    blocks, scan = entry.plan.plan.root.blocks, entry.found.scan
    pages = None if blocks is None or run.went_on else blocks.hit + blocks.read
    more = ", which finds too few rows, then further" if run.went_on else ""
    why = ": ".join(filter(None, (f"{_KINDS[scan.kind]}{more}", scan.why))) if entry.way is AUTO else ""
    rows = len(run.rows.rows)
    return Outcome(entry.way.name, entry.way.option, rows, found, seconds, pages, vector_indexes(entry.plan), why)


def _distances(rows: Rows) -> list[float]:
    """Return the distances that there are: to a vector of zeros there is none."""
    return [row[-1] for row in rows.rows if row[-1] == row[-1]]
