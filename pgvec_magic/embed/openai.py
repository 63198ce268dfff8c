"""Models behind an OpenAI-compatible server: OpenAI's own, or whatever $OPENAI_BASE_URL leads to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import EmbedError
from . import endpoint, tokens
from .cached import CachedEmbedder
from .embedder import numbers
from .spec import ROLES, Prefixes, Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DIMENSIONS: Mapping[str, int] = MappingProxyType(
    {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
)
_MOST_TOKENS = 8191  # of a text, to OpenAI's models


class OpenAIEmbedder(CachedEmbedder):
    """``openai:MODEL[:DIM]``: nothing is asked before the first text is embedded.

    A request takes at most 2,048 texts and 300,000 tokens; no token is shorter than a byte.
    """

    paid = True
    batch_texts = 512  # of 2,048: what fails or is killed is smaller, and several requests run at once
    batch_bytes = 300_000
    in_flight = 4
    retries = 5

    def __init__(self, spec: Spec) -> None:
        most = _DIMENSIONS.get(spec.model)
        if spec.dimensions and most and spec.dimensions > most:
            raise EmbedError(f"{spec.name}: {spec.model} has {most} dimensions", f"openai:{spec.model}")
        self._spec, self._dimensions = spec, spec.dimensions or most
        self._prefixes = spec.prefixes or Prefixes()

    @property
    def name(self) -> str:
        """The spec."""
        return self._spec.name

    @property
    def dimensions(self) -> int:
        """The length of a vector; of a model that is not known here, one text is embedded to learn it."""
        if self._dimensions is None:
            self._dimensions = self.embed(["text"]).shape[1]
        return self._dimensions

    @property
    def max_tokens(self) -> int | None:
        """What OpenAI's models take, less the prefix; of others it is not known. Tokens are estimated."""
        if self._spec.model not in _DIMENSIONS:
            return None
        return _MOST_TOKENS - max(len(tokens.estimated(self._prefixes.of(role))) for role in ROLES)

    def identity(self, role: str) -> str:
        """The address, for two servers may have different models of one name; model, dimensions asked, and prefix."""
        spec = self._spec
        return "\n".join((endpoint.address(), spec.model, str(spec.dimensions), self._prefixes.of(role)))

    def embed_batch(self, texts: Sequence[str], role: str) -> NDArray[np.float32]:
        """Return the server's vectors; EmbedError, with what to do, when it gives none or another number or length."""
        prefix = self._prefixes.of(role)
        asked = [prefix + text for text in texts] if prefix else texts
        vectors = numbers(endpoint.vectors(self._spec.model, asked, self._spec.dimensions, self.retries), self.name)
        length = vectors.shape[1] if vectors.ndim == 2 else 0
        if self._dimensions is None and length:
            self._dimensions = length
        if length != self._dimensions:
            own = dataclasses.replace(self._spec, dimensions=length).name
            raise EmbedError(
                f"{self.name} has {self._dimensions} dimensions, but the server gave vectors of {length}",
                f"if {endpoint.ADDRESS} leads to the right server, and its model makes these: --embedder {own}",
            )
        return vectors
