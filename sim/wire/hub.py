"""One thread that serves all wires of a simulated laboratory: pseudo-terminals and TCP ports.

The thread is no task of the clock. It answers at the clock's present time, while whoever asked holds the
turn and waits for the bytes. Receivers run under a lock of the plant, here and in timed callbacks alike.

A pseudo-terminal's far side stays open in this process, so that a client that closes does not hang it up,
and is reached through a symlink, because ``/dev/pts/N`` changes with every start.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import tty
from collections.abc import Callable
from pathlib import Path

from sim.errors import BadAddressError, PortInUseError
from sim.wire.channel import Channel
from sim.wire.receiver import OpenReceiver

CHUNK = 65536


class Hub:
    """The selector thread with everything that is plugged into it."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, self._drain_wakes)
        self._channels: set[Channel] = set()
        self._listeners: list[socket.socket] = []
        self._far_sides: list[int] = []
        self._symlinks: list[Path] = []
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="sim-wires", daemon=True)

    def start(self) -> None:
        """Begin to serve; everything is to be plugged in before."""
        self._thread.start()

    def add_pty(self, symlink: Path, open_receiver: OpenReceiver, pace_baud: float | None = None) -> Path:
        """Plug in a pseudo-terminal, and give the stable path of its far side.

        Raises:
            BadAddressError: Something that is not a symlink lies at the path.
        """
        if symlink.exists() and not symlink.is_symlink():
            raise BadAddressError(
                f"{symlink} is in the way of a simulated serial port: move that file, or serve in another folder"
            )
        near, far = os.openpty()
        tty.setraw(far)  # or CR, LF and echo would be edited
        symlink.unlink(missing_ok=True)
        symlink.symlink_to(os.ttyname(far))
        self._far_sides.append(far)
        self._symlinks.append(symlink)
        self._open(near, open_receiver, pace_baud, far)
        return symlink

    def add_port(self, port: int, open_receiver: OpenReceiver) -> int:
        """Listen on a loopback port, 0 for any free one, and give its number.

        Raises:
            PortInUseError: Somebody else listens there.
        """
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as refusal:
            listener.close()
            raise PortInUseError(
                f"port {port} of 127.0.0.1 cannot be served ({refusal.strerror}): "
                "end the program that holds it, or give the lab file another port"
            ) from refusal
        listener.listen()
        listener.setblocking(False)
        self._listeners.append(listener)
        self._selector.register(listener, selectors.EVENT_READ, lambda: self._accept(listener, open_receiver))
        return int(listener.getsockname()[1])

    def close(self) -> None:
        """End the thread and take every wire away; harmless when repeated."""
        if self._closing:
            return
        self._closing = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        for channel in list(self._channels):
            self._drop(channel)
        for listener in self._listeners:
            listener.close()
        for symlink in self._symlinks:
            symlink.unlink(missing_ok=True)
        for descriptor in (*self._far_sides, self._wake_reader, self._wake_writer):
            os.close(descriptor)
        self._selector.close()

    # -- the thread

    def _serve(self) -> None:
        while not self._closing:
            waits = [wait for channel in self._channels if (wait := channel.flush()) is not None]
            for key, _ in self._selector.select(min(waits, default=None)):
                act: Callable[[], None] = key.data
                act()

    def _accept(self, listener: socket.socket, open_receiver: OpenReceiver) -> None:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open(connection.detach(), open_receiver, None)

    def _open(
        self, descriptor: int, open_receiver: OpenReceiver, pace_baud: float | None, far_side: int | None = None
    ) -> None:
        os.set_blocking(descriptor, False)
        channel = Channel(descriptor, self._wake, pace_baud, far_side, self._thread)
        receiver = open_receiver(channel.send)

        def read() -> None:
            data = channel.read(CHUNK)
            if data is None:
                self._drop(channel)
                return
            with self._lock:
                receiver.receive(data)

        self._channels.add(channel)
        self._selector.register(descriptor, selectors.EVENT_READ, read)

    def _drop(self, channel: Channel) -> None:
        self._channels.discard(channel)
        self._selector.unregister(channel.descriptor)
        channel.close()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: the thread has been woken often enough
            os.write(self._wake_writer, b"w")

    def _drain_wakes(self) -> None:
        os.read(self._wake_reader, CHUNK)
