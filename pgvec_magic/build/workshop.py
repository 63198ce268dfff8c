"""What a table has of vector indexes, and what it wants, in one value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import render
from ..advise import Advice, advise
from ..catalog import VectorIndex
from ..db import Database
from ..errors import UsageError
from .listing import Indexes, indexes


@dataclass(frozen=True, slots=True, repr=False)
class Workshop:
    """The indexes of a table, over which it iterates, and the advice; None where there is none, and ``why``."""

    indexes: Indexes
    advice: Advice | None
    why: str = ""

    def __iter__(self) -> Iterator[VectorIndex]:
        return iter(self.indexes)

    def __len__(self) -> int:
        return len(self.indexes)

    def __getitem__(self, at: int) -> VectorIndex:
        return self.indexes[at]

    def __repr__(self) -> str:
        return "\n".join(map(render.text, self._grids()))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/html": "\n".join(map(render.html, self._grids())), "text/plain": repr(self)}

    def _grids(self) -> list[render.Grid]:
        if self.advice is None:
            return [self.indexes.grid(), render.Grid((), (), ("no advice",), (self.why,))]
        return [self.indexes.grid(), *self.advice.grids()]


def workshop(db: Database, table: str, **options: Any) -> Workshop:
    """Return the vector indexes of a table and the advice on it; ``options`` are those of ``advise``."""
    found = indexes(db, table)
    try:
        return Workshop(found, advise(db, table, **options))
    except UsageError as error:
        if options:  # which are what is wrong, it may be
            raise
        return Workshop(found, None, ": ".join(filter(None, [error.message, error.hint])))
