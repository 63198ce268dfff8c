"""The ten of the production checklist, but for those that statistics of statements and of upkeep tell (3, 4, 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..build.settings import shown
from ..catalog import VectorColumn
from ..index import IndexSpec, build_memory, fitting_rows, index_bytes
from ..sqltext import quote_ident, quote_literal, quote_qualified
from .check import DECISION, RESTART, TYPED, Check, grey
from .facts import Array, Place, Sample, Table
from .making import statement, typed, wanted

# Rows up to which a search that reads all of them takes some 20 ms, and from which on it is unbearable.
SMALL, LARGE = 10_000, 100_000
# IVFFlat forgets nothing and learns nothing: how much of a table may change before its lists are of another table.
_STATIC = 0.2
# A tenant merits an index of its own between these shares of the rows; above, the whole index serves it as well.
_TENANT, _MOST_TENANTS = (0.05, 0.6), 3
_RECALL, _GROWN = 0.9, 1.5
_MEASURES = "%vrecall {} --index {} --apply index"
_IN_PYTHON = 'pv.recall(pv.current(), {}, index={}).apply("index")'
_MEASURES_SOME = "%vrecall {} --index {} --where {}"
_SOME_IN_PYTHON = "pv.recall(pv.current(), {}, index={}, where={})"


def approximate(table: Table, place: Place) -> Iterator[Check]:
    """1: HNSW, unless the table is static and memory short."""
    for column in table.info.vectors:
        on = f"{table.label}.{column.name}"
        whole = [index for index in table.ours(column.name) if index.where is None]
        if graphs := [index.name for index in whole if index.method == "hnsw"]:
            yield Check(1, on, "green", graphs[0], "HNSW serves this column")
        elif any(index.method == "ivfflat" for index in whole):
            yield _lists(table, column, on)
        elif whole:
            yield Check(1, on, "green", whole[0].method, "an index of another extension serves this column")
        else:
            yield _none(table, column, on)


def _none(table: Table, column: VectorColumn, on: str) -> Check:
    rows = f"{table.rows:,} rows"
    if table.rows < SMALL:
        return Check(1, on, "green", rows, "no index of all its rows, and so few are read whole as fast")
    if column.dimensions is None:
        return grey(1, on, "the column has no dimensions, which an index needs: see 9", rows)
    spec = wanted(table, column)
    if spec is None:
        return grey(1, on, f"no index takes {column.dimensions:,} dimensions of {column.type}", rows)
    state = "red" if table.rows >= LARGE else "amber"
    size = shown(index_bytes(spec, table.rows, _non_zero(table, column.name)))
    form = "" if spec.form == "vector" else f", as {spec.form} because of its {column.dimensions:,} dimensions"
    partial = any(index.where is not None for index in table.ours(column.name))
    but = " outside of the conditions of its partial indexes" if partial else ""
    told = f"no valid index of all rows: every search{but} reads all {table.rows:,} rows"
    reason = f"{told}. HNSW would take about {size} on disk{form}"
    return Check(1, on, state, rows, reason, (statement(table, spec),), builds=spec)


def _lists(table: Table, column: VectorColumn, on: str) -> Check:
    changed = 0 if isinstance(table.heaps, str) else sum(heap.changed for heap in table.heaps)
    spec = wanted(table, column)
    if spec is None or changed < _STATIC * max(table.rows, 1):
        return Check(1, on, "green", "IVFFlat", "its table hardly changes, so its lists stay good")
    size = shown(index_bytes(spec, table.rows, _non_zero(table, column.name)))
    reason = (
        f"IVFFlat, whose lists are found once, and {changed:,} updates and deletes of {table.rows:,} rows since"
        f" counting began: HNSW follows them. It would take about {size}"
    )
    return Check(1, on, "amber", "IVFFlat", reason, (statement(table, spec),), DECISION, builds=spec)


def next_build(table: Table, place: Place) -> Iterator[Check]:
    """2: maintenance_work_mem against the next build, of the largest part; rebuilds are builds."""
    server = place.server
    for on, spec in _builds(table):
        rows, non_zero = table.largest, _non_zero(table, spec.column)
        needed = build_memory(spec, rows, workers=server.workers if spec.method == "hnsw" else 0, non_zero=non_zero)
        value = f"{shown(needed)} of {shown(server.memory)}"
        if needed <= server.memory:
            yield Check(2, on, "green", value, "the next build fits into maintenance_work_mem")
            continue
        enough = -(-needed * 11 // 10 // 1024**2)
        if spec.method == "ivfflat":
            told = f"to find its lists takes {shown(needed)}, and a plain build is refused"
        else:
            fits = fitting_rows(spec, server.memory, workers=server.workers, non_zero=non_zero)
            told = (
                f"a plain CREATE INDEX or REINDEX leaves its memory after about {fits:,} of {rows:,} rows, and is slow"
            )
        reason = f"{told}; %vindex build and reindex take what they need for themselves"
        yield Check(2, on, "amber", value, reason, _raised(place, f"maintenance_work_mem = '{enough}MB'"), RESTART)


def _raised(place: Place, setting: str) -> tuple[str, ...]:
    """Return what raises a setting for sessions to come, where it was set."""
    role, database = quote_ident(place.server.role), quote_ident(place.server.database)
    if place.server.memory_from == "database":
        return (f"ALTER DATABASE {database} SET {setting}",)
    if place.server.memory_from == "user":
        return (f"ALTER ROLE {role} SET {setting}",)
    if place.server.memory_from == "database user":
        return (f"ALTER ROLE {role} IN DATABASE {database} SET {setting}",)
    return (f"ALTER SYSTEM SET {setting}", "SELECT pg_reload_conf()")


def _builds(table: Table) -> Iterator[tuple[str, IndexSpec]]:
    for column in table.info.vectors:
        found = [table.specs[i.name] for i in table.info.indexes if i.name in table.specs]
        mine = [spec for spec in found if spec.column == column.name]
        if not mine and column.dimensions and table.rows >= SMALL and (spec := wanted(table, column)):
            mine = [spec]
        yield from ((spec.name or f"{table.label}.{column.name}", spec) for spec in mine)


def words(table: Table, place: Place) -> Iterator[Check]:
    """5: a GIN index on the text, for hybrid search."""
    info = table.info
    indexed = [source for source in info.texts if source.indexed]
    if indexed:
        yield Check(
            5, table.label, "green", indexed[0].method, f"words are found by an index, in {indexed[0].language}"
        )
    elif not info.texts:
        yield grey(5, table.label, "it has no column of text")
    elif table.rows < SMALL:
        yield Check(
            5, table.label, "green", f"{table.rows:,} rows", "no index of words, and so few rows are read whole"
        )
    else:
        how = "" if table.is_parted else "CONCURRENTLY "
        name = quote_qualified(info.schema, info.name)
        text = f"CREATE INDEX {how}ON {name} USING gin (({info.texts[0].expression}))"
        reason = f"a hybrid or keyword search parses the text of all {table.rows:,} rows"
        yield Check(5, table.label, "amber", "none", reason, (text,), "" if info.kind == "table" else DECISION)


def memory(table: Table, place: Place) -> Iterator[Check]:
    """7: shared_buffers, and the system's cache, against the vector indexes."""
    size, server = sum(index.bytes for index in table.info.indexes), place.server
    if not table.info.indexes:
        yield grey(7, table.label, "it has no vector index")
        return
    value = f"{shown(size)} of {shown(server.buffers)}"
    if size <= server.buffers:
        yield Check(7, table.label, "green", value, f"shared_buffers holds its vector indexes{_resident(table, place)}")
        return
    outside = size > server.cache
    where = "nor the cache of the system holds them: searches wait for the disk" if outside else "holds them all"
    reason = (
        f"the vector indexes are larger than shared_buffers: {'neither that ' if outside else 'it no longer '}{where}"
    )
    enough = -(-size * 5 // 4 // 1024**2)
    statements = (f"ALTER SYSTEM SET shared_buffers = '{enough}MB'",)
    more = "; it takes a restart. A halfvec index takes about half"
    yield Check(7, table.label, "red" if outside else "amber", value, reason + more, statements, RESTART)


def _resident(table: Table, place: Place) -> str:
    if isinstance(place.buffered, str):
        return ""
    parts = [part for index in table.info.indexes for part in table.parts(index)]
    there = sum(place.buffered.get((part.schema, part.name), 0) for part in parts)
    return f", {shown(there * 8192)} of them are there now"


def tenants(table: Table, place: Place) -> Iterator[Check]:
    """8: a partial index for a tenant that merits one."""
    if isinstance(table.tenants, str) or not table.tenants:
        unread = table.tenants if isinstance(table.tenants, str) else "no column looks like that of a tenant"
        yield grey(8, table.label, unread)
        return
    if table.is_parted:
        yield grey(8, table.label, "it is partitioned: each part has indexes of its own")
        return
    column, values, shares, kinds = table.tenants[0]
    value = f"{column} = {values[0]}: {shares[0]:.0%}"
    served = [index for index in table.info.indexes if index.where and quote_ident(column) in index.where]
    large = [each for each in zip(values, shares, strict=False) if _stands_out(each[1], kinds, table.rows)]
    if served:
        yield Check(8, table.label, "green", f"{len(served)} partial", f"{served[0].name} is for {served[0].where}")
    elif not large:
        told = f"about {shares[0] * table.rows:,.0f} rows of the largest: read exactly, or served by the whole index"
        yield Check(8, table.label, "green", value, told)
    else:
        yield _partial(table, column, large[:_MOST_TENANTS])


def _stands_out(share: float, kinds: float, rows: int) -> bool:
    """Whether a tenant has many rows, and many more than others; ``kinds`` below 0 is a share of the rows."""
    mean = 1 / max(kinds if kinds > 0 else -kinds * rows, 1)
    return share * rows >= SMALL and max(_TENANT[0], 2 * mean) <= share <= _TENANT[1]


def _partial(table: Table, column: str, tenants: Sequence[tuple[str, float]]) -> Check:
    conditions = [f"{quote_ident(column)} = {quote_literal(tenant)}" for tenant, _ in tenants]
    columns = [each for each in table.info.vectors if each.dimensions]
    specs = [wanted(table, each, where=condition) for condition in conditions for each in columns]
    first, share = tenants[0]
    reason = (
        f"about {share * table.rows:,.0f} rows are of one tenant, many more than of others: a filtered search goes past"
        " the others' rows, an index of its own has none. It is used where the query says the value, not a parameter"
    )
    texts = tuple(statement(table, spec) for spec in specs if spec is not None)
    return Check(8, table.label, "amber", f"{column} = {first}: {share:.0%}", reason, texts, DECISION)


def types(table: Table, place: Place) -> Iterator[Check]:
    """9: vectors in a type of pgvector's, with dimensions."""
    for array in table.arrays:
        yield _typed(table, array)
    known = [column for column in table.info.vectors if column.dimensions]
    if known and not table.arrays:
        value = ", ".join(sorted({f"{column.type}({column.dimensions})" for column in known}))
        yield Check(9, table.label, "green", value, "vectors stand in a type that can be indexed")
    elif not table.arrays:
        yield grey(9, table.label, "it has no rows yet that would tell how many dimensions its vectors have")


def _typed(table: Table, array: Array) -> Check:
    prefix = f"{quote_ident(table.info.extension_schema)}." if table.info.extension_schema else ""
    own = array.type in ("vector", "halfvec")
    kind, column = f"{prefix}{array.type if own else 'vector'}({array.dimensions})", quote_ident(array.column)
    through = f"{column}::text" if array.type in ("json", "jsonb") else column
    name = quote_qualified(table.info.schema, table.info.name)
    text = f"ALTER TABLE {name} ALTER COLUMN {column} TYPE {kind} USING {through}::{kind}"
    what = "has no dimensions, and no index takes it" if own else "holds vectors that no distance and no index takes"
    reason = (
        f"{array.column} {what}: all that were looked at have {array.dimensions:,}. It writes the table anew, locked"
    )
    state = "amber" if own or table.rows < LARGE else "red"
    texts = () if table.is_made(array.column) else (text,)
    return Check(9, f"{table.label}.{array.column}", state, array.type, reason, texts, DECISION)


def measured(table: Table, place: Place) -> Iterator[Check]:
    """10: recall against an exact search, measured and kept on the index."""
    for index in table.info.indexes:
        if index.method not in ("hnsw", "ivfflat") or not index.valid:
            continue
        if index.where is not None:
            line = typed(_MEASURES_SOME, _SOME_IN_PYTHON, table.label, index.name, index.where)
            yield grey(10, index.name, f"of some rows, whose recall is not kept; to measure it: {line}")
            continue
        line = typed(_MEASURES, _IN_PYTHON, table.label, index.name)
        found = index.baseline
        if found is None:
            yield grey(10, index.name, f"never measured: {line}")
            continue
        value = f"recall@{found.k} {found.recall:.3f}"
        told = f"with {found.setting} = {found.value} on {found.on}, of {found.rows:,} rows"
        grown = max(table.rows, 1) / max(found.rows, 1)
        if found.recall < _RECALL:
            yield Check(10, index.name, "amber", value, f"{told}: one in ten is missed, or more", (line,), TYPED)
        elif not 1 / _GROWN <= grown <= _GROWN:
            yield Check(10, index.name, "amber", value, f"{told}; now there are {table.rows:,}", (line,), TYPED)
        else:
            yield Check(10, index.name, "green", value, told)


def _non_zero(table: Table, column: str) -> float | None:
    found = table.samples.get(column)
    return found.non_zero if isinstance(found, Sample) else None
