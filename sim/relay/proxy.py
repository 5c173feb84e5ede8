"""The relay on its own, in front of one endpoint of any kind: a real instrument, another simulator.

with TcpProxy("192.0.2.7", 502, "modbus-tcp") as proxy:
    proxy.relay.inject("instrument", Fault.LATE_REPLY)
    ... the driver under test uses proxy.address
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import serial

from drivers.clock import RealClock
from sim.addresses import Carrier, Spot
from sim.errors import SimError
from sim.relay.framings import framing_named
from sim.relay.relay import Relay
from sim.relay.wire import TappedWire
from sim.wire.channel import Channel
from sim.wire.hub import Hub
from sim.wire.receiver import Receiver, Send

NAME = "instrument"
CONNECT_S = 1.0


class Proxy:
    """What both kinds have; ends with `close`, or at the end of a ``with``."""

    def __init__(self, spot: Spot, framing: str, log: Path | None) -> None:
        known = framing_named(framing)
        self.relay = Relay(RealClock(), {}, log=log)
        """Where faults are ordered, for the instrument `NAME`."""
        self.address = ""
        """Where the client is to connect: a path, or ``socket://127.0.0.1:PORT``."""
        self._hub = Hub(threading.RLock())
        self._wire: TappedWire = self.relay.join({NAME: spot}, self._hub, framing=known, in_pieces=True)

    def close(self) -> None:
        """Take both ends away; harmless when repeated."""
        self._hub.close()
        self.relay.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _join(self, descriptor: int, say: Send, gone: Callable[[], None]) -> Receiver:
        """Have an open descriptor be the instrument's side."""
        channel = self._hub.attach(descriptor, lambda _: _Back(say, gone))
        return _Forth(channel, lambda: self._hub.drop(channel))


class TcpProxy(Proxy):
    """A port in front of another port; each connection to it is a connection to that."""

    def __init__(self, host: str, port: int, framing: str, log: Path | None = None) -> None:
        """Begin to listen on a free port of this machine.

        Args:
            host: Of the instrument.
            port: Of the instrument.
            framing: One of `sim.relay.FRAMINGS`.
            log: A file to which the history is written.

        Raises:
            SimError: Where there is no such framing, or the file cannot be written.
        """
        super().__init__(Spot(Carrier.TCP, f"{host}:{port}", port), framing, log)
        self._peer = (host, port)
        self._plug = self._hub.add_port(0, self._wire.through(self._connect))
        self._wire.plug = self._plug
        self.address = f"socket://127.0.0.1:{self._plug.port}"
        self._hub.start()

    def _connect(self, say: Send) -> Receiver:
        try:
            connection = socket.create_connection(self._peer, CONNECT_S)
        except OSError:
            self._plug.pull()  # as the instrument does, which is not there
            return _Forth(None, lambda: None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._join(connection.detach(), say, self._plug.pull)


class SerialProxy(Proxy):
    """A pseudo-terminal in front of a serial port."""

    def __init__(
        self, path: str, symlink: Path, framing: str, *, baud: int = 9600, parity: str = "N", log: Path | None = None
    ) -> None:
        """Open the port, and lay a symlink to the pseudo-terminal.

        Args:
            path: Of the real port.
            symlink: Where the client opens it.
            framing: One of `sim.relay.FRAMINGS`.
            baud: Bits per second of the real port.
            parity: N, E or O, of the real port.
            log: A file to which the history is written.

        Raises:
            SimError: Where there is no such framing, the symlink is in the way, or the file cannot be written.
            OSError: Where the port cannot be opened.
        """
        super().__init__(Spot(Carrier.PTY, symlink.name), framing, log)
        self._port = serial.Serial(baudrate=baud, parity=parity, exclusive=True, timeout=0)
        self._port.port = path
        try:
            self._port.open()
            self._wire.plug = self._hub.add_pty(symlink, self._wire.through(self._connect))
        except (OSError, SimError):
            self.close()
            raise
        self.address = str(symlink)
        self._hub.start()

    def close(self) -> None:
        """Take both ends away; harmless when repeated."""
        super().close()
        self._port.close()

    def _connect(self, say: Send) -> Receiver:
        return self._join(os.dup(self._port.fileno()), say, lambda: None)


class _Forth:
    """From the client to the instrument."""

    def __init__(self, channel: Channel | None, hang_up: Callable[[], None]) -> None:
        self._channel = channel
        self._hang_up = hang_up

    def receive(self, data: bytes) -> None:
        """Pass on what the client says."""
        if self._channel is not None:
            self._channel.send(data)

    def hung_up(self) -> None:
        """Let go of the instrument."""
        self._hang_up()


class _Back:
    """From the instrument to the client."""

    def __init__(self, say: Send, gone: Callable[[], None]) -> None:
        self._say = say
        self._gone = gone

    def receive(self, data: bytes) -> None:
        """Pass on what the instrument says."""
        self._say(data)

    def hung_up(self) -> None:
        """Let go of the client."""
        self._gone()
