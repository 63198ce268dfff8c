"""The verbs: what is wrong beforehand is said beforehand, then the build begins."""

from __future__ import annotations

import dataclasses

from .. import catalog
from ..catalog import TableInfo, VectorIndex
from ..cell import quoted
from ..db import Database
from ..errors import UsageError
from ..index import IndexSpec, read_spec
from ..query import Query
from ..sqltext import quote_qualified
from . import leftover
from .checks import check_alone, check_column, check_owner, check_rights, vector_columns
from .facts import read
from .running import Build, Job
from .settings import chosen

_LONGEST_NAME = 63  # bytes of a name in Postgres
_NAMES = """
SELECT c.relname::text, pg_get_indexdef(c.oid) FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND starts_with(c.relname, %(name)s)"""


def build(
    db: Database,
    spec: IndexSpec,
    *,
    concurrently: bool = False,
    memory: int | str | None = None,
    workers: int | None = None,
) -> Build:
    """Begin to build an index on a connection of its own; the ``Build`` tells its progress, and its report in the end.

    ``concurrently`` lets others write meanwhile. ``memory``, bytes or ``"2GB"``, and ``workers`` are chosen so that the
    build does not spill where the machine can spare that. Raises UsageError for what cannot succeed: no rights, a name
    in use, another type or dimension than the column's, fewer rows than lists, too little memory, /dev/shm or disk.
    """
    leftover.sweep(db)
    check_alone(db, concurrently)
    info = catalog.table(db, f"{spec.schema}.{spec.table}")
    check_column(info, spec)
    spec = dataclasses.replace(spec, extension=info.extension_schema)
    facts = read(db, spec)
    check_rights(db, info, facts, spec, concurrently)
    settings = chosen(spec, facts, memory, workers)
    spec = _named(db, spec)
    assert spec.name is not None, "it was named"
    known = tuple(left.oid for left in leftover.invalid(db, spec.schema, facts.table.oid))
    statement = spec.sql(concurrently=concurrently)
    return Build(db, Job(statement, spec.schema, spec.name, spec, facts, settings, concurrently, known))


def reindex(
    db: Database, table: str, name: str | None = None, *, memory: int | str | None = None, workers: int | None = None
) -> Build:
    """Begin to rebuild a vector index while it is used, CONCURRENTLY; else as ``build``."""
    leftover.sweep(db)
    check_alone(db, True)
    catalog.changed(db, table)  # indexes that others made a moment ago count as well
    info = catalog.table(db, table)
    index = find(info, name)
    spec = read_spec(index.definition, info.schema, info.name, info.extension_schema, vector_columns(info))
    facts = read(db, spec)
    check_owner(facts, spec)
    settings = chosen(spec, facts, memory, workers)
    known = tuple(left.oid for left in leftover.invalid(db, info.schema, facts.table.oid))
    statement = f"REINDEX INDEX CONCURRENTLY {quote_qualified(info.schema, index.name)}"
    return Build(db, Job(statement, info.schema, index.name, spec, facts, settings, True, known))


def find(info: TableInfo, name: str | None) -> VectorIndex:
    """Return the table's vector index of that name, or its only one; UsageError that lists them."""
    found = [index for index in info.indexes if name in (None, index.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(index.name for index in info.indexes)
    if not names:
        raise UsageError(f"{info.label} has no vector index", f"%vindex build {quoted(info.label)} makes one")
    told = f"{info.label} has several vector indexes" if name is None else f"{info.label} has no vector index {name!r}"
    raise UsageError(told, f"name one with --name: {names}")


def _named(db: Database, spec: IndexSpec) -> IndexSpec:
    """Return the spec with a name that is free; UsageError when the one that was asked for is not."""
    wanted = spec.name or _usual_name(spec)
    if len(wanted.encode()) > _LONGEST_NAME:
        raise UsageError(f"the name {wanted} has more than the {_LONGEST_NAME} bytes that Postgres keeps of one")
    found = dict(db.run(Query(_NAMES, {"schema": spec.schema, "name": wanted}, reads=True)).rows)
    if spec.name is not None:
        if spec.name in found:
            what = found[spec.name] or "it is no index"
            raise UsageError(f"there is a {spec.name} already: {what}", "take another name, or drop it first")
        return spec
    free = next(name for n in range(len(found) + 1) if (name := f"{wanted}{n or ''}") not in found)
    return dataclasses.replace(spec, name=free)


def _usual_name(spec: IndexSpec) -> str:
    """Return ``table_column_idx`` as Postgres would, cut so that a number fits behind it."""
    form = "" if spec.form == "vector" else f"_{spec.form}"
    end = f"{form}_idx"
    whole = f"{spec.table}_{spec.column}".encode()[: _LONGEST_NAME - len(end) - 3]
    return whole.decode(errors="ignore") + end
