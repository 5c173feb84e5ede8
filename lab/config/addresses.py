"""Where an instrument is: the address in a lab file, and what it opens.

``sim`` as host or first folder marks a simulated instrument. Every other address is real, loopback included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Wire(StrEnum):
    """What an address opens."""

    CHOICE = "sim"
    """``sim:MODEL``: the simulator chooses the wire."""
    SERIAL = "serial"
    SOCKET = "socket"
    MODBUS_TCP = "modbus-tcp"
    MODBUS_RTU = "modbus-rtu"
    FOLDER = "dir"


@dataclass(frozen=True)
class Address:
    """One parsed address."""

    text: str
    wire: Wire
    simulated: bool


_FORMS = (
    (Wire.CHOICE, re.compile(r"sim:(?P<where>[\w.-]+)")),
    (Wire.SOCKET, re.compile(r"socket://(?P<where>[\w.-]+):\d{1,5}")),
    (Wire.MODBUS_TCP, re.compile(r"modbus-tcp://(?P<where>[\w.-]+):\d{1,5}(?:/\d{1,3})?")),
    (Wire.MODBUS_RTU, re.compile(r"modbus-rtu:(?P<where>/?[^\s:]+)/\d{1,3}")),
    (Wire.SERIAL, re.compile(r"(?:pty:)(?P<where>[^\s:]+)")),
    (Wire.SERIAL, re.compile(r"(?P<where>/dev/\S+)")),
    (Wire.FOLDER, re.compile(r"dir:(?P<where>\S+)")),
)


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        ValueError: Where it has none of the known forms.

    >>> parse_address("modbus-rtu:sim/furnace-1/1").simulated
    True
    >>> parse_address("socket://127.0.0.1:7101").simulated
    False
    """
    for wire, form in _FORMS:
        match = form.fullmatch(text)
        if match:
            first = match["where"].split("/")[0]
            return Address(text, wire, simulated=wire is Wire.CHOICE or first == "sim")
    raise ValueError(
        f"address {text!r} has no known form: use sim:MODEL, /dev/NAME, pty:NAME, socket://HOST:PORT, "
        "modbus-tcp://HOST:PORT/UNIT, modbus-rtu:PATH/UNIT or dir:PATH"
    )
