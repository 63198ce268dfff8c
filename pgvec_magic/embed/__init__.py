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


def get(spec: str | Embedder | Callable[[list[str]], ArrayLike]) -> Embedder:
    """Return the model of a spec: a name, a function ``fn(texts) -> (n, d)`` or an Embedder; EmbedError if unknown."""
    if isinstance(spec, Embedder):
        return spec
    if callable(spec):
        return FunctionEmbedder(spec)
    if spec.startswith(":"):
        raise EmbedError(
            f"the model {spec} is a function of the notebook that made the vectors",
            f"define {spec[1:]} here and give it: embedder={spec[1:]}",
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
