from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pgvec_magic.embed import cache
from pgvec_magic.embed.cached import CachedEmbedder
from pgvec_magic.errors import EmbedError

WRITER = """
import sys, numpy as np
from pgvec_magic.embed import cache
for batch in range(20):
    texts = [f"{sys.argv[1]} {batch} {i}" for i in range(50)]
    keys = cache.keys("model", texts)
    cache.write(keys, np.full((50, 8), float(sys.argv[1]), np.float32))
    assert len(cache.read(keys)) == 50
"""


class Counting(CachedEmbedder):
    """Two numbers a text: its length and 1; it remembers what it was asked."""

    name = "counting"
    dimensions = 2
    _dimensions = 2
    batch_texts = 10

    def __init__(self) -> None:
        self.asked: list[str] = []

    def identity(self, role: str) -> str:
        return f"counting {role}"

    def embed_batch(self, texts: Sequence[str], role: str) -> list[list[float]]:
        self.asked += texts
        return [[len(text), 1] for text in texts]


def keep(texts: Sequence[str], value: float = 1.0, dimensions: int = 8) -> list[bytes]:
    keys = cache.keys("model", texts)
    cache.write(keys, np.full((len(texts), dimensions), value, np.float32))
    return keys


def test_what_was_kept_is_found_again_bit_for_bit() -> None:
    vectors = np.random.default_rng(1).standard_normal((1200, 5)).astype(np.float32)
    keys = cache.keys("model", [f"text {i}" for i in range(1200)])
    cache.write(keys, vectors)
    found = cache.read([*keys[::-1], b"never kept"])
    assert len(found) == 1200
    np.testing.assert_array_equal(np.stack([found[key] for key in keys]), vectors)


def test_keys_differ_by_model_and_text_and_do_not_tell_them() -> None:
    (a, b), (c, _) = cache.keys("model", ["one", "two"]), cache.keys("another", ["one", "two"])
    assert len({a, b, c}) == 3
    keep(["a text that nobody else should read"])
    assert b"nobody" not in cache.path().read_bytes()


def test_nobody_else_may_read_it() -> None:
    keep(["text"])
    with sqlite3.connect(cache.path()) as held:
        held.execute("DELETE FROM vectors")  # its journal is there until this ends
        files = list(cache.path().parent.iterdir())
        modes = {stat.S_IMODE(file.stat().st_mode) for file in files}
    held.close()
    assert len(files) == 2
    assert modes == {0o600}
    assert stat.S_IMODE(cache.path().parent.stat().st_mode) == 0o700


def test_it_is_where_the_package_keeps_things_else_in_the_user_s_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.path() == Path(os.environ["PGVEC_HOME"], "cache", "embeddings", "vectors.sqlite")
    monkeypatch.delenv("PGVEC_HOME")
    assert cache.path().parts[-3:] == ("pgvec_magic", "embeddings", "vectors.sqlite")


def test_a_model_is_asked_only_for_what_is_not_kept_and_once_for_texts_alike() -> None:
    first = Counting()
    np.testing.assert_array_equal(first.embed(["a", "bb", "a", "ccc"]), [[1, 1], [2, 1], [1, 1], [3, 1]])
    again = Counting()
    seen: list[tuple[int, int]] = []
    texts = ["dddd", "bb", "a", "bb", "dddd"]
    assert again.missing(texts) == [0]
    vectors = again.embed(texts, progress=lambda *done: seen.append(done))
    np.testing.assert_array_equal(vectors[:, 0], [4, 2, 1, 2, 4])
    assert (first.asked, again.asked) == (["a", "bb", "ccc"], ["dddd"])
    assert seen == [(3, 5), (5, 5)]
    assert Counting().missing(texts, role="query") == [0, 1, 2]


