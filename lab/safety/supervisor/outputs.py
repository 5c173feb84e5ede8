"""What persons and the lab service do to outputs: closing, opening, re-arming, resetting.

Making safer acts first and writes after; everything else is written to the disk first and verified by read-back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from drivers.errors import DriverError
from lab.safety.audit.chain import AuditError
from lab.safety.judging.core import SafetyCore
from lab.safety.judging.desk import Answer, answer, are_latches, refused
from lab.safety.judging.scan import STOP_BY
from lab.safety.supervisor.checks import OutputChecks, states, stop_key
from lab.safety.supervisor.modules import Sight, WatchedModule
from lab.safety.supervisor.scribe import Scribe
from lab.safety.supervisor.stop import Stopper

ANSWER_S = 1.0
"""Wall seconds in which a module must have answered a command."""
FOLLOW_S = 0.5
"""Wall seconds in which a contactor must be seen closed; one that differs from its coil trips before."""
WRITTEN_S = 2.0
"""Wall seconds that a reset waits until all that happened before is on the disk."""
STOPPING = "a STOP is under way"

Permitted = Callable[[], bool]


class Outputs:
    """The verbs that need the wires."""

    def __init__(
        self,
        core: SafetyCore,
        lock: threading.RLock,
        modules: Mapping[str, WatchedModule],
        *,
        checks: OutputChecks,
        stopper: Stopper,
        scribe: Scribe,
        permitted: Permitted,
    ) -> None:
        """Make the verbs; `permitted` tells whether the newest scan gave a permit that still holds."""
        self._core, self._lock, self._modules = core, lock, modules
        self._checks, self._stopper, self._scribe = checks, stopper, scribe
        self._permitted = permitted

    # -- closing

    def close(self, output: str, actor: str, role: str | None) -> Answer:
        """Close an output, and see that it is closed; one that is not is opened again, and the scan trips it."""
        reasons = self._why_not(output)
        if reasons:
            return refused(*reasons)
        try:
            self._core.closed(output, actor, role)
        except AuditError as error:
            return refused(str(error))
        module = self._module(output)
        self._checks.told_closed(output)
        try:
            told_s = module.close_output(output, lambda: not self._why_not(output)).result(ANSWER_S)
        except (DriverError, TimeoutError) as error:
            # Whether it was written is not known.
            self._open([output])
            return refused(str(error) or f"{output}: {module.name} did not answer in {ANSWER_S:g} s")
        return {"ok": True} if self._is_seen_closed(module, output, told_s) else self._not_closed(output)

    def _why_not(self, output: str) -> tuple[str, ...]:
        with self._lock:
            reasons = self._core.why_not_close(output)
        if self._stopper.pending:
            reasons = (STOPPING, *reasons)
        if not reasons and not self._permitted():
            reasons = ("the last scan is not complete, or too old: look at the safety modules",)
        return reasons

    def _is_seen_closed(self, module: WatchedModule, output: str, told_s: float) -> bool:
        deadline_s, after_s = told_s + FOLLOW_S, told_s
        while (sight := module.wait_for_sight(after_s, deadline_s)) is not None:
            if states(sight, module.outputs[output]) == (True, True):
                return True
            after_s = sight.begun_s
        return False

    def _not_closed(self, output: str) -> Answer:
        self._open([output])
        return refused(
            f"{output} was told to close and is not seen closed: it was opened again", *self._why_not(output)
        )

    # -- opening

    def open(self, output: str, actor: str) -> Answer:
        """Open an output; needs nothing."""
        if output not in self._core.interlocks.outputs:
            return refused(*self._core.why_not_close(output))
        acknowledged = any(_arrived(future) for future in self._open([output]))
        after = "open" if acknowledged else "told to open, no answer"
        self._scribe.do(lambda: self._core.audit.try_write("open", who=actor, device=output, after=after))
        return {"ok": True} if acknowledged else refused(f"{output}: its module did not acknowledge that it opens")

    def _open(self, outputs: Iterable[str]) -> list[Future[float]]:
        now_s = time.monotonic()
        futures: list[Future[float]] = []
        for output in outputs:
            futures += self._module(output).open([output])[output]
            self._checks.told_open([output], now_s)
        return futures

    # -- persons

    def rearm(self, name: str, actor: str, role: str | None) -> Answer:
        """Let the outputs of a module be closed again after its watchdog expired; a reset is needed besides."""
        module = self._modules.get(name)
        if module is None:
            return refused(f"no safety module is named {name!r}: there are {', '.join(self._modules)}")
        if not module.expired:
            return refused(f"{name}: its watchdog has not expired, or it does not answer: there is nothing to re-arm")
        try:
            self._core.audit.write("rearm", who=actor, role=role, device=name, before="expired", after="running")
            asked_s = time.monotonic()
            module.rearm().result(ANSWER_S)
        except (AuditError, DriverError, TimeoutError) as error:
            return refused(str(error) or f"{name} did not answer in {ANSWER_S:g} s")
        sight = module.wait_for_sight(asked_s, asked_s + ANSWER_S)
        return {"ok": True} if _runs(sight, module) else refused(f"{name}: its watchdog is still expired")

    def reset(self, request: Mapping[str, Any]) -> Answer:
        """Clear every latch whose cause is gone; what is wrong with the outputs themselves trips again at once.

        Only what the person who asks can have seen is cleared: what comes while the disk is waited for stays.
        """
        stopped_s = self._stopper.last_s
        with self._lock:
            self._stopper.latch_waiting()
            present = [[latch.cause, latch.at_s] for latch in self._core.state.tripped]
        self._scribe.settle()
        if not self._scribe.flush(WRITTEN_S):
            return refused("what happened so far is not on the disk yet: make room on the disk, then reset again")
        with self._lock:
            answered = answer(self._core, self._seen(request, present, stopped_s))
            troubles = self._checks.troubles(time.monotonic())
            for trouble in troubles:
                self._core.trip(trouble.cause, trouble.targets or None)
        self._forget_devices()
        if not troubles:
            return answered
        reasons = [f"{trouble.cause}: {self._remedy(trouble.cause)}" for trouble in troubles]
        return refused(*answered.get("reasons", ()), *reasons)

    def _seen(self, request: Mapping[str, Any], present: list[list[Any]], stopped_s: float) -> Mapping[str, Any]:
        """The request, with what it may clear."""
        seen = request.get("seen")
        if seen is None:
            seen = present
        if self._stopper.last_s != stopped_s and are_latches(seen):
            # Two STOPs share one latch: with the later one it is no longer what was seen.
            seen = [latch for latch in seen if not latch[0].startswith(STOP_BY)]
        return {**request, "seen": seen}

    def _forget_devices(self) -> None:
        """Whoever resets has seen to the devices that did not acknowledge a STOP; nothing else can tell."""
        outputs = {stop_key(output) for output in self._core.interlocks.outputs}
        for alarm in self._core.alarms.active():
            if alarm.key.startswith(stop_key("")) and alarm.key not in outputs:
                self._core.alarms.clear(alarm.key)

    def _remedy(self, cause: str) -> str:
        return "re-arm it first" if cause.startswith("watchdog of ") else "look at its contactor first"

    def _module(self, output: str) -> WatchedModule:
        return self._modules[self._core.interlocks.outputs[output].device]


def _arrived(future: Future[float]) -> bool:
    try:
        future.result(ANSWER_S)
    except (DriverError, TimeoutError):
        return False
    return True


def _runs(sight: Sight | None, module: WatchedModule) -> bool:
    return sight is not None and not module.expired
