"""The verb: a request, one message, a result that says when rows are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from .. import catalog
from ..catalog import VectorIndex
from ..db import Database, Rows
from ..errors import QueryError, UsageError, did_you_mean
from ..query import Query, Scan, Search, build, choose_scan, keyword
from ..query.target import Target, find_target, is_whole
from . import costs, reorder, rerank
from .notes import notes
from .result import Found, Result
from .settling import settled
from .shortage import complete
from .vectors import query_vector

# What a statement meets when the table is not what it was a moment ago: no such table, schema, column, operator, type;
# other dimensions.
CHANGED = frozenset(["42P01", "3F000", "42703", "42883", "42704", "22000"])
OPTIONS = frozenset(field.name for field in fields(Search)) - {"settings"} | {"exact", "set"}


def search(db: Database, table: str | Search, text: str | None = None, **options: Any) -> Result:
    """Search a table and return its best rows.

    Every option of ``%%vsearch`` is a keyword, with ``_`` for ``-``; ``vector`` is a 1-d array or list of floats, and
    ``params`` gives the values of ``:name`` in ``where``. Raises UsageError, QueryError, EmbedError.
    """
    wanted = _wanted(table, text, options)
    try:
        return _search(db, wanted)
    except (QueryError, UsageError) as error:
        if not _may_be_stale(error) or not catalog.changed(db, wanted.table):
            raise
    return _search(db, wanted)


def dry_run(db: Database, table: str | Search, text: str | None = None, **options: Any) -> Query:
    """Return the message that a search would send, without running it (a text is embedded, a filter is estimated)."""
    found, vector = _first_step(db, _wanted(table, text, options))
    return build(found.search, found.target, found.scan, vector)


def ways(db: Database, wanted: Search, changes: Sequence[Mapping[str, Any]]) -> list[tuple[Found, Query]]:
    """Return a search done in several ways, each with other fields, as the messages to send; it is embedded once."""
    search, target, vector = _prepared(db, wanted)
    found = [_found(db, replace(search, **change), target, vector) for change in changes]
    return [(one, build(one.search, one.target, one.scan, vector)) for one in found]


def request(table: str, text: str | None = None, **options: Any) -> Search:
    """Return the request that keywords describe; UsageError for one that does not exist."""
    for name in sorted(options.keys() - OPTIONS):
        raise UsageError(f"search() has no option {name!r}", did_you_mean(name, OPTIONS))
    given = {name: value for name, value in options.items() if name not in ("exact", "set")}
    if options.get("exact"):
        if given.get("strategy", "exact") != "exact":
            raise UsageError(f"exact and strategy={given['strategy']!r} cannot both be", "give one of them")
        given["strategy"] = "exact"
    for name in ("where", "similar_to", "columns"):
        given[name] = _several(given.get(name))
    return Search(table=table, text=text, settings=_settings(options.get("set")), **given)


def _may_be_stale(error: QueryError | UsageError) -> bool:
    """Whether the table may be another than the cache has it: then the request may be right."""
    return isinstance(error, UsageError) or error.sqlstate in CHANGED


def _wanted(table: str | Search, text: str | None, options: dict[str, Any]) -> Search:
    if not isinstance(table, Search):
        return request(table, text, **options)
    if text is not None or options:
        raise UsageError("a Search holds every option already", "give a table's name, or the Search alone")
    return table


def _settings(given: Any) -> tuple[tuple[str, str], ...]:
    if given is None:
        return ()
    if not hasattr(given, "items"):
        raise UsageError(f"set: expected a dict of settings, got {given!r}", 'such as {"hnsw.ef_search": 100}')
    return tuple((str(name), str(value)) for name, value in given.items())


def _several(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if hasattr(value, "__iter__") and not isinstance(value, str | bytes) else (value,)


def _search(db: Database, wanted: Search) -> Result:
    if wanted.rerank is not None:
        rerank.ready(wanted.rerank)
    found, vector = _first_step(db, wanted)
    if found.target.vectors is not None and not wanted.similar_to:
        column = found.target.vectors.column.name
        catalog.remember_search(db, found.target.table, column, vector, wanted.where)
    result = complete(_run(db, found, vector), wanted, lambda changed: _run(db, changed, vector))
    return reorder.reordered(result, wanted) if wanted.reorders else result


def _first_step(db: Database, wanted: Search) -> tuple[Found, object]:
    search, target, vector = _prepared(db, wanted)
    return _found(db, search, target, vector), vector


def _found(db: Database, search: Search, target: Target, vector: object) -> Found:
    able = catalog.capabilities(db)
    target, scan = settled(db, search, target, vector, lambda tried: _scan(db, search, tried, able))
    return Found(search, target, scan)


def _prepared(db: Database, wanted: Search) -> tuple[Search, Target, object]:
    """Return the first step, what it works on, and the query vector."""
    search, able = wanted.first_step, catalog.capabilities(db)
    if able.vector is None and search.mode != "keyword":
        raise UsageError(f"pgvector is not installed in {db.name}", "run CREATE EXTENSION vector in it")
    if search.language is not None and search.language not in able.languages:
        raise UsageError(f"no text search language {search.language!r}", did_you_mean(search.language, able.languages))
    target = find_target(search, catalog.table(db, search.table))
    vector = None if target.vectors is None else query_vector(db, search, target)
    if wanted.reorders:
        target = reorder.with_what_it_reads(target, wanted)
    return search, target, vector


def _scan(db: Database, search: Search, target: Target, able: catalog.Capabilities) -> Scan:
    index, *others = (target.vectors.indexes if target.vectors else ()) or (None,)
    guarded = target.table.row_security
    asks = (search.where or guarded) and search.strategy == "auto" and not search.as_is and index is not None
    matching = catalog.matching_rows(db, target.relation, list(search.where), search.params) if asks else None
    return choose_scan(
        search,
        index,
        able.vector or (),
        able.in_force,
        matching,
        rows=_rows(target, index),
        others=[other for other in others if other is not None],
        guarded=guarded,
        walk_cost=costs.walk_cost(db, target),
    )


def _rows(target: Target, index: VectorIndex | None) -> int | None:
    """How many rows a scan of the index goes through: of a partial one, as many as it has."""
    if index is None or index.rows is None or is_whole(index, target.need_vectors().column):
        return target.table.rows
    return index.rows


def _run(db: Database, found: Found, vector: object) -> Result:
    query = build(found.search, found.target, found.scan, vector)
    rows = db.run(query)
    costs.observe(db, found, rows.seconds)
    found = _with_words(db, Found(found.search, found.target, found.scan), rows)
    columns = (*found.target.columns, *(found.target.names[ours] for ours in found.ours))
    values = [_row(found, row) for row in rows.rows]
    undefined = sum(row[-1] != row[-1] for row in rows.rows) if found.search.mode == "vector" else 0
    return Result(db, query, columns, values, rows.seconds, notes(found, rows.notices, undefined), found)


def _with_words(db: Database, found: Found, rows: Rows) -> Found:
    """Add what the statement told of its legs; for words that found nothing, ask why."""
    if found.search.mode == "hybrid" and rows.rows:
        *_, words, words_found, leg = rows.rows[0]
        return replace(found, words=words, words_found=words_found, leg=leg)
    if found.search.mode == "keyword" and rows.rows:
        *_, words, words_found = rows.rows[0]
        return replace(found, words=words, words_found=words_found)
    if found.search.mode == "keyword" and not found.search.offset:
        asked = db.run(keyword.words_left(found.search.text or "", found.target))
        return replace(found, words="no words" if asked.rows[0][0] else "none")
    return found


def _row(found: Found, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of the statement as the result has it: our columns at its end, None for a distance that does not exist."""
    if found.search.mode == "keyword":
        return (*row[:-3], None, row[-3])
    if found.search.mode == "hybrid":
        ours = len(row) - 3 - len(found.ours)
        return (*row[:ours], *(None if value != value else value for value in row[ours:-3]))
    distance = row[-1]
    if distance != distance:  # NaN
        return (*row[:-1], None, None)
    return (*row, found.target.need_vectors().metric.score(distance))
