"""The vectors of one load as fields of their column's type, and what there is to say of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import LoadError
from ..metric import MOST_INDEXED
from . import given, wire

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from .wire import Bad, Field


class Vectors:
    """Makes the fields of a column of the type ``kind``, whatever its vectors come from, and counts the unusual."""

    def __init__(self, kind: str, dimensions: int) -> None:
        self._kind, self._dimensions = kind, dimensions
        self._zeros = self._sparse = self._wide = self._non_zero = 0

    def given(self, column: pd.Series[Any]) -> tuple[Field, Bad]:
        """Return the vectors of a source's column, and by position what is no vector of this type."""
        if self._kind == "bit":
            return given.bits(column, self._dimensions)
        if self._kind == "sparsevec":
            return self._given_sparse(column)
        whole, zeros, bad = given.matrix(column, self._dimensions)
        field, wrong = wire.vectors_of(whole, self._kind)
        if self._kind == "halfvec" and not isinstance(field, list):  # a number that is small enough is zero there
            zeros = int((~field.any(axis=1)).sum())
        self._zeros += zeros
        return field, wrong | bad

    def made(self, matrix: NDArray[np.float32], where: str) -> Field:
        """Return the (n, d) vectors of a model as this type; LoadError, which tells ``where``, for others."""
        field, bad = wire.vectors_of(matrix, self._kind)
        if bad:
            what = f"{where}: {len(bad):,} vectors of the model cannot be stored, for {bad[min(bad)]}"
            raise LoadError(what, "choose another --type")
        if isinstance(field, list):
            self._count(field)
        return field

    def remarks(self) -> Iterator[str]:
        """Say what a person should know of the vectors so far."""
        if self._zeros:
            yield f"vectors of nothing but zeros: {self._zeros:,}; cosine search cannot find their rows"
        if self._sparse:
            each = self._non_zero / self._sparse
            if each > self._dimensions / 4:
                yield (
                    f"on average {each:,.0f} of {self._dimensions:,} numbers are not zero, and each takes 8 bytes: a"
                    " halfvec takes 2 for every number"
                )
        if self._wide:
            yield (
                f"vectors of more than {MOST_INDEXED['sparsevec']:,} numbers that are not zero: {self._wide:,};"
                " HNSW does not take them, so the column cannot be indexed"
            )

    def _given_sparse(self, column: pd.Series[Any]) -> tuple[Field, Bad]:
        found, bad = given.sparse(column, self._dimensions)
        field = [None if vector is None else vector.to_binary() for vector in found]
        self._count(field)
        return field, wire.too_many(field) | bad

    def _count(self, field: Sequence[bytes | None]) -> None:
        counts = wire.non_zero(field)
        self._sparse += len(counts)
        self._non_zero += sum(counts)
        self._zeros += counts.count(0)
        self._wide += sum(count > MOST_INDEXED["sparsevec"] for count in counts)
