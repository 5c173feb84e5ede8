"""Links: lines, Modbus and one-question connections; they write actuating frames with a grant only.

Imports no ophyd, numpy or pint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.address import FolderAddress, ModbusAddress, SocketAddress, parse_address
from drivers.errors import BadAddressError
from drivers.links.line import LineLink
from drivers.links.modbus import ModbusLink, ModbusPort
from drivers.links.query import QueryLink
from drivers.transcript import Transcript

if TYPE_CHECKING:
    from drivers.bus import Bus

__all__ = ["LineLink", "ModbusLink", "ModbusPort", "QueryLink", "open_line", "open_modbus", "open_query"]


def open_line(
    device: str,
    address: str,
    transcript: Transcript,
    bus: Bus,
    *,
    terminator: bytes = b"\r\n",
    timeout_s: float = 1.0,
    baudrate: int = 9600,
    software_flow: bool = False,
) -> LineLink:
    """Make the link for lines to a serial port or ``socket://``; it is closed with `bus`.

    Raises:
        BadAddressError: Where the address is of another kind.
    """
    where = parse_address(address)
    if isinstance(where, ModbusAddress | FolderAddress):
        raise BadAddressError(f"{device}: {address!r} is no serial port and no socket:// address")

    def make() -> LineLink:
        return LineLink(
            device,
            where.url,
            transcript,
            terminator=terminator,
            timeout_s=timeout_s,
            baudrate=baudrate,
            software_flow=software_flow,
        )

    return bus.port(where.port, make)


def open_modbus(
    device: str,
    address: str,
    transcript: Transcript,
    bus: Bus,
    *,
    timeout_s: float = 1.0,
    quiet_s: float = 0.5,
    baudrate: int = 9600,
    never_write: frozenset[int] = frozenset(),
) -> ModbusLink:
    """Make the link to a Modbus unit; the units behind one port share it, and it is closed with `bus`.

    Raises:
        BadAddressError: Where the address is of another kind.
    """
    where = parse_address(address)
    if not isinstance(where, ModbusAddress):
        raise BadAddressError(f"{device}: {address!r} is no modbus-rtu: or modbus-tcp:// address")

    def make() -> ModbusPort:
        return ModbusPort(where, transcript, timeout_s=timeout_s, quiet_s=quiet_s, baudrate=baudrate)

    return ModbusLink(device, address, where.unit, bus.port(where.port, make), never_write=never_write)


def open_query(device: str, address: str, transcript: Transcript, *, timeout_s: float = 5.0) -> QueryLink:
    """Make the link for an instrument that takes one connection for each question.

    Raises:
        BadAddressError: Where the address is no ``socket://`` address.
    """
    where = parse_address(address)
    if not isinstance(where, SocketAddress):
        raise BadAddressError(f"{device}: {address!r} is no socket:// address")
    return QueryLink(device, where.host, where.tcp_port, transcript, timeout_s=timeout_s)
