from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import connection

from pgvec_magic import catalog
from pgvec_magic.db import Database
from pgvec_magic.embed import Embedder
from pgvec_magic.errors import LoadError, UsageError
from pgvec_magic.load import load, run
from pgvec_magic.load.chunks import Chunking, split
from pgvec_magic.search import search

PROGRAM = """
import sys, time
from pgvec_magic.db import connect
from pgvec_magic.load import load, run
from test_load_chunks import Words, documents
run._EMBED_ROWS = 1
class Slow(Words):
    def embed_batch(self, texts, role):
        time.sleep(0.02)
        return super().embed_batch(texts, role)
load(connect(sys.argv[1]), "docs", documents(60), embedder=Slow(), chunk=4)
"""


def ends(text: str) -> list[int]:
    """A token is a word with the white space before it."""
    found = [match.end() for match in re.finditer(r"\s*\S+", text)]
    return [*found[:-1], len(text)]


class Words(Embedder):
    """Two numbers a text; a token is a word. ``seen`` has every text that was embedded."""

    name = "words"
    dimensions = 2
    limit: int | None = None

    def __init__(self) -> None:
        self.seen: list[str] = []

    @property
    def max_tokens(self) -> int | None:
        return self.limit

    def token_ends(self, text: str) -> list[int]:
        return ends(text)

    def embed_batch(self, texts: Sequence[str], role: str) -> list[list[float]]:
        self.seen += texts
        return [[len(text), 1.0] for text in texts]


def words(first: int, count: int) -> str:
    return " ".join(f"w{i}" for i in range(first, first + count))


def documents(count: int) -> pd.DataFrame:
    """Document i has i words."""
    ids = range(1, count + 1)
    return pd.DataFrame({"id": ids, "content": [words(1000 * i, i) for i in ids], "kind": [f"k{i % 2}" for i in ids]})


def chunks_of(frame: pd.DataFrame, size: int) -> list[tuple[str, int, int, str]]:
    made = []
    for id, content in zip(frame["id"], frame["content"], strict=True):
        parts = content.split()
        pieces = [" ".join(parts[i : i + size]) for i in range(0, len(parts), size)]
        made += [(f"{id}#{n}", id, n, piece) for n, piece in enumerate(pieces)]
    return sorted(made, key=lambda row: (row[1], row[2]))


def rows(raw: connection, sql: str) -> list[tuple[Any, ...]]:
    with raw.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def stored(raw: connection) -> list[tuple[Any, ...]]:
    return rows(raw, "SELECT id, parent, chunk, content FROM docs ORDER BY parent, chunk")


def test_a_short_text_stays_as_it_is() -> None:
    text = "  three words here \n"
    assert split(text, ends, Chunking(3, 0)) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b c\n\nd e f g h", ["a b c", "d e f g h"]),
        ("a b c. d e f g h", ["a b c.", "d e f g h"]),
        ("a b. c\n\nd e f g h", ["a b. c", "d e f g h"]),
        ("a b c d e f g h", ["a b c d e", "f g h"]),
        ("a. b c d e f g h", ["a. b c d e", "f g h"]),
    ],
    ids=["paragraph", "sentence", "paragraph before sentence", "word", "no sentence in the second half"],
)
def test_texts_are_cut_where_it_reads_best(text: str, expected: list[str]) -> None:
    assert split(text, ends, Chunking(5, 0)) == expected


def test_chunks_begin_with_the_end_of_the_one_before() -> None:
    assert split(words(0, 10), ends, Chunking(4, 2)) == ["w0 w1 w2 w3", "w2 w3 w4 w5", "w4 w5 w6 w7", "w6 w7 w8 w9"]


def test_a_word_is_cut_only_when_it_is_longer_than_a_chunk() -> None:
    letters = lambda text: list(range(1, len(text) + 1))  # noqa: E731
    assert split("ab cdefgh ij", letters, Chunking(4, 0)) == ["ab", "cdef", "gh", "ij"]


