"""Rows -> DataFrames in which no integer has lost a digit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def frame(rows: Sequence[tuple[Any, ...]], columns: Iterable[str]) -> pd.DataFrame:
    """Return rows as pandas makes a frame of them, but integers beside NULL as ``Int64``.

    pandas itself makes floats of those, which are exact up to 2**53 only: an id beyond that would become another's.
    """
    import pandas as pd

    made = pd.DataFrame.from_records(rows, columns=list(columns))
    for at, kind in enumerate(made.dtypes):
        if kind == "float64" and not any(isinstance(row[at], float) for row in rows):
            values = [row[at] for row in rows]
            fits = all(value is None or -(2**63) <= value < 2**63 for value in values)
            made.isetitem(at, pd.array(values, dtype="Int64" if fits else "object"))
    return made
