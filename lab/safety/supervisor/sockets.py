"""Unix sockets with JSON objects on lines: how the processes of one laboratory talk to each other.

A path of a Unix socket may have 107 bytes, and a laboratory's folder can be deeper than that: sockets are bound
and reached through the open folder, ``/proc/self/fd/N/NAME``, which is short wherever the folder is.
"""

from __future__ import annotations

import json
import math
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 20
"""The longest line that anybody may send."""
CHUNK = 65536
_CREDENTIALS = struct.Struct("3i")
_TIMEVAL = struct.Struct("@ll")


class WireFormatError(ValueError):
    """Something came over a socket that is no JSON object on a line; one sentence."""


def bind_unix(path: Path, mode: int = 0o660) -> socket.socket:
    """Listen at a path, whoever listened there before being gone.

    Args:
        path: The socket; its folder exists.
        mode: Who may connect, as file permissions.

    Raises:
        OSError: Where the socket cannot be there.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with _short(path) as short:
            listener.bind(short)
        path.chmod(mode)
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener


def connect_unix(path: Path, timeout_s: float) -> socket.socket:
    """Connect to whoever listens at a path.

    Args:
        path: The socket.
        timeout_s: Wall seconds that connecting may take, and after that each write.

    Raises:
        OSError: Where nobody listens.
    """
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(timeout_s)
    try:
        with _short(path) as short:
            stream.connect(short)
    except OSError:
        stream.close()
        raise
    stream.settimeout(None)
    limit_writes(stream, timeout_s)
    return stream


def limit_writes(stream: socket.socket, timeout_s: float) -> None:
    """Have a write fail with `BlockingIOError` where the other end takes nothing for that long; reads wait on."""
    seconds, rest_s = divmod(timeout_s, 1.0)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(int(seconds), int(rest_s * 1e6)))


def peer_of(stream: socket.socket) -> tuple[int, int]:
    """Give the process id and the user id at the other end of a Unix socket, as the kernel knows them."""
    raw = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return pid, uid


def encode(message: Mapping[str, Any]) -> bytes:
    r"""Write one message as a line; NaN and infinity, which are not JSON, become null: unknown.

    >>> encode({"values": [1.5, float("nan")]})
    b'{"values":[1.5,null]}\n'
    """
    try:
        text = json.dumps(message, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(message), separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def _finite(found: Any) -> Any:
    if isinstance(found, float):
        return found if math.isfinite(found) else None
    if isinstance(found, Mapping):
        return {name: _finite(value) for name, value in found.items()}
    return [_finite(value) for value in found] if isinstance(found, list | tuple) else found


class Lines:
    """Reads the messages of one stream; writing needs nothing but `encode`."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._pending = bytearray()
        self._poll = select.poll()
        self._poll.register(stream, select.POLLIN)

    def receive(self, deadline_s: float | None = None) -> dict[str, Any] | None:
        """Wait for the next message.

        Args:
            deadline_s: Monotonic time; None waits for ever.

        Returns:
            The message, or None where the other end has closed.

        Raises:
            TimeoutError: At the deadline.
            OSError: Where the stream broke.
            WireFormatError: Where what came is no JSON object, or a line does not end.
        """
        while b"\n" not in self._pending:
            if len(self._pending) > MOST_BYTES:
                raise WireFormatError(f"a line of more than {MOST_BYTES} bytes came")
            self._wait(deadline_s)
            chunk = self._stream.recv(CHUNK)
            if not chunk:
                return None
            self._pending += chunk
        line, _, rest = bytes(self._pending).partition(b"\n")
        self._pending = bytearray(rest)
        return _decode(line)

    def _wait(self, deadline_s: float | None) -> None:
        # Not with the stream's own timeout: that is one for both directions, and another thread may be writing.
        left_ms = None if deadline_s is None else max(0.0, 1000.0 * (deadline_s - time.monotonic()))
        if not self._poll.poll(left_ms):
            raise TimeoutError("nothing came until the deadline")


def _decode(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    except RecursionError:
        message = None
    if not isinstance(message, dict):
        raise WireFormatError(f"{line[:60]!r} is no JSON object on one line")
    return message


def close_quietly(stream: socket.socket) -> None:
    """Close a stream, waking whoever reads or writes it in another thread; harmless when done twice."""
    with suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)
    stream.close()


@contextmanager
def _short(path: Path) -> Iterator[str]:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
