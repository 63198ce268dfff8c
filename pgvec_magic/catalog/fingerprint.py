"""What a plan depends on and does not say: settings in force, indexes as they are, sizes, versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..db import Database, Rows
from ..metric import METRICS
from ..query import Query
from .read import capabilities

# EXPLAIN (SETTINGS) leaves out what extensions add, such as hnsw.ef_search. To be read in the plan's own transaction.
SETTINGS = Query(
    """
SELECT name, current_setting(name) FROM pg_catalog.pg_settings
WHERE name ~ '^(hnsw|ivfflat|diskann|vchordrq)[.]' OR name IN ('work_mem', 'shared_buffers', 'search_path')
  OR source NOT IN ('default', 'override') AND (category LIKE 'Query Tuning%%' OR name = 'jit')
ORDER BY name""",
    reads=True,
)
_RELATIONS = """
SELECT n.nspname, c.relname, greatest(c.reltuples, 0)::bigint, pg_relation_size(c.oid), s.n_dead_tup,
  greatest(s.last_analyze, s.last_autoanalyze) IS NOT NULL, row_security_active(c.oid),
  coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)
FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS asked(schema, name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = asked.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = asked.name
LEFT JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid
ORDER BY 1, 2"""
_INDEXES = """
SELECT n.nspname, c.relname, x.relname, m.amname, pg_get_indexdef(i.indexrelid), i.indisvalid AND i.indisready,
  pg_relation_size(x.oid), pg_get_indexdef(i.indexrelid, 1, true), pg_get_expr(i.indpred, i.indrelid, true),
  ARRAY(
    SELECT DISTINCT o.oprname::text FROM pg_catalog.pg_opclass AS k
    JOIN pg_catalog.pg_amop AS p ON p.amopfamily = k.opcfamily AND p.amoppurpose = 'o'
      AND p.amoplefttype = k.opcintype
    JOIN pg_catalog.pg_operator AS o ON o.oid = p.amopopr WHERE k.oid = i.indclass[0]),
  coalesce(x.reloptions, '{}'), greatest(x.reltuples, 0)::bigint,
  coalesce((SELECT max(s.null_frac) FROM pg_catalog.pg_stats AS s WHERE s.schemaname = n.nspname
            AND s.tablename = c.relname AND s.attname = (
              SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = c.oid AND attnum = i.indkey[0])), 0)
FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS asked(schema, name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = asked.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = asked.name
JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
ORDER BY 1, 2, 3"""

_DISTANCES = frozenset(metric.operator for metric in METRICS.values())
_EXACT_METHODS = frozenset(["gist", "spgist"])  # which Postgres itself brings, for points and the like


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as it was: rows as the planner last counted them, rows that are dead, and bytes without its indexes.

    ``bytes`` are what the planner thinks a scan reads, ``toast`` what lies beside, such as long vectors;
    ``row_security`` tells whether policies choose the rows.
    """

    schema: str
    name: str
    rows: int
    bytes: int
    dead: int | None
    analyzed: bool
    row_security: bool = False
    toast: int = 0


@dataclass(frozen=True, slots=True)
class Index:
    """An index as it was; one that is not ``valid`` is kept up to date and never used.

    ``key`` is the column or expression that is indexed (of several the first), ``where`` the condition of a partial
    index, ``operators`` what it gives rows in the order of, such as ``<=>``, ``rows`` how many the planner thinks it
    has and ``nulls`` which share of these has no value, which a vector index leaves out.
    """

    schema: str
    table: str
    name: str
    method: str
    definition: str
    valid: bool
    bytes: int
    key: str
    where: str | None
    operators: Sequence[str]
    options: Sequence[str]
    rows: int
    nulls: float

    @property
    def of_vectors(self) -> bool:
        """Whether it gives vectors by distance, approximately: whatever extension its access method comes from."""
        return not _DISTANCES.isdisjoint(self.operators) and self.method not in _EXACT_METHODS


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What was in force when a plan was made: versions, settings by name, the tables it read and their indexes."""

    server: str
    vector: str
    settings: Mapping[str, str]
    relations: tuple[Relation, ...] = ()
    indexes: tuple[Index, ...] = ()

    def changes(self, after: Fingerprint) -> list[str]:
        """Return sentences on what is another now."""
        said = [f"{what}: {one} → {other}" for what, one, other in self._versions(after) if one != other]
        for name in sorted(self.settings.keys() | after.settings.keys()):
            one, other = (each.settings.get(name, "its default") for each in (self, after))
            said += [f"{name}: {one} → {other}"] if one != other else []
        before, now = ({(i.schema, i.name): i for i in each.indexes} for each in (self, after))
        said += [f"index {before[key].name} is gone" for key in sorted(before.keys() - now.keys())]
        said += [f"new index: {now[key].definition}" for key in sorted(now.keys() - before.keys())]
        for key in sorted(before.keys() & now.keys()):
            if before[key].definition != now[key].definition:
                said.append(f"index {key[1]}: {before[key].definition} → {now[key].definition}")
            if before[key].valid != now[key].valid:
                said.append(f"index {key[1]} is {'valid' if now[key].valid else 'invalid'} now")
        return said

    def _versions(self, after: Fingerprint) -> list[tuple[str, str, str]]:
        return [("PostgreSQL", self.server, after.server), ("pgvector", self.vector, after.vector)]


def asking(tables: Iterable[tuple[str, str]]) -> list[Query]:
    """Return the messages that ask for tables, (schema, name), and their indexes; for the plan's own transaction."""
    asked = sorted(set(tables))
    params = {"schemas": [schema for schema, _ in asked], "names": [name for _, name in asked]}
    return [Query(sql, params, reads=True) for sql in (_RELATIONS, _INDEXES)]


def fingerprint(db: Database, settings: Rows, tables: Iterable[tuple[str, str]]) -> Fingerprint:
    """Return what a plan depends on, from what ``SETTINGS`` gave and the tables, (schema, name), that it reads."""
    relations, indexes = map(db.run, asking(tables))
    return fingerprint_told(db, settings, relations, indexes)


def fingerprint_told(db: Database, settings: Rows, relations: Rows, indexes: Rows) -> Fingerprint:
    """Return what a plan depends on, from what ``SETTINGS`` and ``asking`` gave."""
    able = capabilities(db)
    return Fingerprint(
        server=able.server_version,
        vector=able.vector_version,
        settings=dict(settings.rows),
        relations=tuple(Relation(*row) for row in relations.rows),
        indexes=tuple(Index(*row) for row in indexes.rows),
    )
