"""What the tests of the supervisor stand on: a safety module in memory, a core, and a whole real one."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from drivers.clock import RealClock
from drivers.errors import LinkError, RefusedError
from drivers.gate import Granted
from drivers.links import ModbusLink, ModbusPort
from drivers.links.modbus import Question
from drivers.links.modbus_frames import Table
from lab.safety.alarms.book import AlarmBook
from lab.safety.audit.log import AuditLog
from lab.safety.interlocks.expressions import Comparison, Live, Number, Switch
from lab.safety.interlocks.rules import Interlocks, Output, Rule, Signal
from lab.safety.judging.bypass import BypassBook
from lab.safety.judging.core import SafetyCore
from lab.safety.supervisor.checks import OutputChecks
from lab.safety.supervisor.lab import LabPresence
from lab.safety.supervisor.modules import WatchedModule
from lab.safety.supervisor.outputs import Outputs
from lab.safety.supervisor.requests import Requests
from lab.safety.supervisor.scan import Scanner
from lab.safety.supervisor.scribe import Scribe
from lab.safety.supervisor.stop import Stopper
from lab.safety.supervisor.wire import SafetyWire

REARM = 0x5AFE
OFF, RUNNING, EXPIRED = 0, 1, 2

F1, F2 = "f1.heater", "f2.heater"
OUTPUTS = {F1: Output(F1, "safety-1", "do1", 5.0), F2: Output(F2, "safety-2", "do1")}
SIGNALS = {
    "f1.door": Signal("f1.door", "safety-1", "di1", None, -math.inf, math.inf, 1.0),
    "f1.over": Signal("f1.over", "safety-1", "ai1", "degC", -20.0, 1350.0, 1.0),
    "f1.setpoint": Signal("f1.setpoint", "furnace-1", "setpoint", "degC", 0.0, 1350.0, 1.0),
}
TOO_HOT = Comparison(Live("f1.over", "degC"), ">", Number(1150.0, "degC"))
RULES = Interlocks(
    SIGNALS,
    OUTPUTS,
    (
        Rule("F1-DOOR", "interlock", F1, Switch("f1.door"), "close the door"),
        Rule("F1-OVER", "trip", F1, TOO_HOT, "check thermocouple and contactor"),
    ),
    (),
    sha256="5afe" * 16,
)

SHELL = 7
"""The process that asks, unless a test says otherwise; also the lab service's."""


class MemoryModule:
    """The registers of a safety module, with a contactor that can be welded and a wire that can break."""

    def __init__(self, name: str = "safety-1") -> None:
        self.name = name
        self.inputs = [True] * 5 + [False, True, True]
        self.coils = [False] * 4
        self.analogue = [250] + [0] * 7 + [0] * 16
        self.words = [0] * 5
        self.loop = True
        self.welded = False
        self.silent = False
        self.deaf_to: set[bool] = set()
        """Coil values that it acknowledges and does not take on."""
        self.hanging = threading.Event()
        self.hanging.set()
        self.pets: list[int] = []
        self.timeouts: list[int] = []
        self.told: list[tuple[int, bool]] = []
        self.reads = 0
        self.on_write: Callable[[int, bool], None] = lambda coil, closed: None
        self._lock = threading.Lock()

    def wire(self, timeout_s: float = 1.0) -> SafetyWire:
        """One more connection."""
        del timeout_s
        return SafetyWire(cast("ModbusLink", _Link(self)), cast("ModbusPort", _Port()), time.time)

    def watched(self, *outputs: Output, watchdog_s: float = 1.0, serial: bool = False) -> WatchedModule:
        """The module as the supervisor holds it."""
        return WatchedModule(self.name, self.wire, watchdog_s, outputs, serial=serial)

    def expire(self) -> None:
        """What the hardware does when nobody pets it."""
        self.words[2], self.coils = EXPIRED, [False] * 4
        self._pull()

    def _pull(self) -> None:
        closed = self.coils[0] and self.loop
        self.inputs[5] = closed or (self.welded and self.inputs[5])

    # -- what the link asks

    def answer(self) -> None:
        if not self.hanging.wait(0.06) or self.silent:
            raise LinkError(f"{self.name}: nobody answers")

    def write_coil(self, address: int, on: bool) -> None:
        with self._lock:
            self.told.append((address, on))
            if on and self.words[2] == EXPIRED:
                raise RefusedError(f"{self.name}: refused")
            if on not in self.deaf_to:
                self.coils[address] = on
            self._pull()
        self.on_write(address, on)

    def write_register(self, address: int, value: int) -> None:
        if address == 0:
            self.pets.append(value)
        if address == 1:
            self.timeouts.append(value)
            if self.words[2] != EXPIRED:
                self.words[2] = RUNNING
        if address == 4 and value == REARM:
            self.words[2] = RUNNING
            return
        self.words[address] = value


