"""AIBUS, the binary frames of Yudian controllers, as the relay reads them.

    request   | 80h + a | 80h + a | 52h read, 43h write | parameter | value 2 | sum 2 |      8 bytes
    reply     | PV 2 | SV 2 | MV 1 | status 1 | value 2 | sum 2 |                           10 bytes

Numbers are little endian. The sum of a reply is PV + SV + 256 status + MV + value + a: nothing else says who answers.
"""

from __future__ import annotations

import struct
from collections.abc import Collection

from sim.relay.framing import Change, Framing, flip

REQUEST, REPLY = 8, 10
READ = 0x52
SUMMED = "<5H"
"""A reply as words: PV, SV, MV and status, value, sum."""
SETPOINT, DECIMALS = 0x00, 0x0C


class Aibus(Framing):
    """Frames of fixed length."""

    checked = True
    addressed = True
    has_words = True

    def request_end(self, data: bytes) -> int:
        """Eight bytes."""
        return REQUEST if len(data) >= REQUEST else 0

    def reply_end(self, data: bytes) -> int:
        """Ten bytes."""
        return REPLY if len(data) >= REPLY else 0

    def whole(self, frame: bytes) -> bool:
        """Nothing else is as long."""
        return len(frame) in (REQUEST, REPLY)

    def ear(self, request: bytes, ears: Collection[str]) -> str | None:
        """Units are called by their numbers, twice."""
        return str(request[0] - 0x80)

    def reads(self, request: bytes) -> bool:
        """The third byte tells."""
        return request[2] == READ

    def spoil(self, frame: bytes) -> bytes | None:
        """Change the last byte of the sum."""
        return flip(frame, -1, 0x55)

    def by_another(self, reply: bytes) -> bytes | None:
        """Raise the sum by one, as the next unit's number does."""
        if len(reply) != REPLY:
            return None
        *words, total = struct.unpack(SUMMED, reply)
        return struct.pack(SUMMED, *words, total + 1 & 0xFFFF)

    def again(self, request: bytes, reply: bytes) -> bytes | None:
        """A reply does not say to which question it is."""
        return reply

    def foreign_question(self, request: bytes) -> bytes | None:
        """Ask for the setpoint, or for the decimals where the setpoint was asked for."""
        parameter = DECIMALS if request[3] == SETPOINT else SETPOINT
        unit = request[0] - 0x80
        return bytes([*request[:2], READ, parameter, 0, 0]) + struct.pack("<H", parameter * 256 + READ + unit & 0xFFFF)

    def with_words(self, reply: bytes, change: Change) -> bytes | None:
        """Change reading, setpoint and value."""
        if len(reply) != REPLY:
            return None
        reading, setpoint, output, value, total = struct.unpack(SUMMED, reply)
        changed = change([reading, setpoint, value])
        more = sum(changed) - reading - setpoint - value
        return struct.pack(SUMMED, changed[0], changed[1], output, changed[2], total + more & 0xFFFF)
