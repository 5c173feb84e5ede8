"""Bytes over a serial port or a TCP stream, with a deadline on everything, for lines and for frames."""

from __future__ import annotations

import os
import select
import socket
import termios
import time
from contextlib import suppress
from typing import Protocol

import serial

from drivers.address import SerialAddress, SocketAddress
from drivers.errors import LinkError
from drivers.links.opening import connect, open_serial
from drivers.links.port import Now, SharedPort
from drivers.links.settings import LineSettings
from drivers.transcript import Transcript

CHUNK = 65536
CHUNKS = 64
"""Reads after which a wire that is to be emptied counts as one that cannot be."""
PATIENCE = 4
"""How many times the quiet that is waited for a noisy wire may take to become quiet before it is closed."""
QUIET_S = 0.2
"""Wall seconds without a byte after which no late reply is to be expected any more, where nobody says otherwise."""
CONNECT_S = 3.0
"""Wall seconds for opening a TCP stream, where nobody says otherwise."""
WRITE_S = 3.0
"""Wall seconds for getting rid of bytes that are to be sent."""
HELD_S = 0.5
"""Wall seconds that an XOFF may hold back a request; instruments that are asked one thing at a time need none."""
RETRY_S = 0.005
"""Wall seconds until a port that takes nothing is tried again."""


class Stream(Protocol):
    """An open wire."""

    def read(self, wait_s: float) -> bytes:
        """Give all that has come, waiting for the first byte for at most `wait_s`; raises OSError."""

    def expect(self, count: int) -> None:
        """Wake whoever reads once so many bytes are there, if the wire can do that; before them only in the end."""

    def write(self, data: bytes) -> None:
        """Send; raises OSError."""

    def close(self) -> None:
        """Let go of it."""


def arrivals(descriptor: int) -> select.poll:
    """Give what waits for bytes; made once, for it costs a third less than a `select` for each read."""
    found = select.poll()
    found.register(descriptor, select.POLLIN)
    return found


class SerialStream:
    """An open serial port or pseudo-terminal."""

    def __init__(self, path: str, settings: LineSettings) -> None:
        self._port: serial.Serial = open_serial(path, settings, timeout_s=0.0, write_timeout_s=WRITE_S)
        self._descriptor = self._port.fileno()
        self._arrivals = arrivals(self._descriptor)
        self._software_flow = settings.software_flow
        self._go_on()

    def read(self, wait_s: float) -> bytes:
        """Give all that has come, waiting for the first byte for at most `wait_s`."""
        if not self._arrivals.poll(max(0.0, 1e3 * wait_s)):
            return b""
        # pyserial must be told how many bytes to read, and looks three times at the port for that.
        data = os.read(self._descriptor, CHUNK)
        if not data:
            raise ConnectionError("the port is gone")
        return data

    def write(self, data: bytes) -> None:
        """Send; what the system does not take at once is waited for, with a deadline."""
        taken = self._write_some(data)
        if taken < len(data):
            self._write_rest(data[taken:])

    def _write_rest(self, data: bytes) -> None:
        begun_s = time.monotonic()
        while data:
            waited_s = time.monotonic() - begun_s
            if waited_s >= WRITE_S:
                raise TimeoutError(f"{len(data)} bytes were not taken within {WRITE_S:g} s")
            if waited_s >= HELD_S:
                self._go_on()
            time.sleep(RETRY_S)
            data = data[self._write_some(data) :]

    def _write_some(self, data: bytes) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Let go of it; what was held back is not sent any more."""
        with suppress(OSError, termios.error):
            self._port.reset_output_buffer()
            self._go_on()
        self._port.close()

    def expect(self, count: int) -> None:
        """Do nothing: a line gives what has come."""

    def _go_on(self) -> None:
        """Send again after an XOFF: one that noise made is followed by no XON, and outlives the port's closing."""
        if self._software_flow:
            # On Linux the second undoes the first, and an XOFF with it; alone it does nothing about an XOFF.
            self._port.set_output_flow_control(False)
            self._port.set_output_flow_control(True)


class TcpStream:
    """An open TCP stream.

    Not pyserial's ``socket://``: that reads byte by byte, waits 5 s for a connection and 0.3 s after each, and
    leaves the socket open where the other end has reset it.
    """

    def __init__(self, where: SocketAddress, connect_s: float) -> None:
        self._socket: socket.socket = connect(where, timeout_s=connect_s)
        self._socket.settimeout(WRITE_S)
        self._least = 1
        self._arrivals = arrivals(self._socket.fileno())

    def read(self, wait_s: float) -> bytes:
        """Give what has come, waiting for the first byte for at most `wait_s`."""
        if not self._arrivals.poll(max(0.0, 1e3 * wait_s)):
            return b""
        data = self._socket.recv(CHUNK)
        if not data:
            raise ConnectionError("the other end closed the connection")
        return data

    def write(self, data: bytes) -> None:
        """Send."""
        self._socket.sendall(data)

    def expect(self, count: int) -> None:
        """Wake whoever reads once so many bytes are there: replies that come one by one wake nobody for each."""
        if count != self._least:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
            self._least = count

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()


