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
from collections.abc import Callable
from pathlib import Path

from sim.errors import PortInUseError
from sim.wire.channel import Channel
from sim.wire.later import Agenda
from sim.wire.plug import PortPlug, PtyPlug
from sim.wire.receiver import Hearing, OpenReceiver, Receiver

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
        self._agenda = Agenda(self._wake)
        self._channels: dict[Channel, Receiver] = {}
        self._plugs: list[PtyPlug | PortPlug] = []
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="sim-wires", daemon=True)

    def start(self) -> None:
        """Begin to serve; everything is to be plugged in before."""
        self._thread.start()

    def add_pty(self, symlink: Path, open_receiver: OpenReceiver, pace_baud: float | None = None) -> PtyPlug:
        """Plug in a pseudo-terminal, whose far side has the stable path `symlink`.

        Raises:
            BadAddressError: Something that is not a symlink lies at the path, or no symlink can be made there.
        """
        plug = PtyPlug(self, symlink, open_receiver, pace_baud)
        self._plugs.append(plug)
        return plug

    def add_port(self, port: int, open_receiver: OpenReceiver) -> PortPlug:
        """Listen on a loopback port, 0 for any free one.

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
                f"port {port} of 127.0.0.1 cannot be served ({refusal.strerror}): end the program that holds it "
                f"(`ss -ltnp 'sport = :{port}'` shows which), or write another port"
            ) from refusal
        listener.listen()
        listener.setblocking(False)
        plug = PortPlug(self, listener, open_receiver)
        self._plugs.append(plug)
        self._selector.register(listener, selectors.EVENT_READ, plug.accept)
        return plug

    def call_later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Have something done on the hub's thread after a wall time; nobody's lock is held then."""
        self._agenda.add(delay_s, act)

    def attach(
        self, descriptor: int, open_receiver: OpenReceiver, pace_baud: float | None = None, far_side: int | None = None
    ) -> Channel:
        """Serve an open descriptor; before the start, or on the hub's thread."""
        os.set_blocking(descriptor, False)
        channel = Channel(descriptor, self._wake, pace_baud, far_side, self._thread)
        receiver = open_receiver(channel.send)

        def read() -> None:
            if not channel.open:
                return  # it was dropped after the selector had found it ready
            data = channel.read(CHUNK)
            if data is None:
                self.drop(channel)
            elif (travel_s := channel.travel_s(data)) > 0.0:
                self.call_later(travel_s, lambda: hand_over(data))
            else:
                hand_over(data)

        def hand_over(data: bytes) -> None:
            with self._lock:
                receiver.receive(data)

        self._channels[channel] = receiver
        self._selector.register(descriptor, selectors.EVENT_READ, read)
        return channel

    def drop(self, channel: Channel) -> None:
        """Close a line and tell whoever serves it; harmless when repeated. Not while another thread serves."""
        receiver = self._channels.pop(channel, None)
        if receiver is None:
            return
        self._selector.unregister(channel.descriptor)
        channel.close()
        if isinstance(receiver, Hearing):
            with self._lock:
                receiver.hung_up()

    def close(self) -> None:
        """End the thread and take every wire away; harmless when repeated."""
        if self._closing:
            return
        self._closing = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        for plug in self._plugs:
            plug.close()
        for channel in list(self._channels):
            self.drop(channel)
        writer, self._wake_writer = self._wake_writer, -1  # its number may soon be that of another file
        os.close(writer)
        os.close(self._wake_reader)
        self._selector.close()

    # -- the thread

    def _serve(self) -> None:
        while not self._closing:
            self._agenda.act()
            waits = [wait for channel in self._channels if (wait := channel.flush()) is not None]
            due_s = self._agenda.wait_s()
            if due_s is not None:
                waits.append(due_s)
            for key, _ in self._selector.select(min(waits, default=None)):
                act: Callable[[], None] = key.data
                act()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it has been woken often enough; or closed: nobody is to be woken
            os.write(self._wake_writer, b"w")

    def _drain_wakes(self) -> None:
        os.read(self._wake_reader, CHUNK)
