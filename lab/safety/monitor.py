"""The safety monitor: scans the safety modules, acts on what it reads, and keeps their watchdogs alive.

A task of the clock inside the lab's process. It acts first and logs after; it tells a watchdog that somebody is
there only after a complete scan with every module answering.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drivers.clock import Clock, JumpClock, ScaledClock, Task
from drivers.gate import DriverError, acting_as
from drivers.safety_io import INPUT_SIGNALS
from lab.records.journal import Journal
from lab.safety.expressions import Value
from lab.safety.interlock_file import Interlocks, Signal
from lab.safety.scan import SafetyState, reset, step

SCAN_S = 0.1
"""Wall seconds between scans where time passes by itself."""
JUMP_SCAN_S = 60.0
"""Lab seconds between scans under a jump clock; plans scan at every event that matters besides."""


def scan_interval_s(clock: Clock) -> float:
    """Lab seconds between two scans under this clock."""
    if isinstance(clock, JumpClock):
        return JUMP_SCAN_S
    return SCAN_S * clock.speed if isinstance(clock, ScaledClock) else SCAN_S


class SafetyMonitor:
    """Owns the safety state of one laboratory."""

    def __init__(self, interlocks: Interlocks, clock: Clock, journal: Journal) -> None:
        self._interval_s = scan_interval_s(clock)
        self.raised: list[str] = []
        """Timeouts that are longer than asked for, because the clock lets nobody look more often."""
        self._interlocks = replace(interlocks, signals={n: self._aged(s) for n, s in interlocks.signals.items()})
        self._clock = clock
        self._journal = journal
        self._state = SafetyState()
        self._lock = threading.Lock()
        """A reset and a scan under way at once must not undo each other."""
        self._modules: Mapping[str, Any] = {}
        self._wake = clock.event()
        self._scanned_s = -math.inf
        self._closing = False
        self._task: Task | None = None

    def tripped(self) -> tuple[str, ...]:
        """What has tripped and was not reset, first cause first; also a monitor that scans no more."""
        silent_s = self._clock.now() - self._scanned_s
        if self._task is not None and silent_s > 3 * self._interval_s:
            return (*self._state.tripped, f"the safety monitor (silent for {silent_s:.0f} s)")
        return self._state.tripped

    def values(self) -> dict[str, Value]:
        """Every signal and output as it can be believed now."""
        found = {name: self._value(signal) for name, signal in self._interlocks.signals.items()}
        for name, (device, channel) in self._interlocks.outputs.items():
            found[name] = self._value(Signal(name, device, channel, None, 0.0, 1.0, 3 * self._interval_s))
        return found

    def start(self, modules: Mapping[str, Any], watchdogs_s: Mapping[str, float]) -> None:
        """Start scanning and the watchdogs, then reset on behalf of the person who starts the lab.

        A watchdog shorter than three scans is made as long as three scans, and that is logged.
        """
        self._modules = modules
        done = [module.set("scan") for module in modules.values()]
        with acting_as("safety monitor"):
            for name, module in modules.items():
                asked_s = watchdogs_s[name]
                timeout_s = max(asked_s, 3 * self._interval_s)
                if timeout_s > asked_s:
                    self._journal.write("timeout-raised", device=name, asked_s=asked_s, used_s=timeout_s)
                    self.raised.append(f"watchdog of {name} from {asked_s:g} s to {timeout_s:g} s")
                done.append(module.set("start-watchdog", timeout_s=timeout_s))
        self._await(done)
        self._scanned_s = self._clock.now()
        self.reset("operator")
        self._task = self._clock.start("safety monitor", self._run)

    def reset(self, actor: str) -> bool:
        """Clear what is latched if no cause is left; return whether heating is possible again."""
        with self._lock:
            before, self._state = self._state, reset(self._interlocks, self._state, self.values())
        self._journal.write("reset", durable=True, actor=actor, before=before.tripped, after=self._state.tripped)
        return not self._state.tripped

    def shut(self, cause: str) -> None:
        """Trip for `cause`, which only a new start clears, and have every contactor open."""
        with self._lock:
            if cause not in self._state.tripped:
                self._state = replace(self._state, tripped=(*self._state.tripped, cause))
        with acting_as("safety monitor"):
            told = {name: self._tell(name, "open-contactor") for name in self._modules}
        for name, status in told.items():
            self._confirm_open(name, status)

    def close(self) -> None:
        """Lock heating out, leave every contactor open, and stop scanning."""
        self._closing = True
        self.shut("closing")
        self._wake.set()
        if self._task is not None:
            self._task.join()

    def _run(self) -> None:
        with acting_as("safety monitor"):
            while not self._closing:
                self._scan()
                self._wake.wait(self._clock.now() + self._interval_s)

    def _scan(self) -> None:
        with self._lock:
            before = self._state
            self._state, must_open = step(self._interlocks, before, self.values())
        for name in must_open:
            device = self._interlocks.outputs[name][0]
            if device in self._modules and self._modules[device].contactor_closed.get() != 0.0:
                self._tell(device, "open-contactor")
        if self._state != before:
            self._journal.write("safety", tripped=self._state.tripped, interlocked=sorted(self._state.interlocked))
        if all(module.comm_ok.get() for module in self._modules.values()):
            for name in self._modules:
                self._tell(name, "pet")
        self._scanned_s = self._clock.now()

    def _tell(self, name: str, verb: str) -> Any:
        """Give a module a verb; one that cannot be told anything must not keep the others from being told."""
        try:
            return self._modules[name].set(verb)
        except DriverError as error:
            self._alarm(name, f"{verb} was not sent: {error}")
            return None

    def _confirm_open(self, name: str, status: Any) -> None:
        try:
            if status is not None:
                self._await([status])
        except DriverError as error:
            # Its watchdog opens the contactor; the other modules must still be told.
            self._alarm(name, f"contactor not confirmed open: {error}")

    def _alarm(self, name: str, text: str) -> None:
        self._journal.write("alarm", durable=True, device=name, text=text)

    def _value(self, signal: Signal) -> Value:
        module = self._modules.get(signal.device)
        if module is None:
            return None
        reading: float = getattr(module, _signal_name(signal.channel)).get()
        return signal.value(None if reading != reading else reading, module.age_s.get())

    def _aged(self, signal: Signal) -> Signal:
        used_s = max(signal.max_age_s, 3 * self._interval_s)
        if used_s > signal.max_age_s:
            self.raised.append(f"greatest age of {signal.name} from {signal.max_age_s:g} s to {used_s:g} s")
        return replace(signal, max_age_s=used_s)

    def _await(self, statuses: list[Any]) -> None:
        """Wait in lab time until all have ended; raises what made one fail."""
        for status in statuses:
            over = self._clock.event()
            status.add_callback(lambda _, over=over: over.set())
            over.wait()
            error = status.exception()
            if error is not None:
                raise error


def _signal_name(channel: str) -> str:
    """The signal of a safety module that a channel of the interlock file means; channels count from 1."""
    kind, number = channel[:2], int(channel[2:])
    if kind == "di" and 1 <= number <= len(INPUT_SIGNALS):
        return INPUT_SIGNALS[number - 1]
    return {"ai1": "ai1_degc", "do1": "contactor_closed"}[channel]
