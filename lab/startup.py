"""Start-up: from a checked lab file to a laboratory that is ready to work.

What an address points at is decided here, once; nothing below asks again whether an instrument is simulated. Under a
jump clock everything lives in this process; where time passes by itself, the simulator and the safety supervisor
are processes of their own (`lab.processes`).
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from drivers.bus import Bus
from drivers.clock import Clock, JumpClock, RealClock, ScaledClock
from drivers.gate import Command, Denied, DriverError, Gate, acting_as
from drivers.kinds import Kind
from drivers.transcript import NoTranscript, Transcript, TranscriptWriter
from lab.campaign.check import why_unfit
from lab.config.addresses import Wire
from lab.config.lab_file import DeviceFile, LabConfig, limited_of, programs_of, remarks_on
from lab.errors import UsageError
from lab.processes import Supervised, Surroundings, simulator_of, stoppable, supervisor_of
from lab.records.journal import Journal, World
from lab.records.lock import hold_lab, lock_folder
from lab.safety.alarms.book import AlarmBook
from lab.safety.audit.log import AuditLog
from lab.safety.commands.contents import Contents
from lab.safety.commands.gateway import Gateway, Limits
from lab.safety.commands.holds import CAMPAIGN, Holds
from lab.safety.commands.lab_signals import LabSignals
from lab.safety.commands.leases import LeaseBook
from lab.safety.commands.manual import ManualControl, OnLeaseLoss
from lab.safety.interlocks.lint import HOLDERS, PLACES, interlocks_of
from lab.safety.interlocks.rules import Interlocks
from lab.safety.judging.bypass import BypassBook
from lab.safety.judging.core import SafetyCore
from lab.safety.judging.monitor import SafetyMonitor
from lab.safety.judging.pace import fitted, scan_interval_s
from lab.safety.judging.watch import Watch
from lab.safety.people.users import UserStore
from lab.safety.supervisor.supervised import SupervisedModule
from lab.scheduling.engine import TaskEngine
from lab.scheduling.reservations import Reservations
from lab.scheduling.sample_run import Bench
from lab.simulation import Wires, simulate
from lab.simulator import Serving
from protocols.documents import Fault

if TYPE_CHECKING:
    from lab.console.parts import Parts
    from lab.safety.supervisor.config import HttpPlace

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")


T = TypeVar("T")

RESET_WITHIN_S = 60.0
"""Lab seconds within which a furnace must have confirmed that its programme is reset."""
STOP_WITHIN_S = 2.0
"""Wall seconds in which a device must have stopped after a STOP."""
STOPPING = ("reset-program", "stop-dosing", "stop")
"""Verbs that stop a device, whichever it has."""
STOPPED = "stop"
"""Source of the hold that a STOP puts on everything."""


class SafetyLayer(Watch, Protocol):
    """The safety layer, wherever it runs."""

    raised: list[str]
    """Timeouts that are longer than the files ask for, because of the clock."""

    def start(self, modules: Mapping[str, Any], watchdogs_s: Mapping[str, float], actor: str) -> None:
        """Begin to watch, and reset the start-up on behalf of the person who starts the lab."""

    def close(self) -> None:
        """Leave every output open."""


@dataclass(frozen=True)
class Choices:
    """What a person chose for one run."""

    seed: int = 0
    clock: str | None = None
    truth: Path | None = None
    simulate_all: bool = False
    """Replace every address by its simulator, whatever the lab file says."""
    actor: str = "operator"
    """Who starts the lab."""
    http: HttpPlace | None = None
    """Where a supervisor that is started serves STOP over HTTP; None: on any port of the loopback."""


@dataclass
class OpenLab:
    """A laboratory whose instruments have been opened and identified; ends with `close`."""

    config: LabConfig
    choices: Choices
    clock: Clock
    world: World
    bench: Bench
    gateway: Gateway
    safety: SafetyLayer
    leases: LeaseBook
    holds: Holds
    manual: ManualControl
    audit: AuditLog
    users: UserStore
    journal: Journal
    reservations: Reservations
    engines: list[TaskEngine]
    devices: dict[str, Any]
    answers: dict[str, str]
    """Device name to what it said about itself."""
    _resources: ExitStack
    _started: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set by a STOP."""
    recipes: Callable[[], Mapping[str, Any]] = dict
    """Sample to how its recipe stands; whoever runs a campaign fills it in."""

    def start(self) -> None:
        """Start watching; until then nothing has been changed at any instrument.

        Raises:
            UsageError: Where something has tripped that a person must look at first.
        """
        self.journal.write("opened", lab=self.config.name, seed=self.choices.seed, devices=self.answers)
        if self.world == "simulated" and self.config.file.simulation.difficulty != "easy":
            self.journal.write("note", text="the simulated chemistry of this version is of difficulty easy")
        for remark in remarks_on(self.config):
            self.journal.write("note", text=str(remark))
        modules = self.config.safety_modules
        watchdogs_s = {name: device.watchdog or 0.0 for name, device in modules.items()}
        self._started = True
        self.safety.start({name: self.devices[name] for name in modules}, watchdogs_s, self.choices.actor)
        self.manual.start()

    @property
    def parts(self) -> Parts:
        """What the lab service shows and does."""
        from lab.console.parts import Parts

        return Parts(
            self.config.name,
            self.world,
            self.clock,
            self.devices,
            self.safety,
            self.leases,
            self.manual,
            self.holds,
            self.audit,
            lambda: self.recipes(),  # filled in later, by whoever runs a campaign
        )

    def tell(self, key: str, text: str, guidance: str) -> None:
        """Raise an alarm for a person, without waiting for whoever keeps the alarms."""
        said = {"do": "raise", "key": key, "text": text, "guidance": guidance, "priority": "high", "source": "lab"}
        threading.Thread(target=self.safety.request, args=(said,), name=f"alarm {key}", daemon=True).start()

    def on_stop(self, by: str) -> dict[str, Callable[[], None]]:
        """After a STOP: have every recipe wait for a person, and give what stops each device.

        Where time jumps nobody can wait for a person: there, what is in work fails and the run ends.
        """
        self.stopped.set()
        if not isinstance(self.clock, JumpClock):
            self.holds.hold(CAMPAIGN, f"STOP by {by}", STOPPED)
        return {name: _stopper(self.devices[name], by) for name in stoppable(self.config)}

    def close(self) -> None:
        """Leave everything cold, end all threads, bring all records to the disk."""
        with self._resources:
            if self._started:
                self.manual.close()
                self.safety.close()
                self._end_programmes()

    def _end_programmes(self) -> None:
        """Reset every furnace: a programme left running would heat whoever closes the contactor next."""
        deadline_s = self.clock.now() + RESET_WITHIN_S
        for name in self.config.all_furnaces:
            try:
                with acting_as("operator"):
                    status = self.devices[name].set("reset-program")
                over = self.clock.event()
                status.add_callback(lambda _, over=over: over.set())
                error = status.exception() if over.wait(deadline_s) else "no answer"
            except DriverError as refusal:
                error = refusal
            if error is not None:
                self.journal.write("alarm", durable=True, device=name, text=f"programme not reset: {error}")


