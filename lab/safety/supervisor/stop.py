"""STOP: contactors first, over every connection at once; then the latch, the laboratory's devices, the records.

It waits for no scan, no lock and no disk before the modules have been told.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lab.safety.judging.core import SUPERVISOR, SafetyCore
from lab.safety.judging.scan import STOP_BY
from lab.safety.supervisor.checks import OutputChecks, alarm_guidance, stop_key
from lab.safety.supervisor.lab import DEVICES_ANSWER_S, LabPresence
from lab.safety.supervisor.modules import WatchedModule
from lab.safety.supervisor.scribe import Scribe

ANSWER_S = 0.3
"""Wall seconds in which a module must have acknowledged that an output was told to open."""
LATCH_S = 0.2
"""Wall seconds that a STOP waits for the lock before it leaves latching to the next scan."""

Tell = Callable[[dict[str, Any]], None]


@dataclass
class Stopped:
    """What came of one STOP."""

    acknowledged: dict[str, float | None]
    """Output to the milliseconds after which its module had answered, None where it had not."""
    devices: dict[str, str | None] = field(default_factory=dict)
    """Device of the lab service to None where it stopped, else why not; complete when `done` is set."""
    lab: bool = False
    """Whether there was a lab service to pass it on to."""
    done: threading.Event = field(default_factory=threading.Event)


class Stopper:
    """Stops everything, for anybody, as often as anybody likes."""

    def __init__(
        self,
        core: SafetyCore,
        lock: threading.RLock,
        modules: Mapping[str, WatchedModule],
        *,
        lab: LabPresence,
        checks: OutputChecks,
        scribe: Scribe,
    ) -> None:
        self._core, self._lock, self._modules = core, lock, modules
        self._lab, self._checks, self._scribe = lab, checks, scribe
        self._unlatched: deque[str] = deque()
        self.last_s = -math.inf
        """When somebody stopped last, monotonic; two STOPs may share one latch, and a reset must tell them apart."""
        self.on_latched: Callable[[], None] = lambda: None
        """Called when a STOP has been latched; must not wait."""
        self._passing = threading.Condition()
        self._to_pass: list[tuple[str, Stopped, Tell]] = []
        threading.Thread(target=self._ask_devices, name="stop devices", daemon=True).start()

    @property
    def pending(self) -> bool:
        """Whether a STOP is not latched yet: nothing may be closed and no permit be given."""
        return bool(self._unlatched)

    def stop(self, actor: str, tell: Tell = lambda event: None) -> Stopped:
        """Open everything and latch; give what the modules acknowledged, while the devices are still being asked.

        Args:
            actor: Who stops; anybody may.
            tell: Told each acknowledgement as it comes; must not wait.
        """
        begun_s = self.last_s = time.monotonic()
        self._unlatched.append(actor)
        told: dict[str, tuple[Future[float], ...]] = {}
        for module in self._modules.values():
            told |= module.open(tuple(module.outputs))
        self._checks.told_open(told, begun_s)
        latched = self._try_to_latch()
        stopped = Stopped(_acknowledged(told, begun_s, tell))
        if latched:
            self.on_latched()
        self._scribe.do(lambda: self._write(actor, stopped))
        with self._passing:
            self._to_pass.append((actor, stopped, tell))
            self._passing.notify()
        return stopped

    def latch_waiting(self) -> None:
        """Latch every STOP that is not; the caller holds the lock."""
        while self._unlatched:
            actor = self._unlatched[0]
            # One latch is enough: a thousand STOPs in a second are one STOP, and each is in the audit log.
            if not any(latch.cause.startswith(STOP_BY) for latch in self._core.state.tripped):
                self._core.stop(actor)
            self._unlatched.popleft()

    def _try_to_latch(self) -> bool:
        if not self._lock.acquire(timeout=LATCH_S):
            return False
        try:
            self.latch_waiting()
        finally:
            self._lock.release()
        return True

    # -- after the contactors

    def _write(self, actor: str, stopped: Stopped) -> None:
        self._core.audit.try_write("stop", who=actor, after=stopped.acknowledged)
        for output, answered_ms in stopped.acknowledged.items():
            if answered_ms is None and self._checks.unproved(output):
                self._raise(output, f"STOP: {output} was not acknowledged by its module", output)

    def _raise(self, name: str, text: str, output: str | None) -> None:
        outputs = self._core.interlocks.outputs
        guidance = "go there and see that it stands still" if output is None else alarm_guidance(outputs, output)
        key = stop_key(name)
        self._core.alarms.raise_(key, text=text, guidance=guidance, priority="critical", source=SUPERVISOR)

    def _ask_devices(self) -> None:
        while True:
            with self._passing:
                while not self._to_pass:
                    self._passing.wait()
                batch, self._to_pass = self._to_pass, []
            self._pass_on(batch)

    def _pass_on(self, batch: list[tuple[str, Stopped, Tell]]) -> None:
        """Pass STOPs on to the lab service as one: those that came while its devices were asked about another."""
        asked_s = time.monotonic()

        def tell_all(device: str, why_not: str | None) -> None:
            for _, _, tell in batch:
                tell(_device(device, why_not, asked_s))

        passed = self._lab.pass_stop(batch[0][0])
        answers: dict[str, str | None] = {}
        if passed is not None:
            passed.wait(asked_s + DEVICES_ANSWER_S, tell_all)
            answers = {**passed.answers, **dict.fromkeys(passed.silent, "no answer")}
        self._alarm_devices(answers)
        for _, stopped, _ in batch:
            stopped.lab, stopped.devices = passed is not None, answers
            stopped.done.set()

    def _alarm_devices(self, answers: Mapping[str, str | None]) -> None:
        for device, why_not in answers.items():
            if why_not is not None:
                text = f"STOP: {device} did not acknowledge it: {why_not}"
                self._scribe.do(partial(self._raise, device, text, None))


def _acknowledged(told: Mapping[str, tuple[Future[float], ...]], begun_s: float, tell: Tell) -> dict[str, float | None]:
    """Wait for the first answer for each output; what no lane has answered in time is None."""
    acknowledged: dict[str, float | None] = dict.fromkeys(told)
    waiting = {future: output for output, futures in told.items() for future in futures}
    while waiting and (left_s := begun_s + ANSWER_S - time.monotonic()) > 0:
        done, _ = wait(waiting, left_s, FIRST_COMPLETED)
        for future in done:
            output = waiting.pop(future)
            if future.exception() is None and acknowledged[output] is None:
                answered_ms = round(1000.0 * max(0.0, future.result() - begun_s), 2)
                acknowledged[output] = answered_ms
                tell({"output": output, "ms": answered_ms})
        waiting = {future: output for future, output in waiting.items() if acknowledged[output] is None}
    for output in (name for name, ms in acknowledged.items() if ms is None):
        tell({"output": output, "ms": None})
    return acknowledged


def _device(device: str, why_not: str | None, asked_s: float) -> dict[str, Any]:
    answered_ms = round(1000.0 * (time.monotonic() - asked_s), 2)
    return {"device": device, "ms": None if why_not else answered_ms, "why": why_not}
