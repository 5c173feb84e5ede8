"""Serve a whole laboratory that is not there, on the wires that the real one would have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from drivers.clock import Clock
from sim.addresses import Language
from sim.chemistry import Powder, Truth, UnknownChemistry, dispense
from sim.errors import SimError, UnknownLotError
from sim.plant import Plant, substance
from sim.recorder import Recorder
from sim.relay import Relay
from sim.site import Site
from sim.spec import Laboratory, Lot
from sim.switchboard import Switchboard
from sim.wire.hub import Hub

Ports = Literal["ephemeral", "exact"]

DEVELOPMENT = "development/"


class Simulation:
    """A laboratory being served; ends with `close`, or at the end of a ``with``."""

    def __init__(
        self,
        plant: Plant,
        hubs: Collection[Hub],
        switchboard: Switchboard,
        endpoints: dict[str, str],
        instruments: Mapping[str, object],
        relay: Relay,
        recorder: Recorder | None = None,
    ) -> None:
        self.endpoints = endpoints
        """The address of each instrument, by its name."""
        self.plant = plant
        """For checkers and tests only: everything else asks over the wires."""
        self.instruments = instruments
        """For checkers and tests only."""
        self.relay = relay
        """Breaks wires and instruments on purpose; does nothing before it is told to."""
        self._recorder = recorder
        self._hubs = hubs
        self._switchboard = switchboard

    def deafen(self, name: str, deaf: bool = True) -> None:
        """Have an instrument go on as it is, and answer nothing; for checkers and tests only."""
        with self.plant.lock, self.plant.heat:
            self._switchboard.deafen(name, deaf)

    def close(self) -> None:
        """Stop serving: wires go away, timers are cancelled, symlinks removed; harmless when repeated."""
        self.plant.close()
        for hub in self._hubs:
            hub.close()
        self.relay.close()
        if self._recorder is not None:
            self._recorder.close()

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def serve(
    laboratory: Laboratory,
    clock: Clock,
    folder: Path,
    ports: Ports = "ephemeral",
    log: Path | None = None,
    *,
    faults: Path | None = None,
    record: Path | None = None,
) -> Simulation:
    """Serve every instrument of a laboratory in this process.

    Args:
        laboratory: What is to be simulated.
        clock: Lab time; any kind. The serving thread is no task of it.
        folder: Where the symlinks of pseudo-terminals are made.
        ports: TCP ports as the addresses say (``exact``), or any free ones.
        log: A file that what happens is appended to, as it happens; see `sim.plant.record`.
        faults: A file that what the relay does is appended to.
        record: A file for all that goes over the wires; see `sim.recorder`.

    Raises:
        SimError: With one sentence about the instrument, lot, option or port that cannot be.
    """
    plant = _plant(laboratory, clock, log)
    for lot in laboratory.lots.values():
        _check_lot(lot, plant.truth)
    switchboard = Switchboard()
    site = Site(laboratory, plant, switchboard, folder)
    site.put_up_all()
    folder.mkdir(parents=True, exist_ok=True)
    relay = Relay(clock, site.instruments, seed=laboratory.seed, log=faults, locks=(plant.lock, plant.heat))
    recorder = _recorder(record, clock, laboratory, plant)
    # What speaks Modbus is what must be watched: it answers while something else takes its time.
    heat = Hub(plant.heat)
    hubs = {Language.MODBUS: heat, Language.FRAMES: heat, Language.TEXT: Hub(plant.lock)}
    try:
        endpoints = switchboard.plug_in(hubs, folder, ports == "exact", relay, recorder)
    except SimError:
        for hub in set(hubs.values()):
            hub.close()
        raise
    for hub in set(hubs.values()):
        hub.start()
    return Simulation(plant, set(hubs.values()), switchboard, endpoints, site.instruments, relay, recorder)


def warm_up() -> None:
    """Load what the first measurement needs, which takes a second in which no instrument would answer."""
    import sim.diffraction  # noqa: F401 - loading it is the point


def _plant(laboratory: Laboratory, clock: Clock, log: Path | None) -> Plant:
    try:
        return Plant(clock, _truth(laboratory), laboratory.seed, log)
    except OSError as error:
        raise SimError(f"the log {log} cannot be written ({error.strerror}): name another file") from error


def _recorder(path: Path | None, clock: Clock, laboratory: Laboratory, plant: Plant) -> Recorder | None:
    if path is None:
        return None
    recorder = Recorder(path, clock, laboratory.instruments)
    for name, diffractometer in plant.diffractometers.items():
        diffractometer.on_file = partial(recorder.file, name)
    return recorder


def _truth(laboratory: Laboratory) -> Truth:
    truth = laboratory.truth
    if truth is None:
        return Truth.nominal()
    seed = truth.removeprefix(DEVELOPMENT)
    if truth.startswith(DEVELOPMENT) and seed.isdecimal():
        return Truth.draw(int(seed))
    try:
        return Truth.load(Path(truth))
    except ValueError as error:
        raise SimError(f"truth {truth!r} cannot be read: {error}") from error


def _check_lot(lot: Lot, truth: Truth) -> None:
    try:
        dispense(Powder.empty(), substance(lot), 1.0, truth)
    except UnknownChemistry as error:
        raise UnknownLotError(f"lot {lot.name}: {error}") from error
