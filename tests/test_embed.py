from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pgvec_magic import embed
from pgvec_magic.errors import EmbedError

TEXTS = [
    "Return evenly spaced numbers over a specified interval.",
    "cat",
    "Delay execution for a given number of seconds. " * 40,
    "naïve café – 中文, emoji 🙂, and\nseveral\tkinds of space",
    "read a csv file",
]
AS_A_NOTEBOOK_MEETS_IT = """
import json, logging
from pgvec_magic import embed
logging.getLogger().setLevel(logging.ERROR)
embed.get("wordllama").embed(["a text"])
root = logging.getLogger()
print(json.dumps([root.level == logging.ERROR, len(root.handlers)]))
"""


class Lengths(embed.Embedder):
    """Two numbers a text: its length and 1. Remembers the batches it was given."""

    name = "lengths"
    dimensions = 2
    batch_texts = 3

    def __init__(self) -> None:
        self.batches: list[tuple[list[str], str]] = []

    def embed_batch(self, texts: Sequence[str], role: str) -> list[list[float]]:
        self.batches.append((list(texts), role))
        return [[len(text), 1] for text in texts]


def giving(result: Callable[[list[str]], Any]) -> embed.Embedder:
    def model(texts: list[str]) -> Any:
        return result(texts)

    return embed.get(model)


def refusal(texts: Sequence[Any], model: embed.Embedder | None = None) -> EmbedError:
    with pytest.raises(EmbedError) as caught:
        (model or Lengths()).embed(texts)
    return caught.value


# --- wordllama


def test_wordllama_gives_unit_vectors_of_float32_in_the_order_of_the_texts() -> None:
    model = embed.get("wordllama")
    vectors = model.embed(TEXTS)
    assert (model.name, model.dimensions) == ("wordllama", 256)
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, 256)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(model.embed(TEXTS[::-1])[::-1], vectors, atol=1e-6)


def test_wordllama_gives_a_text_the_same_vector_alone_and_in_a_batch() -> None:
    model = embed.get("wordllama")
    together = model.embed(TEXTS * 200)
    for i, text in enumerate(TEXTS):
        np.testing.assert_allclose(model.embed([text], role="query")[0], together[i], atol=1e-5)


def test_the_faster_way_gives_what_wordllama_itself_gives() -> None:
    from pathlib import Path

    import wordllama

    own = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    np.testing.assert_allclose(embed.get("wordllama").embed(TEXTS), own.embed(TEXTS, norm=True), atol=1e-6)


def test_texts_about_the_same_thing_are_closer() -> None:
    sleep, wait, zebra = embed.get("wordllama").embed(["pause for some seconds", "wait a moment", "zebra stripes"])
    assert sleep @ wait > sleep @ zebra + 0.1


def test_a_text_longer_than_a_block_of_tokens_is_read_to_its_end() -> None:
    model = embed.get("wordllama")
    long = "numpy array " * 20_000
    plain, ended = model.embed([long, long + "unrelated ending about zebras " * 5_000])
    assert np.linalg.norm(plain - ended) > 0.1
    np.testing.assert_allclose(np.linalg.norm(ended), 1, atol=1e-6)


def test_wordllama_is_loaded_once_a_process() -> None:
    assert embed.get("wordllama") is embed.get("wordllama")


def test_loading_wordllama_leaves_logging_as_it_was_and_says_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", AS_A_NOTEBOOK_MEETS_IT],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [True, 0]
    assert done.stderr == ""


def test_embedding_in_two_threads_at_once_gives_the_same_vectors() -> None:
    model = embed.get("wordllama")
    expected = model.embed(TEXTS * 50)
    found: list[Any] = [None, None]

    def work(slot: int) -> None:
        found[slot] = model.embed(TEXTS * 50)

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, [expected, expected])


# --- what every model is given, and gives


def test_a_model_sees_short_texts_first_in_batches_and_the_order_is_restored() -> None:
    model = Lengths()
    texts = ["x" * n for n in (5, 1, 4, 7, 2, 3, 6)]
    vectors = model.embed(texts, role="query")
    assert vectors[:, 0].tolist() == [5, 1, 4, 7, 2, 3, 6]
    assert [([len(t) for t in batch], role) for batch, role in model.batches] == [
        ([1, 2, 3], "query"),
        ([4, 5, 6], "query"),
        ([7], "query"),
    ]


def test_a_batch_holds_no_more_bytes_than_its_model_takes() -> None:
    class Small(Lengths):
        batch_bytes = 10

    model = Small()
    model.embed(["xxxx", "éé", "中x", "x" * 25])
    assert [[len(t) for t in batch] for batch, _ in model.batches] == [[4, 2], [2], [25]]