def _stopper(device: Any, by: str) -> Callable[[], None]:
    """What stops a device and makes sure of it, in a thread of its own and in wall time."""

    def stop() -> None:
        verb = next((verb for verb in STOPPING if verb in device.verbs), None)
        if verb is None:
            raise DriverError(f"{device.name} has no verb that stops it: go and see")
        with acting_as(by):
            status = device.set(verb)
        over = threading.Event()
        status.add_callback(lambda _: over.set())
        if not over.wait(STOP_WITHIN_S):
            raise DriverError(f"{device.name}: {verb} was not confirmed within {STOP_WITHIN_S:g} s: go and see")
        error = status.exception()
        if error is not None:
            raise error

    return stop


def jumps(clock: str | None, *, simulated: bool) -> bool:
    """Whether a choice of clock means one that jumps."""
    return (clock or ("jump" if simulated else "real")) == "jump"


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
    runtime: Path | None = None,
    wires: Wires | None = None,
    clock: Clock | None = None,
) -> OpenLab:
    """Open every instrument of a lab and make sure who it is.

    Args:
        config: The checked lab file.
        folder: Where records go; exists.
        choices: What a person chose for this run.
        runtime: Where the lab's processes meet, as `hold_lab` gave it: simulator and supervisor are then found or
            started there unless time jumps. Without it everything lives in this process.
        wires: Who answers at simulated addresses, where that is not the simulator.
        clock: The clock of `wires`, where given.

    Raises:
        UsageError: Where the lab cannot be simulated, watched or run.
        DriverError: Where an instrument does not answer, or is another one.
        DocumentError: Where the interlock file is wrong.
    """
    with ExitStack() as resources:
        return _Opening(config, folder, choices, resources).open(runtime, wires, clock)


