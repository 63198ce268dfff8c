"""How far a build is: pg_stat_progress_create_index, in words, with a rate and the time that is left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..catalog.holders import AS_JSON, Holder, holders
from ..db import Database
from ..query import Query

# A pooler may give the build another process than was asked before, so it is found by the name that it gave itself.
_PROGRESS = f"""
SELECT p.pid IS NOT NULL AS begun, p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total,
  p.partitions_done, p.partitions_total,
  CASE WHEN a.wait_event_type = 'Lock' THEN (
    SELECT {AS_JSON} FROM pg_catalog.pg_stat_activity AS h WHERE h.pid = ANY(pg_blocking_pids(a.pid))) END AS holders
FROM pg_catalog.pg_stat_activity AS a LEFT JOIN pg_catalog.pg_stat_progress_create_index AS p ON p.pid = a.pid
WHERE a.application_name = %(mark)s AND a.leader_pid IS NULL
ORDER BY begun DESC LIMIT 1"""
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "initializing": "getting ready",
        "building index: initializing": "getting ready",
        "building index: loading tuples": "building",
        "building index: performing k-means": "finding the lists (k-means)",
        "building index: assigning tuples": "assigning rows to lists",
        "index validation: scanning index": "looking for rows that came meanwhile: the index",
        "index validation: sorting tuples": "looking for rows that came meanwhile: sorting",
        "index validation: scanning table": "looking for rows that came meanwhile: the table",
    }
)
HIDDEN = "at work; the phase is hidden from this role"
WRITING = "writing the index to disk"
_WINDOW_SECONDS = 15.0  # a graph takes longer for each row the larger it is: the rate is that of late


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a build stands after ``seconds``: ``done`` of ``total`` rows or blocks of this phase, None where none tell.

    ``rate`` is in ``unit`` a second, ``left`` the seconds to the end of the phase. ``holders`` are sessions whose lock
    is waited for, ``spilled`` the row after which the graph left its memory.
    """

    phase: str
    seconds: float
    done: int | None = None
    total: int | None = None
    unit: str = "rows"
    rate: float | None = None
    left: float | None = None
    holders: tuple[Holder, ...] = ()
    spilled: int | None = None

    @property
    def share(self) -> float | None:
        """How much of the phase is done, 0 to 1."""
        return self.done / self.total if self.done is not None and self.total else None

    def __str__(self) -> str:
        parts = [self.phase if self.share is None else f"{self.phase} {self.share:.0%}"]
        if self.done is not None and self.total:
            parts.append(f"{self.done:,} of {self.total:,} {self.unit}")
        parts += [f"{self.rate:,.0f} {self.unit}/s"] if self.rate else []
        parts += [f"about {self.left:,.0f} s left"] if self.left is not None else []
        parts += [f"out of memory since row {self.spilled:,}"] if self.spilled is not None else []
        parts += [f"held up by {holder}" for holder in self.holders]
        return " · ".join([*parts, f"{self.seconds:,.0f} s"])


class Pace:
    """Rates from what was seen of late, begun anew with each phase and at the spill, where another pace begins."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._of: object = None

    def rate(self, of: object, done: int) -> float | None:
        """Return how many a second were done in what ``of`` stands for; None as long as it cannot be told."""
        now = time.monotonic()
        if of != self._of:
            self._of = of
            self._seen.clear()
        self._seen.append((now, done))
        while now - self._seen[0][0] > _WINDOW_SECONDS and len(self._seen) > 2:
            self._seen.popleft()
        since, first = self._seen[0]
        return (done - first) / (now - since) if done > first and now - since > 0.2 else None


def look(db: Database, mark: str, rows: int, pace: Pace, started: float, spilled: int | None, method: str) -> Progress:
    """Return where the build stands that is called ``mark``; ``rows`` are those that it will take, when known."""
    seconds = time.perf_counter() - started
    found = db.run(Query(_PROGRESS, {"mark": mark}, reads=True))
    if not found.rows:
        return Progress("beginning", seconds, spilled=spilled)
    row = dict(zip(found.columns, found.rows[0], strict=True))
    waits = holders(row["holders"])
    if not row["begun"]:
        return Progress("waiting for a lock" if waits else "beginning", seconds, holders=waits, spilled=spilled)
    if row["phase"] is None:
        return Progress(HIDDEN, seconds, spilled=spilled)
    phase = str(row["phase"])
    words = _WORDS.get(phase, phase)
    if row["partitions_total"]:
        words = f"part {row['partitions_done'] + 1:,} of {row['partitions_total']:,}: {words}"
        rows = 0
    done, total, unit = _counted(phase, row, rows, method)
    if total is None or done is None:
        return Progress(words, seconds, holders=waits, spilled=spilled)
    if _is_written(phase, row, method):
        return Progress(WRITING, seconds, spilled=spilled)
    rate = pace.rate((phase, row["partitions_done"], unit, spilled), done)
    left = (total - done) / rate if rate else None
    return Progress(words, seconds, min(done, total), total, unit, rate, left, waits, spilled)


def _counted(phase: str, row: Mapping[str, Any], rows: int, method: str) -> tuple[int | None, int | None, str]:
    """Return what tells how far the phase is: its rows where it counts them, else the blocks of the table."""
    if row["tuples_total"]:
        return row["tuples_done"], row["tuples_total"], "rows"
    if phase.endswith("loading tuples") and rows and row["tuples_done"] and method == "hnsw":
        return row["tuples_done"], rows, "rows"
    if phase.endswith(("k-means", "scanning index", "sorting tuples")) or not row["blocks_total"]:
        return None, None, "rows"
    return row["blocks_done"], row["blocks_total"], "blocks"


def _is_written(phase: str, row: Mapping[str, Any], method: str) -> bool:
    """Whether every row is in: what is left is told by nothing."""
    if not phase.endswith("loading tuples"):
        return False
    if method == "ivfflat":
        return bool(row["tuples_total"] and row["tuples_done"] >= row["tuples_total"])
    return bool(row["blocks_total"] and row["blocks_done"] >= row["blocks_total"])
