"""Links: lines, frames, Modbus and one-question connections; they write actuating frames with a grant only.

Imports no ophyd, numpy or pint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from drivers.address import FolderAddress, ModbusAddress, SerialAddress, SocketAddress, parse_address
from drivers.errors import BadAddressError
from drivers.links.frames import FramesLink
from drivers.links.line import ACT_S, Accepts, LineLink
from drivers.links.modbus import ModbusLink
from drivers.links.modbus_port import ModbusPort
from drivers.links.port import SharedPort
from drivers.links.query import QueryLink
from drivers.links.settings import LineSettings
from drivers.links.stream import StreamPort
from drivers.transcript import Transcript

if TYPE_CHECKING:
    from drivers.bus import Bus

__all__ = [
    "FramesLink",
    "LineLink",
    "LineSettings",
    "ModbusLink",
    "ModbusPort",
    "QueryLink",
    "open_frames",
    "open_line",
    "open_modbus",
    "open_query",
]

S = TypeVar("S", bound=SharedPort)


def open_line(
    device: str,
    address: str,
    transcript: Transcript,
    bus: Bus,
    *,
    terminator: bytes = b"\r\n",
    timeout_s: float = 1.0,
    act_timeout_s: float = ACT_S,
    quiet_s: float = 0.2,
    baudrate: int = 9600,
    parity: str = "N",
    stop_bits: int = 1,
    data_bits: int = 8,
    software_flow: bool = False,
    unasked: Accepts | None = None,
) -> LineLink:
    """Make the link for lines to a serial port or ``socket://``; devices behind one port share it.

    The port is closed with `bus`.

    Args:
        device: Who errors are about.
        address: Where it is.
        transcript: Where the bytes are noted.
        bus: Of the port.
        terminator: What ends a line that is sent; its last byte ends a line that comes.
        timeout_s: Wall seconds until the answer to a question is given up.
        act_timeout_s: Wall seconds until the reply to a command is given up.
        quiet_s: Wall seconds without a byte after which no late reply is to be expected any more.
        baudrate: Bits per second.
        parity: N, E or O.
        stop_bits: 1 or 2.
        data_bits: 5 to 8.
        software_flow: XON/XOFF.
        unasked: Tells a line that the instrument may say by itself, such as a greeting.

    Raises:
        BadAddressError: Where the address is of another kind, or the port is used otherwise by another device.
    """
    where = _stream_address(device, address)
    settings = LineSettings(baudrate, data_bits, parity, stop_bits, software_flow)

    def make() -> StreamPort:
        return StreamPort(where, transcript, settings=settings, quiet_s=quiet_s, now=bus.now)

    port = _shared(device, where.port, bus, StreamPort, settings, make)
    return LineLink(
        device,
        where.url,
        transcript,
        terminator=terminator,
        act_timeout_s=act_timeout_s,
        timeout_s=timeout_s,
        port=port,
        recognition=bus.recognition(device),
        unasked=unasked,
    )


def open_frames(
    device: str,
    address: str,
    transcript: Transcript,
    bus: Bus,
    *,
    timeout_s: float = 1.0,
    quiet_s: float = 0.2,
    pause_s: float = 0.0,
    baudrate: int = 9600,
    parity: str = "N",
    stop_bits: int = 1,
    data_bits: int = 8,
) -> FramesLink:
    """Make the link for binary frames to a serial port or ``socket://``; devices behind one port share it.

    The port is closed with `bus`. Arguments and errors are those of `open_line`; `pause_s` is what the instrument
    needs between a reply and the next request, in wall seconds.
    """
    where = _stream_address(device, address)
    settings = LineSettings(baudrate, data_bits, parity, stop_bits)

    def make() -> StreamPort:
        return StreamPort(where, transcript, settings=settings, quiet_s=quiet_s, mistakable=True, now=bus.now)

    return FramesLink(
        device,
        where.url,
        transcript,
        port=_shared(device, where.port, bus, StreamPort, settings, make, mistakable=True),
        recognition=bus.recognition(device),
        timeout_s=timeout_s,
        pause_s=pause_s,
    )


def open_modbus(
    device: str,
    address: str,
    transcript: Transcript,
    bus: Bus,
    *,
    timeout_s: float = 1.0,
    quiet_s: float = 0.5,
    baudrate: int = 9600,
    parity: str = "N",
    stop_bits: int = 1,
    never_write: frozenset[int] = frozenset(),
) -> ModbusLink:
    """Make the link to a Modbus unit; the units behind one port share it, and it is closed with `bus`.

    Arguments are those of `open_line`; no command may touch the registers `never_write`.

    Raises:
        BadAddressError: Where the address is of another kind, or the port is used otherwise by another device.
    """
    where = parse_address(address)
    if not isinstance(where, ModbusAddress):
        raise BadAddressError(f"{device}: {address!r} is no modbus-rtu: or modbus-tcp:// address")
    settings = LineSettings(baudrate, parity=parity, stop_bits=stop_bits)

    def make() -> ModbusPort:
        return ModbusPort(where, transcript, timeout_s=timeout_s, quiet_s=quiet_s, settings=settings, now=bus.now)

    port = _shared(
        device, where.port, bus, ModbusPort, settings, make, mistakable=isinstance(where.wire, SerialAddress)
    )
    recognition = bus.recognition(device)
    return ModbusLink(device, address, where.unit, port, never_write=never_write, recognition=recognition)


def open_query(
    device: str, address: str, transcript: Transcript, *, timeout_s: float = 5.0, bus: Bus | None = None
) -> QueryLink:
    """Make the link for an instrument that takes one connection for each question.

    Raises:
        BadAddressError: Where the address is no ``socket://`` address.
    """
    where = parse_address(address)
    if not isinstance(where, SocketAddress):
        raise BadAddressError(f"{device}: {address!r} is no socket:// address")
    recognition = None if bus is None else bus.recognition(device)
    return QueryLink(device, where.host, where.tcp_port, transcript, timeout_s=timeout_s, recognition=recognition)


def _stream_address(device: str, address: str) -> SerialAddress | SocketAddress:
    where = parse_address(address)
    if isinstance(where, ModbusAddress | FolderAddress):
        raise BadAddressError(f"{device}: {address!r} is no serial port and no socket:// address")
    return where


def _shared(
    device: str,
    key: str,
    bus: Bus,
    kind: type[S],
    settings: LineSettings,
    make: Callable[[], S],
    *,
    mistakable: bool = False,
) -> S:
    """Give the one port there, where all that share it use it alike."""
    port: SharedPort = bus.port(key, make)
    if isinstance(port, kind) and port.mistakable == mistakable and port.settings == settings:
        return port
    others = ", ".join(sorted(port.users))
    if isinstance(port, kind) and port.mistakable == mistakable:
        raise BadAddressError(
            f"{device}: {key} is set to {port.settings.describe()} for {others}, and {settings.describe()} was asked "
            "for: all instruments of one line need the same baud, parity and stop_bits in the lab file"
        )
    raise BadAddressError(
        f"{device}: {key} is used by {others} in another protocol: one line speaks one, give {device} a port of its own"
    )
