-- The tables of ordinary.toml; a server without pgvector has lists of numbers for vectors, and no index on them.
SET work_mem = '256kB';
SELECT setseed(0.5);
CREATE TABLE docs (id int PRIMARY KEY, tenant int, content text, embedding vector(3));
INSERT INTO docs SELECT i, i % 50, 'text ' || i || repeat('x', i % 60), ARRAY[random(), random(), random()]
FROM generate_series(1, 3000) AS i;
CREATE INDEX ON docs USING hnsw (embedding vector_cosine_ops);
CREATE INDEX ON docs (tenant);
CREATE TABLE few (id int, n int, v vector(3));
INSERT INTO few SELECT i * 7, i, ARRAY[i, 1, 2] FROM generate_series(1, 60) AS i;
CREATE TABLE log (id int);
CREATE TABLE parts (id int, embedding vector(3)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (500);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (500) TO (2000);
INSERT INTO parts SELECT id, embedding FROM docs WHERE id < 2000;
CREATE INDEX ON parts USING hnsw (embedding vector_l2_ops);
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.001); RETURN NULL; END';
CREATE TRIGGER noted AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION noted();
ANALYZE;