def test_each_batch_is_kept_as_soon_as_it_is_there() -> None:
    class Failing(Counting):
        def embed_batch(self, texts: Sequence[str], role: str) -> list[list[float]]:
            if len(self.asked) == 20:
                raise KeyboardInterrupt
            return super().embed_batch(texts, role)

    texts = [f"text {i:02}" for i in range(100)]

    class Small(Failing):
        in_flight = 1

    small = Small()
    small.batch_texts = 10  # type: ignore[misc]
    with pytest.raises(KeyboardInterrupt):
        small.embed(texts)
    assert len(Counting().missing(texts)) == 80


def test_it_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(["text"])
    for off in ("off", "OFF", "0"):
        monkeypatch.setenv(cache.SWITCH, off)
        model = Counting()
        model.embed(["a", "a"])
        model.embed(["a"])
        assert model.asked == ["a", "a"]
        assert cache.read(cache.keys("model", ["text"])) == {}
    monkeypatch.setenv(cache.SWITCH, "5 GB")
    with pytest.raises(EmbedError, match="PGVEC_EMBED_CACHE is '5 GB'"):
        Counting().embed(["a"])


def test_it_takes_no_more_room_than_it_may_and_forgets_what_was_longest_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.SWITCH, "1")
    clock = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: clock)
    often = keep(["used now and then"], dimensions=1000)
    for batch in range(8):
        clock += 100_000
        latest = keep([f"{batch} {i}" for i in range(50)], dimensions=1000)  # 200 kB
        assert len(cache.read(often)) == 1
    assert cache.path().stat().st_size < 1_300_000
    assert len(cache.read(latest)) == 50
    assert cache.read(cache.keys("model", [f"0 {i}" for i in range(50)])) == {}


@pytest.mark.parametrize("damage", ["overwritten", "cut", "no database"])
def test_a_damaged_file_is_set_aside_and_made_anew(damage: str) -> None:
    keys = keep([f"text {i}" for i in range(500)])
    place = cache.path()
    content = place.read_bytes()
    spoiled = {
        "overwritten": content[:100] + b"\xff" * 8000 + content[8100:],
        "cut": content[: len(content) // 2],
        "no database": b"this is no database" * 300,
    }
    place.write_bytes(spoiled[damage])
    assert len(cache.read(keys)) < 500
    keep([f"text {i}" for i in range(500)], value=2.0)
    assert all(vector[0] == 2.0 for vector in cache.read(keys).values())
    assert len(cache.read(keys)) == 500
    assert place.with_name("vectors.sqlite.damaged").exists()


def test_a_vector_whose_bytes_changed_is_not_believed() -> None:
    keys = keep(["one", "two"])
    with sqlite3.connect(cache.path()) as connection:
        (blob,) = connection.execute("SELECT vector FROM vectors WHERE key = ?", keys[:1]).fetchone()
        connection.execute("UPDATE vectors SET vector = ? WHERE key = ?", (b"\1" + blob[1:], keys[0]))
    connection.close()
    assert list(cache.read(keys)) == keys[1:]


def test_without_a_place_to_write_it_says_so_and_the_vectors_come_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file, where a directory should be")
    monkeypatch.setenv("PGVEC_HOME", str(tmp_path))
    with pytest.warns(UserWarning, match="vectors are not kept in .*; a text may be paid for twice"):
        assert Counting().embed(["text"]).shape == (1, 2)


def test_processes_may_use_it_at_the_same_time_from_its_first_moment_on() -> None:
    processes = [subprocess.Popen([sys.executable, "-W", "error", "-c", WRITER, str(n)]) for n in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    for n in range(4):
        found = cache.read(cache.keys("model", [f"{n} {batch} {i}" for batch in range(20) for i in range(50)]))
        assert len(found) == 1000
        assert all((vector == n).all() for vector in found.values())


def test_threads_may_use_it_at_the_same_time() -> None:
    failed: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for batch in range(10):
                assert len(cache.read(keep([f"{n} {batch} {i}" for i in range(20)]))) == 20
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