def test_progress_counts_texts_after_each_batch() -> None:
    seen: list[tuple[int, int]] = []
    Lengths().embed(["text"] * 7, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(3, 7), (6, 7), (7, 7)]


def test_a_column_of_a_filtered_frame_is_taken_in_its_order() -> None:
    import pandas as pd

    assert Lengths().embed(pd.Series(["aaa", "a", "aa"], index=[7, 0, 3]))[:, 0].tolist() == [3, 1, 2]  # type: ignore[arg-type]


def test_no_texts_give_no_vectors() -> None:
    assert Lengths().embed([]).shape == (0, 2)
    assert giving(lambda texts: [[1.0] * 3 for _ in texts]).embed([]).shape == (0, 3)


def test_empty_texts_are_refused_by_position_before_the_model_is_asked() -> None:
    model = Lengths()
    assert refusal(["a", "b", "c", "", "e"], model).message == "text 3 is empty"
    assert refusal(["a", " \n\t", "c", ""], model).message == "2 texts (1, 3) are empty"
    assert "(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …)" in refusal([""] * 30, model).message
    assert model.batches == []


def test_half_a_character_is_refused_by_position() -> None:
    assert refusal(["é", "half \ud83d"]).message == "text 1 is not Unicode (a surrogate stands alone)"


@pytest.mark.parametrize("value", [None, float("nan"), 7, b"bytes"])
def test_what_is_not_text_is_refused_by_position(value: Any) -> None:
    assert refusal(["a", value]).message == "text 1 is not text"


@pytest.mark.parametrize("bad", [[np.nan, 1.0], [np.inf, 1.0], [1e300, 1.0], [0.0, 0.0]])
def test_a_vector_that_cannot_be_searched_is_refused_by_the_position_of_its_text(bad: list[float]) -> None:
    model = giving(lambda texts: [bad if text == "bad" else [1.0, 2.0] for text in texts])
    error = refusal(["a longer text", "x", "bad", "another text"], model)
    assert error.message == "text 2 is given a vector of zeros, NaN or infinity by :model"


def test_small_and_large_numbers_are_vectors_like_others() -> None:
    vectors = giving(lambda texts: np.array([[1e-30, 0], [1e30, -1e30]])[: len(texts)]).embed(["a", "b"])
    np.testing.assert_allclose(vectors, [[1e-30, 0], [1e30, -1e30]], rtol=1e-6)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda texts: [[1.0, 2.0]], "gave an array of shape (1, 2) for 3 texts"),
        (lambda texts: [1.0, 2.0], "gave an array of shape (2,) for 3 texts"),
        (lambda texts: [[1.0], [1.0, 2.0], [1.0]], "are not one array"),
        (lambda texts: [["a", "b"] for _ in texts], "gave <U1 values"),
        (lambda texts: [None for _ in texts], "gave object values"),
    ],
)
def test_what_is_not_one_row_of_numbers_a_text_is_refused(result: Callable[[list[str]], Any], message: str) -> None:
    error = refusal(["a", "b", "c"], giving(result))
    assert error.message.startswith(":model gave")
    assert message in error.message


# --- functions


def test_a_function_is_a_model_named_after_it_with_the_dimensions_of_its_first_result() -> None:
    calls: list[list[str]] = []

    def my_model(texts: list[str]) -> list[list[float]]:
        calls.append(texts)
        return [[len(text), 1, 2] for text in texts]

    model = embed.get(my_model)
    assert model.name == ":my_model"
    np.testing.assert_array_equal(model.embed(["aaa", "a"]), [[3, 1, 2], [1, 1, 2]])
    assert model.dimensions == 3
    assert calls == [["a", "aaa"]]  # not called once more to learn its dimensions


def test_the_dimensions_of_a_function_are_known_before_it_embeds_anything() -> None:
    assert giving(lambda texts: np.ones((len(texts), 7), np.float64)).dimensions == 7


def test_a_function_that_changes_its_dimensions_is_refused() -> None:
    widths = iter((3, 4))
    model = giving(lambda texts: np.ones((len(texts), next(widths))))
    model.embed(["a"])
    error = refusal(["b"], model)
    assert "shape (1, 4)" in error.message
    assert error.hint == "it must return 1 rows of 3 numbers"


def test_an_error_of_the_function_is_its_own() -> None:
    def broken(texts: list[str]) -> Any:
        raise KeyError("their bug")

    with pytest.raises(KeyError, match="their bug"):
        embed.get(broken).embed(["a"])


def test_an_object_that_is_called_is_named_after_its_class() -> None:
    class Encoder:
        def __call__(self, texts: list[str]) -> list[list[int]]:
            return [[1, 2] for _ in texts]

    assert embed.get(Encoder()).name == ":Encoder"


# --- tokens


