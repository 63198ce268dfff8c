"""What a plan depends on and does not say: settings in force, indexes as they are, sizes, versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..db import Database, Rows
from ..metric import METRICS
from ..query import Query
from .norms import Norms, norms
from .read import capabilities

# EXPLAIN (SETTINGS) leaves out what extensions add, such as hnsw.ef_search. To be read in the plan's own transaction.
SETTINGS = Query(
    """
SELECT name, current_setting(name) FROM pg_catalog.pg_settings
WHERE name ~ '^(hnsw|ivfflat|diskann|vchordrq)[.]'
  OR name IN ('work_mem', 'shared_buffers', 'search_path', 'default_text_search_config')
  OR source NOT IN ('default', 'override') AND (category LIKE 'Query Tuning%%' OR name = 'jit')
ORDER BY name""",
    reads=True,
)
# What is counted of a transaction holds what others before it left, until the server has gathered that: to be read
# before a statement and after it.
UPDATES = Query(
    """
SELECT schemaname, relname, n_tup_upd, n_tup_hot_upd
FROM pg_catalog.pg_stat_xact_all_tables WHERE n_tup_upd > 0""",
    reads=True,
)
_RELATIONS = """
SELECT n.nspname, c.relname, greatest(c.reltuples, 0)::bigint, pg_relation_size(c.oid), s.n_dead_tup,
  greatest(s.last_analyze, s.last_autoanalyze) IS NOT NULL, row_security_active(c.oid),
  coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0),
  coalesce((SELECT json_object_agg(a.attname, pg_get_expr(d.adbin, d.adrelid))
            FROM pg_catalog.pg_attribute AS a
            JOIN pg_catalog.pg_attrdef AS d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
            WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND a.atttypid = 'tsvector'::regtype), '{}')
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
  coalesce(x.reloptions, '{}'), greatest(x.reltuples, 0)::bigint, coalesce(s.null_frac, 0),
  coalesce(s.most_common_freqs[1], 0), format_type(a.atttypid, a.atttypmod), (
    SELECT p.amproc::regproc::text FROM pg_catalog.pg_opclass AS k
    JOIN pg_catalog.pg_amproc AS p ON p.amprocfamily = k.opcfamily AND p.amproclefttype = k.opcintype
    WHERE k.oid = i.indclass[0] AND p.amprocnum = 1 AND has_table_privilege(c.oid, 'SELECT')
      AND p.amproc::regproc::text LIKE '%%negative_inner_product')
FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS asked(schema, name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = asked.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = asked.name
JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = x.oid AND a.attnum = 1
LEFT JOIN pg_catalog.pg_attribute AS t ON t.attrelid = c.oid AND t.attnum = i.indkey[0]
LEFT JOIN LATERAL (
  SELECT null_frac, most_common_freqs FROM pg_catalog.pg_stats
  WHERE schemaname = n.nspname AND tablename = c.relname AND attname = t.attname
  ORDER BY inherited LIMIT 1) AS s ON true
ORDER BY 1, 2, 3"""
_MOST_SAMPLED = 3  # indexes, of which a plan over partitions has many

Settings = tuple[tuple[str, str], ...]
_DISTANCES = frozenset(metric.operator for metric in METRICS.values())
_EXACT_METHODS = frozenset(["gist", "spgist"])  # which Postgres itself brings, for points and the like


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as it was: rows as the planner last counted them, rows that are dead, and bytes without its indexes.

    ``bytes`` are what the planner thinks a scan reads, ``toast`` what lies beside, such as long vectors;
    ``row_security`` tells whether policies choose the rows. ``words`` has the columns of words that Postgres makes, and
    of what; ``updated`` counts the rows that the statement updated, ``in_place`` those whose indexes it left alone.
    """

    schema: str
    name: str
    rows: int
    bytes: int
    dead: int | None
    analyzed: bool
    row_security: bool = False
    toast: int = 0
    words: Mapping[str, str] = field(default_factory=dict)
    updated: int = 0
    in_place: int = 0


@dataclass(frozen=True, slots=True)
class Index:
    """An index as it was; one that is not ``valid`` is kept up to date and never used.

    ``key`` is the column or expression that is indexed (of several the first), ``where`` the condition of a partial
    index, ``operators`` what it gives rows in the order of, such as ``<=>``, ``rows`` how many the planner thinks it
    has and ``nulls`` which share of these has no value, which a vector index leaves out. ``copies`` is the share of the
    value that most rows have, as far as that is known; ``type`` is the key's, such as ``vector(768)``, ``product`` the
    function of its negative inner product where the index compares by that, and ``norms`` how long vectors are, of
    indexes that were scanned.
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
    copies: float
    type: str
    product: str | None
    norms: Norms | None = None

    @property
    def lists(self) -> int:
        """How many lists an IVFFlat index has."""
        return next((int(option.partition("=")[2]) for option in self.options if option.startswith("lists=")), 100)

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


def asking(tables: Iterable[tuple[str, str]], bounds: Settings = ()) -> list[Query]:
    """Return the messages that ask for tables, (schema, name), and their indexes; for the plan's own transaction.

    ``bounds`` are settings that hold for the reading too, such as a ``statement_timeout``.
    """
    asked = sorted(set(tables))
    params = {"schemas": [schema for schema, _ in asked], "names": [name for _, name in asked]}
    return [Query(sql, params, bounds, reads=True) for sql in (_RELATIONS, _INDEXES)]


def fingerprint(
    db: Database,
    settings: Rows,
    tables: Iterable[tuple[str, str]],
    scanned: Iterable[str] = (),
    bounds: Settings = (),
    updates: Sequence[Rows] = (),
) -> Fingerprint:
    """Return what a plan depends on, from what ``SETTINGS`` gave and the tables, (schema, name), that it reads.

    ``scanned`` are the indexes that it reads by distance: of these some vectors are looked at. ``updates`` is what
    ``UPDATES`` gave before the statement and after it.
    """
    relations, indexes = map(db.run, asking(tables, bounds))
    found, wanted = fingerprint_told(db, settings, relations, indexes, updates), set(scanned)
    sizes = {(relation.schema, relation.name): relation.bytes for relation in found.relations}
    sampled = [index for index in found.indexes if index.product and index.name in wanted][:_MOST_SAMPLED]
    return replace(found, indexes=tuple(_measured(db, i, sizes) if i in sampled else i for i in found.indexes))


def fingerprint_told(
    db: Database, settings: Rows, relations: Rows, indexes: Rows, updates: Sequence[Rows] = ()
) -> Fingerprint:
    """Return what a plan depends on, from what ``SETTINGS``, ``asking`` and ``UPDATES`` gave."""
    able, updated = capabilities(db), _updated(*updates) if updates else {}
    return Fingerprint(
        server=able.server_version,
        vector=able.vector_version,
        settings=dict(settings.rows),
        relations=tuple(Relation(*row, *updated.get(tuple(row[:2]), ())) for row in relations.rows),
        indexes=tuple(Index(*row) for row in indexes.rows),
    )


def _measured(db: Database, index: Index, sizes: Mapping[tuple[str, str], int]) -> Index:
    table, product = (index.schema, index.table), index.product or ""
    return replace(index, norms=norms(db, table, sizes[table], index.key, product, index.where))


def _updated(before: Rows, after: Rows) -> dict[tuple[str, ...], tuple[int, int]]:
    """Return how many rows of each table were updated between two counts, and how many of them in place."""
    known = {row[:2]: row[2:] for row in before.rows}
    counts = ((row[:2], row[2:], known.get(row[:2], (0, 0))) for row in after.rows)
    return {table: (now[0] - then[0], now[1] - then[1]) for table, now, then in counts}
