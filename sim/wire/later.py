"""What a thread is to do at its next turn, or after a while of wall time; anybody may ask for it."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Agenda:
    """Acts in the order in which they are due; of those due at one time, in the order asked for."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """Begin empty; `wake` is called when there is something earlier than before to wait for."""
        self._wake = wake
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def add(self, delay_s: float, act: Callable[[], None]) -> None:
        """Have `act` called after a wall time; may be called from any thread."""
        with self._lock:
            entry = (time.monotonic() + delay_s, next(self._numbers), act)
            heapq.heappush(self._due, entry)
            first = self._due[0] is entry
        if first:
            self._wake()

    def wait_s(self) -> float | None:
        """Give the wall seconds until something is due, or None where nothing ever is."""
        with self._lock:
            return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def act(self) -> None:
        """Do what is due; on the thread that keeps this agenda."""
        while self._due:
            with self._lock:
                if not self._due or self._due[0][0] > time.monotonic():
                    return
                act = heapq.heappop(self._due)[2]
            act()