class Closed:
    """A wire that is not open."""

    def read(self, wait_s: float) -> bytes:
        """Raise ConnectionError, whatever is waited for."""
        raise ConnectionError("it is not open")

    def write(self, data: bytes) -> None:
        """Raise ConnectionError, whatever is sent."""
        raise ConnectionError("it is not open")

    def expect(self, count: int) -> None:
        """Raise ConnectionError, whatever is expected."""
        raise ConnectionError("it is not open")

    def close(self) -> None:
        """Let go of nothing."""


CLOSED = Closed()


class StreamPort(SharedPort):
    """A wire and the bytes that came over it and were not taken yet."""

    def __init__(
        self,
        where: SerialAddress | SocketAddress,
        transcript: Transcript,
        *,
        settings: LineSettings | None = None,
        quiet_s: float = QUIET_S,
        mistakable: bool = False,
        now: Now | None = None,
    ) -> None:
        """Make the port; nothing is opened before its first use.

        Args:
            where: The wire.
            transcript: Where the bytes are noted.
            settings: Of a serial line.
            quiet_s: As for `SharedPort`.
            mistakable: As for `SharedPort`.
            now: Lab time, as for `SharedPort`.
        """
        super().__init__(where, settings or LineSettings(), quiet_s=quiet_s, mistakable=mistakable, now=now)
        self.pending = b""
        """What came and was not taken yet; a reply comes in one piece most often, so that nothing is copied."""
        self.overheard: bytearray | None = None
        """All that was taken off `pending` for whatever reason, where somebody wants to know."""
        self.connect_s = CONNECT_S
        self._transcript = transcript
        self._stream: Stream = CLOSED
        self._user = ""

    @property
    def is_open(self) -> bool:
        """Whether the wire is open, as far as is known."""
        return self._stream is not CLOSED

    def send(self, device: str, data: bytes) -> None:
        """Send over the open wire.

        Raises:
            LinkError: When it breaks.
        """
        self._user = device
        try:
            self._stream.write(data)
        except OSError as error:
            raise self._broken(device, "while writing", error) from error
        self._transcript.frame(device, "tx", data)

    def expect(self, device: str, count: int) -> None:
        """Be woken once so many bytes are there, if the wire can do that, and not for each that comes.

        Raises:
            LinkError: When it breaks.
        """
        try:
            self._stream.expect(count)
        except OSError as error:
            raise self._broken(device, "while reading", error) from error

    def receive(self, device: str, wait_s: float) -> bool:
        """Add to `pending` what comes over the open wire within `wait_s` wall seconds; gives whether anything did.

        Raises:
            LinkError: When it breaks.
        """
        self._user = device
        try:
            data = self._stream.read(wait_s)
        except OSError as error:
            raise self._broken(device, "while reading", error) from error
        self.pending += data
        return bool(data)

    def take(self, device: str, count: int) -> bytes:
        """Take bytes off `pending`, and note them."""
        data, self.pending = self.pending[:count], self.pending[count:]
        if data:
            self._transcript.frame(device, "rx", data)
            if self.overheard is not None:
                self.overheard += data
        return data

    def clear(self, device: str) -> None:
        """Read off what came unasked, without waiting.

        Raises:
            OSError: When the wire is broken, or never empty.
        """
        self._user = device
        for _ in range(CHUNKS):
            data = self._stream.read(0.0)
            self.pending += data
            if not data:
                self._drop(device)
                return
        raise ConnectionError("bytes come faster than they can be read off")

    def quieten(self, device: str, quiet_s: float) -> None:
        """Read off what comes until nothing did for `quiet_s` wall seconds; closes a wire that is never quiet."""
        self._user = device
        give_up_s = time.monotonic() + PATIENCE * quiet_s
        try:
            while self._stream is not CLOSED:
                data = self._stream.read(quiet_s)
                self.pending += data
                if not data:
                    break
                if time.monotonic() >= give_up_s:
                    self.close()
        except OSError:
            self.close()
        self._drop(device)

    def close(self) -> None:
        """Let go of the wire; the next use opens it again."""
        self._drop(self._user)
        stream, self._stream = self._stream, CLOSED
        stream.close()

    def _open(self) -> None:
        if isinstance(self.where, SocketAddress):
            self._stream = TcpStream(self.where, self.connect_s)
        else:
            self._stream = SerialStream(self.where.path, self.settings)

    def _drop(self, device: str) -> None:
        if self.pending:
            self.stray()
            self.take(device, len(self.pending))

    def _broken(self, device: str, when: str, error: OSError) -> LinkError:
        self.close()
        return LinkError(
            f"{device}: {self.where.url} broke {when} ({error}): is the instrument on, the cable in, "
            "the address right in the lab file, and no other program using it?"
        )
