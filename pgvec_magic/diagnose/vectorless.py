"""Rows that a vector index does not have: without a vector, or with one that has no distance to any other."""

from __future__ import annotations

from ..plan.words import rows
from .finding import Finding


def no_vector(count: int, column: str, then: str, fix: str | None = None) -> Finding:
    """Return what is to be said of rows without a vector; ``then`` is what follows from it."""
    why = f"{rows(count)} {'has' if count == 1 else 'have'} no vector in {column}, {then}"
    return Finding("R50", "info", why, fix)


def zeros(count: int, column: str) -> Finding:
    """Return what is to be said of rows with a vector of zeros, to which there is no cosine distance."""
    has = "has" if count == 1 else "have"
    why = f"{rows(count)} {has} a vector of zeros in {column}, to which there is no cosine distance: no index has them"
    return Finding("R50", "info", why)