class _Opening:
    """Opens one laboratory, part after part; what is open is closed in the opposite order.

    That is: heat off, programmes ended, buses, engines, supervisor, simulator, records.
    """

    def __init__(self, config: LabConfig, folder: Path, choices: Choices, resources: ExitStack) -> None:
        self._config, self._folder, self._choices, self._resources = config, folder, choices, resources
        self._interlocks = interlocks_of(config)
        self._simulated = {
            name for name, device in config.devices.items() if choices.simulate_all or device.place.simulated
        }
        self._world: World = "simulated" if self._simulated else "real"
        self._late = _Late()

    def open(self, runtime: Path | None, wires: Wires | None, clock: Clock | None) -> OpenLab:
        """Open everything and ask every instrument who it is."""
        config, resources = self._config, self._resources
        around = self._around(runtime, wires, clock)
        clock = around.clock
        journal = resources.enter_context(Journal(self._folder / "journal.jsonl", clock, self._world))
        links = {name: (device.driver, device.address) for name, device in config.devices.items()}
        transcript = resources.enter_context(TranscriptWriter(self._folder / "transcript.jsonl", clock, links))
        audit = AuditLog(
            self._folder / "audit.jsonl", version=version("athanor"), rules=self._interlocks.sha256, patient=False
        )
        resources.callback(audit.close)
        users = UserStore(lock_folder() / "users.json")
        rules, raised = fitted(self._interlocks, scan_interval_s(clock))
        safety = self._safety(rules, clock, journal, audit, users, runtime)
        safety.raised += raised
        leases = LeaseBook(time.monotonic, store=None if runtime is None else _kept(runtime) / "lockouts.json")
        holds = Holds(safety.held, behind=_watched(config), locks=leases.lock_outs)
        engines = [TaskEngine(clock, _documents_to(journal), holds, leases) for _ in range(len(config.furnaces) + 1)]
        for engine in engines:
            resources.callback(engine.close)
        resources.callback(_let_tasks_end, clock)
        builder = resources.enter_context(_Builder(config, clock, transcript, around.endpoints, around.results))
        if isinstance(safety, Supervised):
            resources.callback(safety.link.close)
            safety.link.start()
            builder.modules = {name: SupervisedModule(safety.link, name) for name in config.safety_modules}
        gateway = Gateway(_limits(config), rules, safety, leases, clock, journal, audit, self._late.live)
        devices = _for_each(config, lambda name: builder.build(name, config.devices[name], gateway))
        contents = Contents(
            {name: lot.formula for name, lot in config.inventory.lots.items()}, untold=_filled_by_others(config)
        )
        self._late.signals = LabSignals(rules, devices, contents, _watched(config))
        opened = self._late.opened = OpenLab(
            config=config,
            choices=self._choices,
            clock=clock,
            world=self._world,
            bench=_bench(config, devices, contents),
            gateway=gateway,
            safety=safety,
            leases=leases,
            holds=holds,
            manual=ManualControl(
                devices,
                gateway,
                leases,
                safety,
                clock,
                journal,
                holds,
                on_lease_loss={name: OnLeaseLoss(device.hold_for_s) for name, device in config.devices.items()},
            ),
            audit=audit,
            users=users,
            journal=journal,
            reservations=Reservations(clock),
            engines=engines,
            devices=devices,
            answers=_identified(config, devices, builder),
            _resources=resources.pop_all(),
        )
        return opened

    def _around(self, runtime: Path | None, wires: Wires | None, clock: Clock | None) -> Surroundings:
        """Have the simulated instruments served, in this process where time jumps."""
        config, choices = self._config, self._choices
        clock = clock or make_clock(choices.clock, simulated=len(self._simulated) == len(config.devices))
        results = self._folder / "raw"
        results.mkdir(exist_ok=True)
        if runtime is not None and not isinstance(clock, JumpClock):
            speed = clock.speed if isinstance(clock, ScaledClock) else 1.0
            how = Serving(speed, choices.seed, choices.truth, results=results, ephemeral=True)
            return simulator_of(config, how, results, self._resources)
        if wires is None and self._simulated:
            place = Path(self._resources.enter_context(tempfile.TemporaryDirectory(prefix="athanor-")))
            wires = simulate(
                config, self._simulated, clock, place, results=results, seed=choices.seed, truth=choices.truth
            )
        if wires is not None:
            self._resources.callback(wires.close)
        return Surroundings(clock, results, {} if wires is None else wires.endpoints)

    def _safety(
        self,
        rules: Interlocks,
        clock: Clock,
        journal: Journal,
        audit: AuditLog,
        users: UserStore,
        runtime: Path | None,
    ) -> SafetyLayer:
        """The safety layer: a process of its own, or inside this one where time jumps."""
        late = self._late
        if runtime is not None and not isinstance(clock, JumpClock):
            notify = self._config.file.notify
            routes = () if notify is None else notify.all
            started_here = supervisor_of(
                self._config, rules, runtime, self._resources, users=users.path, http=self._choices.http, routes=routes
            )
            return Supervised(
                self._config,
                rules,
                runtime,
                late.on_stop,
                values=late.values,
                running=late.running,
                started_here=started_here,
            )
        core = SafetyCore(
            rules,
            alarms=AlarmBook(clock.now, self._folder / "alarms.jsonl"),
            audit=audit,
            bypasses=BypassBook(clock.now),
            now=clock.now,
        )
        return SafetyMonitor(core, clock, journal, late.values, users, late.on_stop)


