"""The lab service's HTTP server: uvicorn in one thread, over a Unix socket and, where asked for, over TCP."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.h11_impl import H11Protocol

from lab.console.listen import Listen
from lab.console.peer import Connection, peer_of
from lab.errors import LabError

log = logging.getLogger(__name__)

START_WITHIN_S = 10.0
END_WITHIN_S = 3.0
"""Seconds that requests under way get when the service ends."""
HEAD_BYTES = 16_384
"""The longest request head."""

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class PeerProtocol(H11Protocol):
    """HTTP over a connection whose other end is known: each request carries its `Connection` in ``state``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Find out who connected."""
        super().connection_made(transport)
        connection = Connection(peer_of(transport.get_extra_info("socket")), transport.abort)
        inner = self.app

        async def introduced(scope: Any, receive: Any, send: Any) -> None:
            scope["state"]["connection"] = connection
            await inner(scope, receive, send)

        self.app = introduced


class ThroughProxies:
    """Lets requests in that come through one of the proxies, and turns all others away."""

    def __init__(self, app: App, proxies: tuple[str, ...]) -> None:
        # What a proxy says of its client (X-Forwarded-For, X-Forwarded-Proto) is believed, for it is a trusted one.
        self._app = ProxyHeadersMiddleware(cast("Any", app), list(proxies))
        self._networks = [ipaddress.ip_network(proxy) for proxy in proxies]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        host = ipaddress.ip_address(scope["client"][0])
        if any(host in network for network in self._networks):
            await self._app(scope, receive, send)
            return
        body = b'{"error": "this address is reached through its proxy only"}'
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class LabServer:
    """Serves an app until `close`."""

    def __init__(
        self,
        app: App,
        *,
        unix: socket.socket | None = None,
        tcp: tuple[socket.socket, Listen] | None = None,
        before_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            app: What is served.
            unix: A bound Unix socket; becomes the server's.
            tcp: A bound TCP socket, which becomes the server's, and what was asked for.
            before_end: Called in the server's loop when it ends: ends what would go on for ever.
        """
        self._servers: list[tuple[uvicorn.Server, socket.socket]] = []
        if unix is not None:
            self._servers.append((uvicorn.Server(_config(app, Listen())), unix))
        if tcp is not None:
            sock, listen = tcp
            self._servers.append((uvicorn.Server(_config(app, listen)), sock))
        self._before_end = before_end
        self._ended = False
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="lab service", daemon=True)

    def start(self) -> None:
        """Serve from now on; returns when requests are taken.

        Raises:
            LabError: Where that does not happen in time.
        """
        self._thread.start()
        if not self._started.wait(START_WITHIN_S) or not self._thread.is_alive():
            raise LabError(f"the lab service did not begin to serve within {START_WITHIN_S:g} s: see the log")

    def close(self) -> None:
        """Take no more requests, let those under way end for a moment, then cut them off."""
        if self._ended:
            return
        self._ended = True
        loop = self._loop
        if loop is None:
            for _, sock in self._servers:
                sock.close()
            return
        loop.call_soon_threadsafe(self._end)
        self._thread.join(END_WITHIN_S + 2.0)
        if self._thread.is_alive():
            log.error("the lab service did not end within %g s", END_WITHIN_S + 2.0)

    def _end(self) -> None:
        self._before_end()
        for server, _ in self._servers:
            server.should_exit = True

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        serving = [asyncio.create_task(server.serve([sock])) for server, sock in self._servers]
        try:
            while not all(server.started for server, _ in self._servers):
                if any(task.done() for task in serving):
                    return
                await asyncio.sleep(0.005)
            self._started.set()
        finally:
            await asyncio.gather(*serving)


def _config(app: App, listen: Listen) -> uvicorn.Config:
    proxies = listen.behind_proxy
    return uvicorn.Config(
        cast("Any", ThroughProxies(app, proxies) if proxies else app),
        loop="asyncio",
        http=PeerProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(END_WITHIN_S),
        ssl_certfile=listen.tls_cert,
        ssl_keyfile=listen.tls_key,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
