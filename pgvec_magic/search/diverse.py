"""Maximal marginal relevance: rows that are good, and unlike those above them.

Carbonell and Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998: next comes the row with the largest
``λ · relevance - (1 - λ) · likeness``. Likeness is the cosine to that row above which is most like it. Relevance is the
score of the search, whatever it was by, on the scale of the cosines between the candidates and the query: where it is
the cosine itself, this is the formula as it was published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..db import vectors as forms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# λ: how much relevance counts beside likeness.
RELEVANCE = 0.5


def choose(scores: Sequence[float | None], vectors: Sequence[Any], query: Any, count: int) -> list[int]:
    """Return up to ``count`` positions in their new order.

    A larger score is better, None the worst. Vectors are as the database gives them, None where a row has none: it
    counts as like the others as these are on average.
    """
    import numpy as np

    if not scores:
        return []
    relevance, likeness = _measured(scores, vectors, query)
    chosen = [int(np.argmax(relevance))]  # of equals the one that came first
    nearest = likeness[chosen[0]]
    while len(chosen) < min(count, len(scores)):
        gain = RELEVANCE * relevance - (1 - RELEVANCE) * nearest
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
        nearest = np.maximum(nearest, likeness[chosen[-1]])
    return chosen


def _measured(
    scores: Sequence[float | None], vectors: Sequence[Any], query: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How relevant each row is, shape (n,), and how like every two are, (n, n)."""
    import numpy as np

    known = [i for i, vector in enumerate(vectors) if vector is not None]
    cosines = _cosines([query, *(vectors[i] for i in known)])
    among = cosines[1:, 1:]
    likeness = np.full((len(scores), len(scores)), among.mean() if known else 0.0)
    likeness[np.ix_(known, known)] = among
    to_query = cosines[0, 1:]
    lowest, highest = (to_query.min(), to_query.max()) if known else (0.0, 1.0)
    return lowest + (highest - lowest) * _scaled(scores), likeness


def _scaled(scores: Sequence[float | None]) -> NDArray[np.float64]:
    """Scores from 0 to 1; all 1 where they are the same."""
    import numpy as np

    known = [score for score in scores if score is not None]
    lowest, highest = min(known, default=0.0), max(known, default=0.0)
    if lowest == highest:
        return np.array([float(score is not None) for score in scores])
    return np.array([0.0 if score is None else (score - lowest) / (highest - lowest) for score in scores])


def _cosines(vectors: list[Any]) -> NDArray[np.float64]:
    import numpy as np

    products = _sparse_products(vectors) if hasattr(vectors[0], "indices") else _products(vectors)
    norms = np.sqrt(np.diag(products))
    norms[norms == 0] = 1  # a vector of zeros is like no other
    cosines: NDArray[np.float64] = products / np.outer(norms, norms)
    return cosines


def _products(vectors: list[Any]) -> NDArray[np.float64]:
    import numpy as np

    form = forms.bits if _is_bits(vectors[-1]) else forms.numbers
    matrix = np.stack([form(vector).astype(np.float32) for vector in vectors])
    products: NDArray[np.float64] = (matrix @ matrix.T).astype(np.float64)
    return products


def _is_bits(vector: Any) -> bool:
    return isinstance(vector, str) or type(vector).__name__ == "Bit" or getattr(vector, "dtype", None) == "bool"


def _sparse_products(vectors: list[Any]) -> NDArray[np.float64]:
    """Inner products, dimension by dimension: all of them together may be a billion."""
    import numpy as np

    products = np.zeros((len(vectors), len(vectors)))
    rows = np.repeat(np.arange(len(vectors)), [len(vector.indices()) for vector in vectors])
    places = np.concatenate([vector.indices() for vector in vectors])
    values = np.concatenate([vector.values() for vector in vectors]).astype(np.float64)
    order = np.argsort(places, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(places[order])) + 1):
        products[np.ix_(rows[same], rows[same])] += np.outer(values[same], values[same])
    return products
