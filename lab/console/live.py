"""The response that carries the live state to one viewer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

from anyio import to_thread
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lab.console.events import Broadcast, Stream
from lab.errors import LabError

RECHECK_S = 5.0
"""How long somebody goes on viewing who has logged out or may no more."""
RETRY = b"retry: 1000\n\n"
"""Milliseconds after which a browser comes back."""


class LiveState(StreamingResponse):
    """Server-sent events until the viewer goes, is too slow, or may not view any more."""

    media_type = "text/event-stream"

    def __init__(self, broadcast: Broadcast, stream: Stream, may_view: Callable[[], bool]) -> None:
        self._broadcast, self._stream, self._may_view = broadcast, stream, may_view
        # Proxies keep parts back unless told not to.
        super().__init__(self._events(), headers={"X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request; whatever ends it, the stream is left."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._broadcast.leave(self._stream)

    async def _events(self) -> AsyncIterator[bytes]:
        yield RETRY
        checked_s = time.monotonic()
        async for event in self._stream:
            if time.monotonic() - checked_s > RECHECK_S:
                checked_s = time.monotonic()
                if not await to_thread.run_sync(self._still):
                    return
            yield event

    def _still(self) -> bool:
        try:
            return self._may_view()
        except LabError:
            return False
