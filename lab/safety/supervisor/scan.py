"""The scan: look at every module, judge, act, and only then tell anybody; ten times a second on a fixed grid.

It runs in the main thread. What is not expected ends the process, and the modules' watchdogs open everything.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import wait
from functools import partial
from typing import Any

from drivers.clock import ScaledClock
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Signal
from lab.safety.judging.core import SUPERVISOR, SafetyCore
from lab.safety.judging.pace import SCAN_S, SCANS_TO_NOTICE
from lab.safety.judging.scan import Action, ActionKind, Readings
from lab.safety.supervisor.checks import OutputChecks, Unopened, alarm_guidance, states
from lab.safety.supervisor.lab import LabPresence
from lab.safety.supervisor.modules import Sight, WatchedModule
from lab.safety.supervisor.scribe import Scribe
from lab.safety.supervisor.stop import Stopper

LOOK_WITHIN_S = 0.06
"""Wall seconds that a scan waits for its modules."""
OLDEST_S = 1.5 * SCAN_S
"""How long before a scan a module may have been asked for what counts in it."""
PERMIT_S = 1.0
"""How long a permit holds, from the beginning of the last scan that every module was read in."""
LATE_S = SCANS_TO_NOTICE * SCAN_S
"""A scan that ends so much after it was due gives no permit and pets nobody."""
OUTPUT_AGE_S = 1.0
"""Wall seconds after which what an output was seen to be is not known any more."""


class Scanner:
    """Scans until it is closed."""

    def __init__(
        self,
        core: SafetyCore,
        lock: threading.RLock,
        modules: Mapping[str, WatchedModule],
        clock: ScaledClock,
        *,
        lab: LabPresence,
        checks: OutputChecks,
        stopper: Stopper,
        scribe: Scribe,
        world: str,
        look_within_s: float = LOOK_WITHIN_S,
    ) -> None:
        """Make the scanner.

        Args:
            core: Judges; with rules that fit the clock.
            lock: Held for every call of `core`.
            modules: By name.
            clock: Lab time.
            lab: The lab service, or its absence.
            checks: Compares what outputs are told with what they do.
            stopper: STOPs that wait to be latched.
            scribe: Writes down.
            world: ``real`` or ``simulated``, for whoever sees a snapshot.
            look_within_s: Wall seconds that a scan waits for its modules.
        """
        self._core, self._lock, self._modules, self._clock = core, lock, modules, clock
        self._lab, self._checks, self._stopper, self._scribe = lab, checks, stopper, scribe
        self._world = world
        self.look_within_s = look_within_s
        self._closing = False
        self._wake = threading.Event()
        self._silent: frozenset[str] = frozenset()
        self._seen: dict[str, Sight | None] = {}
        self._permit_until_s: float | None = None
        self._publishing = threading.Lock()
        """An older snapshot never comes after a newer one."""
        self.snapshot: dict[str, Any] = {}
        """The newest one."""
        self.subscribers: list[Callable[[dict[str, Any]], None]] = []
        """Told of every snapshot, when a scan has been acted on; must not wait."""

    def run(self) -> None:
        """Scan on the grid, and once between where asked to; a scan that was missed is not made up for.

        After the last one there is no permit.
        """
        due_s = time.monotonic()
        while not self._closing:
            self.scan(due_s)
            due_s += SCAN_S * max(1, math.ceil((time.monotonic() - due_s) / SCAN_S))
            if self._wake.wait(max(0.0, due_s - time.monotonic())) and not self._closing:
                self._wake.clear()
                self.scan(time.monotonic())
                # Not more than one between: nobody may keep the process scanning all the time.
                time.sleep(max(0.0, due_s - time.monotonic()))
        # Whoever ends the process opens everything next, and nothing may be closed behind that.
        self._permit_until_s = None

    def permitted(self) -> bool:
        """Whether a recent scan was complete and none since was late: without that nothing hazardous may start."""
        until_s = self._permit_until_s
        return until_s is not None and time.monotonic() < until_s and not self._stopper.pending

    def end(self) -> None:
        """Make no further scan than the next; may be called from a signal handler."""
        # A flag, not an event: a handler that runs while its own thread holds the event's lock would wait for ever.
        self._closing = True

    def scan_soon(self) -> None:
        """Make a scan now where none has been made out of turn since the last one that was due."""
        self._wake.set()

    def scan(self, due_s: float) -> None:
        """Make one scan that was due at a monotonic time."""
        begun_s = time.monotonic()
        complete = self._look(begun_s)
        with self._lock:
            self._stopper.latch_waiting()
            for trouble in self._checks.troubles(time.monotonic()):
                self._core.trip(trouble.cause, trouble.targets or None)
            actions = self._core.scan(self._readings(complete))
        on_time = time.monotonic() - due_s <= LATE_S
        self._act(actions, begun_s, on_time=on_time)
        if not on_time:
            self._permit_until_s = None
        elif complete == self._modules.keys():
            self._permit_until_s = begun_s + PERMIT_S
        self.publish()
        for unopened in self._checks.unopened(time.monotonic()):
            self._scribe.do(partial(self._alarm, unopened))
        self._scribe.settle()

    # -- looking

    def _look(self, begun_s: float) -> frozenset[str]:
        """Have all modules read; gives those that have answered everything since the last scan.

        Whoever needs longer than a scan waits counts with the next one. A module that did not count last time is not
        waited for: it delays nobody.
        """
        looks = {name: module.look() for name, module in self._modules.items()}
        wait([look for name, look in looks.items() if name not in self._silent], self.look_within_s)
        sights = {name: module.sight for name, module in self._modules.items()}
        complete = frozenset(
            name
            for name, sight in sights.items()
            if sight is not None and sight is not self._seen.get(name) and begun_s - sight.begun_s <= OLDEST_S
        )
        self._silent, self._seen = frozenset(self._modules) - complete, sights
        return complete

    def _readings(self, complete: frozenset[str]) -> Readings:
        lab = self._lab.look()
        values: dict[str, Value] = {}
        for name, signal in self._core.interlocks.signals.items():
            if signal.own:
                values[name] = self._value(signal)
            else:
                values[name] = signal.value(lab.values.get(name), lab.age_s * self._clock.speed)
        commanded: dict[str, Value] = {}
        for name, output in self._core.interlocks.outputs.items():
            most_s = OUTPUT_AGE_S * self._clock.speed
            values[name] = self._value(Signal(name, output.device, output.channel, None, 0.0, 1.0, most_s))
            sight = self._sight(output.device)
            commanded[name] = None if sight is None or values[name] is None else states(sight, output)[0]
        for name, signal in self._core.interlocks.signals.items():
            if signal.quality is not None and values.get(signal.quality) is not True:
                values[name] = None
        now_s = self._clock.now()
        return Readings(
            now_s=now_s,
            values=values,
            complete=complete,
            lab_alive=lab.alive,
            lab_heard_s=now_s - lab.age_s * self._clock.speed,
            lab_left=lab.left,
            running=lab.running,
            commanded=commanded,
        )

    def _value(self, signal: Signal) -> Value:
        module = self._modules.get(signal.device)
        if module is None:
            return None
        reading, age_s = module.channel(signal.channel)
        return signal.value(reading, age_s * self._clock.speed)

    def _sight(self, device: str) -> Sight | None:
        module = self._modules.get(device)
        return None if module is None else module.sight

    # -- acting

    def _act(self, actions: Iterable[Action], begun_s: float, *, on_time: bool) -> None:
        outputs = self._core.interlocks.outputs
        opened = [action.target for action in actions if action.kind is ActionKind.OPEN]
        for name in opened:
            module = self._modules.get(outputs[name].device)
            if module is not None:
                module.open([name])
        self._checks.told_open(opened, time.monotonic())
        for action in actions:
            if action.kind is ActionKind.TOGGLE and on_time:
                self._modules[action.target].toggle(begun_s)

    # -- telling

    def publish(self) -> None:
        """Show everybody how things stand now: after each scan, and when somebody has changed something."""
        with self._publishing:
            with self._lock:
                snapshot = self._core.snapshot()
            snapshot |= {
                "monotonic": time.monotonic(),
                "permit_until": self._permit_until_s if self.permitted() else None,
                "modules": {name: module.to_json() for name, module in self._modules.items()},
                "world": self._world,
            }
            self.snapshot = snapshot
            for tell in self.subscribers:
                tell(snapshot)

    def _alarm(self, unopened: Unopened) -> None:
        if unopened.why is None:
            for key in (unopened.key, unopened.stop_key):
                self._core.alarms.clear(key)
            return
        self._core.alarms.raise_(
            unopened.key,
            text=unopened.why,
            guidance=alarm_guidance(self._core.interlocks.outputs, unopened.output),
            priority="critical",
            source=SUPERVISOR,
        )
