"""Texts to try things on: ``pydocs``, the documentation of the Python packages installed here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_DESCRIPTIONS = {"pydocs": "what the Python standard library, numpy, pandas, IPython and others say of themselves"}


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A table of texts; ``text`` and ``id`` name its columns, equal fingerprints mean equal ids and texts."""

    name: str
    description: str
    frame: pd.DataFrame
    fingerprint: str
    text: str = "content"
    id: str = "id"


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a sample, the ids of all right answers, and what finds them: keyword, meaning or both."""

    text: str
    answers: tuple[str, ...]
    kind: str


def names() -> tuple[str, ...]:
    """Return the names of all samples."""
    return tuple(_DESCRIPTIONS)


def load(name: str, progress: Callable[[int, int], None] | None = None) -> Sample:
    """Return a sample; the first time it is read (some seconds, ``progress(done, total)``), then kept on disk.

    Raises UsageError for a name that does not exist.
    """
    from . import cache, pydocs

    _known(name)
    table = pydocs.load(progress)
    return Sample(name, _DESCRIPTIONS[name], table.to_pandas(), cache.digest(table)[:12])


def questions(name: str) -> tuple[Question, ...]:
    """Return the questions that go with a sample, written by hand before any search was scored with them."""
    from importlib import resources

    _known(name)
    text = resources.files(__package__).joinpath(f"{name}_questions.jsonl").read_text("utf-8")
    lines = map(json.loads, text.splitlines())
    return tuple(Question(line["question"], tuple(line["answers"]), line["kind"]) for line in lines)


def _known(name: str) -> None:
    if name not in _DESCRIPTIONS:
        raise UsageError(f"no sample {name!r}", did_you_mean(name, _DESCRIPTIONS))
