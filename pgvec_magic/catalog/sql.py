"""The catalog's two questions."""

# One row a relation that has a vector column, or that is asked for by name; a name is matched exactly, qualified or not.
TABLES = """
SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind,
  pg_table_is_visible(c.oid) AS visible,
  CASE WHEN c.relkind = 'p' THEN (
    SELECT sum(greatest(l.reltuples, 0)) FROM pg_partition_tree(c.oid) AS t JOIN pg_class AS l ON l.oid = t.relid WHERE t.isleaf
  ) ELSE c.reltuples END AS rows,
  CASE WHEN c.relkind = 'p' THEN (
    SELECT sum(pg_total_relation_size(t.relid)) FROM pg_partition_tree(c.oid) AS t WHERE t.isleaf
  ) WHEN c.relkind IN ('r', 'm') THEN pg_total_relation_size(c.oid) ELSE 0 END AS bytes,
  (SELECT CASE WHEN pg_type_is_visible(t.oid) THEN NULL ELSE x.nspname END
   FROM pg_extension AS e JOIN pg_namespace AS x ON x.oid = e.extnamespace
   JOIN pg_type AS t ON t.typname = 'vector' AND t.typnamespace = e.extnamespace
   WHERE e.extname = 'vector') AS extension_schema,
  current_setting('default_text_search_config') AS default_language,
  (SELECT json_agg(json_build_object(
      'name', a.attname, 'type', coalesce(t.typname, ''), 'format', format_type(a.atttypid, NULL),
      'typmod', a.atttypmod, 'nullable', NOT a.attnotnull,
      'comment', col_description(c.oid, a.attnum),
      'generated', (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d
                    WHERE d.adrelid = c.oid AND d.adnum = a.attnum AND a.attgenerated <> ''),
      'width', (SELECT s.avg_width FROM pg_stats AS s
                WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname LIMIT 1)
    ) ORDER BY a.attnum)
   FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  (SELECT json_agg(json_build_object(
      'name', x.relname, 'method', m.amname, 'valid', i.indisvalid AND i.indisready,
      'unique', i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL, 'primary', i.indisprimary,
      'columns', (SELECT json_agg(k.attname ORDER BY o.n) FROM unnest(i.indkey[:i.indnkeyatts - 1]) WITH ORDINALITY AS o(attnum, n)
                  LEFT JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attnum = o.attnum AND o.attnum > 0),
      'not_null', (SELECT bool_and(k.attnotnull) FROM unnest(i.indkey) AS o(attnum)
                   JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attnum = o.attnum),
      'opclass', (SELECT opcname FROM pg_opclass WHERE pg_opclass.oid = i.indclass[0]),
      'expression', CASE WHEN i.indkey[0] = 0 THEN pg_get_indexdef(i.indexrelid, 1, true) END,
      'options', x.reloptions, 'where', pg_get_expr(i.indpred, i.indrelid),
      'bytes', pg_relation_size(x.oid), 'definition', pg_get_indexdef(i.indexrelid)
    ) ORDER BY x.relname)
   FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_am AS m ON m.oid = x.relam
   WHERE i.indrelid = c.oid) AS indexes
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND NOT c.relispartition
  AND {which}
ORDER BY visible DESC, n.nspname, c.relname
"""

BY_NAME = """((c.relname = %(name)s AND pg_table_is_visible(c.oid)) OR n.nspname || '.' || c.relname = %(name)s)"""

WITH_VECTORS = """has_table_privilege(c.oid, 'SELECT') AND EXISTS (
  SELECT FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typname IN ('vector', 'halfvec', 'sparsevec'))"""

CAPABILITIES = """
SELECT current_setting('server_version_num')::int AS server,
  (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,
  (SELECT quote_ident(n.nspname) FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
   WHERE e.extname = 'vector') AS schema,
  (SELECT array_agg(cfgname::text ORDER BY cfgname) FROM pg_ts_config) AS languages
"""

IN_FORCE = """
SELECT name, current_setting(name, true) AS value
FROM unnest(ARRAY['hnsw.ef_search', 'hnsw.iterative_scan', 'hnsw.max_scan_tuples', 'hnsw.scan_mem_multiplier',
  'ivfflat.probes', 'ivfflat.iterative_scan', 'ivfflat.max_probes']) AS name
"""
