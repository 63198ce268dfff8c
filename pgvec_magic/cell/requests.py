"""What each magic asks for, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..query import Search


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """What ``%vconnect`` asks for; ``source`` is a DSN, a connection's name or an object, and may hold a password."""

    source: object = field(default=None, repr=False)
    name: str | None = None
    readonly: bool = False
    role: str | None = None
    session: tuple[tuple[str, str], ...] = ()
    create_extension: bool = False
    timeout: float | None = None
    list: bool = False
    close: str | None = None


@dataclass(frozen=True, slots=True)
class TablesRequest:
    """What ``%vtables`` asks for: one table, or all."""

    table: str | None = None
    connection: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What ``%vload`` asks for: what goes where, and the keywords of load() that the line gives.

    ``source`` is ``sample:NAME``, a path or a variable's value.
    """

    table: str
    source: object = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    connection: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """What ``%vembed`` asks for: the table, and the keywords of embed_table() that the line gives."""

    table: str
    options: Mapping[str, Any] = field(default_factory=dict)
    connection: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """What ``%vrecall`` asks for: the table, the keywords of recall() in the line, and where to apply the result."""

    table: str
    options: Mapping[str, Any] = field(default_factory=dict)
    apply: str | None = None
    connection: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class HealthRequest:
    """What ``%vhealth`` asks for: one table, or all, and whether to mend what is not well."""

    table: str | None = None
    fix: bool = False
    connection: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What ``%vsearch`` asks for: the search, and what becomes of it."""

    search: Search
    connection: str | None = None
    output: str | None = None
    dry_run: bool = False
    plot: bool = False
    explain: bool = False
    prove: bool = False
    compare: bool = False


@dataclass(frozen=True, slots=True)
class SqlRequest:
    """What ``%%vsql`` asks for: the SQL as it is written, and keywords of sql().

    In ``options``, ``params`` holds the variables that the SQL names, ``query`` the text whose vector is ``:query``.
    """

    text: str
    options: Mapping[str, Any] = field(default_factory=dict)
    connection: str | None = None
    output: str | None = None
    explain: bool = False
    prove: bool = False


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What ``%%vplan`` asks for: what EXPLAIN printed."""

    text: str
    output: str | None = None


@dataclass(frozen=True, slots=True)
class PanelRequest:
    """What ``%vpanel`` asks for: which panel, and the table's name or the value that it is about."""

    panel: str
    about: object = None
    connection: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """What ``%vindex`` asks for: ``word`` is what to do with the table's indexes, ``options`` what the line gives.

    Without a word it is ``both``: list and advise.
    """

    word: str
    table: str
    options: Mapping[str, Any] = field(default_factory=dict)
    background: bool = False
    connection: str | None = None
    output: str | None = None
