"""Modbus TCP as a server hears it.

    | transaction 2 | protocol 2, always 0 | length 2, of what follows | unit 1 | PDU ... |

The reply repeats transaction and unit. A unit that is not there is met with silence; a header that cannot be
one means that the stream is lost, and what was buffered is dropped.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from sim.wire.modbus_pdu import ModbusDevice, answer
from sim.wire.receiver import Send

HEADER = 7
LONGEST_PDU = 253


class TcpReceiver:
    """All units behind one TCP port, as one client sees them."""

    framing = "modbus-tcp"
    """How frames look, for the relay."""

    def __init__(self, send: Send, units: Mapping[int, ModbusDevice]) -> None:
        self._send = send
        self._units = units
        self._buffer = bytearray()

    def receive(self, data: bytes) -> None:
        """Digest the next bytes."""
        self._buffer += data
        while len(self._buffer) >= HEADER:
            transaction, protocol, length, unit = struct.unpack(">HHHB", self._buffer[:HEADER])
            if protocol != 0 or not 2 <= length <= LONGEST_PDU + 1:
                self._buffer.clear()
                return
            if len(self._buffer) < HEADER + length - 1:
                return
            request = bytes(self._buffer[HEADER : HEADER + length - 1])
            del self._buffer[: HEADER + length - 1]
            self._answer(transaction, unit, request)

    def _answer(self, transaction: int, unit: int, request: bytes) -> None:
        device = self._units.get(unit)
        reply = answer(device, request) if device is not None else None
        if reply is not None:
            self._send(struct.pack(">HHHB", transaction, 0, len(reply) + 1, unit) + reply)
