"""The settings of a build: enough memory that it does not spill, and no more of the machine than others can spare."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UsageError
from ..index import IndexSpec, build_memory, fitting_rows, index_bytes
from ..render import bytes_text
from .facts import Facts

shown = bytes_text
_MIB = 1024 * 1024
_UNITS = {"": 1, "kb": 1024, "mb": _MIB, "gb": 1024 * _MIB, "tb": 1024 * 1024 * _MIB}
# Rows that come while it is built, rows that have just been deleted, and layers that turned out higher than usual.
_MARGIN = 1.03
# Postgres builds by several processes only where each of them has 32 MB (plan_create_index_workers).
_EACH = 32 * _MIB
# What else a parallel build keeps in shared memory.
_SHARED_BESIDE = 4 * _MIB


@dataclass(frozen=True, slots=True)
class Settings:
    """``memory`` and ``needed`` in bytes, what is given and what the build takes; ``notes`` are for people.

    ``spills_after`` is the row after which it will spill, None where it will not; ``settable`` whether this role may
    set the memory.
    """

    memory: int
    workers: int
    needed: int
    predicted_bytes: int
    spills_after: int | None = None
    notes: tuple[str, ...] = ()
    settable: bool = True

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The settings as literals of SQL."""
        pairs = [("statement_timeout", "0"), ("max_parallel_maintenance_workers", f"{self.workers}")]
        if self.workers:  # a table whose vectors lie beside it is small itself
            pairs.append(("min_parallel_table_scan_size", "0"))
        if self.settable:
            pairs.append(("maintenance_work_mem", f"'{self.memory // 1024}kB'"))
        return tuple(pairs)


def chosen(spec: IndexSpec, facts: Facts, memory: int | str | None = None, workers: int | None = None) -> Settings:
    """Return the settings of a build; UsageError for what cannot succeed: memory, /dev/shm or disk are too small."""
    predicted = sum(index_bytes(spec, rows, facts.non_zero) for rows in facts.parts) or index_bytes(spec, 0)
    _check_disk(facts, predicted)
    given = None if memory is None else size(memory)
    most, why = _most_memory(facts)
    count, notes = _workers(spec, facts, given, workers, most)
    wanted = given if given is not None else min(_wanted(spec, facts, count), most)
    if not facts.server.settable:
        wanted, notes = facts.server.memory, [*notes, "this role may not set maintenance_work_mem: the server's holds"]
    needed = _needed(spec, facts, count)
    if spec.method == "ivfflat" and wanted < needed:
        hint = f"fewer lists than {spec.lists} need less{'' if given is not None else f'; {why}'}"
        raise UsageError(f"IVFFlat needs {shown(needed)} of memory to find its lists, and has {shown(wanted)}", hint)
    fits = (
        fitting_rows(spec, wanted, workers=count, non_zero=facts.non_zero) if spec.method == "hnsw" else facts.largest
    )
    spills = fits if fits < facts.largest else None
    if spills is not None:
        notes.append(_spill(spec, facts, spills, wanted, needed, "" if given is not None else why))
    return Settings(wanted, count, needed, predicted, spills, tuple(notes), facts.server.settable)


def size(value: int | str) -> int:
    """Return bytes given as a number, or as Postgres writes them: ``512MB``, ``2GB``; UsageError."""
    found = re.fullmatch(r"\s*(\d{1,15}(?:\.\d+)?)\s*([kmgt]?b?)\s*", str(value).lower())
    unit = found[2] if found else "?"
    if found is None or (unit and unit not in _UNITS) or isinstance(value, bool) or float(found[1]) <= 0:
        raise UsageError(f"{value!r} is no size of memory", "write it as 512MB or 2GB")
    return int(float(found[1]) * _UNITS[unit])


def _needed(spec: IndexSpec, facts: Facts, workers: int) -> int:
    return build_memory(spec, facts.largest, workers=workers, non_zero=facts.non_zero, pages=facts.table.pages)


def _wanted(spec: IndexSpec, facts: Facts, workers: int) -> int:
    """What is needed with a margin, also when no worker is free; a parallel graph is reserved whole, so no more."""
    needed = max(_needed(spec, facts, workers), _needed(spec, facts, 0))
    least = (workers + 1) * _EACH if workers and spec.method == "hnsw" else facts.server.memory
    return max(-(-int(needed * _MARGIN) // _MIB) * _MIB, least)


def _most_memory(facts: Facts) -> tuple[int, str]:
    """Return how much memory a build may have, and why no more."""
    server = facts.server
    if facts.machine is None:
        least = max(server.memory, server.buffers)
        why = f"of a server elsewhere only settings can be seen, by which it spares {shown(least)}: memory= gives more"
        return least, why
    half = facts.machine.memory // 2
    spare = half if facts.available is None else min(half, facts.available * 3 // 4)
    return max(server.memory, spare), f"this machine can spare {shown(max(server.memory, spare))}: memory= gives more"


def _workers(spec: IndexSpec, facts: Facts, memory: int | None, asked: int | None, most: int) -> tuple[int, list[str]]:
    """Return how many workers help, and what is to be said of it."""
    if asked is not None and asked < 0:
        raise UsageError(f"workers = {asked}: it is 0 or more")
    count = asked if asked is not None else _helpful(facts, most)
    capped = facts.table.workers
    if count and capped is not None and capped < count:
        count = capped
    if memory is not None:
        count = min(count, max(memory // _EACH - 1, 0))
    if not count or spec.method != "hnsw" or facts.machine is None or facts.server.shared_memory != "posix":
        return count, []
    free, taken = facts.machine.shm, memory or min(_wanted(spec, facts, count), most)
    if free is None or taken + _SHARED_BESIDE <= free:
        return count, []
    told = f"/dev/shm has {shown(free)} free, and a parallel build takes {shown(taken + _SHARED_BESIDE)} of it"
    if asked is not None:
        raise UsageError(told, "enlarge it (docker run --shm-size), or build with workers=0, which does not use it")
    return 0, [f"{told}: built by one process"]


def _helpful(facts: Facts, most: int) -> int:
    """One processor each beside the leader's, for a table that is worth it."""
    server = facts.server
    if facts.table.bytes < server.parallel_from or most < 2 * _EACH:
        return 0
    cores = server.workers if facts.machine is None else facts.machine.cpus - 1
    return max(min(cores, server.most_workers, most // _EACH - 1), 0)


def _check_disk(facts: Facts, predicted: int) -> None:
    """UsageError when index and log do not fit; the log of it is written anew at ``max_wal_size``."""
    needed = predicted + min(predicted, facts.server.wal)
    if facts.disk is not None and needed > facts.disk:
        told = f"the index will have {shown(predicted)}, with the log of it {shown(needed)}"
        raise UsageError(f"{told}, and the server's disk has {shown(facts.disk)} free", "make room, or index a halfvec")


def _spill(spec: IndexSpec, facts: Facts, after: int, memory: int, needed: int, why: str) -> str:
    told = f"its memory, {shown(memory)}, holds about {after:,} of {facts.largest:,} rows; from there on it is slow"
    ways = [f"{shown(needed)} would hold it"]
    if spec.type == "vector" and spec.form == "vector":
        ways.append("as halfvec it takes half of what the vectors take")
    return "; ".join(filter(None, [told, *ways, why]))
