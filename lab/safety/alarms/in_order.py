"""Work that is done one piece at a time, in the order in which it came, by whoever is there."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Piece = TypeVar("Piece")


class InOrder(Generic[Piece]):
    """A queue without a thread of its own: who finds somebody at work leaves the rest to them and does not wait."""

    def __init__(self, work: Callable[[Piece], object], limit: int | None = None) -> None:
        """Begin empty.

        Args:
            work: Does one piece; may itself put more.
            limit: Pieces that wait at most; the oldest give way.
        """
        self._work = work
        self._waiting: deque[Piece] = deque(maxlen=limit)
        self._busy = threading.Lock()

    def put(self, piece: Piece) -> None:
        """Leave a piece for the next `drain`."""
        self._waiting.append(piece)

    def drain(self) -> None:
        """Do what waits, unless somebody is at it: then they go on with it."""
        # Asked again after letting go: something may have come while nobody else could begin.
        while self._waiting and self._busy.acquire(blocking=False):
            try:
                while self._waiting:
                    self._work(self._waiting.popleft())
            finally:
                self._busy.release()