@contextmanager
def open_service(config: LabConfig, folder: Path, choices: Choices) -> Iterator[tuple[OpenLab, Path]]:
    """Hold a lab whose time passes by itself, open and start it; gives it and its runtime folder.

    Raises:
        UsageError, DriverError, DocumentError: Where it cannot be held, opened or started; nothing runs then.
    """
    with hold_lab(config.name, folder, shared=True) as runtime:
        opened = open_lab(config, folder, choices, runtime=runtime)
        with closing(opened):
            opened.start()
            yield opened, runtime


class _Late:
    """What the safety layer asks of the lab service, some of which is there only when everything is."""

    def __init__(self) -> None:
        self.signals: LabSignals | None = None
        self.opened: OpenLab | None = None

    def values(self) -> Mapping[str, Any]:
        return {} if self.signals is None else self.signals.values()

    def running(self) -> frozenset[str]:
        return frozenset() if self.signals is None else self.signals.running()

    def live(self, device: str) -> Mapping[str, Any]:
        return {} if self.signals is None else self.signals.live(device)

    def on_stop(self, by: str) -> Mapping[str, Callable[[], None]]:
        return {} if self.opened is None else self.opened.on_stop(by)


def _kept(runtime: Path) -> Path:
    """Where what outlives a restart is, made if need be."""
    folder = runtime / "safety"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