def test_tokens_of_wordllama_end_where_its_tokenizer_says() -> None:
    model = embed.get("wordllama")
    text = "Delay execution,  naïve 🙂 中文\n\tread_csv(path)  "
    ends = model.token_ends(text)
    assert ends == sorted(ends)
    assert ends[-1] == len(text)
    assert model.count_tokens([text, text, "a"]) == 2 * len(ends) + 1
    assert (model.token_ends(""), model.max_tokens, model.too_long(["word " * 100_000])) == ([], None, [])


@pytest.mark.parametrize(
    "text", [*TEXTS, "", "   ", "a\x00b", "x = f(y[1:2], **kw)  # TODO", "1234567890", "שלום", "हिन्दी"]
)
def test_estimated_tokens_cover_the_text(text: str) -> None:
    ends = Lengths().token_ends(text)
    assert ends == sorted(set(ends))
    assert (ends[-1] if ends else 0) == len(text)


# Counted with OpenAI's own encoding, cl100k_base.
COUNTED = {
    "Return evenly spaced numbers over a specified interval.": 9,
    "Der schnelle braune Fuchs springt über den faulen Hund. Die Rechnung wurde am Dienstag bezahlt.": 27,
    "def read_csv(path, sep=','):\n    return [line.split(sep) for line in open(path)]": 22,
    "快速的棕色狐狸跳过懒狗。请检查您的登录信息,稍后再试。": 36,
    '{"id": 7, "name": "user_7", "tags": ["a", "b"], "price": 1234.5}': 32,
}


@pytest.mark.parametrize("text", COUNTED)
def test_estimated_tokens_are_near_what_openai_counts(text: str) -> None:
    assert 0.7 * COUNTED[text] <= Lengths().count_tokens([text]) <= 1.3 * COUNTED[text]


def test_texts_beyond_the_limit_are_told_by_position() -> None:
    class Limited(Lengths):
        max_tokens = 5

    assert Limited().too_long(["a b c d e", "a b c d e f", "", "a" * 41]) == [1, 3]


# --- specs


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("openai:text-embedding-3-small", None),
        ("openai:text-embedding-3-small:256", None),
        ("openai:nomic-embed-text:latest?nomic", None),
        ("openai:BAAI/bge-m3:8", None),
        ("openai:served?query=query: &document=passage: ", "openai:served?e5"),
        ("openai:served?document=passage:%20&query=query:%20", "openai:served?e5"),
        ("openai:served?query=Find 100% of: ", "openai:served?query=Find%20100%25%20of:%20"),
        ("openai:served:64?document=a%26b=c ", "openai:served:64?document=a%26b%3Dc%20"),
        ("openai:served?query=", None),
        ("st:intfloat/e5-small-v2", None),
        ("st:./a folder/model:7?bge", None),
    ],
)
def test_a_spec_is_a_name_that_finds_the_same_model_again(spec: str, name: str | None) -> None:
    model = embed.get(spec)
    assert model.name == (name or spec)
    assert embed.get(model.name).name == model.name
    assert "\n" not in model.name


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("openai:", "'openai:' names no model"),
        ("openai: ", "'openai: ' names no model"),
        ("st:?e5", "'st:?e5' names no model"),
        ("openai:a\nb", "names no model"),
        ("openai:small:0", "vectors have at least one dimension"),
        ("openai:small?e6", "'e6' tells no prefixes"),
        ("openai:small?qeury=a", "'qeury=a' tells no prefixes"),
        ("openai", "no model 'openai'"),
        ("wordllama:x", "no model 'wordllama:x'"),
        ("text-embedding-3-small", "no model 'text-embedding-3-small'"),
    ],
)
def test_what_is_no_spec_is_refused(spec: str, message: str) -> None:
    with pytest.raises(EmbedError) as caught:
        embed.get(spec)
    assert message in caught.value.message


# --- get


def test_an_embedder_is_taken_as_it_is() -> None:
    model = Lengths()
    assert embed.get(model) is model


def test_an_unknown_model_is_refused_with_what_was_meant() -> None:
    with pytest.raises(EmbedError, match="no model 'wordlama'") as caught:
        embed.get("wordlama")
    assert caught.value.hint == "did you mean 'wordllama'?"


def test_the_name_of_a_function_that_is_not_here_says_what_to_do() -> None:
    with pytest.raises(EmbedError, match="a function that this notebook does not know") as caught:
        embed.get(":never_given")
    assert caught.value.hint == "define never_given here, then: pgvec_magic.embed.get(never_given)"


def test_every_name_is_a_model() -> None:
    assert [embed.get(name).name for name in embed.names()] == list(embed.names())


def test_a_function_goes_by_its_name_once_it_was_given() -> None:
    def named_model(texts: list[str]) -> list[list[float]]:
        return [[1.0, float(len(text))] for text in texts]

    given = embed.get(named_model)
    assert embed.get(":named_model") is given
