"""Where a simulated instrument is served, read from the address that the lab file gives it.

sim:MODEL                     whatever that model usually speaks on
pty:NAME, /dev/PATH           a pseudo-terminal, its symlink named after the last part
modbus-rtu:PATH/UNIT          the same, for one unit of a bus that several may share
socket://HOST:PORT            a TCP port of this machine, whatever the host says
modbus-tcp://HOST:PORT/UNIT   the same, for one unit
dir:PATH                      a folder, for instruments that take and leave files; relative to where wires are
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sim.errors import BadAddressError
from sim.spec import Instrument

_RTU = re.compile(r"modbus-rtu:(?P<path>.*[^/])/(?P<unit>\d+)")
_TCP = re.compile(r"modbus-tcp://(?P<place>[^/]+:(?P<port>\d+))/(?P<unit>\d+)")
_SOCKET = re.compile(r"socket://(?P<place>[^/]+:(?P<port>\d+))")
_DIR = re.compile(r"dir:(?P<path>.+)")
LAST_PORT = 65535
LAST_UNIT = 247
_PTY = re.compile(r"pty:(?P<path>.*[^/])|(?P<device>/.*[^/])")


class Carrier(StrEnum):
    """What carries the bytes."""

    PTY = "pseudo-terminal"
    TCP = "TCP port"
    FOLDER = "folder"


class Language(StrEnum):
    """What the bytes are."""

    MODBUS = "Modbus"
    TEXT = "text"
    """Lines or messages of an instrument that may take its time."""
    FRAMES = "frames"
    """Binary frames of an instrument that answers at once, such as a furnace controller."""


@dataclass(frozen=True)
class Spot:
    """Where one instrument answers. Instruments with the same carrier and place share a wire."""

    carrier: Carrier
    place: str
    """A symlink's name, or host and port."""
    port: int = 0
    unit: int | None = None
    """Of a Modbus unit; None for everything else."""
    language: Language = Language.TEXT
    """What is spoken here."""
    ear: str | None = None
    """What one of several on a line listens to, where it is not Modbus: a letter, a number."""
    address: str = field(default="", compare=False)
    """As the lab file says it, for errors."""

    def endpoint(self, found: str) -> str:
        """Give the address that a client uses, once the path or port of the wire has been found."""
        if self.carrier is Carrier.FOLDER:
            return f"dir:{found}"
        if self.carrier is Carrier.PTY:
            return found if self.unit is None else f"modbus-rtu:{found}/{self.unit}"
        return f"socket://127.0.0.1:{found}" if self.unit is None else f"modbus-tcp://127.0.0.1:{found}/{self.unit}"


def spot_of(instrument: Instrument, usual: Carrier, language: Language) -> Spot:
    """Read an instrument's address; `usual` and `language` are what its model speaks.

    Raises:
        BadAddressError: The address has none of the forms, or this model does not speak there.
    """
    spot = _parse(instrument, usual, language is Language.MODBUS)
    if spot is None or (spot.unit is not None) is not (language is Language.MODBUS):
        raise BadAddressError(
            f"{instrument.name}: {instrument.address!r} is no address for a simulated {instrument.model}, which speaks "
            f"{language}: write sim:{instrument.model}, or {_forms(language)}"
        )
    if spot.port > LAST_PORT:
        raise BadAddressError(
            f"{instrument.name}: {instrument.address!r}: port {spot.port} is above {LAST_PORT}: write another"
        )
    if spot.unit is not None and not 1 <= spot.unit <= LAST_UNIT:
        raise BadAddressError(
            f"{instrument.name}: {instrument.address!r}: unit {spot.unit} is outside 1 to {LAST_UNIT}: write another"
        )
    ear = instrument.options.get("unit")
    return replace(spot, language=language, ear=None if ear is None else str(ear), address=instrument.address)


def _parse(instrument: Instrument, usual: Carrier, modbus: bool) -> Spot | None:
    address = instrument.address
    if address.startswith("sim:"):
        return Spot(usual, instrument.name, unit=1 if modbus else None)
    if match := _RTU.fullmatch(address):
        return Spot(Carrier.PTY, _last(match["path"]), unit=int(match["unit"]))
    if match := _TCP.fullmatch(address):
        return Spot(Carrier.TCP, match["place"], int(match["port"]), int(match["unit"]))
    if match := _SOCKET.fullmatch(address):
        return Spot(Carrier.TCP, match["place"], int(match["port"]))
    if match := _PTY.fullmatch(address):
        return Spot(Carrier.PTY, _last(match["path"] or match["device"]))
    if match := _DIR.fullmatch(address):
        return Spot(Carrier.FOLDER, match["path"])
    return None


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _forms(language: Language) -> str:
    if language is Language.MODBUS:
        return "modbus-rtu:PATH/UNIT or modbus-tcp://HOST:PORT/UNIT"
    return "pty:NAME, socket://HOST:PORT or dir:PATH"