@given(st.text("w .\n。", max_size=80), st.integers(1, 9), st.integers(0, 8), st.booleans())
def test_chunks_hold_every_letter_in_order(pattern: str, size: int, overlap: int, by_word: bool) -> None:
    text = "".join(chr(0x1F400 + i) if sign == "w" else sign for i, sign in enumerate(pattern))
    tokens = ends if by_word else lambda text: [i for i, sign in enumerate(text, 1) for _ in sign.encode()]
    if not text.strip():
        return
    found = split(text, tokens, Chunking(size, min(overlap, size - 1)))
    letters = "".join(dict.fromkeys(sign for chunk in found for sign in chunk if sign > "\U0001f000"))
    assert letters == "".join(sign for sign in text if sign > "\U0001f000")
    assert all(chunk in text for chunk in found)
    if len(found) > 1:
        assert all(found)
    if len(found) > 1 and by_word:
        assert all(len(chunk.split()) <= size for chunk in found)
    if overlap == 0:
        assert "".join("".join(found).split()) == "".join(text.split())


def test_documents_become_chunks(db: Database, raw: connection) -> None:
    source = documents(9)
    report = load(db, "docs", source, embedder=Words(), chunk=4)
    expected = chunks_of(source, 4)
    assert stored(raw) == expected
    assert (report.documents, report.rows, report.inserted) == (9, len(expected), len(expected))
    assert "9 documents in 15 chunks" in str(report)
    assert rows(raw, "SELECT DISTINCT kind FROM docs WHERE parent = 9") == [("k1",)], "other columns are repeated"
    vectors = rows(raw, "SELECT content, embedding::text FROM docs")
    assert all(vector == f"[{len(text)},1]" for text, vector in vectors), "the vector is of the chunk"
    types = rows(
        raw,
        "SELECT attname, atttypid::regtype::text FROM pg_attribute"
        " WHERE attrelid = 'docs'::regclass AND attnum > 0 ORDER BY attnum LIMIT 3",
    )
    assert types == [("id", "text"), ("parent", "bigint"), ("chunk", "integer")]


def test_loading_again_embeds_nothing_that_is_there(db: Database, raw: connection) -> None:
    source = documents(9)
    load(db, "docs", source, embedder=Words(), chunk=4)
    again = Words()
    report = load(db, "docs", source, embedder=again, chunk=4)
    assert (report.inserted, report.updated, report.deleted, report.unchanged) == (0, 0, 0, 15)
    assert again.seen == []
    source.loc[8, "content"] = f"{words(9000, 4)} other words"
    report = load(db, "docs", source, embedder=again, chunk=4)
    assert sorted(again.seen) == ["other words"]
    assert (report.inserted, report.updated, report.deleted, report.unchanged) == (0, 1, 1, 13)
    assert stored(raw) == chunks_of(source, 4)


def test_a_document_that_became_shorter_loses_its_last_chunks(db: Database, raw: connection) -> None:
    source = documents(9)
    load(db, "docs", source, embedder=Words(), chunk=2)
    source["content"] = [" ".join(text.split()[:3]) for text in source["content"]]
    report = load(db, "docs", source, embedder=Words(), chunk=2)
    assert stored(raw) == chunks_of(source, 2)
    assert report.deleted == 9
    assert "9 deleted" in str(report)


def test_documents_that_are_there_are_left_alone_when_told_so(db: Database, raw: connection) -> None:
    source = documents(5)
    load(db, "docs", source, embedder=Words(), chunk=2)
    before = stored(raw)
    longer = documents(6)
    longer["content"] += " and more"
    report = load(db, "docs", longer, embedder=Words(), chunk=2, on_conflict="skip")
    assert stored(raw) == before + chunks_of(longer[5:], 2)
    assert (report.inserted, report.deleted) == (4, 0)
    with pytest.raises(LoadError, match=r"row 0: id '6#0' is in docs already"):
        load(db, "docs", longer[::-1].iloc[-6:], embedder=Words(), chunk=2, on_conflict="error", limit=6)


