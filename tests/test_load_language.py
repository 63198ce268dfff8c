from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from psycopg2.extensions import connection

from pgvec_magic import catalog
from pgvec_magic.db import Database
from pgvec_magic.embed import Embedder
from pgvec_magic.errors import UsageError
from pgvec_magic.load import load
from pgvec_magic.search import search

GERMAN = [
    {"id": 1, "content": "Die Häuser an der Straße sind alt."},
    {"id": 2, "content": "Ein Baum steht im Garten."},
    {"id": 3, "content": "The houses are old."},
]


class Paid(Embedder):
    """A model that costs money; ``cached`` are texts that it has been asked for before."""

    name = "paid"
    dimensions = 2
    paid = True
    cached: tuple[str, ...] = ()

    def embed_batch(self, texts: Sequence[str], role: str) -> list[list[float]]:
        return [[1.0, 2.0] for _ in texts]

    def count_tokens(self, texts: Sequence[str]) -> int:
        return sum(len(text.split()) for text in texts)

    def missing(self, texts: Sequence[str], role: str = "document") -> list[int]:
        return [i for i, text in enumerate(texts) if text not in self.cached]


def flat(texts: Sequence[str]) -> list[list[float]]:
    return [[1.0, 2.0] for _ in texts]


def execute(raw: connection, sql: str) -> None:
    with raw.cursor() as cursor:
        cursor.execute(sql)


def found(db: Database, text: str, **options: Any) -> list[int]:
    return list(search(db, "docs", text, mode="keyword", **options).df["id"])


def test_words_are_found_in_the_language_of_the_table(db: Database) -> None:
    load(db, "docs", GERMAN, embedder=flat, language="german")
    assert found(db, "Haus") == [1]
    assert found(db, "Bäume Gärten") == [2]
    text = catalog.table(db, "docs").texts[0]
    assert (text.language, text.indexed) == ("german", True)
    hybrid = search(db, "docs", "Haus", mode="hybrid", k=1).df
    assert (hybrid["id"].iloc[0], hybrid["keyword_rank"].iloc[0]) == (1, 1)


def test_the_language_is_english_when_nothing_is_said(db: Database) -> None:
    load(db, "docs", GERMAN, embedder=flat)
    assert found(db, "house") == [3]
    assert found(db, "Haus") == []


def test_a_configuration_of_ones_own_is_quoted(db: Database, raw: connection) -> None:
    execute(raw, """CREATE TEXT SEARCH CONFIGURATION "It's Mine" (COPY = german)""")
    load(db, "docs", GERMAN, embedder=flat, language="It's Mine")
    assert catalog.table(db, "docs").texts[0].language == '"It\'s Mine"'
    assert found(db, "Haus") == [1]


def test_a_language_that_does_not_exist_is_refused(db: Database) -> None:
    with pytest.raises(UsageError, match=r"no text search language 'germann'\ndid you mean 'german'\?"):
        load(db, "docs", GERMAN, embedder=flat, language="germann")


def test_the_language_of_a_table_stays(db: Database) -> None:
    load(db, "docs", GERMAN[:1], embedder=flat, language="german")
    load(db, "docs", GERMAN, embedder=flat, language="german")
    load(db, "docs", GERMAN, embedder=flat)
    assert found(db, "Bäume") == [2]
    with pytest.raises(UsageError, match=r"text search of docs is in german, not in english\nmake the table anew"):
        load(db, "docs", GERMAN, embedder=flat, language="english")
    load(db, "docs", GERMAN, embedder=flat, language="english", replace=True)
    assert found(db, "house") == [3]


def test_a_table_without_text_search_is_not_said_to_have_a_language(db: Database, raw: connection) -> None:
    execute(raw, "CREATE TABLE docs (id bigint PRIMARY KEY, content text, embedding vector(2))")
    with pytest.raises(UsageError, match=r"in no language yet, not in german\n.*CREATE INDEX ON docs USING gin"):
        load(db, "docs", GERMAN, embedder=flat, language="german")
    execute(raw, "CREATE INDEX ON docs USING gin (to_tsvector('german', coalesce(content, '')))")
    load(db, "docs", GERMAN, embedder=flat, language="german")
    assert found(db, "Haus") == [1]


def test_a_language_needs_a_text(db: Database) -> None:
    with pytest.raises(UsageError, match="no text to be searched by words"):
        load(db, "docs", [{"id": 1, "embedding": [1.0, 2.0]}], language="german")


def test_what_a_load_costs_is_said_before_it(db: Database, capsys: pytest.CaptureFixture[str]) -> None:
    load(db, "docs", GERMAN, embedder=Paid())
    assert capsys.readouterr().out == "3 rows, ~16 tokens for paid\n"
    model = Paid()
    model.cached = (GERMAN[0]["content"],)
    load(db, "docs", GERMAN, embedder=model, limit=2)
    expected = (
        "2 rows, ~12 tokens for paid; 50% of them are in the cache;"
        " what the table has with the same text is not embedded again\n"
    )
    assert capsys.readouterr().out == expected
    load(
        db, "chunks", (frame for frame in [__import__("pandas").DataFrame(GERMAN)]), embedder=Paid(), chunk=4, overlap=2
    )
    assert capsys.readouterr().out == "~8 tokens a row, rows unknown for paid\n"
    load(db, "free", GERMAN, embedder=flat)
    assert capsys.readouterr().out == ""
