"""One open line: bytes pass at once, or as fast as a real serial line would carry them."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable

BITS_PER_BYTE = 10
"""Start, eight data, stop: a pseudo-terminal carries no parity."""

FULL_RETRY_S = 0.005
"""Wall time after which a full line is tried again."""

ARRIVAL_S = 0.2
"""Wall time that the kernel is given to carry an unasked line through a pseudo-terminal."""


class Channel:
    """A non-blocking file descriptor with a queue in front of it."""

    def __init__(
        self,
        descriptor: int,
        wake: Callable[[], None],
        pace_baud: float | None = None,
        far_side: int | None = None,
        server: threading.Thread | None = None,
    ) -> None:
        """Take over a descriptor.

        Args:
            descriptor: Open and non-blocking.
            wake: Called when bytes are left to be written.
            pace_baud: Bits per second of the line that is imitated, in wall time.
            far_side: The other end of a pseudo-terminal.
            server: The thread that answers requests; what it sends is waited for by whoever asked.
        """
        self.descriptor = descriptor
        self._far_side = far_side
        self._server = server
        self._wake = wake
        self._byte_s = BITS_PER_BYTE / pace_baud if pace_baud else 0.0
        self._waiting = bytearray()
        self._next_s = 0.0
        self._arrived_s = 0.0
        self._lock = threading.Lock()
        self._open = True

    @property
    def open(self) -> bool:
        """Whether it has not been closed."""
        return self._open

    def read(self, most: int) -> bytes | None:
        """Give what has arrived, empty where nothing has after all, None where the other end is gone."""
        try:
            return os.read(self.descriptor, most) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def travel_s(self, data: bytes) -> float:
        """Give the wall seconds after which what has been read would have come over the line that is imitated."""
        if not self._byte_s:
            return 0.0
        now_s = time.monotonic()
        self._arrived_s = max(now_s, self._arrived_s) + len(data) * self._byte_s
        return self._arrived_s - now_s

    def send(self, data: bytes) -> None:
        """Queue bytes and write what the line takes now; may be called from any thread."""
        with self._lock:
            if not self._open:
                return
            if not self._waiting:
                self._next_s = time.monotonic() + self._byte_s
            self._waiting += data
        if self.flush() is not None:
            self._wake()
        elif self._far_side is not None and threading.current_thread() is not self._server:
            # A pseudo-terminal carries bytes on later, by a worker of the kernel. Lab time must not go on
            # before an unasked line is there for whoever looks at this instant.
            with contextlib.suppress(OSError):  # the cable is being pulled
                select.select([self._far_side], [], [], ARRIVAL_S)

    def flush(self) -> float | None:
        """Write what is due; give the wall seconds to wait for the rest, or None where there is none."""
        with self._lock:
            if not self._waiting or not self._open:
                return None
            due = self._due_bytes()
            try:
                written = os.write(self.descriptor, self._waiting[:due]) if due else 0
            except BlockingIOError:
                return FULL_RETRY_S
            except OSError:  # the other end is gone; reading will tell the hub
                self._waiting.clear()
                return None
            del self._waiting[:written]
            self._next_s += written * self._byte_s
            return self._wait_s()

    def close(self) -> None:
        """Close the line; later sends go nowhere."""
        with self._lock:
            self._open = False
            self._waiting.clear()
            os.close(self.descriptor)

    def _due_bytes(self) -> int:
        if not self._byte_s:
            return len(self._waiting)
        late_s = time.monotonic() - self._next_s
        return 0 if late_s < 0 else min(len(self._waiting), 1 + int(late_s / self._byte_s))

    def _wait_s(self) -> float | None:
        if not self._waiting:
            return None
        if not self._byte_s:
            return FULL_RETRY_S
        return max(0.0, self._next_s - time.monotonic())
