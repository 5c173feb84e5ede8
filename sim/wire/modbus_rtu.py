"""Modbus RTU as a slave hears it.

    | unit 1 | PDU ... | CRC 2, low byte first |      frames are parted by silence on the line

A pseudo-terminal has no bit times, so the end of a request is found by the length that its function implies,
and a line that has been quiet starts a new frame. Survived without an answer: a wrong CRC, another unit's
address, noise before or instead of a frame, half a frame.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from sim.wire.modbus_pdu import ModbusDevice, answer
from sim.wire.receiver import Send

QUIET_S = 0.1
"""Wall time after which half a frame is forgotten; generous, because a busy machine delays bytes."""

LONGEST = 256
FIXED_LENGTHS = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8}
"""Whole request length in bytes by function."""


def crc16(data: bytes) -> bytes:
    """Give the two check bytes of a frame in wire order (polynomial A001h reflected, start FFFFh).

    >>> crc16(bytes.fromhex("02 07")).hex(" ")
    '41 12'
    """
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return bytes([crc & 0xFF, crc >> 8])


class RtuReceiver:
    """All units that share one RTU line."""

    framing = "modbus-rtu"
    """How frames look, for the relay."""

    def __init__(self, send: Send, units: Mapping[int, ModbusDevice]) -> None:
        self._send = send
        self._units = units
        self._frame = bytearray()
        self._heard_s = 0.0

    def receive(self, data: bytes) -> None:
        """Digest the next bytes."""
        now_s = time.monotonic()
        if now_s - self._heard_s > QUIET_S:
            self._frame.clear()
        self._heard_s = now_s
        self._frame += data
        while (length := request_length(self._frame)) and len(self._frame) >= length:
            frame = bytes(self._frame[:length])
            if crc16(frame[:-2]) != frame[-2:]:
                self._frame.clear()
                return
            del self._frame[:length]
            self._answer(frame)

    def _answer(self, frame: bytes) -> None:
        device = self._units.get(frame[0])
        if device is None:
            return
        reply = answer(device, frame[1:-2])
        if reply is not None:
            body = frame[:1] + reply
            self._send(body + crc16(body))


def request_length(frame: bytes | bytearray) -> int:
    """How many bytes the request that starts here has, or 0 while that cannot be told.

    >>> request_length(bytes.fromhex("01 10 00 02 00 02 04"))
    13
    """
    if len(frame) < 2:
        return 0
    function = frame[1]
    if function in (15, 16):
        return 9 + frame[6] if len(frame) > 6 else 0
    return FIXED_LENGTHS.get(function, LONGEST)
