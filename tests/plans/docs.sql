-- The table of the corpus: 4,000 rows that lie anywhere, in 500 tenants of 8.
SELECT setseed(0.3);
CREATE TABLE docs (id int PRIMARY KEY, tenant int, content text, embedding vector(3));
INSERT INTO docs SELECT i, i % 500, 'text ' || i, ARRAY[random(), random(), random()]
FROM generate_series(1, 4000) AS i;
CREATE INDEX docs_hnsw ON docs USING hnsw (embedding vector_cosine_ops);
CREATE TABLE questions (id int, v vector(3));
INSERT INTO questions VALUES (1, '[1,2,3]');
ANALYZE;
