"""Who holds a lock that others wait for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..db import Database
from ..errors import QueryError
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

# Tables with vectors that somebody has locked, or has asked to lock: behind either whoever so much as asks for their
# size has to wait. A lock on an index is one on its table; those of prepared transactions have no process.
LOCKED_TABLES = """
SELECT c.oid::regclass::text, array_agg(DISTINCT l.relation::bigint), bool_or(l.granted)
FROM pg_catalog.pg_locks AS l
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = l.relation
JOIN pg_catalog.pg_class AS c ON c.oid = coalesce(i.indrelid, l.relation)
WHERE l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND (c.oid = to_regclass(%(name)s) OR EXISTS (
    SELECT FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = c.oid AND t.typname IN ('vector', 'halfvec', 'sparsevec', 'bit')))
GROUP BY c.oid ORDER BY 1"""


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


def locked(db: Database, name: str | None, error: QueryError) -> QueryError:
    """Return who holds the lock that a look at a table, or at all, has waited for in vain."""
    found = db.run(Query(LOCKED_TABLES, {"name": name}, reads=True)).rows
    held = [(table, of_relations(db, oids)) for table, oids, _ in found]
    if not held:
        return error
    who = "; ".join(
        f"{table} is locked by {' and '.join(map(str, by)) or 'a prepared transaction'}" for table, by in held
    )
    pids = [str(holder.pid) for _, by in held for holder in by]
    stop = f", or stop it: SELECT pg_terminate_backend({pids[0]})" if pids else ""
    return QueryError(who, f"wait until it is let go{stop}", sqlstate=LOCKED)
