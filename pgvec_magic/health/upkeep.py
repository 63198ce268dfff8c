"""What VACUUM keeps up: rows that are dead, and the time that it takes on HNSW."""

from __future__ import annotations

from collections.abc import Iterator

from ..sqltext import quote_qualified
from .check import Check, grey
from .facts import Heap, Place, Table
from .making import rebuilt
from .sessions import holding

_ACT, _URGENT, _LEAST_DEAD = 0.2, 0.5, 50
# A table of so many rows collects a great many dead ones until a fifth of it is.
_LARGE, _COARSE, _FINE = 500_000, 0.1, 0.01
# From so many dead rows on the repair of the graph takes longer than its rebuild (pgvector's README).
_REPAIRED = 10_000
_LONG_SECONDS = 600.0


def dead(table: Table, place: Place) -> Iterator[Check]:
    """6: dead rows, which stand in the way of searches until VACUUM, and whether autovacuum is there to act."""
    if isinstance(table.heaps, str):
        yield grey(6, table.label, table.heaps)
        return
    for heap in table.heaps:
        yield _dead(table, heap, place)


def _dead(table: Table, heap: Heap, place: Place) -> Check:
    on = table.label if len(table.heaps) == 1 else f"{table.label}: {heap.name}"
    name, by, rows, dead = quote_qualified(heap.schema, heap.name), "the server's count", heap.rows, heap.dead
    # Rows that were cleared off their pages stand in the indexes until VACUUM, and only the server counts these.
    if table.dead.get(heap.oid, (0, 0))[1] > dead:
        by, (rows, dead) = "pgstattuple", table.dead[heap.oid]
    share = dead / max(rows + dead, 1)
    value = f"{share:.0%}, {dead:,} rows"
    if share >= _ACT and dead >= _LEAST_DEAD:
        state = "red" if share >= _URGENT else "amber"
        reason = f"dead by {by}: searches go through them and come back with fewer rows{_held(place)}"
        return Check(6, on, state, value, reason, (*_rebuilds(table, dead), f"VACUUM (ANALYZE) {name}"))
    if not place.server.autovacuum:
        texts = ("ALTER SYSTEM SET autovacuum = on", "SELECT pg_reload_conf()")
        reason = "autovacuum is off on this server: nobody clears dead rows away"
        return Check(6, on, "amber", value, reason, texts, "a server's setting is for its administrator to change")
    if heap.tended is False:
        text = f"ALTER TABLE {name} RESET (autovacuum_enabled)"
        return Check(6, on, "amber", value, "autovacuum is off for this table", (text,))
    if not heap.counted and heap.live:
        reason = "nobody has counted its rows yet, so the planner guesses; autovacuum does so in its time"
        return Check(6, on, "amber", value, reason, (f"ANALYZE {name}",))
    scale = place.server.scale if heap.scale is None else heap.scale
    if heap.rows >= _LARGE and scale >= _COARSE:
        reason = f"autovacuum waits for {scale * heap.rows:,.0f} dead rows (a scale factor of {scale:g})"
        options = f"autovacuum_vacuum_scale_factor = {_FINE}, autovacuum_analyze_scale_factor = {_FINE / 2}"
        return Check(6, on, "amber", value, reason, (f"ALTER TABLE {name} SET ({options})",))
    return Check(6, on, "green", value, f"dead by {by}; autovacuum is on")


def _held(place: Place) -> str:
    held = isinstance(place.sessions, tuple) and any(s.keeps and (s.open or 0) > 60 for s in place.sessions)
    return ". First see 23: a session keeps VACUUM from removing them" if held or holding(place) else ""


def _rebuilds(table: Table, dead: int) -> tuple[str, ...]:
    if dead < _REPAIRED or table.is_parted:
        return ()
    return tuple(rebuilt(table.info, i) for i in table.info.indexes if i.method == "hnsw" and i.valid)


def vacuum(table: Table, place: Place) -> Iterator[Check]:
    """24: the time that VACUUM takes, of which repairing an HNSW graph is the most (R76)."""
    graphs = [index for index in table.info.indexes if index.method == "hnsw" and index.valid]
    if not graphs or isinstance(table.heaps, str):
        yield grey(24, table.label, "it has no HNSW index" if not graphs else str(table.heaps))
        return
    for heap in table.heaps:
        on = table.label if len(table.heaps) == 1 else f"{table.label}: {heap.name}"
        seconds = heap.vacuum_ms / 1000 / heap.vacuums if heap.vacuum_ms is not None and heap.vacuums else None
        longest = max(seconds or 0.0, heap.vacuum_seconds or 0.0)
        if longest >= _LONG_SECONDS:
            value = f"{heap.vacuum_now} now" if heap.vacuum_now else f"{seconds:,.0f} s on average"
            reason = (
                "VACUUM repairs the graph around each row that was deleted: a rebuild, and VACUUM after it, takes less"
            )
            texts = [
                *(rebuilt(table.info, index) for index in graphs),
                f"VACUUM {quote_qualified(heap.schema, heap.name)}",
            ]
            yield Check(24, on, "amber", value, reason, tuple(texts))
        elif heap.vacuum_now:
            yield Check(24, on, "green", heap.vacuum_now, "VACUUM is at work, not for long yet")
        elif seconds is not None:
            yield Check(24, on, "green", f"{seconds:,.2f} s", f"on average of {heap.vacuums:,} times")
        else:
            told = "PostgreSQL 18 keeps the times of VACUUM, this one does not" if heap.vacuums else "no VACUUM yet"
            yield grey(24, on, f"{told}; none runs now")
