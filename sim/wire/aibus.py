"""AIBUS as a unit hears it.

    request   80h+a | 80h+a | 52h read, 43h write | parameter | value 2 | sum 2
    reply     reading 2 | setpoint 2 | output 1 | status 1 | value 2 | sum 2

Low bytes first. Sums are modulo 65536: of a request parameter x 256 + 52h or 43h + value + a, of a reply all its words
(output and status are one) + a. A line that has been quiet starts a new frame; whatever is no request to this unit is
passed over without an answer.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import Protocol

from sim.wire.receiver import Send

REQUEST = struct.Struct("<BBBBhH")
REPLY = struct.Struct("<hhbBhH")
READ, WRITE = 0x52, 0x43
QUIET_S = 0.1
"""Wall time after which half a frame is forgotten; generous, because a busy machine delays bytes."""
LEAST, MOST = -32768, 32767
"""What a word holds; what is beyond, with more decimals than there is room for, shows the end of it."""


@dataclass(frozen=True)
class Reply:
    """What a reply carries, temperatures in the unit's own steps."""

    pv: int
    sv: int
    mv: int
    status: int
    value: int


class AibusUnit(Protocol):
    """Whoever has the parameters."""

    def read(self, parameter: int) -> Reply:
        """Answer a reading."""

    def write(self, parameter: int, value: int) -> Reply:
        """Answer a writing."""


def encode_reply(unit: int, reply: Reply) -> bytes:
    """Give the ten bytes of a reply.

    >>> encode_reply(1, Reply(250, 1000, 0x23, 0x60, 1000)).hex(" ")
    'fa 00 e8 03 23 60 e8 03 ee 68'
    """
    pv, sv, value = (max(LEAST, min(MOST, word)) for word in (reply.pv, reply.sv, reply.value))
    total = pv + sv + (reply.mv & 0xFF) + 256 * reply.status + value + unit
    return REPLY.pack(pv, sv, reply.mv, reply.status, value, total & 0xFFFF)


class AibusReceiver:
    """One unit's ear on the line."""

    framing = "aibus"
    """How frames look, for the relay."""

    def __init__(self, send: Send, unit: int, instrument: AibusUnit) -> None:
        self._send = send
        self._unit = unit
        self._instrument = instrument
        self._buffer = bytearray()
        self._heard_s = 0.0

    def receive(self, data: bytes) -> None:
        """Digest the next bytes."""
        now_s = time.monotonic()
        if now_s - self._heard_s > QUIET_S:
            self._buffer.clear()
        self._heard_s = now_s
        self._buffer += data
        while len(self._buffer) >= REQUEST.size:
            if self._answer(bytes(self._buffer[: REQUEST.size])):
                del self._buffer[: REQUEST.size]
            else:
                del self._buffer[0]

    def _answer(self, frame: bytes) -> bool:
        """Answer a frame where it is meant for this unit; whether it was a request at all."""
        first, second, command, parameter, value, total = REQUEST.unpack(frame)
        unit = first - 0x80
        if first != second or unit < 0 or command not in (READ, WRITE):
            return False
        if total != (parameter * 256 + command + value + unit) & 0xFFFF:
            return False
        if unit == self._unit:
            instrument = self._instrument
            reply = instrument.read(parameter) if command == READ else instrument.write(parameter, value)
            self._send(encode_reply(unit, reply))
        return True
