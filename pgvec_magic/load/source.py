"""What people load from -> frames of rows."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import samples
from ..errors import LoadError, UsageError
from . import columntypes, files

if TYPE_CHECKING:
    import pandas as pd

_KINDS = "a DataFrame, a list of dicts, an iterable of DataFrames, sample:NAME, or a csv, jsonl or parquet file"
_CHUNK = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Rows in frames, read once and in order by the thread that asks for them.

    ``types`` maps the columns to Postgres types that hold all rows where they could be seen beforehand, else those of
    the ``first`` frame; None for a column of nulls. ``total`` counts the rows where that is known; ``text`` and ``id``
    are columns that the source itself names.
    """

    frames: Iterator[pd.DataFrame]
    first: pd.DataFrame
    types: Mapping[str, str | None]
    total: int | None = None
    text: tuple[str, ...] = ()
    id: str | None = None


def opened(given: Any, vector: str, id: str, texts: Set[str]) -> Source:
    """Return the rows of a source; ``vector`` is a column that needs no type, ``texts`` stay as they are written.

    Raises UsageError for what is no source, LoadError for what cannot be read or has no rows.
    """
    import pandas as pd

    if isinstance(given, str) and given.startswith("sample:"):
        sample = samples.load(given.removeprefix("sample:"))
        rows = _of_frames(sample.frames(), vector, total=sample.rows)
        return replace(rows, text=(sample.text,), id=sample.id)
    if isinstance(given, str | os.PathLike):
        file = files.opened(given, {vector, *texts}, id)
        return _of_frames(file.frames, vector, file.types, file.total)
    if hasattr(given, "to_pandas"):  # tables of arrow and polars
        given = given.to_pandas()
    if isinstance(given, pd.DataFrame):
        return _of_frame(given, vector)
    if isinstance(given, Iterable) and not isinstance(given, Mapping | bytes):
        return _of_iterable(given, vector)
    raise UsageError(f"a {type(given).__name__} is no source of rows", f"give {_KINDS}")


def _of_frame(frame: pd.DataFrame, vector: str, text: tuple[str, ...] = (), id: str | None = None) -> Source:
    frame = _named(frame)
    if not len(frame):
        raise LoadError("the source has no rows")
    return Source(iter([frame]), frame, _types(frame, vector), len(frame), text, id)


def _of_iterable(given: Iterable[Any], vector: str) -> Source:
    import pandas as pd

    rest = iter(given)
    first = next(rest, None)
    if first is None:
        raise LoadError("the source has no rows")
    every = itertools.chain([first], rest)
    if isinstance(first, pd.DataFrame):
        return _of_frames(map(_checked, every), vector)
    if not isinstance(first, Mapping):
        raise UsageError(f"rows cannot be read from an iterable of {type(first).__name__}", f"give {_KINDS}")
    if isinstance(given, list | tuple):
        return _of_frame(pd.DataFrame(list(given), dtype=object), vector)
    return _of_frames(_frames_of_dicts(every), vector)


def _of_frames(
    frames: Iterator[pd.DataFrame],
    vector: str,
    types: Mapping[str, str | None] | None = None,
    total: int | None = None,
) -> Source:
    first = next((frame for frame in frames if len(frame)), None)
    if first is None:
        raise LoadError("the source has no rows")
    return Source(itertools.chain([first], frames), first, types or _types(first, vector), total)


def _types(frame: pd.DataFrame, vector: str) -> dict[str, str | None]:
    return {name: columntypes.of_series(frame[name]) for name in frame.columns if name != vector} | (
        {vector: None} if vector in frame.columns else {}
    )


def _checked(item: Any) -> pd.DataFrame:
    import pandas as pd

    if not isinstance(item, pd.DataFrame):
        raise LoadError(f"the source gave a {type(item).__name__} after DataFrames")
    return _named(item)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with distinct strings as its columns, a named index among them."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise UsageError(f"the source has two columns called {twice!r}", "rename one of them")
    return frame


def _frames_of_dicts(rows: Iterator[Mapping[str, Any]]) -> Iterator[pd.DataFrame]:
    import pandas as pd

    while chunk := list(itertools.islice(rows, _CHUNK)):
        yield _named(pd.DataFrame(chunk, dtype=object))
