"""Files of rows, read in pieces; csv and json lines are read twice, first for the types of their columns."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import LoadError, UsageError, did_you_mean
from . import columntypes

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 4096  # a piece
_INDEX_OF_PANDAS = re.compile(r"__index_level_\d+__")
# What a column of numbers may have where a number is missing; in a column of words these are words.
_MISSING = ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "none", "-"]
# A number with leading zeros is a code: as a number it would lose them.
_CSV_TYPES = (
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int8", r"-?(?:0|[1-9]\d{0,17})"),
    ("float8", r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"),
)
_CSV_DTYPES = MappingProxyType({"bool": "boolean", "int8": "Int64", "float8": "Float64", "text": "str"})


@dataclass(frozen=True, slots=True, eq=False)
class File:
    """The frames of a file, the type of each column (None: nulls only), and the number of rows where it is known."""

    frames: Iterator[pd.DataFrame]
    types: Mapping[str, str | None]
    total: int | None


def opened(given: str | os.PathLike[str], untyped: Set[str], id: str) -> File:
    """Return the rows of a csv, tsv, json, jsonl or parquet file.

    Columns that are ``untyped`` stay as they are written; so does an ``id`` of a csv that is no whole number, because
    as a number 1.10 would be 1.1.

    Raises UsageError for a file that does not exist or is of another kind, LoadError for one that cannot be read.
    """
    path = Path(os.path.expanduser(given))  # those of Path raise for an unknown user, and for a name that is too long
    reader = _READERS.get(path.suffix.lower())
    if not os.path.isfile(path):
        raise UsageError(f"there is no file {str(given)!r}", _nearby(path))
    if reader is None:
        raise UsageError(f"{path.name}: no reader for {path.suffix or 'a name without suffix'}", _known_suffixes())
    with _failures_named(path):
        file = reader(path, untyped, id)
    return File(_named(file.frames, path), file.types, file.total)


def _nearby(path: Path) -> str:
    folder = path.parent
    there = [p.name for p in folder.iterdir() if p.suffix.lower() in _READERS] if os.path.isdir(folder) else []
    hint = "a variable is given as :name, a sample as sample:name"
    return f"{did_you_mean(path.name, there)} ({hint})" if there else hint


def _known_suffixes() -> str:
    return f"files end in {', '.join(_READERS)}; anything else: read it into a DataFrame and load that"


@contextmanager
def _failures_named(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except UnicodeDecodeError as error:
        raise LoadError(f"{path.name} is not UTF-8: {error}", "save it as UTF-8, or load a DataFrame") from error
    except (ValueError, OSError, pa.ArrowException) as error:  # ValueError: also what pandas' parser and json raise
        raise LoadError(f"{path.name}: {error}") from error


def _named(frames: Iterator[pd.DataFrame], path: Path) -> Iterator[pd.DataFrame]:
    with _failures_named(path):
        yield from frames


def _csv(path: Path, untyped: Set[str], id: str) -> File:
    import pandas as pd

    with path.open(encoding="utf-8-sig") as stream:
        header = stream.readline()
    shape: dict[str, Any] = {
        "sep": max(",;\t|", key=header.count),
        "encoding": "utf-8-sig",
        "chunksize": _ROWS,
        "keep_default_na": False,
    }
    with pd.read_csv(path, dtype=str, na_values=[""], **shape) as chunks:
        types, total = _csv_types(chunks, untyped)
    if types.get(id) == "float8":
        types[id] = "text"
    dtypes = {name: _CSV_DTYPES[kind or "text"] for name, kind in types.items()}
    missing = {name: [""] if dtype == "str" else _MISSING for name, dtype in dtypes.items()}

    def frames() -> Iterator[pd.DataFrame]:
        with pd.read_csv(path, dtype=dtypes, na_values=missing, **shape) as chunks:
            yield from chunks

    return File(frames(), types, total)


def _csv_types(chunks: Iterable[pd.DataFrame], untyped: Set[str]) -> tuple[dict[str, str | None], int]:
    kinds: dict[str, set[str | None]] = {}
    rows = 0
    for chunk in chunks:
        rows += len(chunk)
        for name in map(str, chunk.columns):
            found = kinds.setdefault(name, set())
            if name not in untyped and "text" not in found:
                found.add(_csv_type(chunk[name]))
    return {name: columntypes.merged(found) for name, found in kinds.items()}, rows


def _csv_type(words: pd.Series[str]) -> str | None:
    there = words[~(words.isna() | words.isin(_MISSING))]
    if not len(there):
        return None  # words such as NA are missing numbers beside numbers, and words beside nothing
    return next((kind for kind, pattern in _CSV_TYPES if there.str.fullmatch(pattern).all()), "text")


def _json(path: Path, untyped: Set[str], _: str) -> File:
    with path.open(encoding="utf-8-sig") as stream:
        if stream.read(4096).lstrip().startswith("["):
            stream.seek(0)
            rows = json.load(stream)
            return _of_dicts(lambda: iter(rows), untyped)
    return _of_dicts(lambda: _lines(path), untyped)


def _lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if line.isspace():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise LoadError(f"{path.name}, line {number}: {error}") from error
            if not isinstance(row, dict):
                raise LoadError(f"{path.name}, line {number}: {line.strip()[:60]} is no object {{…}}")
            yield row


def _of_dicts(rows: Callable[[], Iterator[Any]], untyped: Set[str]) -> File:
    import pandas as pd

    kinds: dict[str, set[str | None]] = {}
    total = 0
    for frame in _frames(rows()):
        total += len(frame)
        for name in frame.columns:
            kinds.setdefault(name, set()).add(None if name in untyped else columntypes.of_series(frame[name]))
    types = {name: columntypes.merged(found) for name, found in kinds.items()}
    return File(_frames(rows(), pd.Index(types)), types, total)


def _frames(rows: Iterator[Any], columns: pd.Index[Any] | None = None) -> Iterator[pd.DataFrame]:
    import pandas as pd

    while chunk := list(itertools.islice(rows, _ROWS)):
        yield pd.DataFrame(chunk, columns=columns, dtype=object)


def _parquet(path: Path, untyped: Set[str], _: str) -> File:
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    # pandas' own choice turns whole numbers into floats where one is missing.
    nullable: dict[pa.DataType, Any] = {getattr(pa, f"int{bits}")(): pd.Int64Dtype() for bits in (8, 16, 32, 64)}
    nullable |= {getattr(pa, f"uint{bits}")(): pd.UInt64Dtype() for bits in (8, 16, 32, 64)}
    nullable[pa.bool_()] = pd.BooleanDtype()
    with parquet.ParquetFile(path) as file:
        fields = [f for f in file.schema_arrow if not _INDEX_OF_PANDAS.fullmatch(f.name)]
        total = file.metadata.num_rows

    def frames() -> Iterator[pd.DataFrame]:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS, columns=[f.name for f in fields]):
                yield batch.to_pandas(types_mapper=nullable.get, ignore_metadata=True, maps_as_pydicts="lossy")

    types = {f.name: None if f.name in untyped else columntypes.of_arrow(f.type) for f in fields}
    return File(frames(), types, total)


_READERS: Mapping[str, Callable[[Path, Set[str], str], File]] = MappingProxyType(
    {
        ".csv": _csv,
        ".tsv": _csv,
        ".jsonl": _json,
        ".ndjson": _json,
        ".json": _json,
        ".parquet": _parquet,
        ".pq": _parquet,
    }
)
