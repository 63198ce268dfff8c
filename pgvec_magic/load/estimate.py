"""What is said before texts are sent to a model that costs money, and of texts whose end a model does not see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ..embed import Embedder

T = TypeVar("T")
SAMPLE = 1000  # texts whose tokens are counted


def announce(
    model: Embedder, rows: int | None, some: Sequence[str], of: int | None = None, reuses: bool = False
) -> None:
    """Print how many rows and tokens are about to be embedded for money, from ``some`` of the texts.

    ``rows`` is None where that is not known; ``some`` are the texts ``of`` so many rows, of one each where that is not
    told; ``reuses`` says that the table may have some of the vectors.
    """
    if rows == 0 or not some:
        return
    counted = evenly(some)
    each = model.count_tokens(counted) / len(counted) * len(some) / (of or len(some))
    kept = 1 - len(model.missing(counted)) / len(counted)
    notes = [f"{kept:.0%} of them are in the cache"] if kept else []
    notes += ["what the table has with the same text is not embedded again"] if reuses else []
    size = f"~{each:,.0f} tokens a row, rows unknown" if rows is None else f"{rows:,} rows, ~{each * rows:,.0f} tokens"
    print("; ".join([f"{size} for {model.name}", *notes]))


def evenly(values: Sequence[T]) -> list[T]:
    """Return at most ``SAMPLE`` values from all over a sequence."""
    step = -(-len(values) // SAMPLE)
    return list(values[::step]) if step > 1 else list(values)


def too_long(texts: int, model: Embedder, hint: str = "") -> str:
    """Return what is to be said of texts whose end a model did not see."""
    return f"texts longer than the {model.max_tokens} tokens that {model.name} sees of one: {texts:,}"
