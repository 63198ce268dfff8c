"""What a check-up stands on; a part that this role, or this server, does not show is the reason why, as a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..catalog import TableInfo, VectorIndex
from ..index import IndexSpec


@dataclass(frozen=True, slots=True)
class Server:
    """The server; memory in bytes, ``extensions`` name -> schema, ``offered`` those that could be created.

    ``memory_from`` tells who set maintenance_work_mem, ``on_disk`` is the version of pgvector's files, ``since`` the
    day on which counting began where somebody reset it, ``sticking`` pgvector's settings that were SET in this session.
    """

    database: str
    role: str
    wide: bool
    on_disk: str | None
    extensions: Mapping[str, str]
    offered: Sequence[str]
    buffers: int
    cache: int
    memory: int
    memory_from: str
    workers: int
    autovacuum: bool
    scale: float
    threshold: int
    reads_stats: bool
    sticking: Mapping[str, str]
    since: str | None
    updatable: bool


@dataclass(frozen=True, slots=True)
class Heap:
    """A table, or a part of one, as it is counted: ``tuples`` by the planner, the others by the statistics.

    ``vacuum_ms`` is the time of all ``vacuums``, None before PostgreSQL 18; ``vacuum_now`` the phase of one that runs,
    ``vacuum_seconds`` for how long where that may be seen. ``tended`` and ``scale`` are the table's own settings of
    autovacuum; ``counted`` and ``told`` whether the planner and the statistics know of an ANALYZE or VACUUM;
    ``computed`` are the columns that the server makes from others.
    """

    at: int
    oid: int
    schema: str
    name: str
    pages: int
    tuples: int
    bytes: int
    live: int
    dead: int
    inserted: int
    changed: int
    vacuums: int
    vacuum_ms: float | None
    vacuum_now: str | None
    vacuum_seconds: float | None
    counted: bool
    told: bool
    tended: bool | None
    scale: float | None
    computed: Sequence[str]

    @property
    def rows(self) -> int:
        """How many rows there are, about.

        Each of two counts may be too high: the planner's follows the pages, which updates and deletes leave, and that
        of the statistics has rows twice that were analyzed before it heard of them. Statistics that began anew after
        the table was analyzed know only the rows since.
        """
        planned = round(self.tuples * self.bytes / 8192 / self.pages) if self.pages else None
        if planned is None or not self.counted:
            return self.live
        return min(self.live, planned) if self.told else planned


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a table or of a part of it; ``root`` is the index of the whole, ``whole`` one that has parts.

    ``age`` is how many transactions ago it was built, ``keeps`` tells whether a constraint stands on it.
    """

    at: int
    heap: int
    schema: str
    name: str
    root: str
    whole: bool
    method: str
    valid: bool
    keeps: bool
    definition: str
    key: str
    opclass: str | None
    only: str | None
    tuples: int
    bytes: int
    scans: int
    used: str | None
    hit: int
    read: int
    age: int
    building: bool

    @property
    def serves(self) -> tuple[object, ...]:
        """What two indexes have in common that answer the same queries."""
        is_of_vectors = self.method in ("hnsw", "ivfflat")
        what = self.key if is_of_vectors else self.definition.partition(" USING ")[2]
        return (self.heap, is_of_vectors or self.method, what, self.opclass, self.only)


@dataclass(frozen=True, slots=True)
class Sample:
    """Of ``rows`` that were looked at ``vectors`` have one; ``zeros`` of these are all zeros, ``copies`` the same.

    The others are ``least`` to ``most`` long; these, and zeros, are None for bits. ``non_zero`` is the mean count of a
    sparsevec's numbers.
    """

    rows: int
    vectors: int
    zeros: int | None
    least: float | None
    most: float | None
    copies: int
    non_zero: float | None


@dataclass(frozen=True, slots=True)
class Array:
    """A column whose values look like vectors and are none: its type, and how many numbers each has."""

    column: str
    type: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class Session:
    """Another session of this database; seconds, ``state`` None where this role may not see it.

    ``open`` is how old its transaction is, ``idle`` for how long its state has been, ``waits`` for a lock of the
    processes ``held_by``; ``keeps`` tells whether it keeps rows that were deleted.
    """

    pid: int
    role: str
    state: str | None
    open: float | None
    idle: float | None
    waits: float | None
    held_by: Sequence[int]
    keeps: bool
    started: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of pg_stat_statements, its constants as ``$1``; times in ms, ``blocks`` the pages of all calls."""

    text: str
    calls: int
    rows: int
    mean_ms: float
    blocks: int

    @property
    def is_hidden(self) -> bool:
        """Whether it is another role's, whose text this one may not read."""
        return self.text.startswith("<insufficient")


@dataclass(frozen=True, slots=True)
class Place:
    """The server and what goes on there. ``holders`` are (what, seconds, SQL that ends it)."""

    server: Server
    vector: tuple[int, ...] | None
    pooled: bool
    sessions: tuple[Session, ...] | str
    holders: tuple[tuple[str, float | None, str], ...]
    statements: tuple[Statement, ...] | str
    buffered: Mapping[tuple[str, str], int] | str


@dataclass(frozen=True, slots=True)
class Table:
    """One table with its parts and indexes; ``samples`` and ``arrays`` by column, ``drift`` by index.

    ``drift`` is (rows looked at, those of them that came after the index was built), ``tenants`` are (column, values,
    shares, how many kinds as the planner counts them) where there are columns that look like it,
    ``dead`` the (rows, dead rows) of parts by oid, where pgstattuple tells.
    """

    info: TableInfo
    heaps: tuple[Heap, ...] | str
    indexes: tuple[Index, ...] | str
    samples: Mapping[str, Sample | str] = field(default_factory=dict)
    drift: Mapping[str, tuple[int, int] | str] = field(default_factory=dict)
    dead: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    arrays: tuple[Array, ...] = ()
    tenants: tuple[tuple[str, Sequence[str], Sequence[float], float], ...] | str = ()
    specs: Mapping[str, IndexSpec] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name as people write it."""
        return self.info.label

    @property
    def rows(self) -> int:
        """How many rows it has in all, about."""
        if isinstance(self.heaps, str):
            return self.info.rows or 0
        return sum(heap.rows for heap in self.heaps)

    @property
    def largest(self) -> int:
        """The rows of its largest part."""
        return self.rows if isinstance(self.heaps, str) else max((heap.rows for heap in self.heaps), default=0)

    @property
    def is_parted(self) -> bool:
        """Whether it is partitioned, of which no index is built CONCURRENTLY."""
        return self.info.kind == "partitioned table"

    def is_made(self, column: str) -> bool:
        """Whether nobody can change the values of a column, but for those that they are made from."""
        heaps = () if isinstance(self.heaps, str) else self.heaps
        return self.info.kind == "materialized view" or any(column in heap.computed for heap in heaps)

    def parts(self, index: VectorIndex) -> list[Index]:
        """Return an index as it lies on disk: itself, or those of the parts."""
        found = () if isinstance(self.indexes, str) else self.indexes
        return [each for each in found if each.root == index.name and not each.whole]

    def ours(self, column: str) -> list[VectorIndex]:
        """Return the indexes of a vector column that Postgres uses, also those over an expression of it."""
        return [index for index in self.info.indexes if index.valid and self.column(index) == column]

    def column(self, index: VectorIndex) -> str | None:
        """Return the vector column that an index is on."""
        return index.column or (self.specs[index.name].column if index.name in self.specs else None)
