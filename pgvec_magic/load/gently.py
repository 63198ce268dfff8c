"""Long work beside that of others: it takes one core, and half of its time."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

_REST = 1.0  # seconds for each of work
_TOKENIZERS = "TOKENIZERS_PARALLELISM"


class Busy:
    """Work of this process and its server, and a rest for as long as it took.

    Waiting for a model that works elsewhere is no work: only the seconds of the processor count, and those of the
    server, which are told.
    """

    def __init__(self) -> None:
        self._since, self._server = time.process_time(), 0.0

    def add(self, seconds: float) -> None:
        """Count seconds in which the server worked."""
        self._server += seconds

    def rest(self) -> None:
        """Let others work for as long as this did since the last time."""
        time.sleep(_REST * (time.process_time() - self._since + self._server))
        self._since, self._server = time.process_time(), 0.0


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep tokenizers from taking every core for a moment, unless somebody has said what they may do."""
    if _TOKENIZERS in os.environ:
        yield
        return
    os.environ[_TOKENIZERS] = "false"
    try:
        yield
    finally:
        del os.environ[_TOKENIZERS]