def test_of_several_texts_the_last_is_cut(db: Database, raw: connection) -> None:
    model = Words()
    source = [{"id": "x", "title": "a title", "body": words(0, 5)}, {"id": "y", "title": "b", "body": None}]
    load(db, "docs", source, text=["title", "body"], embedder=model, chunk=3)
    assert sorted(model.seen) == ["a title\n\nw0 w1 w2", "a title\n\nw3 w4", "b"]
    found = rows(raw, "SELECT id, title, body FROM docs ORDER BY id")
    assert found == [("x#0", "a title", "w0 w1 w2"), ("x#1", "a title", "w3 w4"), ("y#0", "b", "")]
    again = Words()
    load(db, "docs", source, text=["title", "body"], embedder=again, chunk=3)
    assert again.seen == []


def test_rows_without_an_id_are_told_apart_by_their_content(db: Database, raw: connection) -> None:
    source = documents(5).drop(columns="id")
    for _ in range(2):
        load(db, "docs", source, embedder=Words(), chunk=2)
    assert rows(raw, "SELECT count(*), count(DISTINCT parent) FROM docs") == [(9, 5)]


def test_an_id_of_another_name_becomes_the_parent(db: Database, raw: connection) -> None:
    load(db, "docs", documents(3).rename(columns={"id": "key"}), id="key", embedder=Words(), chunk=2)
    assert stored(raw) == chunks_of(documents(3), 2)


def test_replace_makes_a_table_of_chunks(db: Database, raw: connection) -> None:
    load(db, "docs", documents(3), embedder=Words())
    with pytest.raises(UsageError, match=r"not loaded in chunks: it lacks the columns parent and chunk\n.*--replace"):
        load(db, "docs", documents(3), embedder=Words(), chunk=2)
    load(db, "docs", documents(3), embedder=Words(), chunk=2, replace=True)
    assert stored(raw) == chunks_of(documents(3), 2)
    with pytest.raises(UsageError, match=r"was loaded in chunks, and the source has whole rows\nsay --chunk N again"):
        load(db, "docs", documents(3), embedder=Words())


def test_a_search_gives_one_hit_a_document(db: Database) -> None:
    load(db, "docs", documents(9), embedder=Words(), chunk=2)
    hits = search(db, "docs", vector=[7.0, 1.0], per="parent", k=20)
    assert sorted(hits.df["parent"]) == list(range(1, 10))


def test_a_bad_row_is_told_by_its_place_in_the_source(db: Database) -> None:
    source = documents(9)
    source.loc[7, "content"] = " "
    with pytest.raises(LoadError, match=r"row 7: the text \(content\) is empty"):
        load(db, "docs", source, embedder=Words(), chunk=2)
    source = documents(9)
    source.loc[8, "id"] = 3
    with pytest.raises(LoadError, match=r"row 8: id 3 was there before"):
        load(db, "docs", source, embedder=Words(), chunk=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk": 0}, r"--chunk: 0 is not a number of tokens"),
        ({"chunk": 4, "overlap": 4}, r"--overlap: 4 must be less than the 4 tokens of a chunk"),
        ({"chunk": 4, "overlap": -1}, r"--overlap: -1 must be"),
        ({"overlap": 2}, r"--overlap is of chunks, and there are none\nsay --chunk N too"),
        ({"chunk": 9}, r"--chunk: words sees 8 tokens of a text, less than 9\nsay --chunk 8 or less"),
    ],
)
def test_what_cannot_be_meant_is_refused(db: Database, options: dict[str, int], message: str) -> None:
    model = Words()
    model.limit = 8
    with pytest.raises(UsageError, match=message):
        load(db, "docs", documents(3), embedder=model, **options)


