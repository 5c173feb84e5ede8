"""Writes down what has been done, in a thread of its own: a slow or full disk delays no scan and no STOP."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Work = Callable[[], object]


class Scribe:
    """Does writing work in the order in which it came."""

    def __init__(self, settle: Work) -> None:
        """Begin.

        Args:
            settle: Writes down what scans have changed; asked for again and again, done when there is time.
        """
        self._settle = settle
        self._waiting: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._unsettled = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="scribe", daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Have what the last scan changed written down."""
        if not self._unsettled.is_set():
            self._unsettled.set()
            self._waiting.put(self._settle_once)

    def do(self, work: Work) -> None:
        """Have something written down."""
        self._waiting.put(work)

    def flush(self, within_s: float) -> bool:
        """Wait until all that came before is written; False where that takes longer than `within_s`."""
        done = threading.Event()
        self._waiting.put(done.set)
        return done.wait(within_s)

    def close(self, within_s: float) -> None:
        """Write what waits, then end."""
        self._waiting.put(None)
        self._thread.join(within_s)

    def _settle_once(self) -> None:
        self._unsettled.clear()
        self._settle()

    def _serve(self) -> None:
        while (work := self._waiting.get()) is not None:
            work()
