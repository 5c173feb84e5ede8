"""Where an instrument is: the address in a lab file, and what it opens.

``sim`` as host or first folder marks a simulated instrument. Every other address is real, loopback included. A serial
port is best named by a path that stays the same whichever socket it is plugged into: /dev/serial/by-id/NAME.
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
    # Paths under /dev/serial/by-path have colons.
    (Wire.MODBUS_RTU, re.compile(r"modbus-rtu:(?P<where>/\S+|[^\s:]+)/\d{1,3}")),
    (Wire.SERIAL, re.compile(r"pty:(?P<where>/\S+|[^\s:]+)")),
    (Wire.SERIAL, re.compile(r"(?P<where>/\S+)")),
    (Wire.FOLDER, re.compile(r"dir:(?P<where>\S+)")),
)
_WORDED = re.compile(r"(?:serial|tty|file):(?P<path>/\S+)")
"""A path with a word before it that people might expect there."""


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        ValueError: Where it has none of the known forms, or a real serial port has no whole path.

    >>> parse_address("modbus-rtu:sim/furnace-1/1").simulated
    True
    >>> parse_address("socket://127.0.0.1:7101").simulated
    False
    """
    for wire, form in _FORMS:
        match = form.fullmatch(text)
        if match:
            first = match["where"].split("/")[0]
            simulated = wire is Wire.CHOICE or first == "sim"
            if wire in (Wire.SERIAL, Wire.MODBUS_RTU) and first and not simulated:
                raise ValueError(_no_whole_path(text, match["where"]))
            return Address(text, wire, simulated)
    if (match := _WORDED.fullmatch(text)) is not None:
        raise ValueError(f"address {text!r} is a path: write {match['path']}")
    raise ValueError(
        f"address {text!r} has no known form: use sim:MODEL, a whole path such as /dev/NAME, pty:sim/NAME, "
        "socket://HOST:PORT, modbus-tcp://HOST:PORT/UNIT, modbus-rtu:PATH/UNIT or dir:PATH"
    )


def _no_whole_path(text: str, where: str) -> str:
    return (
        f"address {text!r} has no whole path: a real serial port is written as /dev/serial/by-id/NAME, or with another "
        f"path from the root, a simulated one as {text.replace(where, f'sim/{where}')}"
    )
