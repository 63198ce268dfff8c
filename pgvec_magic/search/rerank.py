"""Scores of texts for a question: by a cross-encoder of sentence-transformers, or by a function of the notebook."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ..embed import sentence_transformers
from ..errors import EmbedError
from ..query import Reranker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def name(model: Reranker) -> str:
    """Return what the model is called: a colon and a function's own name, or the name it is loaded by."""
    if isinstance(model, str):
        return model.removeprefix("st:")
    return ":" + str(getattr(model, "__name__", type(model).__name__))


def ready(model: Reranker) -> None:
    """Load a model that has a name; EmbedError when it is not here, MissingPackage without the package."""
    if isinstance(model, str):
        _loaded(name(model))


def scores(model: Reranker, question: str, texts: list[str]) -> list[float]:
    """Return one number a text, larger is better; EmbedError for what cannot order them."""
    if not texts:
        return []
    given = _predicted(name(model), question, texts) if isinstance(model, str) else model(question, texts)
    return [float(score) for score in _checked(given, name(model), len(texts))]


def partly_read(model: Reranker, question: str, texts: list[str]) -> int:
    """Return how many texts a model with a name did not read to their end; 0 for a function."""
    if not isinstance(model, str):
        return 0
    tokenizer = _loaded(name(model)).tokenizer
    long = [text for text in texts if len(text) > tokenizer.model_max_length]  # a token has a character or more
    if not long:
        return 0
    tokens = tokenizer([question] * len(long), long, truncation=False, verbose=False)["input_ids"]
    return sum(len(ids) > tokenizer.model_max_length for ids in tokens)


def _predicted(model: str, question: str, texts: list[str]) -> Any:
    return _loaded(model).predict([(question, text) for text in texts], show_progress_bar=False)


@functools.lru_cache(maxsize=2)
def _loaded(model: str) -> Any:
    return sentence_transformers.load(model, "CrossEncoder")


def _checked(given: Any, name: str, texts: int) -> NDArray[np.float64]:
    import numpy as np

    try:
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EmbedError(f"{name} gave scores that are no numbers: {error}") from error
    if array.shape != (texts,):
        raise EmbedError(
            f"{name} gave an array of shape {array.shape} for {texts} texts", "it must return one number a text"
        )
    if not np.isfinite(array).all():
        raise EmbedError(f"{name} gave scores with NaN or infinity, by which rows cannot be ordered")
    return array
