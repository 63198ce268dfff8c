"""The embeddings endpoint of OpenAI, or of any server that answers as it does: asked through the ``openai`` client."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import EmbedError
from . import refusals

if TYPE_CHECKING:
    import openai

KEY, ADDRESS = "OPENAI_API_KEY", "OPENAI_BASE_URL"
_OPENAI = "https://api.openai.com/v1"
_connecting = threading.Lock()


def address() -> str:
    """Return the base URL of the endpoint: $OPENAI_BASE_URL, else OpenAI's own; it may hold a password."""
    return (os.environ.get(ADDRESS, "").strip() or _OPENAI).rstrip("/")


def vectors(model: str, texts: Sequence[str], dimensions: int | None, retries: int) -> list[Any]:
    """Return one vector a text, in the order of the texts; EmbedError for whatever else the server does.

    The client itself repeats what a later try may mend, up to ``retries`` times, and waits as Retry-After says.
    """
    import openai

    asked = {"model": model, "input": list(texts), "encoding_format": "base64"}
    client = _client(retries)
    try:
        # client.embeddings.create() makes objects of every text and vector, which takes it as long as all the rest.
        answer = client.post(
            "/embeddings", cast_to=bytes, body=asked | ({"dimensions": dimensions} if dimensions else {})
        )
        return _in_order(json.loads(answer), len(texts))
    except openai.OpenAIError as error:
        refusal = refusals.of(error, model, texts, _where(), os.environ.get(KEY, ""))
    except ValueError:
        refusal = refusals.unreadable(_where(), "it is no JSON, or cut off")
    raise refusal  # out here no traceback leads to the request, whose headers hold the key


def _in_order(answer: Any, count: int) -> list[Any]:
    try:
        found = {item["index"]: item["embedding"] for item in answer["data"]}
        given = len(answer["data"])
    except (KeyError, TypeError):
        raise refusals.unreadable(_where(), "it holds no list of vectors") from None
    if given != count:
        raise EmbedError(
            f"{_where()} gave {given} vectors for {count} texts", "which is whose cannot be told: ask its maker"
        )
    if sorted(found) != list(range(count)):
        raise refusals.unreadable(_where(), "it does not tell whose each vector is: index is not 0 to n - 1")
    return [_decoded(found[i]) for i in range(count)]


def _decoded(embedding: Any) -> Any:
    if not isinstance(embedding, str):
        return embedding  # a server that knows no base64 gives numbers
    import numpy as np

    return np.frombuffer(base64.b64decode(embedding), "<f4")


def _client(retries: int) -> openai.OpenAI:
    """Return the client for what the environment says now; EmbedError when that cannot be used."""
    key, base = os.environ.get(KEY, ""), address()
    if not base.startswith(("http://", "https://")):
        raise EmbedError(  # what it is may hold a password
            f"{ADDRESS} is no address that begins with http:// or https://", "such as http://localhost:8000/v1"
        )
    if not key and base == _OPENAI:
        raise EmbedError(
            f"{KEY} is not set",
            f'import getpass, os; os.environ["{KEY}"] = getpass.getpass("key: ")'
            f"\nor set {ADDRESS} to a server of your own, such as http://localhost:8000/v1",
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise EmbedError(
            f"{KEY} cannot be a key: it has a blank, a line break or a letter that is not ASCII", "set it anew"
        )
    with _connecting:
        return _connected(base, hashlib.blake2b(key.encode()).digest(), retries)


@functools.lru_cache(maxsize=2)
def _connected(base: str, key: bytes, retries: int) -> openai.OpenAI:
    """Make a client, which reads the key by itself: here it is a hash, that tells when there is another."""
    import openai

    keyless = {} if os.environ.get(KEY) else {"api_key": "none"}
    return openai.OpenAI(base_url=base, max_retries=retries, **keyless)  # type: ignore[arg-type]


def _where() -> str:
    """Return the address without a user's name and password."""
    parts = urlsplit(address())
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
