"""What is there, for people to read: the connection, its vector tables, one table in detail."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import catalog, render
from . import db as connected
from .catalog import TableInfo, VectorColumn, VectorIndex
from .db import Database, frames

if TYPE_CHECKING:
    import pandas as pd

Row = tuple[object, ...]
HINT_NO_TABLES = "no table here has a vector column yet: %vload docs sample:pydocs makes one"


class _Shown(ABC):
    """Shows itself as a grid in every front end."""

    __slots__ = ()

    @abstractmethod
    def _grid(self) -> render.Grid:
        """What is shown."""

    def __repr__(self) -> str:
        return render.text(self._grid())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        grid = self._grid()
        return {"text/html": render.html(grid), "text/plain": render.text(grid)}


@dataclass(frozen=True, slots=True, repr=False)
class Tables(_Shown):
    """The tables that have a vector column."""

    infos: tuple[TableInfo, ...]
    facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[TableInfo]:
        return iter(self.infos)

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, at: int) -> TableInfo:
        return self.infos[at]

    @property
    def df(self) -> pd.DataFrame:
        """One row a vector column."""
        grid = self._grid()
        return frames.frame(grid.rows, grid.columns)

    def _grid(self) -> render.Grid:
        columns = ("table", "rows (about)", "vector column", "type", "model", "vector indexes", "text index", "size")
        rows = [_row(info, vector) for info in self.infos for vector in info.vectors]
        facts = self.facts or (f"{len(self.infos)} tables with vectors",)
        notes = (*self.notes, *(() if rows else (HINT_NO_TABLES,)))
        return render.Grid(columns, rows, caption=facts, notes=notes, counts=frozenset(["rows (about)"]))


@dataclass(frozen=True, slots=True, repr=False)
class Connections(_Shown):
    """The open connections, the oldest first."""

    databases: tuple[Database, ...]
    current: str | None

    def _grid(self) -> render.Grid:
        rows = [(db.name, "in use" if db.name == self.current else "", ", ".join(_access(db))) for db in self.databases]
        notes = () if rows else ("no connection is open: %vconnect opens one",)
        return render.Grid(("name", "current", "access"), rows, caption=("connections",), notes=notes)


@dataclass(frozen=True, slots=True, repr=False)
class TableDetail(_Shown):
    """One table: its columns, what each is for, and the indexes on it."""

    info: TableInfo

    def _grid(self) -> render.Grid:
        info = self.info
        rows = [(column.name, column.type, _use_of(info, column.name)) for column in info.columns]
        guarded = ("row security",) if info.row_security else ()
        rows_there = f"about {_count(info.rows)} rows"
        facts = (f"{info.schema}.{info.name}", info.kind, rows_there, render.bytes_text(info.bytes), *guarded)
        rows += [(index.name, "index", _described(index)) for index in info.indexes]
        return render.Grid(("name", "type", "used as"), rows, caption=facts)


def tables(db: Database) -> Tables:
    """Return every table and view with a vector column that this role may read."""
    return Tables(catalog.tables(db))


def connection(db: Database, notes: tuple[str, ...] = ()) -> Tables:
    """Return the tables of a connection under what it is connected to, and above what a person should read."""
    able = catalog.capabilities(db)
    facts = (
        f"connected to {db.name}",
        f"PostgreSQL {able.server_version}",
        f"pgvector {able.vector_version}",
        *_access(db),
    )
    return Tables(catalog.tables(db), facts, (*notes, *_unguarded(db)))


def connections() -> Connections:
    """Return the open connections."""
    names = connected.names()
    return Connections(tuple(connected.get(name) for name in names), connected.current().name if names else None)


def detail(db: Database, name: str) -> TableDetail:
    """Return one table in detail; UsageError when there is none by that name."""
    return TableDetail(catalog.table(db, name))


def _access(db: Database) -> Iterator[str]:
    """Tell what a connection may do, and as whom."""
    yield "read-only" if db.readonly else "read and write"
    if db.acts_as:
        yield f"as {db.acts_as}"


def _unguarded(db: Database) -> Iterator[str]:
    """Tell of policies that were meant to hold and do not."""
    if db.acts_as and (names := catalog.unguarded(db)):
        yield (
            f"row security is passed by, and all rows are seen, in {', '.join(names)}: its owner, superusers and roles "
            "with BYPASSRLS are above it. Take another role, or ALTER TABLE … FORCE ROW LEVEL SECURITY for its owner"
        )


def _row(info: TableInfo, vector: VectorColumn) -> Row:
    indexes = [
        f"{i.method} {i.metric or ''}{_form(i)}{_invalid(i.valid)}" for i in info.indexes if i.column == vector.name
    ]
    texts = [source.language for source in info.texts if source.indexed]
    return (
        info.sql_name,
        info.rows,
        vector.name,
        _type(vector),
        vector.embedder or "not remembered",
        ", ".join(indexes) or "none",
        ", ".join(texts) or "none",
        render.bytes_text(info.bytes),
    )


def _use_of(info: TableInfo, name: str) -> str:
    uses = ["key"] if name in info.key else []
    uses += [
        f"vectors of {v.embedder or 'a model not remembered'}, {v.dimensions or '?'} dimensions"
        for v in info.vectors
        if v.name == name
    ]
    uses += ["text"] if name == info.text_column else []
    uses += [
        f"words in {source.language}{'' if source.indexed else ', no index'}"
        for source in info.texts
        if source.expression.strip('"') == name
    ]
    return ", ".join(uses)


def _described(index: VectorIndex) -> str:
    options = f" with {', '.join(index.options)}" if index.options else ""
    where = f" where {index.where}" if index.where else ""
    metric = f" by {index.metric}" if index.metric else ""
    on, size = index.column or "an expression", render.bytes_text(index.bytes)
    return f"{index.method} on {on}{_form(index)}{metric}{options}{where}, {size}{_invalid(index.valid)}"


def _form(index: VectorIndex) -> str:
    """How the vectors stand in an index, where that is not as they are."""
    if index.form == "subvector":
        return f" as the first {index.dimensions} dimensions"
    return "" if index.form == "vector" else f" as {index.form}"


def _type(vector: VectorColumn) -> str:
    return f"{vector.type}({vector.dimensions})" if vector.dimensions else vector.type


def _invalid(valid: bool) -> str:
    return "" if valid else " (INVALID: drop and rebuild it)"


def _count(rows: int | None) -> str:
    return "an unknown number of" if rows is None else f"{rows:,}"
