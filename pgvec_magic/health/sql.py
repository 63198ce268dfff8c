"""The questions of a check-up: catalogs and statistics, each bounded, none of which reads a table."""

SERVER = """
SELECT current_database()::text AS database, current_user::text AS role, version() LIKE '%%64-bit%%' AS wide,
  (SELECT default_version FROM pg_catalog.pg_available_extensions WHERE name = 'vector') AS on_disk,
  (SELECT coalesce(json_object_agg(e.extname, n.nspname), '{}') FROM pg_catalog.pg_extension AS e
   JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace) AS extensions,
  ARRAY(SELECT name::text FROM pg_catalog.pg_available_extensions
        WHERE name IN ('pgstattuple', 'pg_buffercache', 'pg_prewarm', 'pg_stat_statements')) AS offered,
  pg_size_bytes(current_setting('shared_buffers')) AS buffers,
  pg_size_bytes(current_setting('effective_cache_size')) AS cache,
  pg_size_bytes(current_setting('maintenance_work_mem')) AS memory,
  (SELECT source FROM pg_catalog.pg_settings WHERE name = 'maintenance_work_mem') AS memory_from,
  current_setting('max_parallel_maintenance_workers')::int AS workers,
  current_setting('autovacuum')::bool AS autovacuum,
  current_setting('autovacuum_vacuum_scale_factor')::float8 AS scale,
  current_setting('autovacuum_vacuum_threshold')::int AS threshold,
  pg_has_role('pg_read_all_stats', 'USAGE') AS reads_stats,
  (SELECT coalesce(json_object_agg(name, setting), '{}') FROM pg_catalog.pg_settings
   WHERE name ~ '^(hnsw|ivfflat)[.]' AND source = 'session') AS sticking,
  (SELECT to_char(stats_reset, 'YYYY-MM-DD') FROM pg_catalog.pg_stat_database
   WHERE datname = current_database()) AS since,
  EXISTS (SELECT FROM pg_catalog.pg_extension_update_paths('vector') AS p
          JOIN pg_catalog.pg_extension AS e ON e.extname = 'vector' AND e.extversion = p.source
          WHERE p.path IS NOT NULL AND p.target = (
            SELECT default_version FROM pg_catalog.pg_available_extensions WHERE name = 'vector')) AS updatable"""

# The parts of the tables that hold rows. What older servers do not count is NULL.
HEAPS = """
SELECT asked.at::int AS at, c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
  c.relpages AS pages, greatest(c.reltuples, 0)::bigint AS tuples, pg_relation_size(c.oid) AS bytes,
  coalesce(s.n_live_tup, 0) AS live, coalesce(s.n_dead_tup, 0) AS dead, coalesce(s.n_tup_ins, 0) AS inserted,
  coalesce(s.n_tup_upd, 0) + coalesce(s.n_tup_del, 0) AS changed,
  coalesce(s.vacuum_count + s.autovacuum_count, 0) AS vacuums,
  ((to_jsonb(s) ->> 'total_vacuum_time')::float8 + (to_jsonb(s) ->> 'total_autovacuum_time')::float8) AS vacuum_ms,
  (SELECT v.phase || coalesce(' for ' || round(extract(epoch FROM clock_timestamp() - a.query_start)) || ' s', '')
   FROM pg_catalog.pg_stat_progress_vacuum AS v LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = v.pid
   WHERE v.relid = c.oid LIMIT 1) AS vacuum_now,
  (SELECT extract(epoch FROM clock_timestamp() - a.query_start)::float8
   FROM pg_catalog.pg_stat_progress_vacuum AS v JOIN pg_catalog.pg_stat_activity AS a ON a.pid = v.pid
   WHERE v.relid = c.oid LIMIT 1) AS vacuum_seconds,
  c.reltuples >= 0 AS counted,
  coalesce(s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze) IS NOT NULL AS told,
  (SELECT option_value::bool FROM pg_options_to_table(c.reloptions) WHERE option_name = 'autovacuum_enabled') AS tended,
  (SELECT option_value::float8 FROM pg_options_to_table(c.reloptions)
   WHERE option_name = 'autovacuum_vacuum_scale_factor') AS scale,
  ARRAY(SELECT g.attname::text FROM pg_catalog.pg_attribute AS g
        WHERE g.attrelid = c.oid AND g.attnum > 0 AND g.attgenerated <> '') AS computed
FROM unnest(%(schemas)s::text[], %(names)s::text[]) WITH ORDINALITY AS asked(schema, name, at)
JOIN pg_catalog.pg_namespace AS m ON m.nspname = asked.schema
JOIN pg_catalog.pg_class AS r ON r.relnamespace = m.oid AND r.relname = asked.name
CROSS JOIN LATERAL (
  SELECT r.oid AS part UNION SELECT t.relid FROM pg_partition_tree(r.oid) AS t WHERE t.isleaf) AS parts
JOIN pg_catalog.pg_class AS c ON c.oid = parts.part AND c.relkind IN ('r', 'm')
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid
ORDER BY 1, 2"""

