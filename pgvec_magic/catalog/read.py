"""Reading the catalog, and remembering what was read for a moment."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..db import Database, Rows
from ..errors import QueryError, UsageError, did_you_mean
from ..query import Query
from ..sqltext import bind, placeholders
from . import sql
from .assemble import table_info
from .holders import LOCKED, locked
from .table import TableInfo

# Changes made through us are noticed at once, and so is anything that makes a statement fail; what others change
# silently, such as a new index, is noticed after this many seconds.
FRESH_SECONDS = 5.0
# Behind the lock of somebody else nobody waits without a word.
_PATIENCE_MS = "3000"
# What is remembered of a connection and not read from the catalog.
_KEPT = ("embedders", "searches", "filters")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the server can do; ``vector`` is pgvector's version, None where the extension was not created."""

    server: int
    vector: tuple[int, ...] | None
    languages: tuple[str, ...]
    in_force: Mapping[str, str]

    @property
    def server_version(self) -> str:
        """The version as people write it, such as ``18.6``."""
        return f"{self.server // 10000}.{self.server % 10000}"

    @property
    def vector_version(self) -> str:
        """Pgvector's version as people write it, or ``not installed``."""
        return ".".join(map(str, self.vector)) if self.vector else "not installed"


def table(db: Database, name: str) -> TableInfo:
    """Return a table by ``name`` or ``schema.name``, from the cache when read lately; UsageError when there is none."""
    known: TableInfo | None
    read_at, known = db.cache.get(_place(name), (0.0, None))
    if known is None or time.monotonic() - read_at > FRESH_SECONDS:
        known = _read_table(db, name)
        db.cache[_place(name)] = (time.monotonic(), known)
    return known


def tables(db: Database) -> tuple[TableInfo, ...]:
    """Return every table and view with a vector column that this role may read, those on the search path first."""
    rows = _looked(db, Query(sql.TABLES.format(which=sql.WITH_VECTORS)))
    infos = (table_info(row, _told(db)) for row in _dicts(rows))
    return tuple(info for info in infos if info.vectors)


def capabilities(db: Database) -> Capabilities:
    """Return versions, text search languages and the settings in force in this session."""
    known: Capabilities | None = db.cache.get("capabilities")
    if known is None or known.vector is None:  # anybody may create the extension meanwhile
        known = _read_capabilities(db)
        db.cache["capabilities"] = known
    return known


def changed(db: Database, name: str) -> bool:
    """Read a table anew, and return whether it is not as it was last read; UsageError when it is gone."""
    _, before = db.cache.pop(_place(name), (0.0, None))
    return before is not None and _shape(table(db, name)) != _shape(before)


def forget(db: Database) -> None:
    """Read everything anew at the next use; for those who change tables, indexes or settings."""
    kept = {name: value for name, value in list(db.cache.items()) if name in _KEPT}  # a build forgets meanwhile as well
    db.cache.clear()
    db.cache |= kept


def matching_rows(db: Database, relation: str, conditions: list[str], params: Mapping[str, object]) -> int:
    """Return the planner's estimate of the rows that conditions, and policies, leave; one EXPLAIN, nothing is run.

    ``relation`` is SQL as in a ``Query``, with every ``%`` doubled. The last answer is remembered for a moment.
    """
    where = " AND ".join(f"(\n{bind(text, params.keys())}\n)" for text in conditions) or "true"
    used = {name: params[name] for text in conditions for name in placeholders(text)}
    # Of a long array its ends tell, which is enough for an estimate.
    asked = f"{relation} {where} {used}"
    read_at, known, rows = db.cache.get("matching rows", (0.0, "", 0))
    if known != asked or time.monotonic() - read_at > FRESH_SECONDS:
        plan = db.run(Query(f"EXPLAIN (FORMAT JSON) SELECT FROM {relation} WHERE {where}", used, reads=True))
        rows = int(plan.rows[0][0][0]["Plan"]["Plan Rows"])
        db.cache["matching rows"] = (time.monotonic(), asked, rows)
    return int(rows)


def _place(name: str) -> str:
    """Where a table of this name stands in the cache."""
    return f"table {name}"


def _told(db: Database) -> dict[tuple[str, str, str], str]:
    """The models of columns on which this role may not comment."""
    told: dict[tuple[str, str, str], str] = db.cache.setdefault("embedders", {})
    return told


def _shape(info: TableInfo) -> TableInfo:
    """A table without what changes as rows come and go."""
    columns = tuple(replace(column, avg_width=0) for column in info.columns)
    indexes = tuple(replace(index, bytes=0, rows=None) for index in info.indexes)
    return replace(info, rows=None, bytes=0, columns=columns, indexes=indexes)


def _read_table(db: Database, name: str) -> TableInfo:
    dots = [match.end() for match in re.finditer(r"\.", name)]
    params = {"name": name, "endings": [name, *(name[dot:] for dot in dots)]}
    found = _dicts(_looked(db, Query(sql.TABLES.format(which=sql.BY_NAME), params), name))
    if not found:
        known = [info.label for info in tables(db)]
        hint = did_you_mean(name, known) or "no table here has a vector column: %vload TABLE SOURCE makes one"
        raise UsageError(f"no table {name!r} in {db.name}", hint)
    info = table_info(found[0], _told(db))
    if not info.text_is_unclear:
        return info
    widths = db.run(Query(sql.WIDTHS, {"schema": info.schema, "name": info.name}, reads=True))
    return table_info(found[0], _told(db), dict(widths.rows))


def _looked(db: Database, query: Query, name: str | None = None) -> Rows:
    """Run a look at tables, which asks for their sizes; QueryError with who has locked one for long."""
    try:
        return db.run(replace(query, settings=(("lock_timeout", _PATIENCE_MS),), reads=True))
    except QueryError as error:
        raise (locked(db, name, error) if error.sqlstate == LOCKED else error) from None


def _read_capabilities(db: Database) -> Capabilities:
    row = _dicts(db.run(Query(sql.CAPABILITIES, reads=True)))[0]
    if row["vector"] is None:
        return Capabilities(row["server"], None, tuple(row["languages"]), {})
    db.run(Query(sql.LOAD_VECTOR.format(schema=row["schema"].replace("%", "%%")), reads=True))
    in_force = db.run(Query(sql.IN_FORCE, reads=True))
    version = tuple(int(part) for part in re.findall(r"\d+", row["vector"]))
    known = {name: value for name, value in in_force.rows if value is not None}
    return Capabilities(row["server"], version, tuple(row["languages"]), known)


def _dicts(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]