class _Link:
    has_checksum = True

    def __init__(self, module: MemoryModule) -> None:
        self._module = module
        self.device = module.name

    def read_together(self, questions: Sequence[Question]) -> list[tuple[int, ...]]:
        self._module.answer()
        self._module.reads += 1
        tables: dict[Table, Sequence[int]] = {
            "discrete": self._module.inputs,
            "coils": self._module.coils,
            "inputs": self._module.analogue,
            "registers": self._module.words,
        }
        return [tuple(tables[q.table][q.address : q.address + q.count]) for q in questions]

    def read_coils(self, address: int, count: int) -> tuple[bool, ...]:
        self._module.answer()
        return tuple(self._module.coils[address : address + count])

    def read_registers(self, address: int, count: int) -> tuple[int, ...]:
        self._module.answer()
        return tuple(self._module.words[address : address + count])

    def write_coil(self, address: int, on: bool, grant: Granted) -> None:
        assert grant.command.device == self.device
        self._module.answer()
        self._module.write_coil(address, on)

    def write_register(self, address: int, value: int, grant: Granted) -> None:
        assert grant.command.device == self.device
        self._module.answer()
        self._module.write_register(address, value)


class _Port:
    def close(self) -> None:
        """Nothing is open."""


@dataclass
class FakePeer:
    """A connection that remembers what was sent over it."""

    pid: int = 1
    watching: bool = False
    sent: list[Mapping[str, Any]] = field(default_factory=list)
    dropped: str | None = None

    def send(self, message: Mapping[str, Any]) -> None:
        self.sent.append(message)

    def drop(self, why: str) -> None:
        self.dropped = why


class Guard:
    """A supervisor without its process: everything but the sockets, on modules in memory."""

    def __init__(self, folder: Path, rules: Interlocks = RULES) -> None:
        self.hardware = {name: MemoryModule(name) for name in ("safety-1", "safety-2")}
        self.clock = RealClock()
        self.lock = threading.RLock()
        self.audit = AuditLog(folder / "audit.jsonl", version="1", rules=rules.sha256, patient=True)
        self.core = SafetyCore(
            rules,
            alarms=AlarmBook(self.clock.now),
            audit=self.audit,
            bypasses=BypassBook(time.monotonic),
            now=self.clock.now,
            store=folder / "latches.json",
        )
        self.modules = {
            name: module.watched(*(output for output in rules.outputs.values() if output.device == name))
            for name, module in self.hardware.items()
        }
        self.lab = LabPresence()
        self.checks = OutputChecks(self.modules.values())
        self.scribe = Scribe(self.core.settle)
        both = {"lab": self.lab, "checks": self.checks, "scribe": self.scribe}
        self.stopper = Stopper(self.core, self.lock, self.modules, **both)  # type: ignore[arg-type]
        self.scanner = Scanner(
            self.core,
            self.lock,
            self.modules,
            self.clock,
            lab=self.lab,
            checks=self.checks,
            stopper=self.stopper,
            scribe=self.scribe,
            world="simulated",
            look_within_s=5.0,
        )
        self.stopper.on_latched = self.scanner.publish
        self.outputs = Outputs(
            self.core,
            self.lock,
            self.modules,
            checks=self.checks,
            stopper=self.stopper,
            scribe=self.scribe,
            permitted=self.scanner.permitted,
        )
        self.requests = Requests(
            self.core,
            self.lock,
            lab=self.lab,
            outputs=self.outputs,
            stopper=self.stopper,
            scanner=self.scanner,
            users=None,
        )
        self.service = FakePeer()

    def scan(self, times: int = 1) -> None:
        """Scan at once, as often as asked, with the lab service beating if it has said hello."""
        for _ in range(times):
            self.lab.beat(self.service, {}, ())
            self.scanner.scan(time.monotonic())

    def ready(self) -> None:
        """Have everything be closable: the lab service there, nothing tripped."""
        self.lab.hello(self.service, SHELL, ())
        self.scan(2)
        assert self.ask("reset", actor="ada") == {"ok": True, "reasons": [], "id": 1}
        self.scan()

    def ask(self, do: str, **fields: object) -> dict[str, Any]:
        """Ask as the process of the lab service would, or as the one whose `pid` is given."""
        pid = fields.pop("pid", SHELL)
        assert isinstance(pid, int)
        answered = self.requests.answer(FakePeer(pid=pid), {"id": 1, "do": do, **fields})
        assert answered is not None
        return answered

    def causes(self) -> list[str]:
        """What has tripped."""
        return [latch.cause for latch in self.core.state.tripped]

    def close(self) -> None:
        """End all threads that can be ended."""
        for module in self.hardware.values():
            module.hanging.set()
        for watched in self.modules.values():
            watched.close()
        self.scribe.close(1.0)
        self.audit.close()


@contextmanager
def scanning(guard: Guard) -> Iterator[None]:
    """Scan in the background inside the block, as the process does, the lab service beating all the time."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            guard.scan()
            over.wait(0.01)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
