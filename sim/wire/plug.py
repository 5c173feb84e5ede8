"""Where a wire is plugged in: its cable can be pulled and comes back at the same path or port.

A serial instrument hears nothing of that: what listens to it stays, with half a request in its buffer. A TCP
instrument sees each connection end, and meets the next one with a new receiver.
"""

from __future__ import annotations

import os
import socket
import struct
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sim.errors import BadAddressError
from sim.wire.channel import Channel
from sim.wire.receiver import OpenReceiver, Receiver

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""Linger for no time: closing sends RST in place of FIN."""


class Plug(Protocol):
    """One wire at its hub."""

    def pull(self, gone_s: float = 0.0) -> None:
        """Pull the cable, and plug it in again after a wall time; may be called from any thread."""

    def reset(self) -> None:
        """Have every connection break with an error, where there are connections; as `pull` elsewhere."""


class Socket(Protocol):
    """What a plug needs of its hub."""

    def call_later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Have something done on the hub's thread."""

    def attach(
        self, descriptor: int, receiver: OpenReceiver, pace_baud: float | None = None, far_side: int | None = None
    ) -> Channel:
        """Serve an open descriptor."""

    def drop(self, channel: Channel) -> None:
        """Close what `attach` gave; harmless when it is closed already. On the hub's thread."""


class PtyPlug:
    """A pseudo-terminal behind a symlink."""

    def __init__(self, hub: Socket, symlink: Path, open_receiver: OpenReceiver, pace_baud: float | None) -> None:
        """Plug it in.

        Raises:
            BadAddressError: Something that is not a symlink lies at the path, or no symlink can be made there.
        """
        with _made_at(symlink):
            in_the_way = symlink.exists() and not symlink.is_symlink()
        if in_the_way:
            raise BadAddressError(
                f"{symlink} is in the way of a simulated serial port: move that file, or serve in another folder"
            )
        self.symlink = symlink
        self._hub = hub
        self._pace_baud = pace_baud
        self._channel: Channel | None = None
        self._far = -1
        self._receiver: Receiver = open_receiver(self._send)
        self._plug_in()

    def pull(self, gone_s: float = 0.0) -> None:
        """Hang it up; another pseudo-terminal lies behind the same symlink when it is back."""
        self._hub.call_later(0.0, lambda: self._pull(gone_s))

    def reset(self) -> None:
        """Pull the cable: a serial line knows no other way."""
        self.pull()

    def close(self) -> None:
        """Take it away for ever; on the hub's thread, or after its end."""
        self._unplug()

    def _pull(self, gone_s: float) -> None:
        if self._channel is None:
            return  # it is pulled already
        self._unplug()
        self._hub.call_later(gone_s, self._plug_in)

    def _plug_in(self) -> None:
        near, self._far = os.openpty()
        tty.setraw(self._far)  # or CR, LF and echo would be edited
        try:
            with _made_at(self.symlink):
                beside = self.symlink.with_name(f".{self.symlink.name}.new")
                beside.unlink(missing_ok=True)
                beside.symlink_to(os.ttyname(self._far))
                beside.rename(self.symlink)
        except BadAddressError:
            os.close(near)
            os.close(self._far)
            raise
        self._channel = self._hub.attach(near, lambda _: self._receiver, self._pace_baud, self._far)

    def _unplug(self) -> None:
        if self._channel is not None:
            self.symlink.unlink(missing_ok=True)
            self._hub.drop(self._channel)
            self._channel = None
            os.close(self._far)

    def _send(self, data: bytes) -> None:
        channel = self._channel
        if channel is not None:  # nobody hears what is said into a cable that is pulled
            channel.send(data)


class PortPlug:
    """A TCP port with all connections to it."""

    def __init__(self, hub: Socket, listener: socket.socket, open_receiver: OpenReceiver) -> None:
        self.port = int(listener.getsockname()[1])
        self._hub = hub
        self._listener = listener
        self._open_receiver = open_receiver
        self._channels: set[Channel] = set()
        self._gone = False

    def accept(self) -> None:
        """Take the next connection."""
        connection, _ = self._listener.accept()
        if self._gone:
            _break(connection)
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._channels = {channel for channel in self._channels if channel.open}
        self._channels.add(self._hub.attach(connection.detach(), self._open_receiver))

    def pull(self, gone_s: float = 0.0) -> None:
        """End all connections; for a while whoever connects is turned away at once."""
        self._hub.call_later(0.0, lambda: self._pull(gone_s, abruptly=False))

    def reset(self) -> None:
        """End all connections with an error."""
        self._hub.call_later(0.0, lambda: self._pull(0.0, abruptly=True))

    def close(self) -> None:
        """Take the port away for ever."""
        self._listener.close()

    def _pull(self, gone_s: float, *, abruptly: bool) -> None:
        for channel in self._channels:
            if abruptly and channel.open:
                _reset_on_close(channel.descriptor)
            self._hub.drop(channel)
        self._channels.clear()
        if gone_s > 0.0:
            self._gone = True
            self._hub.call_later(gone_s, self._return)

    def _return(self) -> None:
        self._gone = False


@contextmanager
def _made_at(symlink: Path) -> Iterator[None]:
    try:
        yield
    except OSError as refusal:
        raise BadAddressError(
            f"{symlink} cannot be made ({refusal.strerror}): write another name, or serve in another folder"
        ) from refusal


def _break(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    connection.close()


def _reset_on_close(descriptor: int) -> None:
    same = socket.socket(fileno=os.dup(descriptor))
    same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    same.close()
