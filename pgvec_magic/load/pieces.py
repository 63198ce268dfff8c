"""Frames of any size -> pieces of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Rows for one batch; ``first`` is the position of its first row in the source, from 0."""

    first: int
    frame: pd.DataFrame


def pieces(frames: Iterable[pd.DataFrame], rows: int, limit: int | None) -> Iterator[Piece]:
    """Yield the rows of frames, at most ``limit``, in pieces of ``rows`` rows and a last one of what is left."""
    done = 0
    held: list[pd.DataFrame] = []
    for frame in _limited(frames, limit):
        held.append(frame)
        while sum(map(len, held)) >= rows:
            whole = _one(held)
            yield Piece(done, whole.iloc[:rows])
            held = [whole.iloc[rows:]] if rows < len(whole) else []
            done += rows
    if held:
        yield Piece(done, _one(held))


def text_bytes(frame: pd.DataFrame, columns: Iterable[str]) -> int:
    """Return about how many bytes the texts and other values of a row take, from the first hundred rows."""
    head = frame[[name for name in columns if name in frame.columns]].head(100)
    return sum(len(str(value)) for name in head.columns for value in head[name].tolist()) // max(1, len(head)) + 8


def _limited(frames: Iterable[pd.DataFrame], limit: int | None) -> Iterator[pd.DataFrame]:
    left = limit
    for frame in frames:
        if not len(frame):
            continue
        yield frame if left is None else frame.iloc[:left]
        if left is not None:
            left -= len(frame)
            if left <= 0:
                return


def _one(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return frames as one; a column whose type differs among them has the very values that each of them has."""
    import pandas as pd

    if len(frames) == 1:
        return frames[0]
    names = dict.fromkeys(name for frame in frames for name in frame.columns)
    mixed = [name for name in names if len({frame.dtypes.get(name) for frame in frames}) > 1]
    whole = [frame.astype({name: object for name in mixed if name in frame.columns}) for frame in frames]
    return pd.concat(whole, ignore_index=True)
