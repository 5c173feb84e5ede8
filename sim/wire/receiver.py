"""What stands at the instrument's end of one open line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

Send = Callable[[bytes], None]
"""Writes bytes to the other end, now or as fast as the line allows; never blocks."""


class Receiver(Protocol):
    """Takes the bytes that arrive on one connection, in whatever pieces they arrive."""

    def receive(self, data: bytes) -> None:
        """Digest the next bytes, and answer through the `Send` given at construction."""


@runtime_checkable
class Hearing(Receiver, Protocol):
    """A receiver that wants to know of the end of its connection."""

    def hung_up(self) -> None:
        """The other end is gone; what is sent from now on goes nowhere."""


OpenReceiver = Callable[[Send], Receiver]
"""Makes the receiver for a connection that has just been opened."""
