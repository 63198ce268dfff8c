"""Who holds a lock that others wait for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..db import Database
from ..query import Query

# SQLSTATE lock_not_available: lock_timeout is over.
LOCKED = "55P03"
# What a role may not see of another's session is NULL there.
AS_JSON = """json_agg(json_build_object('pid', h.pid, 'role', h.usename, 'state', h.state,
  'since', to_char(coalesce(h.xact_start, h.backend_start), 'HH24:MI:SS'),
  'seconds', extract(epoch FROM clock_timestamp() - coalesce(h.xact_start, h.backend_start))) ORDER BY h.xact_start)"""
_OF_RELATIONS = f"""
SELECT {AS_JSON} FROM pg_catalog.pg_stat_activity AS h
WHERE h.pid <> pg_backend_pid() AND h.pid IN (
  SELECT l.pid FROM pg_catalog.pg_locks AS l
  WHERE l.granted AND l.relation = ANY(%(relations)s::oid[])
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))"""


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that holds a lock; ``state`` and ``since``, the beginning of its transaction, are None where hidden."""

    pid: int
    role: str | None
    state: str | None
    since: str | None
    seconds: float | None

    def __str__(self) -> str:
        who = f"process {self.pid} of role {self.role or 'unknown'}"
        since = f", since {self.since} ({self.seconds:,.0f} s)" if self.since and self.seconds is not None else ""
        return f"{who}, {self.state or 'whose state is hidden from this role'}{since}"


def holders(found: Iterable[Mapping[str, Any]] | None) -> tuple[Holder, ...]:
    """Return the sessions that ``AS_JSON`` gave."""
    return tuple(Holder(**each) for each in found or ())


def of_relations(db: Database, relations: Iterable[int]) -> tuple[Holder, ...]:
    """Return the sessions that hold a lock on tables or indexes, given by their oids."""
    rows = db.run(Query(_OF_RELATIONS, {"relations": list(relations)}, reads=True)).rows
    return holders(rows[0][0])
