"""One connection with the relay on it.

While nothing is to happen bytes pass as they are, in the pieces in which they come. Else requests and replies are
taken as whole frames, and to each of them one fault at most is done.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.relay.damage import Parcel, at_once
from sim.relay.on_reply import on_reply
from sim.relay.on_request import on_request
from sim.relay.schedule import Order
from sim.wire.receiver import Hearing, OpenReceiver, Send

if TYPE_CHECKING:
    from sim.relay.wire import TappedWire

PIECE_S = 0.1
"""Wall time after which a piece of a frame is passed on as it is."""


class Tap:
    """The relay on one connection; for faults the `sim.relay.scene.Scene`."""

    def __init__(self, wire: TappedWire, send: Send, inner: OpenReceiver) -> None:
        self.replies = 0
        self._wire = wire
        self._send = send
        self.framing, self.carrier = wire.framing, wire.carrier
        self._lock = threading.Lock()
        self._parcels: deque[tuple[float, bytes]] = deque()
        """What is to be sent, in order: wall time and bytes."""
        self._heard, self._heard_s = bytearray(), 0.0
        self._said = bytearray()
        self._request, self._name = b"", wire.names[0]
        self._asking = False
        self._hit = False
        """Whether this request or reply has had its fault."""
        self._mute = False
        self._dead = False
        self._unended: list[bytes] = []
        self._inner = inner(self._say)  # it may say something at once

    # -- both directions

    def receive(self, data: bytes) -> None:
        """Digest the next bytes of a client."""
        if self._wire.quiet and not self._odd:
            self._inner.receive(data)
            return
        for request in self._requests(data):
            self._take(request)

    def hung_up(self) -> None:
        """Tell whoever answers that the client is gone."""
        if isinstance(self._inner, Hearing):
            self._inner.hung_up()

    def _say(self, data: bytes) -> None:
        if self._wire.witness is not None:
            self._wire.witness(self._name)
        if self._wire.quiet and not self._odd:
            self._send(data)
            return
        for reply in self._replies(data):
            self._give(reply)

    @property
    def _odd(self) -> bool:
        return bool(self._parcels or self._heard or self._said or self._unended or self._mute or self._dead)

    # -- the scene of a fault

    def instrument(self, order: Order) -> object:
        """Give the simulated instrument that an order is for."""
        return self._wire.instrument(order.instrument)

    @property
    def earlier(self) -> bytes:
        """The frame that came last on this wire."""
        return self._wire.earlier

    def answer(self, data: bytes) -> None:
        """Say something in the instrument's place."""
        self._post(at_once(data))

    def mute(self) -> None:
        """Let nothing more come until the next request."""
        self._mute = True

    def never_end(self, beginning: bytes) -> None:
        """Let the next line with this beginning never come, nor anything else until the next request."""
        self._unended.append(beginning)
        self._mute = True

    def die(self) -> None:
        """Let nothing pass on this connection any more."""
        self._dead = True

    def pull(self, gone_s: float = 0.0) -> None:
        """Pull the cable."""
        if self._wire.plug is not None:
            self._wire.plug.pull(gone_s)

    def reset(self) -> None:
        """Break all connections."""
        if self._wire.plug is not None:
            self._wire.plug.reset()

    def hang(self, order: Order) -> None:
        """Let nothing pass on any connection for a while."""
        self._wire.hang(order)

    def stick(self, order: Order) -> None:
        """Answer reads as they were first answered from now on."""
        self._wire.stick(order)

    def go_on(self, order: Order, end: Callable[[], None]) -> None:
        """Call `end` after as many requests as the order says."""
        self._wire.go_on(order, end)

    # -- requests

    def _requests(self, data: bytes) -> list[bytes]:
        now_s = time.monotonic()
        if self._heard and now_s - self._heard_s > PIECE_S:
            self._pass_on(self._take_all(self._heard))
        self._heard_s = now_s
        self._heard += data
        return _frames(self._heard, self.framing.request_end)

    def _take(self, request: bytes) -> None:
        wire = self._wire
        self._request, self._name = request, wire.addressed(request)
        self.replies, self._hit, self._mute = 0, False, False
        orders = wire.asked(self._name)
        if self._dead or wire.hanging:
            return
        if self.framing.whole(request):
            if self._answer_again(request):
                return
            for order in orders:
                taken = on_request(self, order, request)
                if taken is not None:
                    self._hit = True
                    wire.done(order, order.variant if taken.detail is None else taken.detail)
                    request = taken.on
                    break
        if request:
            self._pass_on(request)

    def _pass_on(self, data: bytes) -> None:
        self._asking = True
        try:
            self._inner.receive(data)
        finally:
            self._asking = False

    def _answer_again(self, request: bytes) -> bool:
        """Whether the instrument is stuck, and has answered this question since."""
        known = self._wire.stuck(self._name)
        before = known.get(self.framing.question(request)) if known else None
        answer = None if before is None else self.framing.again(request, before)
        if answer is None:
            return False
        self._post(at_once(answer))
        return True

    # -- replies

    def _replies(self, data: bytes) -> list[bytes]:
        self._said += data
        frames = _frames(self._said, self.framing.reply_end)
        if self._said and not self._wire.in_pieces:
            frames.append(self._take_all(self._said))
        elif self._said:
            waiting = bytes(self._said)
            self._wire.call_later(PIECE_S, lambda: self._give_up(waiting))
        return frames

    def _give(self, reply: bytes) -> None:
        if self._dead or self._wire.hanging or self._is_never_to_come(reply) or self._mute:
            return
        if not self._asking:
            self._hit = False
        parcels = self._damaged(reply)
        self._remember(reply)
        self._wire.earlier = reply
        self.replies += 1
        self._post(at_once(reply) if parcels is None else parcels)

    def _damaged(self, reply: bytes) -> list[Parcel] | None:
        if self._hit or not self.framing.whole(reply):
            return None
        for order in self._wire.waiting(self._name):
            parcels = on_reply(self, order, reply)
            if parcels is not None:
                self._hit = True
                self._wire.done(order, order.variant)
                return parcels
        return None

    def _is_never_to_come(self, reply: bytes) -> bool:
        for beginning in self._unended:
            if reply.startswith(beginning) and reply[len(beginning) :].lstrip()[:1] != b"B":
                self._unended.remove(beginning)
                return True
        return False

    def _remember(self, reply: bytes) -> None:
        known = self._wire.stuck(self._name)
        if known is not None and self.framing.whole(self._request) and self.framing.reads(self._request):
            known.setdefault(self.framing.question(self._request), reply)

    def _give_up(self, waiting: bytes) -> None:
        """Pass on the beginning of a reply that nothing has followed."""
        if bytes(self._said) == waiting:
            self._post(at_once(self._take_all(self._said)))

    # -- what goes out

    def _post(self, parcels: list[Parcel]) -> None:
        """Send, nothing before what was to be sent earlier."""
        for parcel in parcels:
            due_s = time.monotonic() + parcel.delay_s
            with self._lock:
                if not self._parcels and parcel.delay_s <= 0.0:
                    self._send(parcel.data)
                    continue
                due_s = max(due_s, self._parcels[-1][0]) if self._parcels else due_s
                self._parcels.append((due_s, parcel.data))
            self._wire.call_later(due_s - time.monotonic(), self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            while self._parcels and self._parcels[0][0] <= time.monotonic():
                self._send(self._parcels.popleft()[1])

    @staticmethod
    def _take_all(buffer: bytearray) -> bytes:
        data = bytes(buffer)
        buffer.clear()
        return data


def _frames(buffer: bytearray, end_of: Callable[[bytes], int]) -> list[bytes]:
    """Take the whole frames off the front of a buffer."""
    frames = []
    while buffer and (end := end_of(bytes(buffer))):
        frames.append(bytes(buffer[:end]))
        del buffer[:end]
    return frames
