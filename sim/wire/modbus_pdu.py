"""Answer one Modbus request, whatever carried it.

    request   | function 1 | address 2 | count 2                       |  FC 1, 2, 3, 4
              | function 1 | address 2 | value 2                       |  FC 5 (FF00 on, 0000 off), 6
              | function 1 | address 2 | count 2 | bytes 1 | data ...  |  FC 15, 16
              | function 1                                             |  FC 7
              | function 1 | 0000 | data 2                             |  FC 8
    reply     | function 1 | bytes 1 | data ...                        |  FC 1, 2, 3, 4
              | function 1 | address 2 | value or count 2              |  FC 5, 6, 15, 16
              | function 1 | status 1                                  |  FC 7
              | as the request                                         |  FC 8
    exception | function + 80h 1 | code 1                              |  02 address, 03 value

Words are big endian; bits are packed from the least significant bit of the first byte (Modbus Application
Protocol 1.1b3, chapter 6).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

MAX_READ_BITS, MAX_READ_WORDS = 2000, 125
MAX_WRITE_BITS, MAX_WRITE_WORDS = 1968, 123
COIL_WORDS = {0xFF00: True, 0x0000: False}


class ModbusException(Exception):  # noqa: N818 - the standard's own word
    """A refusal that goes back over the wire with its code."""

    code = 0


class IllegalAddress(ModbusException):
    """The device has no such address (exception 02)."""

    code = 2


class IllegalValue(ModbusException):
    """The address takes no such value, or no writing at all (exception 03)."""

    code = 3


class ModbusDevice(Protocol):
    """The four tables of one Modbus unit; each verb may raise a `ModbusException`."""

    def read_coils(self, address: int, count: int) -> list[bool]:
        """Give the state of outputs."""

    def read_inputs(self, address: int, count: int) -> list[bool]:
        """Give the state of discrete inputs."""

    def read_holding(self, address: int, count: int) -> list[int]:
        """Give holding registers, each -32768..65535."""

    def read_input_registers(self, address: int, count: int) -> list[int]:
        """Give input registers, each -32768..65535."""

    def write_coils(self, address: int, values: Sequence[bool]) -> None:
        """Switch outputs."""

    def write_holding(self, address: int, values: Sequence[int], *, single: bool) -> None:
        """Write holding registers, each 0..65535; `single` for function 6."""


@runtime_checkable
class FastStatus(Protocol):
    """A unit that also answers functions 7 and 8."""

    def status_byte(self) -> int:
        """Give the status that function 7 asks for, 0..255."""


def answer(device: ModbusDevice, request: bytes) -> bytes | None:
    """Give the reply to a request PDU, or None where this device stays silent.

    A function that none of the simulated devices know is met with silence, as Eurotherms do (their manual
    lists exceptions 02 and 03 only).
    """
    function, body = request[0], request[1:]
    try:
        if function in (1, 2, 3, 4):
            return bytes([function]) + _read(device, function, body)
        if function in (5, 6):
            return bytes([function]) + _write_one(device, function, body)
        if function in (15, 16):
            return bytes([function]) + _write_many(device, function, body)
        if function in (7, 8) and isinstance(device, FastStatus):
            return bytes([7, device.status_byte()]) if function == 7 else _echo(request)
    except ModbusException as refusal:
        return bytes([function | 0x80, refusal.code])
    return None


def _read(device: ModbusDevice, function: int, body: bytes) -> bytes:
    address, count = _two_words(body)
    most = MAX_READ_BITS if function in (1, 2) else MAX_READ_WORDS
    if not 1 <= count <= most:
        raise IllegalValue
    if function == 1:
        data = pack_bits(device.read_coils(address, count))
    elif function == 2:
        data = pack_bits(device.read_inputs(address, count))
    elif function == 3:
        data = pack_words(device.read_holding(address, count))
    else:
        data = pack_words(device.read_input_registers(address, count))
    return bytes([len(data)]) + data


def _write_one(device: ModbusDevice, function: int, body: bytes) -> bytes:
    address, value = _two_words(body)
    if function == 6:
        device.write_holding(address, [value], single=True)
    elif value in COIL_WORDS:
        device.write_coils(address, [COIL_WORDS[value]])
    else:
        raise IllegalValue
    return body


def _write_many(device: ModbusDevice, function: int, body: bytes) -> bytes:
    address, count = _two_words(body[:4])
    data = body[5:]
    most, size = (MAX_WRITE_BITS, (count + 7) // 8) if function == 15 else (MAX_WRITE_WORDS, 2 * count)
    if not 1 <= count <= most or len(data) != size or body[4] != size:
        raise IllegalValue
    if function == 15:
        device.write_coils(address, [bool(data[i // 8] >> i % 8 & 1) for i in range(count)])
    else:
        device.write_holding(address, struct.unpack(f">{count}H", data), single=False)
    return body[:4]


def _echo(request: bytes) -> bytes | None:
    """Loop back; a diagnosis other than that is met with silence."""
    return request if len(request) == 5 and request[1:3] == bytes(2) else None


def _two_words(body: bytes) -> tuple[int, int]:
    if len(body) != 4:
        raise IllegalValue
    first, second = struct.unpack(">HH", body)
    return first, second


def pack_words(values: Sequence[int]) -> bytes:
    """Registers as they go over the wire, negative ones as two's complement.

    >>> pack_words([1000, -15]).hex(" ")
    '03 e8 ff f1'
    """
    return struct.pack(f">{len(values)}H", *(value & 0xFFFF for value in values))


def pack_bits(values: Sequence[bool]) -> bytes:
    """Bits as they go over the wire, the first in the lowest bit of the first byte.

    >>> pack_bits([True, False, True, True, False, False, True, True, True, True]).hex(" ")
    'cd 03'
    """
    packed = bytearray((len(values) + 7) // 8)
    for i, value in enumerate(values):
        packed[i // 8] |= bool(value) << i % 8
    return bytes(packed)