def test_columns_that_chunks_cannot_have_are_refused(db: Database) -> None:
    with pytest.raises(UsageError, match=r"chunks have a column 'parent' of their own\nrename"):
        load(db, "docs", documents(3).assign(parent=1), embedder=Words(), chunk=2)
    with pytest.raises(UsageError, match="brings its vectors"):
        load(db, "docs", documents(3).assign(embedding=[[1.0, 2.0]] * 3), chunk=2)


def test_texts_that_a_model_does_not_see_to_their_end_are_counted(db: Database) -> None:
    model = Words()
    model.limit = 6
    report = load(db, "docs", documents(9), embedder=model)
    assert "texts longer than the 6 tokens that words sees of one: 3; --chunk 6 splits them" in report.notices
    report = load(db, "docs", documents(9), embedder=model, chunk=6, replace=True)
    assert not [said for said in report.notices if "longer than" in said]


def test_progress_and_limit_count_rows_of_the_source(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_EMBED_ROWS", 4)
    seen: list[tuple[int, int | None]] = []
    load(
        db,
        "docs",
        documents(30),
        embedder=Words(),
        chunk=4,
        limit=20,
        progress=lambda done, total, _: seen.append((done, total)),
    )
    assert seen[-1] == (20, 20)
    assert len(seen) > 2


class Paid(Words):
    """``kept`` are the texts in its cache."""

    paid = True

    def __init__(self, kept: set[str]) -> None:
        super().__init__()
        self._kept = kept

    def missing(self, texts: Sequence[str], role: str = "document") -> list[int]:
        return [i for i, text in enumerate(texts) if text not in self._kept]


def test_what_chunks_cost_is_said_before(db: Database, capsys: pytest.CaptureFixture[str]) -> None:
    source = [{"id": i, "title": f"title {i}", "content": words(0, 10)} for i in range(3)]
    first = {f"title {i}\n\n{words(0, 4)}" for i in range(3)}
    load(db, "docs", source, text=["title", "content"], embedder=Paid(first), chunk=4, overlap=1)
    # Of each document w0…w3, w3…w6 and w6…w9, with the two words of its title before them.
    assert capsys.readouterr().out == "3 rows, ~54 tokens for words; 33% of them are in the cache\n"


def test_the_models_own_tokens_are_counted(db: Database, raw: connection) -> None:
    from pgvec_magic import embed

    model = embed.get("wordllama")
    text = "PostgreSQL's planner estimates costs. " * 40
    load(db, "docs", [{"id": 1, "content": text}], chunk=50, overlap=10)
    found = [content for _, _, _, content in stored(raw)]
    assert len(found) > 5
    assert all(len(model.token_ends(chunk)) <= 51 for chunk in found), "a token more where a text begins"
    assert all(chunk.startswith("PostgreSQL") or chunk.split()[0] in text.split() for chunk in found)


def test_after_a_kill_the_same_call_ends_with_the_chunks_of_the_source(
    db: Database, raw: connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, dsn], env={**os.environ, "PYTHONPATH": path})
    try:
        until = time.monotonic() + 60
        while not rows(raw, "SELECT to_regclass('docs')")[0][0] or len(stored(raw)) < 50:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    source = documents(60)
    there, expected = {row[0]: row for row in stored(raw)}, chunks_of(source, 4)
    assert len(there) < len(expected)
    whole = {row[1] for row in there.values()}
    assert list(there.values()) == [row for row in expected if row[1] in whole], "a document has all chunks or none"
    again = Words()
    report = load(db, "docs", source, embedder=again, chunk=4)
    assert stored(raw) == expected
    assert sorted(again.seen) == sorted(text for id, _, _, text in expected if id not in there)
    assert (report.inserted, report.deleted, report.unchanged) == (len(expected) - len(there), 0, len(there))
    assert catalog.table(db, "docs").texts[0].indexed
