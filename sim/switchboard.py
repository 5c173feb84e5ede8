"""Gathers what speaks on each wire, then plugs the wires in: several Modbus units may share one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sim.addresses import Carrier, Language, Spot
from sim.errors import BadAddressError, SimError
from sim.wire.hub import Hub
from sim.wire.modbus_pdu import ModbusDevice
from sim.wire.modbus_rtu import RtuReceiver
from sim.wire.modbus_tcp import TcpReceiver
from sim.wire.plug import PortPlug, PtyPlug
from sim.wire.receiver import OpenReceiver, Receiver, Send

if TYPE_CHECKING:
    from sim.recorder import Recorder
    from sim.relay import Relay


@dataclass
class Wire:
    """One pseudo-terminal, port or folder and all who answer on it."""

    spot: Spot
    pace_baud: float | None = None
    names: dict[str, Spot] = field(default_factory=dict)
    units: dict[int, ModbusDevice] = field(default_factory=dict)
    """Modbus units by their numbers."""
    receivers: dict[str, OpenReceiver] = field(default_factory=dict)
    """By name, whoever speaks anything else; each hears everything."""
    deaf: set[str] = field(default_factory=set)
    """Who of `receivers` takes and sends nothing."""

    def open(self, send: Send) -> Receiver:
        """Make the receiver of a new connection."""
        if self.receivers:
            return _Party([_Ear(self, name, send, open_one) for name, open_one in self.receivers.items()])
        return RtuReceiver(send, self.units) if self.spot.carrier is Carrier.PTY else TcpReceiver(send, self.units)


def folder_of(name: str, spot: Spot, folder: Path) -> Path:
    """Where the files of an instrument that takes and leaves files really are, made if need be.

    Raises:
        BadAddressError: It cannot be made there.
    """
    found = folder / spot.place.rstrip("/").rsplit("/", 1)[-1]
    try:
        found.mkdir(parents=True, exist_ok=True)
    except OSError as refusal:
        raise BadAddressError(
            f"{name}: {spot.address}: the folder {found} cannot be made ({refusal.strerror}): move what is in the "
            "way, or write another"
        ) from refusal
    return found


class _Party:
    """Everybody on one line hears everything."""

    def __init__(self, ears: Sequence[_Ear]) -> None:
        self._ears = ears
        self.framing = ears[0].framing
        """How frames look, for the relay: those who share a line speak alike."""

    def receive(self, data: bytes) -> None:
        """Digest the next bytes."""
        for ear in self._ears:
            ear.receive(data)


class _Ear:
    """What stands between an instrument and its line: nothing, unless it is deaf."""

    def __init__(self, wire: Wire, name: str, send: Send, open_receiver: OpenReceiver) -> None:
        self._wire, self._name = wire, name
        self._send = send
        self._receiver = open_receiver(self._say)
        self.framing = getattr(self._receiver, "framing", "unknown")

    def receive(self, data: bytes) -> None:
        """Digest the next bytes."""
        if self._name not in self._wire.deaf:
            self._receiver.receive(data)

    def _say(self, data: bytes) -> None:
        if self._name not in self._wire.deaf:
            self._send(data)


class Switchboard:
    """All wires of a laboratory before they are plugged in."""

    def __init__(self) -> None:
        self._wires: dict[tuple[Carrier, str], Wire] = {}
        self._deaf: dict[str, ModbusDevice] = {}

    def add_unit(self, name: str, spot: Spot, unit: ModbusDevice, pace_baud: float | None = None) -> None:
        """Have a Modbus unit answer at its spot.

        Raises:
            BadAddressError: Another instrument answers there.
        """
        wire = self._wire(name, spot, pace_baud)
        if wire.receivers or spot.unit is None or spot.unit in wire.units:
            raise self._taken(name, wire)
        wire.units[spot.unit] = unit

    def add_receiver(self, name: str, spot: Spot, open_receiver: OpenReceiver, pace_baud: float | None = None) -> None:
        """Have an instrument that is no Modbus unit answer at its spot; raises as `add_unit`, and for a folder."""
        if spot.carrier is Carrier.FOLDER:
            raise BadAddressError(f"{name}: it answers on a line, and {spot.address} is a folder: name a line")
        wire = self._wire(name, spot, pace_baud)
        others = [wire.names[other] for other in wire.receivers]
        alike = all(other.language is spot.language for other in others)
        apart = all(other.ear is not None and spot.ear is not None and other.ear != spot.ear for other in others)
        if wire.units or not alike or not apart:
            raise self._taken(name, wire)
        wire.receivers[name] = open_receiver

    def add_folder(self, name: str, spot: Spot) -> None:
        """Have an instrument take and leave files at its spot.

        Raises:
            BadAddressError: It is no folder, or another instrument has it.
        """
        if spot.carrier is not Carrier.FOLDER:
            raise BadAddressError(
                f"{name}: it takes and leaves files, and {spot.address} is a {spot.carrier}: write dir:PATH"
            )
        wire = self._wire(name, spot, None)
        if len(wire.names) > 1:
            raise self._taken(name, wire)

    def add_shared(self, spots: Mapping[str, Spot], open_receiver: OpenReceiver) -> None:
        """Have one receiver answer for all instruments of a wire, whatever they speak."""
        for name, spot in spots.items():
            wire = self._wire(name, spot, None)
            wire.receivers = {"": open_receiver}

    def deafen(self, name: str, deaf: bool) -> None:
        """Have an instrument answer nothing, or answer again.

        Raises:
            KeyError: There is no such instrument.
        """
        wire = {name: wire for wire in self._wires.values() for name in wire.names}[name]
        spot = wire.names[name]
        if spot.unit is None:
            (wire.deaf.add if deaf else wire.deaf.discard)(name)
        elif deaf and name not in self._deaf:
            self._deaf[name] = wire.units.pop(spot.unit)  # a unit that is not there is met with silence
        elif not deaf and name in self._deaf:
            wire.units[spot.unit] = self._deaf.pop(name)

    def plug_in(
        self,
        hubs: Mapping[Language, Hub],
        folder: Path,
        exact_ports: bool,
        relay: Relay | None = None,
        recorder: Recorder | None = None,
    ) -> dict[str, str]:
        """Put all wires on the hub of their language; give the address of each instrument by its name.

        Args:
            hubs: Who serves which language.
            folder: Where pseudo-terminals and folders lie.
            exact_ports: Whether TCP ports are those of the addresses; else any free ones.
            relay: What stands between the wires and the instruments.
            recorder: What hears all that goes over the wires, faults and all.

        Raises:
            SimError: For a wire that cannot be plugged in: who was to answer there, its address, and why.
        """
        endpoints: dict[str, str] = {}
        for wire in self._wires.values():
            hub = hubs[wire.spot.language]
            if wire.spot.carrier is Carrier.FOLDER:
                found = str(folder_of(next(iter(wire.names)), wire.spot, folder))
            else:
                try:
                    found = self._plug_in(wire, hub, folder, exact_ports, relay, recorder)
                except SimError as error:
                    raise _about(wire, error) from error
            endpoints |= {name: spot.endpoint(found) for name, spot in wire.names.items()}
        return endpoints

    def _plug_in(
        self,
        wire: Wire,
        hub: Hub,
        folder: Path,
        exact_ports: bool,
        relay: Relay | None,
        recorder: Recorder | None,
    ) -> str:
        """Plug in a wire; give its path or port."""
        tapped = relay.join(wire.names, hub) if relay else None
        open_receiver: OpenReceiver = tapped.through(wire.open) if tapped else wire.open
        if recorder:
            open_receiver = recorder.through(wire.names, open_receiver)
        plug: PtyPlug | PortPlug
        if wire.spot.carrier is Carrier.PTY:
            plug = hub.add_pty(folder / wire.spot.place, open_receiver, wire.pace_baud)
            found = str(plug.symlink)
        else:
            plug = hub.add_port(wire.spot.port if exact_ports else 0, open_receiver)
            found = str(plug.port)
        if tapped:
            tapped.plug = plug
        return found

    def _wire(self, name: str, spot: Spot, pace_baud: float | None) -> Wire:
        wire = self._wires.setdefault((spot.carrier, spot.place), Wire(spot, pace_baud))
        wire.names[name] = spot
        return wire

    def _taken(self, name: str, wire: Wire) -> BadAddressError:
        others = " and ".join(other for other in wire.names if other != name)
        return BadAddressError(
            f"{name}: {others} answers at the same {wire.spot.carrier} as {wire.names[name].address}: "
            "give it an address of its own"
        )


def _about(wire: Wire, error: SimError) -> SimError:
    """Have an error about a wire name who was to answer there, and the address that says so."""
    first, spot = next(iter(wire.names.items()))
    found = type(error)(f"{' and '.join(wire.names)}: {spot.address}: {error}")
    found.instrument = first
    return found
