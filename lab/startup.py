"""Start-up: from a checked lab file to a laboratory that is ready to work.

The one place that knows of the simulator. What an address points at is decided here, once; nothing below asks
again whether an instrument is simulated.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from drivers.bus import Bus
from drivers.clock import Clock, JumpClock, RealClock, ScaledClock
from drivers.gate import DriverError, acting_as
from drivers.transcript import Transcript, TranscriptWriter
from lab.campaign.check import why_unfit
from lab.config.addresses import Wire
from lab.config.lab_file import (
    DIFFRACTOMETER_DRIVERS,
    DOSER_DRIVERS,
    MOVER_DRIVERS,
    SAFETY_DRIVER,
    DeviceFile,
    LabConfig,
    programs_of,
)
from lab.errors import UsageError
from lab.records.journal import Journal, World
from lab.safety.gateway import Gateway, Limits
from lab.safety.lint import interlocks_of
from lab.safety.monitor import SafetyMonitor, scan_interval_s
from lab.scheduling.engine import TaskEngine
from lab.scheduling.reservations import Reservations
from lab.scheduling.sample_run import Bench

if TYPE_CHECKING:
    from sim.spec import Instrument, Laboratory

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")


RESET_WITHIN_S = 60.0
"""Lab seconds within which a furnace must have confirmed that its programme is reset."""


class Wires(Protocol):
    """Whoever answers at simulated addresses: the simulator, or a recording."""

    endpoints: dict[str, str]
    """Device name to the address at which it really is."""

    def close(self) -> None:
        """Stop answering."""


class Recording(Wires, Protocol):
    """A recording that is played back."""

    @property
    def mismatches(self) -> Sequence[object]:
        """Requests that differed from the recorded ones."""


@dataclass(frozen=True)
class Choices:
    """What a person chose for one run."""

    seed: int = 0
    clock: str | None = None
    truth: Path | None = None
    simulate_all: bool = False
    """Replace every address by its simulator, whatever the lab file says."""


@dataclass
class OpenLab:
    """A laboratory whose instruments have been opened and identified; ends with `close`."""

    config: LabConfig
    seed: int
    clock: Clock
    world: World
    bench: Bench
    gateway: Gateway
    monitor: SafetyMonitor
    journal: Journal
    reservations: Reservations
    engines: list[TaskEngine]
    devices: dict[str, Any]
    answers: dict[str, str]
    """Device name to what it said about itself."""
    _resources: ExitStack
    _started: bool

    def start(self) -> None:
        """Start scanning for safety; until then nothing has been changed at any instrument."""
        self.journal.write("opened", lab=self.config.name, seed=self.seed, devices=self.answers)
        if self.world == "simulated" and self.config.file.simulation.difficulty != "easy":
            self.journal.write("note", text="the simulated chemistry of this version is of difficulty easy")
        modules = self.config.safety_modules
        watchdogs_s = {name: device.watchdog or 0.0 for name, device in modules.items()}
        self._started = True
        self.monitor.start({name: self.devices[name] for name in modules}, watchdogs_s)

    def close(self) -> None:
        """Leave everything cold, end all threads, bring all records to the disk."""
        with self._resources:
            if self._started:
                self.monitor.close()
                self._end_programmes()

    def _end_programmes(self) -> None:
        """Reset every furnace: a programme left running would heat whoever closes the contactor next."""
        deadline_s = self.clock.now() + RESET_WITHIN_S
        for name, furnace in self.bench.furnaces.items():
            try:
                with acting_as("operator"):
                    status = furnace.set("reset-program")
                over = self.clock.event()
                status.add_callback(lambda _, over=over: over.set())
                error = status.exception() if over.wait(deadline_s) else "no answer"
            except DriverError as refusal:
                error = refusal
            if error is not None:
                self.journal.write("alarm", durable=True, device=name, text=f"programme not reset: {error}")


def make_clock(choice: str | None, *, simulated: bool) -> Clock:
    """The clock that a person chose: ``real``, ``jump`` or ``scaled K``; by default jump where all is simulated.

    Raises:
        UsageError: For anything else, or for a clock that real instruments cannot follow.
    """
    choice = choice or ("jump" if simulated else "real")
    scaled = re.fullmatch(r"scaled[ :]?(\d+(?:\.\d+)?)", choice)
    if choice != "real" and not simulated:
        raise UsageError(f"--clock {choice}: this lab has real instruments, which live in real time: use --clock real")
    if choice == "real":
        return RealClock()
    if choice == "jump":
        return JumpClock()
    if scaled and float(scaled[1]) > 0:
        return ScaledClock(float(scaled[1]))
    raise UsageError(f"--clock {choice!r}: use real, jump, or 'scaled K' with a positive factor")


def open_lab(
    config: LabConfig,
    folder: Path,
    choices: Choices,
    *,
    wires: Wires | None = None,
    clock: Clock | None = None,
) -> OpenLab:
    """Open every instrument of a lab and make sure who it is.

    Args:
        config: The checked lab file.
        folder: Where records go; exists.
        choices: What a person chose for this run.
        wires: Who answers at simulated addresses, where that is not the simulator.
        clock: The clock of `wires`, where given.

    Raises:
        UsageError: Where the lab cannot be simulated or must not be run.
        DriverError: Where an instrument does not answer, or is another one.
        DocumentError: Where the interlock file is wrong.
    """
    interlocks = interlocks_of(config)
    simulated = {name for name, device in config.devices.items() if choices.simulate_all or device.place.simulated}
    clock = clock or make_clock(choices.clock, simulated=len(simulated) == len(config.devices))
    world: World = "simulated" if simulated else "real"
    results = folder / "raw"
    results.mkdir(exist_ok=True)
    with ExitStack() as resources:
        journal = resources.enter_context(Journal(folder / "journal.jsonl", clock, world))
        links = {name: (device.driver, device.address) for name, device in config.devices.items()}
        transcript = resources.enter_context(TranscriptWriter(folder / "transcript.jsonl", clock, links))
        if wires is None and simulated:
            folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="athanor-")))
            wires = _simulate(config, simulated, clock, results, choices, folder)
        if wires is not None:
            resources.callback(wires.close)
        # Closed in the opposite order: heat off, programmes ended, buses, engines, wires, records.
        engines = [TaskEngine(clock, _documents_to(journal)) for _ in range(len(config.furnaces) + 1)]
        for engine in engines:
            resources.callback(engine.close)
        resources.callback(_let_tasks_end, clock)
        builder = resources.enter_context(_Builder(config, clock, transcript, wires, results))
        monitor = SafetyMonitor(interlocks, clock, journal)
        gateway = Gateway(_limits(config), interlocks, monitor.values, monitor.tripped, clock, journal)
        devices = {name: builder.build(name, device, gateway) for name, device in config.devices.items()}
        answers = {name: device.identify() for name, device in devices.items()}
        return OpenLab(
            config=config,
            seed=choices.seed,
            clock=clock,
            world=world,
            bench=_bench(config, devices),
            gateway=gateway,
            monitor=monitor,
            journal=journal,
            reservations=Reservations(clock),
            engines=engines,
            devices=devices,
            answers=answers,
            _resources=resources.pop_all(),
            _started=False,
        )


def ask_everybody(config: LabConfig) -> dict[str, str]:
    """Ask every instrument who it is and change nothing: device name to its answer."""
    with tempfile.TemporaryDirectory() as folder:
        lab = open_lab(config, Path(folder), Choices())
        lab.close()
        return lab.answers


def refuse_real(config: LabConfig) -> None:
    """Real instruments run only under a safety supervisor, which is not part of this version."""
    if config.real_devices:
        raise UsageError(
            f"{', '.join(config.real_devices)}: a real instrument would run without a safety supervisor, which this "
            "version does not have: use `athanor dry-run`, or simulated addresses"
        )


# ---------------------------------------------------------------- the simulator


def _simulate(config: LabConfig, names: set[str], clock: Clock, results: Path, choices: Choices, folder: Path) -> Wires:
    from sim import SimError, serve

    laboratory = _sim_laboratory(config, names, results, choices)
    try:
        return serve(laboratory, clock, folder)
    except SimError as error:
        raise UsageError(str(error)) from None


def _sim_laboratory(config: LabConfig, names: set[str], results: Path, choices: Choices) -> Laboratory:
    from sim.spec import Laboratory, Lot

    simulation = config.file.simulation
    return Laboratory(
        name=config.name,
        instruments=tuple(
            _sim_instrument(name, config.devices[name], results) for name in config.devices if name in names
        ),
        lots={
            name: Lot(
                name,
                lot.formula,
                assay=lot.assay * (1.0 - lot.loss_on_ignition),
                hydrate=lot.hydrate,
                grain_um=lot.grain,
            )
            for name, lot in config.inventory.lots.items()
        },
        # Noise differs between runs of different seeds; the truth stays that of the lab file.
        seed=simulation.seed * 1_000_003 + choices.seed,
        truth=str(choices.truth) if choices.truth is not None else simulation.truth,
    )


def _sim_instrument(name: str, device: DeviceFile, results: Path) -> Instrument:
    from sim.spec import Instrument

    options: dict[str, object] = {}
    if device.driver in DIFFRACTOMETER_DRIVERS:
        options = {"dir": str(results), "programs": programs_of(device)}
    elif device.driver in DOSER_DRIVERS:
        options = {"heads": dict(device.heads or {})}
    elif device.slots is not None:
        options = {"slots": device.slots, "watched_by": device.watched_by}
    address = device.address if device.place.simulated else f"sim:{device.driver}"
    return Instrument(name, device.driver, address, options)


def recorded_wires(config: LabConfig, transcript: Path, clock: Clock, results: Path, folder: Path) -> Recording:
    """Serve a recorded wire transcript in place of instruments; pseudo-terminals go to `folder`.

    Raises:
        UsageError: Where the transcript cannot be read.
    """
    from sim import SimError, serve_transcript

    folders = {name: results for name, device in config.devices.items() if device.driver in DIFFRACTOMETER_DRIVERS}
    try:
        return serve_transcript(transcript, clock, folder, folders)
    except SimError as error:
        raise UsageError(str(error)) from None


def _let_tasks_end(clock: Clock) -> None:
    """Let samples that were in work notice that their instruments are gone, and end."""
    clock.sleep_until(clock.now() + 1.0)


# ---------------------------------------------------------------- devices


class _Builder:
    """Makes drivers, one bus for all devices behind the same port."""

    def __init__(
        self, config: LabConfig, clock: Clock, transcript: Transcript, wires: Wires | None, results: Path
    ) -> None:
        self._config = config
        self._clock = clock
        self._transcript = transcript
        self._endpoints = {} if wires is None else wires.endpoints
        self._results = results
        self._by_port: dict[str, Bus] = {}

    def __enter__(self) -> _Builder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bus in self._by_port.values():
            bus.close()

    def build(self, name: str, device: DeviceFile, gateway: Gateway) -> Any:
        from drivers.address import port_of
        from drivers.registry import build

        endpoint = self._endpoints.get(name) or _real_endpoint(device)
        port = port_of(endpoint)
        if port not in self._by_port:
            self._by_port[port] = Bus(name, self._clock)
        return build(
            name,
            device.driver,
            endpoint,
            self._options(device),
            gate=gateway,
            clock=self._clock,
            transcript=self._transcript,
            bus=self._by_port[port],
        )

    def _options(self, device: DeviceFile) -> dict[str, object]:
        limits = {key: value for key, value in device.limits.model_dump().items() if value is not None}
        options: dict[str, object] = {"limits": limits}
        if device.place.wire is Wire.MODBUS_RTU:
            options["baud"] = device.baud
        if device.driver == SAFETY_DRIVER:
            options["poll"] = scan_interval_s(self._clock)
        if device.driver in DIFFRACTOMETER_DRIVERS:
            options["results"] = f"dir:{self._results}" if device.results is None else device.results
            options["programs"] = {name: time_s for name, (_, _, time_s) in programs_of(device).items()}
        return options


def _real_endpoint(device: DeviceFile) -> str:
    return device.address.removeprefix("pty:")


def _limits(config: LabConfig) -> dict[str, Limits]:
    return {
        name: Limits(
            setpoint_degc=device.limits.setpoint,
            mass_mg=device.limits.mass,
            watched=tuple(furnace for furnace, d in config.furnaces.items() if d.watched_by == name),
        )
        for name, device in config.devices.items()
    }


def _bench(config: LabConfig, devices: Mapping[str, Any]) -> Bench:
    heads = {lot: found for lot in config.inventory.lots if (found := config.head_of(lot)) is not None}
    return Bench(
        furnaces={name: devices[name] for name in config.furnaces},
        watched_by={name: devices[d.watched_by] for name, d in config.furnaces.items() if d.watched_by},
        doser=devices[config.file.stations.dose[0]],
        mover=devices[config.only(MOVER_DRIVERS)],
        diffractometer=devices[config.file.stations.measure[0]],
        head_of={lot: number for lot, (_, number) in heads.items()},
        fits=lambda name, firing: (
            not why_unfit(config.furnaces[name], firing.peak_degc, firing.fastest_degc_per_min, firing.atmosphere)
        ),
    )


def _documents_to(journal: Journal) -> Any:
    return lambda name, document: journal.write("document", name=name, document=dict(document))
