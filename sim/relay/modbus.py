"""Modbus as the relay reads it, over a serial line and over TCP.

RTU   | unit 1 | function 1 | data ... | CRC 2, low byte first |
TCP   | transaction 2 | protocol 2, 0 | length 2, of what follows | unit 1 | function 1 | data ... |
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from random import Random

from sim.relay.framing import Change, Framing, flip

READS, WRITES = frozenset({1, 2, 3, 4}), frozenset({5, 6, 15, 16})
WORDS = frozenset({3, 4})
EXCEPTION = 0x80
LONGEST = 256


class Modbus(Framing):
    """What is the same on both carriers; the parts of a frame are ``head``, PDU and ``tail``."""

    addressed = True
    has_words = True
    _HEAD = 1
    """Bytes before the PDU; the unit is the last of them."""
    _TAIL = 0

    def ear(self, request: bytes, ears: Collection[str]) -> str | None:
        """Units are called by their numbers."""
        return str(request[self._HEAD - 1])

    def reads(self, request: bytes) -> bool:
        """Functions 1 to 4."""
        return request[self._HEAD] in READS

    def writes(self, request: bytes) -> bool:
        """Functions 5, 6, 15 and 16."""
        return request[self._HEAD] in WRITES

    def whole(self, frame: bytes) -> bool:
        """Whether there is a function and something that belongs to it."""
        return len(frame) >= self._HEAD + 2 + self._TAIL

    def question(self, request: bytes) -> bytes:
        """Unit and PDU, whatever the transaction."""
        return request[self._HEAD - 1 : len(request) - self._TAIL]

    def by_another(self, reply: bytes) -> bytes | None:
        """Write the next unit's number into it."""
        head = reply[: self._HEAD - 1] + bytes([reply[self._HEAD - 1] % 247 + 1])
        return self._frame(head, self._pdu(reply))

    def refusal(self, request: bytes, code: int) -> bytes | None:
        """Answer the function with its highest bit set, and the code."""
        return self._frame(request[: self._HEAD], bytes([request[self._HEAD] | EXCEPTION, code]))

    def acknowledgement(self, request: bytes) -> bytes | None:
        """Repeat address and value, or address and count."""
        return self._frame(request[: self._HEAD], self._pdu(request)[:5]) if self.writes(request) else None

    def again(self, request: bytes, reply: bytes) -> bytes | None:
        """Put it under the head of this request."""
        return self._frame(request[: self._HEAD], self._pdu(reply))

    def foreign_question(self, request: bytes) -> bytes | None:
        """Ask for as much as nobody would mistake: one value, or two where one was asked for."""
        if not self.reads(request) or len(self._pdu(request)) != 5:
            return None
        function, address, count = struct.unpack(">BHH", self._pdu(request))
        pdu = struct.pack(">BHH", function, address, 2 if count == 1 else 1)
        return self._frame(self._strange(request[: self._HEAD]), pdu)

    def with_words(self, reply: bytes, change: Change) -> bytes | None:
        """Change the registers of a reply to function 3 or 4."""
        pdu = self._pdu(reply)
        if pdu[0] not in WORDS or len(pdu) < 4 or len(pdu) % 2:
            return None
        words = list(struct.unpack(f">{len(pdu) // 2 - 1}H", pdu[2:]))
        changed = change(words)
        return self._frame(reply[: self._HEAD], pdu[:2] + struct.pack(f">{len(changed)}H", *changed))

    def _pdu(self, frame: bytes) -> bytes:
        return frame[self._HEAD : len(frame) - self._TAIL]

    def _frame(self, head: bytes, pdu: bytes) -> bytes:
        raise NotImplementedError

    def _strange(self, head: bytes) -> bytes:
        """Give the head of what somebody else asks of the same unit."""
        return head


class ModbusRtu(Modbus):
    """Frames are told apart by the length that their function implies."""

    checked = True
    _TAIL = 2

    def request_end(self, data: bytes) -> int:
        """Find the end by function and count."""
        if len(data) < 2:
            return 0
        if data[1] in (15, 16):
            return _if_there(data, 9 + data[6]) if len(data) > 6 else 0
        return _if_there(data, 4 if data[1] == 7 else 8 if data[1] <= 8 else LONGEST)

    def reply_end(self, data: bytes) -> int:
        """Find the end by function and count."""
        if len(data) < 3:
            return 0
        if data[1] & EXCEPTION or data[1] == 7:
            return _if_there(data, 5)
        if data[1] in READS:
            return _if_there(data, 5 + data[2])
        return _if_there(data, 8 if data[1] in WRITES or data[1] == 8 else LONGEST)

    def spoil(self, frame: bytes) -> bytes | None:
        """Change the last byte of the CRC."""
        return flip(frame, -1, 0x55)

    def _frame(self, head: bytes, pdu: bytes) -> bytes:
        return head + pdu + crc16(head + pdu)


class ModbusTcp(Modbus):
    """Frames say how long they are."""

    _HEAD = 7

    def request_end(self, data: bytes) -> int:
        """Find the end by the length in the header."""
        return _if_there(data, 6 + struct.unpack_from(">H", data, 4)[0]) if len(data) >= 6 else 0

    def reply_end(self, data: bytes) -> int:
        """Find the end by the length in the header."""
        return self.request_end(data)

    def corrupt(self, reply: bytes, random: Random) -> bytes | None:
        """Change one bit of the data of a read; the header and the counts stay right."""
        pdu = self._pdu(reply)
        if pdu[0] not in READS or len(pdu) < 3:
            return None
        return flip(reply, self._HEAD + random.randrange(2, len(pdu)), 1 << random.randrange(8))

    def _frame(self, head: bytes, pdu: bytes) -> bytes:
        return head[:4] + struct.pack(">H", len(pdu) + 1) + head[6:] + pdu

    def _strange(self, head: bytes) -> bytes:
        return struct.pack(">H", struct.unpack_from(">H", head)[0] ^ 0x8000) + head[2:]


def crc16(data: bytes) -> bytes:
    """Give the check bytes of an RTU frame in wire order.

    >>> crc16(bytes.fromhex("01 04 02 ff ff")).hex(" ")
    'b8 80'
    """
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return struct.pack("<H", crc)


def _if_there(data: bytes, length: int) -> int:
    return length if len(data) >= length else 0
