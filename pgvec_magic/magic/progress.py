"""Progress of long work: one line that is rewritten in place, in a notebook or in a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

SECONDS_BETWEEN = 0.2


class ProgressLine:
    """A line that is rewritten in place a few times a second; it is gone when the work is."""

    def __init__(self, *, in_notebook: bool) -> None:
        self._in_notebook = in_notebook
        self._handle: Any = None
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown_at and (error is None or not self._in_notebook):  # how far it came is worth keeping
            self._show("")

    def show(self, line: str) -> None:
        """Show a line, unless another one was shown just now."""
        if time.monotonic() - self._shown_at >= SECONDS_BETWEEN:
            self._shown_at = time.monotonic()
            self._show(line)

    def _show(self, line: str) -> None:
        if not self._in_notebook:
            if sys.stderr.isatty():
                print(f"\r{line[:79]:<79}", end="" if line else "\r", file=sys.stderr, flush=True)
            return
        from IPython.display import display

        bundle = {"text/plain": line}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)


class LoadProgress(ProgressLine):
    """Called with what is done, what there is in all (or None) and seconds so far."""

    def __call__(self, done: int, total: int | None, seconds: float, unit: str = "rows") -> None:
        """Show where a load stands; ``unit`` is what is counted."""
        self.show(_line(done, total, seconds, unit))


def _line(done: int, total: int | None, seconds: float, unit: str) -> str:
    rate = done / seconds if seconds > 0 else 0.0
    left = f" · about {(total - done) / rate:.0f} s left" if total and rate else ""
    return f"{done:,}{f' of {total:,}' if total else ''} {unit} · {rate:,.0f} {unit}/s{left}"
