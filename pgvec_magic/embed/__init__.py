"""Text → vectors: ``get`` finds a model by its spec, ``Embedder`` is what every model is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import EmbedError, did_you_mean
from .embedder import Embedder
from .function import FunctionEmbedder
from .wordllama import WordLlamaEmbedder

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Embedder", "get", "names"]

_MODELS: Mapping[str, Callable[[], Embedder]] = MappingProxyType({"wordllama": WordLlamaEmbedder})
_given: dict[str, Embedder] = {}


def get(spec: str | Embedder | Callable[[list[str]], ArrayLike]) -> Embedder:
    """Return the model of a spec: a name, a function ``fn(texts) -> (n, d)`` or an Embedder; EmbedError if unknown.

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
    if spec not in _MODELS:
        raise EmbedError(f"no model {spec!r}", did_you_mean(spec, _MODELS))
    return _loaded(spec)


def names() -> tuple[str, ...]:
    """Return the specs of the models that need nothing but a name."""
    return tuple(_MODELS)


@functools.cache
def _loaded(spec: str) -> Embedder:
    return _MODELS[spec]()
