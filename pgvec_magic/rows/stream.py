"""A whole table in one pass: what COPY sends row by row -> blocks of rows, read ahead on a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, Full, Queue

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER, _TRAILER = 19, b"\xff\xff"
# Blocks that wait to be worked on: one is read while another is worked on.
_AHEAD = 1
_SLICE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Block:
    """Rows as they came; a row is its vector, in its wire form, and what the server sends of its key."""

    records: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def vectors(self) -> list[bytes]:
        """The vectors in their wire form."""
        return [record[6 : 6 + int.from_bytes(record[2:6])] for record in self.records]

    def key(self, row: int) -> tuple[str, ...]:
        """Return a row's key as texts."""
        record, at, found = self.records[row], 2, []
        for _ in range(int.from_bytes(record[:2])):
            end = at + 4 + int.from_bytes(record[at : at + 4])
            found.append(record[at + 4 : end])
            at = end
        return tuple(text.decode() for text in found[1:])


class Pipe:
    """What COPY writes into, on the connection's thread, and whoever works on the rows takes blocks out of."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._waiting: list[bytes] = []
        self._blocks: Queue[Block] = Queue(_AHEAD)
        self._closed = False

    def write(self, record: bytes) -> None:
        """Take what the server sends of one row (COPY sends a message a row); the header comes with the first."""
        record = record[_HEADER:] if record.startswith(_SIGNATURE) else record
        if record and record != _TRAILER:
            self._waiting.append(record)
        if len(self._waiting) == self._rows:
            self._hand_over()

    def blocks(self, fill: Callable[[], object], cancel: Callable[[], None]) -> Iterator[Block]:
        """Yield blocks while ``fill`` writes them; raises what it raises, and cancels it when nobody wants more."""
        failed: list[BaseException] = []
        thread = threading.Thread(target=self._filled, args=(fill, failed), name="pgvec-copy", daemon=True)
        thread.start()
        try:
            while thread.is_alive() or not self._blocks.empty():
                try:
                    yield self._blocks.get(timeout=_SLICE_SECONDS)
                except Empty:
                    continue
        finally:
            self._closed = True
            while thread.is_alive():
                cancel()
                thread.join(_SLICE_SECONDS)
        if failed:
            raise failed[0]

    def _filled(self, fill: Callable[[], object], failed: list[BaseException]) -> None:
        try:
            fill()
            self._hand_over()
        except BaseException as error:  # the reader's, whatever it is
            failed.append(error)

    def _hand_over(self) -> None:
        block, self._waiting = Block(self._waiting), []
        while len(block) and not self._closed:
            with contextlib.suppress(Full):
                self._blocks.put(block, timeout=_SLICE_SECONDS)
                return
