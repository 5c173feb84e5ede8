"""The live state for everybody who looks: one look at the laboratory serves all, serialised once.

Each viewer gets ``snapshot`` first and then ``delta`` events with consecutive numbers (the event's ``id``), or a
``beat`` where nothing changed for a while. A viewer that reads too slowly is dropped, and gets a snapshot when it
comes back. Nobody looks at the laboratory while nobody views.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from lab.console.deltas import changes, leaves
from lab.console.errors import UnavailableError

log = logging.getLogger(__name__)

LEAST_PERIOD_S = 0.1
"""Nobody sees more than ten states a second."""
BEAT_S = 2.0
"""A viewer hears something at least this often; after twice that it knows that the link is dead."""
BEHIND = 50
"""How many events a viewer may be behind before it is dropped."""
MOST = 200
"""How many may view at once."""

State = dict[str, Any]


@dataclass(eq=False)
class Stream:
    """One viewer."""

    abort: Callable[[], None]
    """Cuts the connection: a viewer that does not read would never see that it ended."""
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(BEHIND + 1))
    """Events to be sent; None ends the stream."""
    begun: bool = False
    """Whether it has its snapshot."""
    dropped: bool = False

    def offer(self, event: bytes) -> bool:
        """Give the viewer one event; False, and the connection is cut, where it is too far behind."""
        if self.queue.qsize() >= BEHIND:
            self.dropped = True
            self.end()
            self.abort()
            return False
        self.queue.put_nowait(event)
        return True

    def end(self) -> None:
        """Send no more."""
        while self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Events until the stream ends."""
        while (event := await self.queue.get()) is not None:
            yield event


class Broadcast:
    """Looks at the laboratory and tells all viewers; lives in one event loop."""

    def __init__(self, look: Callable[[], State], *, period_s: float = 0.2) -> None:
        """Prepare; nothing happens until somebody joins.

        Args:
            look: Gives the state as JSON; called in a thread.
            period_s: Time between two looks.
        """
        if not period_s >= LEAST_PERIOD_S:
            raise ValueError(f"{period_s} s between two states: at least {LEAST_PERIOD_S} s")
        self._look, self._period_s = look, period_s
        self._streams: list[Stream] = []
        self._pump: asyncio.Task[None] | None = None
        self._seq = 0
        self._state: dict[str, Any] = {}
        self._told_s = 0.0
        self._closed = False

    @property
    def viewers(self) -> int:
        """How many view now."""
        return len(self._streams)

    def join(self, abort: Callable[[], None]) -> Stream:
        """A new viewer.

        Raises:
            UnavailableError: Where there are too many, or the service ends.
        """
        if self._closed or len(self._streams) >= MOST:
            why = "the lab service ends" if self._closed else f"{MOST} view already"
            raise UnavailableError(f"live state is not given to anybody more now: {why}: try later")
        stream = Stream(abort)
        self._streams.append(stream)
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._run())
            self._pump.add_done_callback(self._ended)
        return stream

    def leave(self, stream: Stream) -> None:
        """A viewer has gone."""
        if stream in self._streams:
            self._streams.remove(stream)

    def close(self) -> None:
        """End all streams, for good."""
        self._closed = True
        self._end_all()

    def _end_all(self) -> None:
        streams, self._streams = self._streams, []
        for stream in streams:
            stream.end()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while self._streams:
            state = await asyncio.to_thread(self._look)
            self._tell(state, loop.time())
            # Late is late: what was missed is not made up for.
            due_s = max(due_s + self._period_s, loop.time())
            await asyncio.sleep(due_s - loop.time())

    def _ended(self, pump: asyncio.Task[None]) -> None:
        """Forget the pump; where a defect ended it, end the streams too: their viewers come back and start it anew."""
        self._pump = None
        if not pump.cancelled() and pump.exception() is not None:
            log.error("the live state broke", exc_info=pump.exception())
            self._end_all()

    def _tell(self, state: State, now_s: float) -> None:
        after = dict(leaves(state))
        delta = changes(self._state, after)
        if delta:
            self._seq += 1
        self._state = after
        event = self._event(delta, now_s)
        snapshot: bytes | None = None
        for stream in list(self._streams):
            if not stream.begun:
                stream.begun = True
                snapshot = snapshot or encode("snapshot", self._seq, {"seq": self._seq, "state": state})
                kept = stream.offer(snapshot)
            else:
                kept = event is None or stream.offer(event)
            if not kept:
                self.leave(stream)

    def _event(self, delta: dict[str, Any], now_s: float) -> bytes | None:
        """What viewers hear who have seen the state before; None: nothing."""
        if not delta and now_s - self._told_s < BEAT_S:
            return None
        self._told_s = now_s
        return encode("delta" if delta else "beat", self._seq, {"seq": self._seq, **delta})


def encode(kind: str, seq: int, data: State) -> bytes:
    r"""One event on the wire.

    >>> encode("beat", 7, {"seq": 7})
    b'event: beat\nid: 7\ndata: {"seq":7}\n\n'
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return f"event: {kind}\nid: {seq}\ndata: {text}\n\n".encode()
