"""What a fault may touch: one connection, at the moment at which something was said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sim.addresses import Carrier
from sim.relay.framing import Framing
from sim.relay.schedule import Order


class Scene(Protocol):
    """One connection with its wire."""

    framing: Framing
    carrier: Carrier
    replies: int
    """How many frames have come since the last request."""

    @property
    def earlier(self) -> bytes:
        """The frame that came last on this wire."""

    def instrument(self, order: Order) -> object:
        """Give the simulated instrument that an order is for; None where it is a real one."""

    def answer(self, data: bytes) -> None:
        """Say something in the instrument's place."""

    def mute(self) -> None:
        """Let nothing more come until the next request."""

    def never_end(self, beginning: bytes) -> None:
        """Let the next line with this beginning never come, nor anything else until the next request."""

    def die(self) -> None:
        """Let nothing pass on this connection any more."""

    # -- the wire

    def pull(self, gone_s: float = 0.0) -> None:
        """Pull the cable."""

    def reset(self) -> None:
        """Break all connections."""

    def hang(self, order: Order) -> None:
        """Let nothing pass on any connection for as many requests as the order says."""

    def stick(self, order: Order) -> None:
        """Answer reads as they were first answered from now on, for as many requests."""

    def go_on(self, order: Order, end: Callable[[], None]) -> None:
        """Call `end` after as many requests."""