# All indexes of the tables and their parts. ``root`` is the index of the whole table, ``age`` in transactions since it
# was built: each build writes a row of pg_index or pg_class, which VACUUM and ANALYZE only change in place.
INDEXES = """
SELECT asked.at::int AS at, i.indrelid::bigint AS heap, n.nspname::text AS schema, x.relname::text AS name,
  coalesce(root.relname, x.relname)::text AS root, x.relkind = 'I' AS whole, m.amname::text AS method,
  i.indisvalid AND i.indisready AS valid,
  i.indisunique OR i.indisprimary OR EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS o WHERE o.conindid = x.oid) AS keeps,
  pg_get_indexdef(x.oid) AS definition, pg_get_indexdef(x.oid, 1, true) AS key,
  (SELECT k.opcname::text FROM pg_catalog.pg_opclass AS k WHERE k.oid = i.indclass[0]) AS opclass,
  pg_get_expr(i.indpred, i.indrelid, true) AS only, greatest(x.reltuples, 0)::bigint AS tuples,
  pg_relation_size(x.oid) AS bytes, coalesce(s.idx_scan, 0) AS scans,
  (to_jsonb(s) ->> 'last_idx_scan')::date::text AS used, coalesce(io.idx_blks_hit, 0) AS hit,
  coalesce(io.idx_blks_read, 0) AS read, least(age(x.xmin), age(i.xmin)) AS age,
  EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
          WHERE p.index_relid = x.oid OR (p.datid = (
            SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) AND p.relid IS NULL)) AS building
FROM unnest(%(schemas)s::text[], %(names)s::text[]) WITH ORDINALITY AS asked(schema, name, at)
JOIN pg_catalog.pg_namespace AS t ON t.nspname = asked.schema
JOIN pg_catalog.pg_class AS r ON r.relnamespace = t.oid AND r.relname = asked.name
CROSS JOIN LATERAL (
  SELECT r.oid AS part UNION SELECT t.relid FROM pg_partition_tree(r.oid) AS t WHERE t.isleaf) AS parts
JOIN pg_catalog.pg_index AS i ON i.indrelid = parts.part
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = x.relnamespace
JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
LEFT JOIN pg_catalog.pg_class AS root ON root.oid = pg_partition_root(x.oid)
LEFT JOIN pg_catalog.pg_stat_all_indexes AS s ON s.indexrelid = x.oid
LEFT JOIN pg_catalog.pg_statio_all_indexes AS io ON io.indexrelid = x.oid
ORDER BY 1, x.relname"""

# What the planner knows of columns by which tenants are told apart.
VALUES = """
SELECT asked.at::int AS at, s.attname::text AS column, s.n_distinct::float8 AS kinds,
  s.most_common_vals::text::text[] AS values, s.most_common_freqs::float8[] AS shares
FROM unnest(%(schemas)s::text[], %(names)s::text[]) WITH ORDINALITY AS asked(schema, name, at)
JOIN pg_catalog.pg_stats AS s ON s.schemaname = asked.schema AND s.tablename = asked.name
WHERE s.attname ~* %(pattern)s AND s.most_common_vals IS NOT NULL
ORDER BY 1, s.inherited DESC, 2"""

# The state of another's session is NULL where this role may not see it; that it waits for a lock anybody may.
SESSIONS = """
SELECT a.pid, coalesce(a.usename, 'unknown')::text AS role, a.state,
  extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS open,
  extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS idle,
  extract(epoch FROM clock_timestamp() - w.since)::float8 AS waits,
  CASE WHEN w.pid IS NOT NULL THEN pg_blocking_pids(a.pid) ELSE '{}' END AS held_by,
  coalesce(a.backend_xmin, a.backend_xid) IS NOT NULL AS keeps, a.backend_start::text AS started
FROM pg_catalog.pg_stat_activity AS a
LEFT JOIN (SELECT l.pid, min(l.waitstart) AS since FROM pg_catalog.pg_locks AS l WHERE NOT l.granted GROUP BY 1) AS w
  ON w.pid = a.pid
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND coalesce(a.backend_type, 'client backend') = 'client backend'
ORDER BY a.xact_start NULLS LAST, a.pid LIMIT 1000"""

HOLDERS = """
SELECT 'the prepared transaction ' || gid, extract(epoch FROM clock_timestamp() - prepared)::float8,
  'ROLLBACK PREPARED ' || quote_literal(gid)
FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()
UNION ALL
SELECT 'the replication slot ' || slot_name, NULL, format('SELECT pg_drop_replication_slot(%%L)', slot_name)
FROM pg_catalog.pg_replication_slots WHERE xmin IS NOT NULL AND NOT active"""

STATEMENTS = """
SELECT s.query, s.calls, s.rows, s.mean_exec_time AS mean_ms, s.shared_blks_hit + s.shared_blks_read AS blocks
FROM {schema}.pg_stat_statements AS s
WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND s.query ~* '<->|<=>|<\\#>|<\\+>|<~>|<%%>|^\\s*(insert|set)\\s|^<insufficient privilege>$'
  AND s.query !~* '^\\s*explain\\s'
ORDER BY s.total_exec_time DESC LIMIT 1000"""

# The dead rows of a table as they lie there; pages that VACUUM has seen are not read.
DEAD = """
SELECT approx_tuple_count::bigint, dead_tuple_count FROM {schema}.pgstattuple_approx(%(table)s::oid::regclass)"""

# Of each index the pages that are in shared_buffers now.
BUFFERED = """
SELECT c.relname::text, n.nspname::text, count(*) FROM {schema}.pg_buffercache AS b
JOIN pg_catalog.pg_class AS c ON pg_relation_filenode(c.oid) = b.relfilenode
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
WHERE m.amname IN ('hnsw', 'ivfflat')
  AND b.reldatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
GROUP BY 1, 2"""
