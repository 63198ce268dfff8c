"""The catalog's questions."""

# The planner's way: rows a page when last counted, times the pages there are now; NULL when nobody has counted yet.
_ROWS = """CASE WHEN {rel}.reltuples < 0 THEN NULL WHEN {rel}.relkind = 'f' THEN {rel}.reltuples
    WHEN {rel}.relpages > 0 THEN {rel}.reltuples / {rel}.relpages
      * (pg_relation_size({rel}.oid) / current_setting('block_size')::int)
    WHEN pg_relation_size({rel}.oid) = 0 THEN 0 END"""

# One row a relation that has a vector column, or that is asked for by name.
TABLES = f"""
SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind,
  c.relkind = 'r' AND c.relhassubclass AS inherited,
  pg_table_is_visible(c.oid) AS visible,
  CASE WHEN c.relkind = 'p' THEN (
    SELECT CASE WHEN NOT bool_or(l.reltuples < 0) THEN sum({_ROWS.format(rel="l")}) END
    FROM pg_partition_tree(c.oid) AS t JOIN pg_class AS l ON l.oid = t.relid WHERE t.isleaf
  ) ELSE {_ROWS.format(rel="c")} END AS rows,
  CASE WHEN c.relkind = 'p' THEN (
    SELECT sum(pg_total_relation_size(t.relid)) FROM pg_partition_tree(c.oid) AS t WHERE t.isleaf
  ) WHEN c.relkind IN ('r', 'm') THEN pg_total_relation_size(c.oid) ELSE 0 END AS bytes,
  (SELECT CASE WHEN pg_type_is_visible(t.oid) THEN NULL ELSE x.nspname END
   FROM pg_extension AS e JOIN pg_namespace AS x ON x.oid = e.extnamespace
   JOIN pg_type AS t ON t.typname = 'vector' AND t.typnamespace = e.extnamespace
   WHERE e.extname = 'vector') AS extension_schema,
  current_setting('default_text_search_config') AS default_language,
  row_security_active(c.oid) AS row_security,
  (SELECT json_agg(json_build_object(
      'name', a.attname, 'type', t.typname, 'format', format_type(a.atttypid, NULL),
      'typmod', a.atttypmod, 'nullable', NOT a.attnotnull,
      'comment', col_description(c.oid, a.attnum),
      'made_by', CASE WHEN a.attgenerated <> '' THEN (
          SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d WHERE d.adrelid = c.oid AND d.adnum = a.attnum
        ) WHEN t.typname = 'tsvector' THEN (
          SELECT string_agg(CASE p.proname WHEN 'tsvector_update_trigger'
              THEN format('to_tsvector(%%L', split_part(encode(g.tgargs, 'escape'), '\\000', 2)) ELSE p.prosrc END, ' ')
          FROM pg_trigger AS g JOIN pg_proc AS p ON p.oid = g.tgfoid
          WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND CASE p.proname WHEN 'tsvector_update_trigger'
              THEN split_part(encode(g.tgargs, 'escape'), '\\000', 1) = a.attname
              ELSE position(a.attname IN p.prosrc) > 0 END) END
    ) ORDER BY a.attnum)
   FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  (SELECT json_agg(json_build_object(
      'name', x.relname, 'method', m.amname, 'valid', i.indisvalid AND i.indisready, 'primary', i.indisprimary,
      'unique', i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL,
      'keys', (SELECT json_agg(json_build_object('column', k.attname, 'not_null', k.attnotnull, 'expression',
                 CASE WHEN o.attnum = 0 THEN pg_get_indexdef(i.indexrelid, o.n::int, true) END) ORDER BY o.n)
               FROM unnest(i.indkey[:i.indnkeyatts - 1]) WITH ORDINALITY AS o(attnum, n)
               LEFT JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attnum = o.attnum AND o.attnum > 0),
      'opclass', (SELECT opcname FROM pg_opclass WHERE pg_opclass.oid = i.indclass[0]),
      'opclass_schema', (SELECT s.nspname FROM pg_opclass AS o JOIN pg_namespace AS s ON s.oid = o.opcnamespace
                         WHERE o.oid = i.indclass[0] AND NOT pg_opclass_is_visible(o.oid)),
      'options', x.reloptions, 'where', pg_get_expr(i.indpred, i.indrelid),
      'bytes', CASE x.relkind WHEN 'I' THEN (
          SELECT sum(pg_relation_size(t.relid)) FROM pg_partition_tree(x.oid) AS t WHERE t.isleaf
        ) ELSE pg_relation_size(x.oid) END,
      'rows', CASE WHEN x.relkind = 'i' AND x.reltuples > 0 THEN x.reltuples::bigint END,
      'definition', pg_get_indexdef(i.indexrelid), 'comment', obj_description(i.indexrelid, 'pg_class')
    ) ORDER BY x.relname)
   FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_am AS m ON m.oid = x.relam
   WHERE i.indrelid = c.oid) AS indexes
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT pg_is_other_temp_schema(n.oid) AND {{which}}
ORDER BY visible DESC, n.nspname, c.relname
"""

# How many bytes the values of a table's columns have on average, where somebody has counted.
WIDTHS = """
SELECT attname, avg_width FROM pg_stats WHERE schemaname = %(schema)s AND tablename = %(name)s ORDER BY inherited
"""

# A name is matched exactly, qualified or not; either part may hold a dot.
BY_NAME = """c.relname = ANY(%(endings)s)
  AND ((c.relname = %(name)s AND pg_table_is_visible(c.oid)) OR n.nspname || '.' || c.relname = %(name)s)"""

# With bits, which may be flags: whether they are vectors ``assemble`` tells.
WITH_VECTORS = """NOT c.relispartition
  AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
  AND EXISTS (
    SELECT FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      AND t.typname IN ('vector', 'halfvec', 'sparsevec', 'bit'))"""

CAPABILITIES = """
SELECT current_setting('server_version_num')::int AS server,
  (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,
  (SELECT quote_ident(n.nspname) FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
   WHERE e.extname = 'vector') AS schema,
  (SELECT array_agg(cfgname::text ORDER BY cfgname) FROM pg_ts_config WHERE pg_ts_config_is_visible(oid)) AS languages
"""

# pgvector's settings exist once its library is loaded, which the first cast does.
LOAD_VECTOR = "SELECT '[1]'::{schema}.vector"

IN_FORCE = """
SELECT name, current_setting(name, true) AS value
FROM unnest(ARRAY['hnsw.ef_search', 'hnsw.iterative_scan', 'hnsw.max_scan_tuples', 'hnsw.scan_mem_multiplier',
  'ivfflat.probes', 'ivfflat.iterative_scan', 'ivfflat.max_probes', 'citus.propagate_set_commands']) AS name
"""
