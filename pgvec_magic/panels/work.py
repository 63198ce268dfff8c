"""Work beside the notebook: a bar and words that follow it, and a button that stops it."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable

import ipywidgets as widgets
import traitlets

from ..errors import PgvecError
from .words import line

STOPPED = "57014"  # SQLSTATE of a statement that was canceled
_SECONDS_BETWEEN = 0.1
_HOW = "goes on when this is closed, until the kernel ends"


class Work(widgets.VBox):  # type: ignore[misc]  # it has no types
    """One piece of work at a time, on a thread of its own: cells run meanwhile, and the button works.

    The thread takes the context of the click along, in which ipykernel keeps whose message it answers; the messages
    of widgets may be sent from any thread. ``busy`` tells whether something is done.
    """

    busy = traitlets.Bool(False)

    def __init__(self) -> None:
        self.bar = widgets.FloatProgress(min=0.0, max=1.0, layout={"width": "24em"})
        self.cancel = widgets.Button(description="Cancel", icon="stop", button_style="warning", disabled=True)
        self.words, self.said = widgets.HTML(), widgets.HTML()
        followed = [widgets.HBox([self.bar, self.cancel, widgets.HTML(line(_HOW, faint=True))]), self.words]
        self._running = widgets.VBox(followed, layout={"display": "none"})
        self._begun = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self.stopped, self._shown_at = False, 0.0
        super().__init__([self._running, self.said])
        self.cancel.on_click(lambda _: self.stop())

    def begin(self, words: str, work: Callable[[], None]) -> None:
        """Begin to do ``work``, unless something is done already; a PgvecError that it raises is said in one line."""
        with self._begun:
            if self.busy:
                return
            self.busy = True
        self._stop, self.stopped = None, False
        self.said.value, self.bar.value = "", 0.0
        # ipykernel answers a widget's click beside a busy cell when what it told of the widget last was told in answer
        # to a click: so the button is enabled here, and not from the beginning.
        self.cancel.disabled = False
        self._show(words)
        self._running.layout.display = None
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._do, work), name="pgvec-panel", daemon=True).start()

    def stops_by(self, stop: Callable[[], None]) -> None:
        """Have ``stop`` called when the button is pressed, or now, if it was before there was something to stop."""
        self._stop = stop
        if self.stopped:
            stop()

    def tell(self, share: float | None, words: str, over: str = "") -> None:
        """Show how far it is, 0 to 1 or None where nothing tells, and below it what is ``over``."""
        if self.stopped or time.monotonic() - self._shown_at < _SECONDS_BETWEEN:
            return
        if share is not None:
            self.bar.value = share
        self._show(words, over)

    def say(self, text: str) -> None:
        """Say what came of it."""
        self.said.value = line(text)

    def _show(self, words: str, over: str = "") -> None:
        self._shown_at = time.monotonic()
        self.words.value = line(words) + (line(over, faint=True) if over else "")

    def stop(self) -> None:
        """Stop what is done; what it says in its end tells what is left."""
        self.cancel.disabled = True
        self.stopped = True
        self._show("stopping …")
        if self._stop is not None:  # it waits for the server
            threading.Thread(target=self._stop, name="pgvec-stop", daemon=True).start()

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except PgvecError as error:
            if self.stopped and getattr(error, "sqlstate", None) == STOPPED:
                self.say(f"{error}. The server has ended its work.")
            else:
                self.said.value = line(str(error), severity="error")
        finally:
            self._running.layout.display = "none"
            self.cancel.disabled = True
            self.busy = False