class DevicesError(DriverError):
    """Devices of a laboratory that cannot do what all were to do."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(f"{fault.file}:{fault.line}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)
        """What each said, with its line in the lab file."""


def _for_each(config: LabConfig, act: Callable[[str], T]) -> dict[str, T]:
    """Do something with every device.

    Raises:
        DevicesError: With what every device said that could not.
    """
    done: dict[str, T] = {}
    faults = []
    for name in config.devices:
        try:
            done[name] = act(name)
        except DriverError as error:
            faults.append(Fault(str(config.path), config.line_of(name), str(error)))
    if faults:
        raise DevicesError(faults)
    return done


def check_drivers(config: LabConfig) -> None:
    """Have every driver take what the lab file tells it; nothing is opened.

    Raises:
        DevicesError: With what every driver said that could not.
    """
    # A simulated line has no path yet; hosts and ports are names like any others.
    pretended = {name: device.address.replace("pty:sim/", "/sim/") for name, device in config.devices.items()}
    chosen = {name for name, device in config.devices.items() if device.place.wire is Wire.CHOICE}
    with _Builder(config, RealClock(), NoTranscript(), pretended, Path("raw")) as builder:
        gate = _DeniesAll()

        def take(name: str) -> None:
            # Which wire there is for sim:MODEL is the simulator's choice.
            if name not in chosen:
                builder.build(name, config.devices[name], gate)

        _for_each(config, take)


class _DeniesAll:
    """The gate of devices that are only looked over."""

    def request(self, command: Command, lease: str | None, actor: str) -> Denied:
        """Deny."""
        return Denied(command, ("this is a check of files",))


def _identified(config: LabConfig, devices: Mapping[str, Any], builder: _Builder) -> dict[str, str]:
    """Ask every instrument who it is, all buses at once and those of one bus in turn; raises as `_for_each`.

    Under a clock that jumps one bus has the turn at a time, in an order that is always the same.
    """
    asked = {name: devices[name].ask_identity() for name in config.devices}
    try:
        builder.begin()
        return _for_each(config, lambda name: asked[name].result())
    except KeyboardInterrupt:
        builder.abandon()
        raise


def _watched(config: LabConfig) -> dict[str, tuple[str, ...]]:
    """Safety module to the furnaces behind its contactor."""
    return {
        module: tuple(name for name, watcher in config.watched.items() if watcher == module)
        for module in config.safety_modules
    }


def _filled_by_others(config: LabConfig) -> set[str]:
    """Devices that hold powder, and to which no task of a sample goes."""
    holders = {name for name, device in config.devices.items() if device.kind in HOLDERS}
    return holders - {*config.furnaces, *PLACES}


def ask_everybody(config: LabConfig) -> dict[str, str]:
    """Ask every instrument who it is and change nothing: device name to its answer."""
    with tempfile.TemporaryDirectory() as folder:
        lab = open_lab(config, Path(folder), Choices())
        lab.close()
        return lab.answers


def _let_tasks_end(clock: Clock) -> None:
    """Let samples that were in work notice that their instruments are gone, and end."""
    clock.sleep_until(clock.now() + 1.0)


# ---------------------------------------------------------------- devices


class _Builder:
    """Makes drivers, one bus for all devices behind the same port."""

    def __init__(
        self, config: LabConfig, clock: Clock, transcript: Transcript, endpoints: Mapping[str, str], results: Path
    ) -> None:
        self._config = config
        self._clock = clock
        self._transcript = transcript
        self._endpoints = endpoints
        self._results = results
        self.modules: Mapping[str, SupervisedModule] = {}
        """Safety modules that another process owns."""
        self._by_port: dict[str, Bus] = {}

    def __enter__(self) -> _Builder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # All of them first: while one is waited for, no other begins anything that nobody waits for any more.
        for bus in self._by_port.values():
            bus.end()
        for bus in self._by_port.values():
            bus.close()

    def begin(self) -> None:
        """Have the buses begin: with what was asked for, before they look at anything."""
        for bus in self._by_port.values():
            bus.begin()

    def abandon(self) -> None:
        """Have the buses end, and wait for none: whoever has only asked would wait for those who are silent."""
        for bus in self._by_port.values():
            bus.end()
        self._by_port.clear()

    def build(self, name: str, device: DeviceFile, gateway: Gate) -> Any:
        from drivers.address import port_of
        from drivers.errors import BadAddressError
        from drivers.registry import build

        if name in self.modules:
            return self._supervised(name, gateway)
        endpoint = self._endpoints.get(name) or _real_endpoint(device)
        try:
            port = port_of(endpoint)
        except BadAddressError as error:
            raise BadAddressError(f"{name}: {error}") from None
        if port not in self._by_port:
            self._by_port[port] = Bus(name, self._clock, held=True)
        return build(
            name,
            device.driver,
            endpoint,
            self._options(name, device),
            gate=gateway,
            clock=self._clock,
            transcript=self._transcript,
            bus=self._by_port[port],
        )

    def _supervised(self, name: str, gateway: Gate) -> Any:
        from drivers.devices.safety_io import SafetyIO

        bus = self._by_port[name] = Bus(name, self._clock, held=True)
        poll_s = scan_interval_s(self._clock)
        module: Any = self.modules[name]
        device = SafetyIO(name, gate=gateway, clock=self._clock, bus=bus, module=module, poll_s=poll_s)
        bus.add(device)
        return device

    def _options(self, name: str, device: DeviceFile) -> dict[str, object]:
        options: dict[str, object] = device.told
        if device.place.wire in (Wire.MODBUS_RTU, Wire.SERIAL):
            options.setdefault("baud", device.baud)
            if options["baud"] is None:
                del options["baud"]
        if device.kind is Kind.SAFETY:
            options["poll"] = scan_interval_s(self._clock)
        if device.heads and "heads" in device.spec.options:
            options["heads"] = dict(device.heads)
        if device.kind is Kind.DIFFRACTOMETER:
            # Whoever stands in for it leaves its files here, whatever share the real one has.
            own = device.results is None or name in self._endpoints
            options["results"] = f"dir:{self._results}" if own else device.results
            options["programs"] = {program: time_s for program, (_, _, time_s) in programs_of(device).items()}
        return options


def _real_endpoint(device: DeviceFile) -> str:
    return device.address.removeprefix("pty:")


def _limits(config: LabConfig) -> dict[str, Limits]:
    return {
        name: Limits(limited_of(device), watched=_watched(config).get(name, ()))
        for name, device in config.devices.items()
    }


def _bench(config: LabConfig, devices: Mapping[str, Any], contents: Contents) -> Bench:
    heads = {lot: found for lot in config.inventory.lots if (found := config.head_of(lot)) is not None}
    return Bench(
        furnaces={name: devices[name] for name in config.furnaces},
        watched_by={name: devices[d.watched_by] for name, d in config.furnaces.items() if d.watched_by},
        doser=devices[config.file.stations.dose[0]],
        mover=devices[config.only(Kind.MOVER)],
        diffractometer=devices[config.file.stations.measure[0]],
        head_of={lot: number for lot, (_, number) in heads.items()},
        contents=contents,
        fits=lambda name, firing: (
            not why_unfit(config.furnaces[name], firing.peak_degc, firing.fastest_degc_per_min, firing.atmosphere)
        ),
    )


def _documents_to(journal: Journal) -> Any:
    return lambda name, document: journal.write("document", name=name, document=dict(document))
