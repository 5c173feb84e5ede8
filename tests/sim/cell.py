"""Production drivers against simulated instruments, on their real wires, in jumping time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.address import port_of
from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.instrument import Instrument as Device
from drivers.registry import build
from drivers.status import ActionStatus
from sim import Instrument, Laboratory, Lot, Simulation, serve
from tests.drivers.fakes import FakeGate, Noted, end_of, look_at


@dataclass
class Cell:
    """A few instruments and their drivers."""

    clock: JumpClock
    gate: FakeGate
    noted: Noted
    simulation: Simulation
    devices: dict[str, Any]

    def set(self, name: str, verb: str, /, **arguments: object) -> ActionStatus:
        """Have a device act."""
        status = self.devices[name].set(verb, **arguments)
        assert isinstance(status, ActionStatus)
        return status

    def do(self, name: str, verb: str, /, **arguments: object) -> BaseException | None:
        """Have a device act, wait until it is done, and give how it failed."""
        return end_of(self.clock, self.set(name, verb, **arguments))

    def end(self, status: ActionStatus) -> BaseException | None:
        """Wait until an action is done, and give how it failed."""
        return end_of(self.clock, status)

    def wait(self, seconds: float) -> None:
        """Let lab time pass."""
        self.clock.sleep_until(self.clock.now() + seconds)

    def look(self, name: str) -> Any:
        """Have a device looked at now, and give it."""
        look_at(self.devices[name])
        return self.devices[name]

    def sim(self, name: str) -> Any:
        """Give the simulated instrument behind a device."""
        return self.simulation.instruments[name]

    def at(self, position: str) -> str | None:
        """Give the barcode of what stands somewhere."""
        standing = self.simulation.plant.standing_at(position)
        return None if standing is None else standing.barcode

    def sent(self, name: str) -> list[str]:
        """Every line that a device sent."""
        return [data.decode().strip() for link, way, data in self.noted.frames if link == name and way == "tx"]

    def log(self) -> list[str]:
        """What happened in the plant."""
        return [what for _, what in self.simulation.plant.log]


@contextmanager
def working(
    folder: Path, instruments: tuple[Instrument, ...], options: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[Cell]:
    """Serve instruments, and put a driver of the same name as its model at each.

    Args:
        folder: For wires.
        instruments: What is simulated.
        options: Device -> what its driver is told.
    """
    clock, noted = JumpClock(), Noted()
    gate, buses, devices = FakeGate(clock), dict[str, Bus](), dict[str, Device]()
    plan = Laboratory("cell", instruments, {"TiO2-a": Lot("TiO2-a", "TiO2")}, seed=3)
    with serve(plan, clock, folder / "wires") as simulation:
        try:
            for told in instruments:
                address = simulation.endpoints[told.name]
                bus = buses.setdefault(port_of(address), Bus(f"bus of {told.name}", clock))
                how = dict((options or {}).get(told.name, {}))
                devices[told.name] = build(told.name, told.model, address, how, gate, clock, noted, bus)
            yield Cell(clock, gate, noted, simulation, devices)
        finally:
            for bus in buses.values():
                bus.close()
