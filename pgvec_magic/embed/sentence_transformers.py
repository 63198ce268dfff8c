"""Models of the package sentence-transformers: a name, once it was downloaded, or the path of a folder."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import logging
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import EmbedError, MissingPackage
from . import tokens
from .cached import CachedEmbedder
from .embedder import numbers
from .spec import FAMILIES, ROLES, Prefixes, Spec

if TYPE_CHECKING:
    import numpy as np
    import tokenizers
    from numpy.typing import NDArray

# Models that need prefixes and do not tell sentence-transformers so; e5-…-instruct want a sentence of one's own.
_FAMILY_OF: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "e5": re.compile(r"(multilingual-)?e5-(small|base|large)(-(v2|unsupervised))?"),
        "bge": re.compile(r"bge-(small|base|large)-en(-v1\.5)?"),
        "nomic": re.compile(r"nomic-embed-text-v1(\.5)?"),
    }
)
_LIMITLESS = 1_000_000  # tokens; some tokenizers say 10³⁰ where there is no limit
_PROBE = "The quick brown fox jumps over the lazy dog."
_NOISY = ("sentence_transformers", "transformers", "huggingface_hub")


class SentenceTransformersEmbedder(CachedEmbedder):
    """``st:MODEL``: loaded with its first use, and never downloaded: that may be gigabytes.

    Before a text goes the spec's own prefix, else the model's own prompt for the role, else what its family wants.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._encoding = threading.Lock()  # the tokenizers of transformers refuse two threads at once

    @property
    def name(self) -> str:
        """The spec."""
        return self._spec.name

    @property
    def dimensions(self) -> int:
        """The length of a vector, as the model gives it."""
        if self._dimensions is None:
            self._dimensions = self._probe("document").shape[1]
        return self._dimensions

    @property
    def max_tokens(self) -> int | None:
        """The model's limit, less its special tokens and what stands before a text."""
        most, cutter = self._model.max_seq_length, self._tokenizer
        if most is None or most > _LIMITLESS:
            return None
        special = cutter.num_special_tokens_to_add(False) if cutter else 0
        return int(most) - special - max(len(self.token_ends(self._prompt(role))) for role in ROLES)

    def identity(self, role: str) -> str:
        """The name, and the vector of one sentence: under a name or path may come to be another model."""
        return f"{self.name}\n{role}\n{hashlib.blake2b(self._probe(role).tobytes()).hexdigest()}"

    def embed_batch(self, texts: Sequence[str], role: str) -> NDArray[np.float32]:
        """Return the model's vectors; EmbedError when it is not here, MissingPackage without the package."""
        model = self._model
        encode = model.encode_query if role == "query" else model.encode_document
        with self._encoding:
            return numbers(encode(list(texts), prompt=self._prompt(role), show_progress_bar=False), self.name)

    def token_ends(self, text: str) -> list[int]:
        """Return the position behind each token of the model's tokenizer, the last ``len(text)``."""
        cutter = self._tokenizer
        return tokens.ends(cutter, text) if cutter else super().token_ends(text)

    def _probe(self, role: str) -> NDArray[np.float32]:
        return self._probes[role]

    @functools.cached_property
    def _probes(self) -> dict[str, NDArray[np.float32]]:
        return {role: numbers(self.embed_batch([_PROBE], role), self.name) for role in ROLES}

    def _prompt(self, role: str) -> str:
        return self._prefixes.of(role)

    @functools.cached_property
    def _prefixes(self) -> Prefixes:
        if self._spec.prefixes is not None:
            return self._spec.prefixes
        prompts: dict[str, str | None] = self._model.prompts
        documents = (prompts.get(name) for name in ("document", "passage", "corpus"))
        own = Prefixes(prompts.get("query") or "", next(filter(None, documents), ""))
        return own if own != Prefixes() else _usual(self._spec.model)

    @functools.cached_property
    def _model(self) -> Any:
        return load(self._spec.model)

    @functools.cached_property
    def _tokenizer(self) -> tokenizers.Tokenizer | None:
        """A copy that cuts nothing off: the model's own is set to truncate with each batch."""
        import tokenizers

        own = self._model.tokenizer
        fast = own if isinstance(own, tokenizers.Tokenizer) else getattr(own, "backend_tokenizer", None)
        if fast is None:
            return None
        copied = tokenizers.Tokenizer.from_str(fast.to_str())
        copied.no_truncation()
        copied.no_padding()
        return copied


def _usual(model: str) -> Prefixes:
    last = re.split(r"[/\\]", model.rstrip("/\\"))[-1].lower()
    return next((FAMILIES[family] for family, named in _FAMILY_OF.items() if named.fullmatch(last)), Prefixes())


def load(model: str, kind: str = "SentenceTransformer") -> Any:
    """Return a model of that class, by its name or folder, from this machine; EmbedError, MissingPackage."""
    folder = Path(model).expanduser()
    where = str(folder) if folder.is_dir() else model
    with _quiet():
        try:
            library = importlib.import_module("sentence_transformers")
        except ModuleNotFoundError as error:
            raise MissingPackage('"pgvec-magic[st]"', f"st:{model}, a model of sentence-transformers,") from error
        try:
            return getattr(library, kind)(where, local_files_only=True)
        except OSError as error:
            if not folder.is_dir():
                raise _not_here(model, kind) from error
            raise EmbedError(f"the model in {folder} cannot be loaded: {error}") from error
        except Exception as error:  # whatever a model's files lead its code to
            raise EmbedError(f"the model {model} cannot be loaded: {error}") from error


def _not_here(model: str, kind: str) -> EmbedError:
    if model.startswith((".", "/", "~", "\\")):
        return EmbedError(f"there is no folder {model!r} with a model in it", "st:NAME or st:PATH")
    owner = "cross-encoder" if kind == "CrossEncoder" else "sentence-transformers"  # of a name without one
    hub = model if "/" in model else f"{owner}/{model}"
    return EmbedError(
        f"the model {model!r} is not on this machine",
        f"download it once, in a terminal: hf download {hub}\nor give the path of its folder: st:PATH",
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars, advice and notes on deprecation of what is imported and loaded away from the notebook."""
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for name in levels:
                logging.getLogger(name).setLevel(logging.ERROR)
            with _without_bars():
                yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def _without_bars() -> Iterator[None]:
    try:
        bars = importlib.import_module("transformers.utils.logging")
    except ModuleNotFoundError:  # said by who imports sentence-transformers
        yield
        return
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()
