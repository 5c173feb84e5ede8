"""The supervisor's Unix socket: every connection has a thread that reads and one that writes.

Nobody who reads slowly delays anybody: of snapshots only the newest waits, other messages wait in a short queue, and
a connection whose queue is full or that takes nothing for two seconds is dropped.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from lab.safety.supervisor.sockets import (
    Lines,
    WireFormatError,
    bind_unix,
    close_quietly,
    encode,
    limit_writes,
    peer_of,
)

log = logging.getLogger(__name__)

MOST_WAITING = 256
"""Messages that may wait for one connection."""
STUCK_S = 2.0
"""Wall seconds in which the other end must take something."""
MOST_CLIENTS = 200


class Client:
    """One connection; satisfies `lab.safety.supervisor.requests.Caller`."""

    def __init__(self, stream: socket.socket, pid: int) -> None:
        self.pid = pid
        self.watching = False
        self._stream = stream
        self._waiting: deque[bytes] = deque()
        self._newest: bytes | None = None
        self._changed = threading.Condition()
        self._closed = False

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message without waiting; too many that wait close the connection."""
        with self._changed:
            self._waiting.append(encode(message))
            full = len(self._waiting) > MOST_WAITING
            self._changed.notify()
        if full:
            self.drop("it does not read")

    def show(self, snapshot: bytes) -> None:
        """Send an encoded snapshot, in place of one that still waits."""
        with self._changed:
            self._newest = snapshot
            self._changed.notify()

    def drop(self, why: str) -> None:
        """Close the connection; harmless when done twice."""
        with self._changed:
            if not self._closed:
                log.info("connection of process %d closed: %s", self.pid, why)
            self._closed = True
            self._changed.notify()
        close_quietly(self._stream)

    def write(self) -> None:
        """Write what waits until the connection closes; the work of one thread."""
        while (data := self._next()) is not None:
            try:
                self._stream.sendall(data)
            except OSError:
                self.drop("it takes nothing")

    def _next(self) -> bytes | None:
        with self._changed:
            while not self._closed:
                if self._waiting:
                    return self._waiting.popleft()
                if self._newest is not None:
                    newest, self._newest = self._newest, None
                    return newest
                self._changed.wait()
        return None


class Answers(Protocol):
    """Who answers what comes."""

    def answer(self, caller: Any, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Answer one request; None where none is awaited."""

    def gone(self, caller: Any) -> None:
        """A connection has closed."""


class Server:
    """Listens, and serves whoever is allowed to connect."""

    def __init__(self, path: Path, requests: Answers) -> None:
        """Listen at `path`.

        Raises:
            OSError: Where the socket cannot be there.
        """
        self._requests = requests
        self._lock = threading.Lock()
        self._clients: set[Client] = set()
        self._path = path
        self._listener = bind_unix(path)
        threading.Thread(target=self._accept, name="socket", daemon=True).start()

    def broadcast(self, snapshot: Mapping[str, Any]) -> None:
        """Show a snapshot to everybody who watches."""
        with self._lock:
            watchers = [client for client in self._clients if client.watching]
        if watchers:
            data = encode({"state": snapshot})
            for client in watchers:
                client.show(data)

    def close(self) -> None:
        """Stop listening and drop everybody."""
        close_quietly(self._listener)
        self._path.unlink(missing_ok=True)
        with self._lock:
            clients = tuple(self._clients)
        for client in clients:
            client.drop("the supervisor ends")

    def _accept(self) -> None:
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                # Closed, or no file descriptor is left: whoever is connected stays so.
                if self._listener.fileno() < 0:
                    return
                threading.Event().wait(0.05)
                continue
            pid, uid = peer_of(stream)
            with self._lock:
                welcome = uid in (os.getuid(), 0) and len(self._clients) < MOST_CLIENTS
            if welcome:
                self._welcome(stream, pid)
            else:
                close_quietly(stream)

    def _welcome(self, stream: socket.socket, pid: int) -> None:
        limit_writes(stream, STUCK_S)
        client = Client(stream, pid)
        with self._lock:
            self._clients.add(client)
        threading.Thread(target=client.write, name=f"to {pid}", daemon=True).start()
        threading.Thread(target=self._read, args=(client, stream), name=f"from {pid}", daemon=True).start()

    def _read(self, client: Client, stream: socket.socket) -> None:
        lines = Lines(stream)
        try:
            while (message := lines.receive()) is not None:
                answered = self._requests.answer(client, message)
                if answered is not None:
                    client.send(answered)
        except (OSError, WireFormatError):
            # The other end is gone, or speaks another language: nothing that it wants can be known.
            pass
        finally:
            with self._lock:
                self._clients.discard(client)
            self._requests.gone(client)
            client.drop("it is gone")
