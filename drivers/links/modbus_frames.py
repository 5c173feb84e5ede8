"""Modbus requests and replies as bytes: pymodbus' own where they are rare, and what is believed of what comes back.

pymodbus takes any sound frame for a reply and passes over what lies before and after it. Here one counts that is of
the unit asked and came alone, for who sends more than was asked for cannot be told from who answers late.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from drivers.errors import CodecError

Table = Literal["coils", "discrete", "registers", "inputs"]

READS: Mapping[Table, type[ModbusPDU]] = {
    "coils": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "registers": ReadHoldingRegistersRequest,
    "inputs": ReadInputRegistersRequest,
}
BITS: frozenset[Table] = frozenset({"coils", "discrete"})
TCP_HEAD, LONGEST = struct.Struct(">HHH"), 254
"""Transaction, protocol and count of bytes, which are before the unit; and how many those are at most (Messaging on
TCP/IP 1.0b, 3.1.3)."""
RTU_EXTRA = 3
"""Bytes of an RTU frame beside the reply: the unit, and the checksum."""

# What it would print of each spoiled frame is in our errors; without a handler of its own it goes to the terminal.
logging.getLogger("pymodbus").addHandler(logging.NullHandler())

_DECODER = DecodePDU(False)
_RTU = FramerRTU(_DECODER)

# -- requests; instruments are asked the same again and again, so questions are kept as they were made


@lru_cache(maxsize=1024)
def read_request(table: Table, address: int, count: int) -> bytes:
    """Give what asks for so many values of a table (functions 1 to 4).

    >>> read_request("registers", 1, 5).hex(" ")
    '03 00 01 00 05'
    """
    return _encoded(READS[table](address=address, count=count))


def coil_request(address: int, on: bool) -> bytes:
    """Give what writes one coil (function 5)."""
    return _encoded(WriteSingleCoilRequest(address=address, bits=[on]))


def register_request(address: int, value: int) -> bytes:
    """Give what writes one register (function 6)."""
    return _encoded(WriteSingleRegisterRequest(address=address, registers=[value]))


def registers_request(address: int, values: Sequence[int]) -> bytes:
    """Give what writes a block of registers (function 16)."""
    return _encoded(WriteMultipleRegistersRequest(address=address, registers=list(values)))


def _encoded(request: ModbusPDU) -> bytes:
    return bytes((request.function_code,)) + request.encode()


# -- replies


@lru_cache(maxsize=1024)
def values_in(reply: bytes, table: Table, count: int) -> tuple[int, ...] | None:
    """Give so many bits or words of a table from the reply to their question; None where it is any other reply.

    >>> values_in(bytes.fromhex("03 04 02 2b 00 64"), "registers", 2)
    (555, 100)
    """
    length = (count + 7) // 8 if table in BITS else 2 * count
    if len(reply) != length + 2 or reply[0] != READS[table].function_code or reply[1] != length:
        return None
    if table in BITS:
        bits = int.from_bytes(reply[2:], "little")
        return tuple(bits >> i & 1 for i in range(count))
    return struct.unpack_from(f">{count}H", reply, 2)


@lru_cache(maxsize=1024)
def decode_reply(reply: bytes) -> ModbusPDU:
    """Read a reply; not to be changed, for most of what an instrument says it has said before.

    Raises:
        CodecError: Where it is none.
    """
    found = _DECODER.decode(reply)
    if found is None:
        raise CodecError(f"{reply.hex(' ')} came, which is no reply that there is")
    return found


@lru_cache(maxsize=1024)
def rtu_frame(unit: int, request: bytes) -> bytes:
    """Give what goes over a serial line."""
    return _RTU.encode(request, unit, 0)


@lru_cache(maxsize=1024)
def rtu_reply(received: bytes, unit: int) -> bytes | None:
    """Give the reply that came over a serial line, None while it is not complete.

    Raises:
        CodecError: Where what came is no reply of this unit, or more than that.
    """
    used, device, _, reply = _RTU.decode(received)
    if not used:
        return None
    if not reply:
        raise CodecError("a reply was spoiled, for its checksum is wrong")
    if device != unit:
        raise CodecError(f"unit {device} answered, and {unit} was asked")
    surplus = len(received) - len(reply) - RTU_EXTRA
    if surplus:
        raise CodecError(f"{surplus} bytes too many came with a reply")
    return reply


def tcp_reply_length(request: bytes) -> int:
    """Give how many bytes of a stream the reply to a question is (functions 1 to 4), where it is no exception.

    >>> tcp_reply_length(read_request("registers", 1, 5)), tcp_reply_length(read_request("coils", 0, 9))
    (19, 11)
    """
    count = int.from_bytes(request[3:5])
    return TCP_HEAD.size + 3 + (2 * count if request[0] in (3, 4) else (count + 7) // 8)


class TcpReply(NamedTuple):
    """One reply of a stream."""

    transaction: int
    unit: int
    reply: bytes
    used: int
    """How many bytes of the stream it took."""


def tcp_frame(transaction: int, unit: int, request: bytes) -> bytes:
    """Give what goes over a stream."""
    return TCP_HEAD.pack(transaction, 0, len(request) + 1) + bytes((unit,)) + request


def tcp_reply(received: bytes) -> TcpReply | None:
    """Give the first reply of a stream, None while it is not complete.

    Raises:
        CodecError: Where the stream is none of Modbus: there is no next reply to be found in it then.
    """
    if len(received) < TCP_HEAD.size:
        return None
    transaction, protocol, count = TCP_HEAD.unpack_from(received)
    if protocol or not 2 <= count <= LONGEST:
        raise CodecError(f"{received[: TCP_HEAD.size].hex(' ')} came, which begins no Modbus reply")
    used = TCP_HEAD.size + count
    if (used, len(received)) == (8, 9):
        used = 9  # some leave the code out when they count an exception's bytes
    if len(received) < used:
        return None
    return TcpReply(transaction, received[TCP_HEAD.size], received[TCP_HEAD.size + 1 : used], used)
