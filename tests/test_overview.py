from __future__ import annotations

from typing import Any

from pgvec_magic import overview
from pgvec_magic.db import Database


def test_every_vector_column_is_a_row_with_its_model_indexes_and_words(db: Database, raw: Any) -> None:
    raw.cursor().execute(
        """
        CREATE TABLE docs (id int PRIMARY KEY, body text, small vector(2), large vector(3));
        CREATE INDEX ON docs USING hnsw (small vector_l2_ops);
        CREATE INDEX ON docs USING gin (to_tsvector('german', body));
        COMMENT ON COLUMN docs.large IS 'pgvec: embedder=wordllama';
        """
    )
    frame = overview.tables(db).df.set_index("vector column")
    assert list(frame.index) == ["small", "large"]
    assert frame.loc["small", "vector indexes"] == "hnsw l2"
    assert frame.loc["large", "vector indexes"] == "none"
    assert frame.loc["large", "model"] == "wordllama"
    assert frame.loc["small", "type"] == "vector(2)"
    assert set(frame["text index"]) == {"german"}


def test_a_database_without_vectors_says_how_to_get_some(db: Database) -> None:
    assert "%vload" in repr(overview.tables(db))


def test_a_connection_says_what_it_is_connected_to(db: Database) -> None:
    shown = repr(overview.connection(db, notes=("read this",)))
    for said in ("connected to test", "PostgreSQL", "pgvector", "read and write", "read this"):
        assert said in shown


def test_one_table_in_detail(db: Database, raw: Any) -> None:
    raw.cursor().execute(
        """
        CREATE TABLE docs (id int PRIMARY KEY, body text, v vector(2),
          words tsvector GENERATED ALWAYS AS (to_tsvector('english', body)) STORED);
        CREATE INDEX by_meaning ON docs USING hnsw (v vector_cosine_ops) WITH (m = 8) WHERE id > 3;
        """
    )
    rows = {name: (kind, used) for name, kind, used in overview.detail(db, "docs")._grid().rows}
    assert rows["id"] == ("integer", "key")
    assert rows["body"] == ("text", "text")
    assert rows["v"][1] == "vectors of a model not remembered, 2 dimensions"
    assert rows["words"][1] == "words in english, no index"
    kind, used = rows["by_meaning"]
    assert kind == "index"
    assert used.startswith("hnsw on v by cosine with m=8 where (id > 3), ")


def test_connections_tell_the_one_in_use(db: Database) -> None:
    shown = repr(overview.connections())
    assert "test" in shown
    assert "in use" in shown


def test_the_rows_of_a_table_have_their_thousands_apart(raw: Any, db: Database) -> None:
    raw.cursor().execute(
        "CREATE TABLE many (id int PRIMARY KEY, embedding vector(1));"
        "INSERT INTO many SELECT i, '[1]' FROM generate_series(1, 1234) AS i; ANALYZE many"
    )
    shown = overview.tables(db)
    assert "1,234" in repr(shown)
    assert shown.df["rows (about)"].tolist() == [1234]
