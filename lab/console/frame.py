"""Around every request: no body longer than any command is, and headers that keep browsers from mischief."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

LONGEST_BODY = 64 * 1024
TOO_LONG = f"the request is longer than {LONGEST_BODY} bytes: no command is"
UNMEASURED = "/api/stop"
"""Reads no body, and refuses nobody."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Frame:
    """ASGI around the application."""

    def __init__(self, app: App, form_targets: Callable[[], str]) -> None:
        """Put it around `app`; `form_targets` are further origins that the page's forms may post to."""
        self._app, self._form_targets = app, form_targets

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = 0

        async def measured() -> Message:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > LONGEST_BODY:
                raise HTTPException(413, TOO_LONG)
            return message

        async def framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._put_headers(MutableHeaders(scope=message))
            await send(message)

        declared = Headers(scope=scope).get("content-length", "0")
        if scope["path"] != UNMEASURED and declared.isdecimal() and int(declared) > LONGEST_BODY:
            await JSONResponse({"error": TOO_LONG}, 413)(scope, receive, framed)
            return
        await self._app(scope, measured, framed)

    def _put_headers(self, headers: MutableHeaders) -> None:
        # Forms are not covered by default-src, and a referrer policy of none would make their Origin "null".
        headers["Content-Security-Policy"] = (
            "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
            f"form-action 'self' {self._form_targets()}".rstrip()
        )
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Cache-Control"] = "no-store"
