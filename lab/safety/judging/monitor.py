"""The safety core inside the laboratory's process, where time jumps: a task of the clock that scans and acts.

It acts first and logs after; it tells a watchdog that somebody is there only after a scan that this module
answered and that was judged to its end. Where time passes by itself, the supervisor does this in a process of
its own (`lab.safety.supervisor`).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from drivers.clock import Clock, Task
from drivers.devices.safety_io import ANALOGUE_SIGNALS, COIL_SIGNALS, INPUT_SIGNALS
from drivers.gate import DriverError, acting_as
from lab.records.journal import Journal, JournalError
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Output, Signal
from lab.safety.judging.core import SafetyCore
from lab.safety.judging.desk import answer
from lab.safety.judging.pace import SCANS_TO_NOTICE, scan_interval_s, watchdog_s
from lab.safety.judging.scan import Action, ActionKind, Readings, with_rises

if TYPE_CHECKING:
    from lab.safety.people.users import UserStore

ACTOR = "safety monitor"
ACTED_ON = frozenset({"stop", "reset", "approve", "end-bypass"})
"""Requests after which a scan is made at once; others change nothing that a scan acts on."""
ANSWER_S = 60.0
"""Lab seconds in which a module must have ended a verb."""


class SafetyMonitor:
    """Owns the safety state of one laboratory; a `lab.safety.judging.watch.Watch`."""

    def __init__(
        self,
        core: SafetyCore,
        clock: Clock,
        journal: Journal,
        lab_values: Callable[[], Mapping[str, Value]],
        users: UserStore | None = None,
        on_stop: Callable[[str], Mapping[str, Callable[[], None]]] = lambda by: {},
    ) -> None:
        """Make the monitor; nothing is scanned before `start`.

        Args:
            core: Judges, with rules that fit the clock.
            clock: Lab time.
            journal: Where alarms and changes are noted.
            lab_values: The signals of the lab service as they can be believed now.
            users: Who may approve a bypass.
            on_stop: Given who stopped, what stops each device.
        """
        self._interval_s = scan_interval_s(clock)
        self.raised: list[str] = []
        """Timeouts that are longer than asked for, because the clock lets nobody look more often."""
        self.core = core
        self._clock = clock
        self._journal = journal
        self._lab_values = lab_values
        self._users = users
        self._on_stop = on_stop
        self._lock = threading.RLock()
        """A reset and a scan under way at once must not undo each other."""
        self._modules: Mapping[str, Any] = {}
        self._wake = clock.event()
        self._scanned_s = -math.inf
        self._closing = False
        self._task: Task | None = None

    # -- what others ask

    def tripped(self) -> tuple[str, ...]:
        """What has tripped and was not reset, first cause first; also a monitor that scans no more."""
        causes = tuple(latch.cause for latch in self.core.state.tripped)
        silent_s = self._clock.now() - self._scanned_s
        if self._task is not None and silent_s > SCANS_TO_NOTICE * self._interval_s:
            return (*causes, f"the safety monitor (silent for {silent_s:.0f} s)")
        return causes

    def values(self) -> dict[str, Value]:
        """Every signal, output and rise as it can be believed now."""
        return with_rises(self.core.interlocks, self._read(), self.core.state.history)

    def held(self) -> frozenset[str]:
        """Devices whose recipes a hold rule makes wait."""
        return self.core.state.held

    def bypassed(self) -> frozenset[str]:
        """Ids of the rules that are bypassed now."""
        return frozenset(self.core.bypasses.active())

    def snapshot(self) -> dict[str, Any]:
        """Everything that a person is shown, as JSON."""
        with self._lock:
            return {
                **self.core.snapshot(),
                "monotonic": time.monotonic(),
                "permit_until": None,
                "modules": {name: _shown(module) for name, module in self._modules.items()},
                "world": self._journal.world,
            }

    def request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request of a person; may be called from any thread."""
        with self._lock:
            if self._modules:
                self.core.observe(self._readings())
            answered = answer(self.core, message, self._users)
        if message.get("do") == "stop":
            self._stop_devices(str(message.get("actor") or "somebody"))
        if message.get("do") in ACTED_ON:
            # At the next turn, before lab time goes on.
            self._wake.set()
        return answered

    def _stop_devices(self, by: str) -> None:
        """Have every device stop too, each in a thread of its own; the contactors are opened by the scan."""
        for name, stop in self._on_stop(by).items():
            threading.Thread(target=self._stop_device, args=(name, stop), name=f"stop {name}", daemon=True).start()

    def _stop_device(self, name: str, stop: Callable[[], None]) -> None:
        try:
            stop()
        except DriverError as error:
            self._alarm(name, f"did not stop: {error}")

    # -- life

    def start(self, modules: Mapping[str, Any], watchdogs_s: Mapping[str, float], actor: str) -> None:
        """Start scanning and the watchdogs, then reset on behalf of the person who starts the lab.

        A watchdog shorter than three scans is made as long as three scans, and that is logged.
        """
        self._modules = modules
        done = [module.set("scan") for module in modules.values()]
        with acting_as(ACTOR):
            for name, module in modules.items():
                asked_s = watchdogs_s[name]
                timeout_s = watchdog_s(asked_s, self._interval_s)
                if timeout_s > asked_s:
                    self._journal.write("timeout-raised", device=name, asked_s=asked_s, used_s=timeout_s)
                    self.raised.append(f"watchdog of {name} from {asked_s:g} s to {timeout_s:g} s")
                done.append(module.set("start-watchdog", timeout_s=timeout_s))
        self._await(done)
        with acting_as(ACTOR):
            self._scan()
        self.reset(actor)
        self._task = self._clock.start(ACTOR, self._run)

    def reset(self, actor: str) -> tuple[str, ...]:
        """Clear what is latched and has no cause any more; gives why something stays latched."""
        with self._lock:
            self.core.observe(self._readings())
            why = self.core.reset(actor)
        self._journal.write("reset", durable=True, actor=actor, after=[la.cause for la in self.core.state.tripped])
        return why

    def shut(self, cause: str) -> None:
        """Trip for `cause` and have every contactor open."""
        with self._lock:
            self.core.trip(cause)
        with acting_as(ACTOR):
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

    # -- scanning

    def _run(self) -> None:
        with acting_as(ACTOR):
            while not self._closing:
                self._wake.clear()
                self._scan()
                self._wake.wait(self._clock.now() + self._interval_s)

    def _scan(self) -> None:
        with self._lock:
            before = self.core.state
            actions = self.core.scan(self._readings())
        for action in actions:
            self._act(action)
        with self._lock:
            self.core.settle()
            after = self.core.state
        if (after.tripped, after.interlocked) != (before.tripped, before.interlocked):
            tripped = [latch.cause for latch in after.tripped]
            self._note("safety", tripped=tripped, interlocked=sorted(after.interlocked))
        self._scanned_s = self._clock.now()

    def _readings(self) -> Readings:
        return Readings(
            now_s=self._clock.now(),
            values=self._read(),
            complete=frozenset(name for name, module in self._modules.items() if module.comm_ok.get()),
            commanded={
                name: _switched(self._modules[output.device].contactor_permit.get())
                for name, output in self.core.interlocks.outputs.items()
                if output.device in self._modules and output.channel == "do1"
            },
        )

    def _act(self, action: Action) -> None:
        if action.kind is ActionKind.TOGGLE:
            self._tell(action.target, "pet")
            return
        output = self.core.interlocks.outputs[action.target]
        # Nobody can close the other outputs here: the driver has no verb for them, and the module powers up open.
        if output.device in self._modules and output.channel == "do1":
            self._tell(output.device, "open-contactor")

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
        self.core.alarms.raise_(
            f"module:{name}",
            text=f"{name}: {text}",
            guidance="look at the module and its contactor",
            priority="critical",
            source=ACTOR,
        )
        self._note("alarm", durable=True, device=name, text=text)

    def _note(self, kind: str, *, durable: bool = False, **fields: object) -> None:
        """Write down what has been done already: a journal that fails is an alarm, and keeps nobody from acting."""
        try:
            self._journal.write(kind, durable=durable, **fields)
        except JournalError as error:
            self.core.alarms.raise_(
                "journal", text=str(error), guidance="make room on the disk", priority="high", source=ACTOR
            )

    # -- reading

    def _read(self) -> dict[str, Value]:
        found = {name: self._value(signal) for name, signal in self.core.interlocks.signals.items() if signal.own}
        found.update(self._lab_values())
        for name, output in self.core.interlocks.outputs.items():
            found[name] = self._output(output)
        for signal in self.core.interlocks.signals.values():
            if signal.quality is not None and found.get(signal.quality) is not True:
                found[signal.name] = None
        return found

    def _output(self, output: Output) -> Value:
        most_s = SCANS_TO_NOTICE * self._interval_s
        return self._value(Signal(output.name, output.device, output.channel, None, 0.0, 1.0, most_s))

    def _value(self, signal: Signal) -> Value:
        module = self._modules.get(signal.device)
        if module is None:
            return None
        reading: float = getattr(module, _signal_name(signal.channel)).get()
        return signal.value(_known(reading), module.age_s.get())

    def _await(self, statuses: list[Any]) -> None:
        """Wait in lab time until all have ended.

        Raises:
            DriverError: What made one fail, or that one has not ended within `ANSWER_S`.
        """
        deadline_s = self._clock.now() + ANSWER_S
        for status in statuses:
            over = self._clock.event()
            status.add_callback(lambda _, over=over: over.set())
            if not over.wait(deadline_s):
                raise DriverError(
                    f"{status.device}: {status.action} did not end within {ANSWER_S:g} s: look at the module"
                )
            error = status.exception()
            if error is not None:
                raise error


def _shown(module: Any) -> dict[str, Any]:
    """A safety module as people are shown it; None is unknown."""
    return {
        "inputs": [_switched(getattr(module, name).get()) for name in INPUT_SIGNALS],
        "coils": [_switched(getattr(module, name).get()) for name in COIL_SIGNALS],
        "analogue": [_known(getattr(module, name).get()) for name in ANALOGUE_SIGNALS],
        "watchdog": module.watchdog.get(),
        "age_s": module.age_s.get() if math.isfinite(module.age_s.get()) else None,
    }


def _known(reading: float) -> Value:
    return None if reading != reading else reading


def _switched(reading: float) -> bool | None:
    return None if reading != reading else bool(reading)


def _signal_name(channel: str) -> str:
    """The signal of a safety module that a channel of the interlock file means; channels count from 1."""
    kind, number = channel[:2], int(channel[2:])
    if kind == "di":
        return INPUT_SIGNALS[number - 1]
    if kind == "do":
        return ("contactor_closed", *COIL_SIGNALS[1:])[number - 1]
    return ANALOGUE_SIGNALS[number - 1]
