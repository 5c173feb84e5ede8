"""Addresses of instruments, as links understand them.

/dev/ttyUSB0                      a serial port or pseudo-terminal
socket://HOST:PORT                a TCP stream
modbus-tcp://HOST:PORT/UNIT       Modbus TCP
modbus-rtu:/dev/ttyUSB0/UNIT      Modbus RTU; the last part is the unit
dir:/some/folder                  a folder that files appear in
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import BadAddressError


@dataclass(frozen=True)
class SerialAddress:
    """A serial port by its stable path."""

    path: str

    @property
    def port(self) -> str:
        """What one client at a time may hold."""
        return self.path

    @property
    def url(self) -> str:
        """The address as pyserial takes it."""
        return self.path


@dataclass(frozen=True)
class SocketAddress:
    """A TCP stream."""

    host: str
    tcp_port: int

    @property
    def port(self) -> str:
        """What one client at a time may hold."""
        return f"{self.host}:{self.tcp_port}"

    @property
    def url(self) -> str:
        """The address as pyserial takes it."""
        return f"socket://{self.port}"


@dataclass(frozen=True)
class ModbusAddress:
    """One unit behind a serial port or a TCP stream."""

    wire: SerialAddress | SocketAddress
    unit: int
    """1 to 247."""

    @property
    def port(self) -> str:
        """What one client at a time may hold; several units share it."""
        return self.wire.port


@dataclass(frozen=True)
class FolderAddress:
    """A folder that an instrument writes its results to."""

    path: Path

    @property
    def port(self) -> str:
        """The folder."""
        return str(self.path)


Address = SerialAddress | SocketAddress | ModbusAddress | FolderAddress

_SOCKET = re.compile(r"socket://(?P<host>[^:/]+):(?P<port>\d+)")
_MODBUS_TCP = re.compile(r"modbus-tcp://(?P<host>[^:/]+):(?P<port>\d+)/(?P<unit>\d+)")
_MODBUS_RTU = re.compile(r"modbus-rtu:(?P<path>.*[^/])/(?P<unit>\d+)")


def parse_address(text: str) -> Address:
    """Read an address.

    >>> parse_address("modbus-rtu:/dev/ttyUSB0/2")
    ModbusAddress(wire=SerialAddress(path='/dev/ttyUSB0'), unit=2)

    Raises:
        BadAddressError: Where the text is none of the five forms, a unit is outside 1 to 247, or a port outside 1 to
            65535.
    """
    if match := _SOCKET.fullmatch(text):
        return _socket(text, match)
    if match := _MODBUS_TCP.fullmatch(text):
        return ModbusAddress(_socket(text, match), _unit(text, match["unit"]))
    if match := _MODBUS_RTU.fullmatch(text):
        return ModbusAddress(SerialAddress(match["path"]), _unit(text, match["unit"]))
    if text.startswith("dir:") and len(text) > len("dir:"):
        return FolderAddress(Path(text.removeprefix("dir:")))
    if text.startswith("/"):
        return SerialAddress(text)
    raise BadAddressError(
        f"{text!r} is no address: write a device path, socket://HOST:PORT, modbus-tcp://HOST:PORT/UNIT, "
        "modbus-rtu:PATH/UNIT or dir:PATH"
    )


def port_of(text: str) -> str:
    """Give what one client at a time may hold of an address: devices with the same port share a bus.

    >>> port_of("modbus-rtu:/dev/ttyUSB0/2")
    '/dev/ttyUSB0'
    """
    return parse_address(text).port


def _socket(text: str, match: re.Match[str]) -> SocketAddress:
    port = int(match["port"])
    if not 1 <= port <= 65535:
        raise BadAddressError(f"{text!r}: port {port} is outside 1 to 65535")
    return SocketAddress(match["host"], port)


def _unit(text: str, digits: str) -> int:
    unit = int(digits)
    if not 1 <= unit <= 247:
        raise BadAddressError(f"{text!r}: unit {unit} is outside 1 to 247")
    return unit
