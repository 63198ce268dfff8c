"""How a source's columns become a table's: the key, the texts, the vector, and a type for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import UsageError, did_you_mean
from .source import Source

TEXT_NAMES = ("content", "text")
PARENT, CHUNK = "parent", "chunk"
LONGEST_NAME = 63  # bytes; Postgres cuts longer names off without a word


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that a load writes, as types by name, without the vector where it is made here.

    ``text`` are the columns embedded and searched by words, ``hashed`` says that the source's rows have no id but a
    hash of their content, ``given`` that the column ``vector`` is in the source. ``source_id`` is the id as the source
    calls it; in chunks the table's ``id`` is another.
    """

    types: Mapping[str, str]
    id: str
    text: tuple[str, ...]
    vector: str
    hashed: bool
    given: bool
    source_id: str
    chunked: bool = False

    @property
    def document(self) -> str:
        """The column that tells from which row of the source a row is: the id, in chunks that of their parent."""
        return PARENT if self.chunked else self.id

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are written, the vector last."""
        own = [name for name in self.types if name != self.id]
        return (self.id, *own, self.vector)


def arranged(source: Source, text: str | Sequence[str] | None, id: str, vector: str) -> Layout:
    """Return the layout of a source; UsageError, with the columns there are, for one that does not exist."""
    given = vector in source.types
    id = source.id if source.id and id == "id" else id
    if id == vector:
        raise UsageError(f"the column {id!r} cannot be both the id and the vector")
    hashed = id == "id" and id not in source.types
    columns = [name for name in source.types if name != vector]
    if not hashed:
        _check_exists([id], columns, "id")
    texts = _texts(source, text, columns, required=not given)
    _check_names([*source.types, vector, id])
    types = {name: source.types[name] or "text" for name in columns}
    return Layout(types | dict.fromkeys(texts, "text"), id, texts, vector, hashed, given, id)


def in_chunks(layout: Layout) -> Layout:
    """Return the layout of the chunks of such rows: an id and a number for each, and the id of its parent.

    UsageError where the source has columns of these names, or nothing to cut.
    """
    if layout.given:
        raise UsageError(
            f"--chunk: the source brings its vectors ({layout.vector}), which cannot be cut",
            "leave the column out to have vectors made of the chunks",
        )
    own = {name: kind for name, kind in layout.types.items() if name != layout.source_id}
    for name in (PARENT, CHUNK, "id"):
        if name in own or layout.vector == name:
            raise UsageError(f"--chunk: the chunks have a column {name!r} of their own", "rename that of the source")
    if layout.source_id in layout.text:
        raise UsageError(f"the column {layout.source_id!r} cannot be both the id and the text of chunks")
    types = {PARENT: layout.types.get(layout.source_id, "text"), CHUNK: "int4", **own}
    return replace(layout, types=types, id="id", chunked=True)


def _texts(source: Source, text: str | Sequence[str] | None, columns: list[str], required: bool) -> tuple[str, ...]:
    chosen = (text,) if isinstance(text, str) else tuple(text or source.text)
    _check_exists(chosen, columns, "text")
    found = chosen or tuple(name for name in TEXT_NAMES if name in columns)[:1]
    if required and not found:
        raise UsageError(
            f"which column holds the text to embed? There are: {', '.join(columns)}",
            "name it: --text COLUMN, or text= in Python; several are joined",
        )
    return found


def _check_exists(names: Iterable[str], columns: list[str], option: str) -> None:
    for name in names:
        if name not in columns:
            raise UsageError(f"--{option}: the source has no column {name!r}", did_you_mean(name, columns))


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if len(name.encode()) > LONGEST_NAME:
            raise UsageError(f"the name {name[:40]}… is longer than {LONGEST_NAME} bytes", "rename the column")
