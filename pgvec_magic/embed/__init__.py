"""Text → vectors: ``get`` finds a model by its spec, ``Embedder`` is what every model is.

| spec | model |
|---|---|
| ``wordllama`` | 256 dimensions, in the wheel of wordllama: no key, no download |
| ``openai:MODEL[:DIM]`` | OpenAI, or the server at ``$OPENAI_BASE_URL``; ``DIM`` asks for shorter vectors |
| ``st:MODEL`` | sentence-transformers: a model that was downloaded, or the path of its folder |
| ``:function`` | a function of the notebook, once ``get(function)`` was told of it |

Some models want other words before a query than before a document. ``st:`` models tell so themselves, and those of
E5, BGE and nomic-embed are known by name; of a model behind a server it is to be said, as part of the spec and so of
what is remembered with a column: ``openai:multilingual-e5-small?e5`` (or ``?bge``, ``?nomic``), or in full
``openai:my-model?query=query:%20&document=passage:%20``, where ``%20`` is a space. ``?query=`` is: none at all.

Vectors of ``openai:`` and ``st:`` are kept on disk (see ``cache``): ``$PGVEC_EMBED_CACHE`` is how many megabytes they
may take, or ``off``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import EmbedError, did_you_mean
from . import endpoint
from .embedder import Embedder
from .function import FunctionEmbedder
from .openai import OpenAIEmbedder
from .sentence_transformers import SentenceTransformersEmbedder
from .spec import parse
from .wordllama import WordLlamaEmbedder

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Embedder", "get", "names"]

_NAMES = ("wordllama", "openai:text-embedding-3-small", "openai:text-embedding-3-large")
_MODELS: Mapping[str, Callable[[str], Embedder]] = MappingProxyType(
    {
        "wordllama": lambda _: WordLlamaEmbedder(),
        "openai": lambda spec: OpenAIEmbedder(parse(spec, sized=True)),
        "st": lambda spec: SentenceTransformersEmbedder(parse(spec, sized=False)),
    }
)
_given: dict[str, Embedder] = {}


def get(spec: str | Embedder | Callable[[list[str]], ArrayLike]) -> Embedder:
    """Return the model of a spec: its name, a function ``fn(texts) -> (n, d)`` or an Embedder; EmbedError if unknown.

    A function or an Embedder goes by its name from then on, for as long as this process lives.
    """
    if callable(spec) and not isinstance(spec, Embedder):
        spec = FunctionEmbedder(spec)
    if isinstance(spec, Embedder):
        _given[spec.name] = spec
        return spec
    if spec in _given:
        return _given[spec]
    if spec.startswith(":"):
        raise EmbedError(
            f"the vectors were made by {spec[1:]}, a function that this notebook does not know",
            f"define {spec[1:]} here, then: pgvec_magic.embed.get({spec[1:]})",
        )
    provider, colon, _ = spec.partition(":")
    if provider not in _MODELS or (colon != "") == (provider == "wordllama"):
        raise EmbedError(f"no model {spec!r}", did_you_mean(spec, (*_NAMES, "st:MODEL")))
    return _loaded(spec, endpoint.address() if provider == "openai" else "")


def names() -> tuple[str, ...]:
    """Return specs of models that need nothing but a name, or a key."""
    return _NAMES


@functools.cache
def _loaded(spec: str, address: str) -> Embedder:
    """Make a model once a process; once for each server, whose models of one name may differ in their dimensions."""
    return _MODELS[spec.partition(":")[0]](spec)
