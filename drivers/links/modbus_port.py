"""A serial line or TCP stream with Modbus units on it: pymodbus' frames and transactions over a wire of ours.

    RTU   unit 1 | function 1 | data n | CRC 2
    TCP   transaction 2 | 0 2 | length 2 | unit 1 | function 1 | data n

RTU has no transaction number: a late reply would answer the next question. So pymodbus retries nothing here, and
after a failure an RTU line is read off until it was quiet for as long as a reply may be late (instruments.md 0, 7.1).
A TCP stream is closed and opened again. The wire is ours because pymodbus' own clients look at a line at fixed
intervals, wait for up to twice their timeout, keep a connection that is dead, and do not say why none was made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from drivers.address import ModbusAddress, SerialAddress
from drivers.errors import LinkError
from drivers.links.port import Now
from drivers.links.settings import LineSettings
from drivers.links.stream import StreamPort
from drivers.recognition import Recognition
from drivers.transcript import Transcript

# What pymodbus would print of each try is in our errors; without a handler of its own it goes to the terminal.
logging.getLogger("pymodbus").addHandler(logging.NullHandler())

Send = Callable[[], ModbusPDU]


class ModbusPort(StreamPort):
    """A serial line or TCP stream with one or several units."""

    def __init__(
        self,
        address: ModbusAddress,
        transcript: Transcript,
        *,
        timeout_s: float = 1.0,
        tries: int = 3,
        quiet_s: float = 0.5,
        baudrate: int = 9600,
        settings: LineSettings | None = None,
        now: Now | None = None,
    ) -> None:
        """Make the port; nothing is opened before its first use.

        Args:
            address: The wire; its unit is not used.
            transcript: Where the bytes are noted.
            timeout_s: Wall seconds until a reply is given up.
            tries: How often a question is asked.
            quiet_s: Wall seconds that an RTU line must be silent after a failure: how late a reply may be.
            baudrate: Bits per second, for serial ports, where `settings` is missing.
            settings: Of a serial line.
            now: Lab time, as for `SharedPort`.
        """
        wire, is_serial = address.wire, isinstance(address.wire, SerialAddress)
        settings = settings or LineSettings(baudrate)
        super().__init__(wire, transcript, settings=settings, quiet_s=quiet_s, mistakable=is_serial, now=now)
        self.timeout_s, self.tries = timeout_s, tries
        self.connect_s = timeout_s
        self.surplus = 0
        """Bytes that came with the last reply and were no part of it; on serial lines."""
        self._link = ""
        self._received = b""
        self._deadline_s = 0.0
        self.client = _RtuClient(self) if is_serial else _TcpClient(self)

    def once(self, link: str, send: Send, *, address: str = "", recognition: Recognition | None = None) -> ModbusPDU:
        """Make one transaction on behalf of `link`.

        Raises:
            NotOpenError: When the wire cannot be opened.
            WrongInstrumentError: When somebody else is there.
            ModbusException: When there was no sound reply; the line is drained or closed then.
        """
        self.prepare(link, address or self.where.url, recognition)
        self.begin(link)
        try:
            reply = send()
        except (ModbusException, LinkError) as error:
            self._note_received()
            self.settle(link)
            if isinstance(error, LinkError):
                raise ConnectionException(str(error)) from error
            raise
        self.surplus = len(self._received) - _rtu_length(reply) if self.mistakable else 0
        self._note_received()
        self.answered()
        return reply

    def begin(self, link: str) -> None:
        """Say on whose behalf the next bytes go, and that its replies are due from now on."""
        self._link, self._received = link, b""
        self._deadline_s = time.monotonic() + self.timeout_s

    def quieten(self, device: str, quiet_s: float) -> None:
        """Read off what comes until nothing did for `quiet_s` wall seconds; closes a wire that is never quiet.

        TCP needs none of that: each reply says which question it answers.
        """
        if self.mistakable:
            super().quieten(device, quiet_s)

    # -- for pymodbus

    def push(self, data: bytes) -> int:
        """Send; raises LinkError."""
        self.send(self._link, data)
        return len(data)

    def pull(self) -> bytes:
        """Give what has come, waiting for it as long as there is time; raises LinkError."""
        if not self.pending:
            self.receive(self._link, self._deadline_s - time.monotonic())
        data = bytes(self.pending)
        self.pending.clear()
        self._received += data
        return data

    def _note_received(self) -> None:
        if self._received:
            self._transcript.frame(self._link, "rx", self._received)
            self._received = b""


class _RtuClient(ModbusSerialClient):
    """pymodbus' client for RTU on a wire of ours."""

    def __init__(self, port: ModbusPort) -> None:
        super().__init__(port.where.url, baudrate=port.settings.baudrate, timeout=port.timeout_s, retries=0)
        self._wire = port

    def connect(self) -> bool:
        return True

    def send(self, request: bytes, addr: tuple[object, ...] | None = None) -> int:
        return self._wire.push(request)

    def recv(self, size: int | None) -> bytes:
        return self._wire.pull()


class _TcpClient(ModbusTcpClient):
    """pymodbus' client for TCP on a wire of ours."""

    def __init__(self, port: ModbusPort) -> None:
        super().__init__(port.where.url, timeout=port.timeout_s, retries=0)
        self._wire = port

    def connect(self) -> bool:
        return True

    def send(self, request: bytes, addr: tuple[object, ...] | None = None) -> int:
        return self._wire.push(request)

    def recv(self, size: int | None) -> bytes:
        return self._wire.pull()


def _rtu_length(reply: ModbusPDU) -> int:
    """Bytes of the frame that a reply came in: unit, function, data, checksum."""
    if reply.isError():
        return 5
    if reply.function_code in (1, 2):
        return 5 + (len(reply.bits) + 7) // 8
    return 5 + 2 * len(reply.registers) if reply.function_code in (3, 4) else 8
