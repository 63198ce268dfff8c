"""The verb: a request, one message, a result that says when rows are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .. import catalog, embed
from ..catalog import Capabilities
from ..db import Database, Rows
from ..errors import QueryError, UsageError, did_you_mean
from ..query import Query, Scan, Search, build, choose_scan
from ..query.target import HYBRID_COLUMNS, Target, find_target, ident
from .result import Found, Result
from .shortage import complete

# What a statement meets when the table is not what it was a moment ago: no such table, column, operator; dimensions.
CHANGED = {"42P01", "42703", "42883", "22000", "0A000"}


def search(db: Database, table: str | Search, text: str | None = None, **options: Any) -> Result:
    """Search a table and return its best rows.

    Every option of ``%%vsearch`` is a keyword, with ``_`` for ``-``; ``vector`` is a 1-d array or list of floats, and
    ``params`` gives the values of ``:name`` in ``where``. Raises UsageError, QueryError, EmbedError.
    """
    wanted = table if isinstance(table, Search) else request(table, text, **options)
    try:
        return _search(db, wanted)
    except QueryError as error:
        if error.sqlstate not in CHANGED:
            raise
        catalog.forget(db)
        return _search(db, wanted)


def dry_run(db: Database, table: str | Search, text: str | None = None, **options: Any) -> Query:
    """Return the message that a search would send, without running it (a text is embedded, a filter is estimated)."""
    wanted = table if isinstance(table, Search) else request(table, text, **options)
    found, vector = _prepare(db, wanted)
    return build(found.search, found.target, found.scan, vector)


def request(table: str, text: str | None = None, **options: Any) -> Search:
    """Return the request that keywords describe; UsageError for one that does not exist."""
    given = {"exact": False, "set": {}, **options}
    if given.pop("exact"):
        given["strategy"] = "exact"
    given["settings"] = tuple((name, str(value)) for name, value in given.pop("set").items())
    known = {field.name for field in fields(Search)}
    for name in given.keys() - known:
        raise UsageError(
            f"search() has no option {name!r}", did_you_mean(name, {*known, "exact", "set"} - {"settings"})
        )
    for name in ("where", "similar_to", "columns"):
        given[name] = _several(given.get(name, ()))
    return Search(table=table, text=text, **given)


def _several(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _search(db: Database, wanted: Search) -> Result:
    found, vector = _prepare(db, wanted)
    query = build(found.search, found.target, found.scan, vector)
    result = _result(db, found, query, db.run(query))
    if len(result) == wanted.k:
        return result
    return complete(result, lambda search, scan: _again(db, found.target, search, scan, vector))


def _prepare(db: Database, search: Search) -> tuple[Found, object]:
    able = catalog.capabilities(db)
    if able.vector is None:
        raise UsageError(f"pgvector is not installed in {db.name}", "run CREATE EXTENSION vector in it")
    if search.language is not None and search.language not in able.languages:
        raise UsageError(f"no text search language {search.language!r}", did_you_mean(search.language, able.languages))
    target = find_target(search, catalog.table(db, search.table))
    vector = None if search.mode == "keyword" else _query_vector(db, search, target)
    return Found(search, target, _scan(db, search, target, able)), vector


def _scan(db: Database, search: Search, target: Target, able: Capabilities) -> Scan:
    asks = search.where and search.strategy == "auto" and not search.as_is and target.index and search.mode != "keyword"
    matching = catalog.matching_rows(db, target.relation, list(search.where), search.params) if asks else None
    return choose_scan(search, target.index, able.vector or (), able.in_force, matching)


def _again(db: Database, target: Target, search: Search, scan: Scan, vector: object) -> Result:
    query = build(search, target, scan, vector)
    return _result(db, Found(search, target, scan), query, db.run(query))


def _query_vector(db: Database, search: Search, target: Target) -> object:
    if search.similar_to:
        return _vector_of_rows(db, search, target)
    if search.vector is not None:
        return _given_vector(search.vector, target)
    if target.column.embedder is None:
        raise UsageError(
            f"no model is remembered for {target.table.name}.{target.column.name}",
            f"if you know it: COMMENT ON COLUMN {target.table.sql_name}.{target.column.name} IS"
            " 'pgvec: embedder=wordllama' (with the model's name), or give --vector",
        )
    model = embed.get(target.column.embedder)
    return _given_vector(model.embed([search.text or ""], role="query")[0], target)


def _given_vector(vector: Any, target: Target) -> object:
    import numpy as np

    try:
        array = np.asarray(vector.to_list() if hasattr(vector, "to_list") else vector, dtype=np.float32)
    except (TypeError, ValueError):
        raise UsageError(f"a query vector is a list or array of numbers, not {type(vector).__name__}") from None
    if array.ndim != 1:
        raise UsageError(f"a query vector has one dimension, this has shape {array.shape}")
    if not np.isfinite(array).all():
        raise UsageError("the query vector holds NaN or infinity")
    expected = target.column.dimensions
    if expected is not None and len(array) != expected:
        raise UsageError(
            f"the query vector has {len(array)} dimensions, {target.table.name}.{target.column.name} has {expected}",
            "it is from another model than the column's",
        )
    return array


def _vector_of_rows(db: Database, search: Search, target: Target) -> object:
    """The mean of the vectors of the rows searched from."""
    import numpy as np

    key = target.table.key
    if len(key) != 1 or key == ("ctid",):
        raise UsageError(f"--similar-to needs a table with a key of one column, {target.table.name} has none")
    name = target.keys[0]
    rows = db.run(
        Query(
            f"SELECT {name}::text, {ident(target.column.name)} FROM {target.relation} WHERE {name} = ANY(%(ids)s)",
            {"ids": list(search.similar_to)},
            reads=True,
        )
    ).rows
    vectors = [vector for _, vector in rows if vector is not None]
    missing = {str(i) for i in search.similar_to} - {i for i, vector in rows if vector is not None}
    if missing:
        raise UsageError(f"{target.table.name} has no row with a vector under {key[0]} {', '.join(sorted(missing))}")
    return np.mean(vectors, axis=0, dtype=np.float32)


def _result(db: Database, found: Found, query: Query, rows: Rows) -> Result:
    names, mode = found.target.names, found.search.mode
    ours = ("distance", "score", *(HYBRID_COLUMNS if mode == "hybrid" else ()))
    columns = (*found.target.columns, *(names[name] for name in ours))
    notes = [*rows.notices, *_renamed(names)]
    if mode == "vector":
        score = found.target.metric.score
        values = [(*row, score(row[-1])) for row in rows.rows]
    else:
        notes += _words_note(rows)
        values = [row[:-1] if mode == "hybrid" else (*row[:-2], None, row[-2]) for row in rows.rows]
    return Result(db, query, columns, values, rows.seconds, tuple(notes), found)


def _renamed(names: Mapping[str, str]) -> list[str]:
    return [f"the table has its own column {ours!r}: ours is {name!r}" for ours, name in names.items() if ours != name]


def _words_note(rows: Rows) -> list[str]:
    matched = rows.rows[0][-1] if rows.rows else None
    if matched == "any":
        return ["no row has all the words: the keyword leg took rows with any of them"]
    if matched == "none":
        return ["the text holds only stop words, so the keyword leg finds nothing"]
    return []
