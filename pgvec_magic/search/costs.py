"""What searches took on this connection: by that ``auto`` knows a graph that takes long to walk, as of even data."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..db import Database
from ..query import Query
from ..query.scan import MOST_WALK_COST, WALK_COST
from ..query.target import Target
from .result import Found

# Of the latest the fastest counts, so that neither a cold cache nor a busy moment does.
_LATEST, _ENOUGH = 5, 3
# Of less the time is that of the message.
_LEAST_DEEP, _LEAST_COMPARED = 100, 1_000
_Taken = deque[tuple[float, int]]


def _latest() -> _Taken:
    return deque(maxlen=_LATEST)


@dataclass(slots=True)
class _Seen:
    """Seconds, the message's included, and for how many rows: in a pass for its depth, else for those compared."""

    deeper: _Taken = field(default_factory=_latest)
    compared: _Taken = field(default_factory=_latest)


def observe(db: Database, found: Found, seconds: float) -> None:
    """Take note of what a vector search took, where it was one pass of an HNSW index, or exact over a known number."""
    if found.search.mode != "vector" or found.target.vectors is None:
        return
    depth = int(dict(found.scan.settings).get("hnsw.ef_search", 0)) if found.scan.kind == "ann" else 0
    compared = found.scan.compared or 0
    seen = _seen(db, found.target)
    if depth >= _LEAST_DEEP:
        seen.deeper.append((seconds, depth))
    elif compared >= _LEAST_COMPARED:
        seen.compared.append((seconds, compared))


def walk_cost(db: Database, target: Target) -> float:
    """Return how many rows are compared in the time of one row deeper; what is usual until enough searches told."""
    if target.vectors is None:
        return WALK_COST
    seen = _seen(db, target)
    if len(seen.deeper) < _ENOUGH or not seen.compared:
        return WALK_COST
    message = _message(db)
    deeper, compared = (
        min((seconds - message) / rows for seconds, rows in taken) for taken in (seen.deeper, seen.compared)
    )
    return min(max(deeper / compared, WALK_COST), MOST_WALK_COST) if compared > 0 else WALK_COST


def _message(db: Database) -> float:
    """The seconds of a message that asks for nothing, the least of a few: far away it takes longer than a search."""
    if "message seconds" not in db.cache:
        db.cache["message seconds"] = min(db.run(Query("SELECT 1", reads=True)).seconds for _ in range(_ENOUGH))
    return float(db.cache["message seconds"])


def _seen(db: Database, target: Target) -> _Seen:
    place = (target.table.schema, target.table.name, target.need_vectors().column.name)
    seen: _Seen = db.cache.setdefault("costs", {}).setdefault(place, _Seen())
    return seen
