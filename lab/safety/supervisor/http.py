"""STOP over HTTP, for the form on every page of the console and for anything that can post.

    POST /stop    any body, no token, no role; ``?by=NAME`` is noted as what somebody claimed   -> 200, JSON
    GET /state    the newest snapshot                                                          -> 200, JSON

A STOP acts when its request line has come, in the connection's own thread. Only what could be read by a foreign
site is refused to it: posts from one are accepted, because a STOP too many is the smaller evil.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from lab.errors import UsageError
from lab.safety.supervisor.config import HttpPlace
from lab.safety.supervisor.sockets import close_quietly

MOST_HEADER_BYTES = 16384
PATIENCE_S = 5.0
"""Wall seconds in which a request must have come."""
MOST_SILENT = 200
LONGEST_NAME = 64

Stop = Callable[[str], Mapping[str, Any]]


class StopPort:
    """Listens on one port until it is closed."""

    def __init__(self, place: HttpPlace, stop: Stop, snapshot: Callable[[], Mapping[str, Any]]) -> None:
        """Listen.

        Args:
            place: Where, and with which certificate.
            stop: Stops everything on behalf of somebody, and gives what was acknowledged.
            snapshot: The newest snapshot.

        Raises:
            UsageError: Where the port is taken, or the certificate cannot be used.
        """
        self._stop, self._snapshot, self._host = stop, snapshot, place.host
        self._tls = _tls(place)
        try:
            self._listener = socket.create_server((place.host, place.port), backlog=128)
        except OSError as error:
            raise UsageError(
                f"STOP cannot be served on {place.host} port {place.port} ({error.strerror}): "
                "end the program that holds it, or give another port"
            ) from None
        port = self._listener.getsockname()[1]
        self.url = f"{place.scheme}://{place.host}:{port}"
        """Where it is."""
        self._lock = threading.Lock()
        self._silent: dict[int, socket.socket] = {}
        """Connections that have not asked for anything yet, oldest first."""
        threading.Thread(target=self._accept, name="http", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        close_quietly(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                stream, peer = self._listener.accept()
            except OSError:
                if self._listener.fileno() < 0:
                    return
                threading.Event().wait(0.05)
                continue
            with self._lock:
                # A STOP is never turned away: whoever has said nothing for longest makes room for it.
                if len(self._silent) >= MOST_SILENT:
                    close_quietly(self._silent.pop(next(iter(self._silent))))
                self._silent[id(stream)] = stream
            threading.Thread(target=self._serve, args=(stream, peer[0]), name="http", daemon=True).start()

    def _serve(self, plain: socket.socket, peer: str) -> None:
        stream = plain
        try:
            plain.settimeout(PATIENCE_S)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                stream = self._tls.wrap_socket(plain, server_side=True)
            stream.sendall(self._reply(stream, peer, lambda: self._has_asked(plain)))
            stream.shutdown(socket.SHUT_WR)
            _drain(stream)
        except OSError:
            # The other end is gone or silent; a STOP that had come has been done.
            pass
        finally:
            self._has_asked(plain)
            close_quietly(stream)

    def _has_asked(self, plain: socket.socket) -> None:
        with self._lock:
            self._silent.pop(id(plain), None)

    def _reply(self, stream: socket.socket, peer: str, has_asked: Callable[[], None]) -> bytes:
        head = _read(stream, b"\n", b"")
        method, _, rest = head.partition(b"\n")[0].decode("latin-1").strip().partition(" ")
        path, _, query = (rest.rpartition(" ")[0] or rest).partition("?")
        if (method, path) == ("POST", "/stop"):
            has_asked()
            return _response(200, {"stopped": True, **self._stop(_actor(query, peer))}, open_to_all=True)
        headers = _read(stream, b"\r\n\r\n", head)
        if (method, path) == ("OPTIONS", "/stop"):
            return _response(204, None, open_to_all=True)
        if (method, path) == ("GET", "/state"):
            # A foreign name that was made to point here must not let its pages read the laboratory's state.
            if _host(headers) not in {self._host, "localhost", "127.0.0.1", "[::1]"}:
                return _response(403, {"why": f"this is {self._host}: ask for that name"})
            return _response(200, self._snapshot())
        if path in {"/stop", "/state"}:
            return _response(405, {"why": "POST /stop stops everything, GET /state gives the state"})
        return _response(404, {"why": "there are POST /stop and GET /state"})


def _tls(place: HttpPlace) -> ssl.SSLContext | None:
    if place.cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(place.cert, place.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{place.cert}: the certificate cannot be used ({error}): give one with its key") from None
    return context


def _read(stream: socket.socket, mark: bytes, found: bytes) -> bytes:
    """Read on until `mark` has come.

    Raises:
        OSError: Where it does not come in time, or not within `MOST_HEADER_BYTES`.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while mark not in found:
        if len(found) > MOST_HEADER_BYTES or time.monotonic() > deadline_s:
            raise OSError("no request came")
        chunk = stream.recv(4096)
        if not chunk:
            raise OSError("closed within a request")
        found += chunk
    return found


def _drain(stream: socket.socket) -> None:
    """Let the other end finish sending: closing before would take the answer from it."""
    stream.settimeout(0.5)
    deadline_s = time.monotonic() + 1.0
    while time.monotonic() < deadline_s and stream.recv(65536):
        pass


def _actor(query: str, peer: str) -> str:
    claimed = parse_qs(query).get("by", [""])[0]
    name = "".join(letter for letter in claimed if letter.isprintable())[:LONGEST_NAME].strip()
    return f"{name} (not verified, from {peer})" if name else f"somebody at {peer}"


def _host(headers: bytes) -> str:
    for line in headers.split(b"\r\n")[1:]:
        name, _, value = line.decode("latin-1").partition(":")
        if name.strip().lower() == "host":
            host = value.strip()
            return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return ""


def _response(status: int, body: Mapping[str, Any] | None, *, open_to_all: bool = False) -> bytes:
    reasons = {200: "OK", 204: "No Content", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} {reasons[status]}", "Connection: close", "Cache-Control: no-store"]
    if open_to_all:
        lines += ["Access-Control-Allow-Origin: *", "Access-Control-Allow-Headers: *"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data
