"""A motor with a timer behind lines of text, one job at a time: what a mill and a shaker have in common.

Every look is taken twice and both must agree, and so must what the machine does and what it was told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from ophyd import Component

from drivers.bus import Job
from drivers.codecs import text_machine as wire
from drivers.codecs.text_machine import JobState, MotorStatus, State
from drivers.errors import ActionFailedError, BusyError, LimitError, about
from drivers.gate import Granted
from drivers.instrument import Leave
from drivers.pace import CLOSE_S, STEADY_S
from drivers.parts.agreement import agreed
from drivers.parts.text_instrument import TextInstrument
from drivers.signals import Reading
from drivers.status import ActionStatus

ALLOWANCE_S = 120.0
"""Lab seconds that a job may take beyond its time: spinning up, slowing down."""


class TextMotor(TextInstrument):
    """A machine that turns for a time at a speed; its stop slows down and ends the job."""

    MEASURED = ("state", "speed_rpm", "left_s", "job")
    READS: ClassVar[Mapping[str, str]] = {"speed": "speed_rpm"}

    state = Component(Reading, value="unknown", kind="normal")
    """``stop``, ``running`` or ``error``."""
    speed_rpm = Component(Reading, value=math.nan, units="rpm", precision=0, kind="hinted")
    left_s = Component(Reading, value=math.nan, units="s", precision=0, kind="normal")
    """What is left of the job under way."""
    job = Component(Reading, value="unknown", kind="normal")
    """Number and fate of the last job, as ``8 done``."""
    fault = Component(Reading, value="", kind="normal")
    """What is wrong with it or happened to it, in a sentence; empty where nothing is."""

    def __init__(self, name: str, *, limits: Mapping[str, float], **base: Any) -> None:
        super().__init__(name, **base)
        self.limits = {"speed": limits["speed"]}
        self.speed_rpm.limit(0.0, self.limits["speed"])
        self._last: int | None = None
        """The last job that is known of."""
        self._busy = False

    # -- verbs

    def _turn(self, verb: str, time_s: float, speed_rpm: float) -> ActionStatus:
        if not 0.0 < speed_rpm <= self.limits["speed"]:
            raise LimitError(
                f"{self.name}: {speed_rpm:g} rpm requested, allowed above 0 to {self.limits['speed']:g} rpm "
                "(limits.speed in the lab file)"
            )
        if not 0.0 < time_s <= wire.LONGEST_S:
            raise LimitError(f"{self.name}: {time_s:g} s requested, allowed above 0 to {wire.LONGEST_S:g} s")
        leave = self._authorize_until_stopped(verb, float(speed_rpm), "rpm")
        return self._begin(verb, self._run(time_s, speed_rpm, leave), leave[0])

    # -- jobs

    def _run(self, time_s: float, speed_rpm: float, leave: Leave) -> Job:
        before = yield from self._patiently(self._observe)
        if before.state is not State.STOP:
            raise BusyError(f"{self.name}: cannot start: its state is {before.state}{_because(before.error)}")
        self._busy = True
        try:
            number = yield from self._start_job(
                wire.start(time_s, speed_rpm), before.job, leave, parse=wire.parse_started, has_begun=self._has_begun
            )
            self._publish(fault="")
            yield from self._check_told(number, time_s, speed_rpm, leave[0])
            yield from self._await_end(number, time_s)
        finally:
            self._busy = False

    def _has_begun(self, number: int) -> bool:
        found = self._observe()
        if found.job not in (number - 1, number):
            raise ActionFailedError(
                f"{self.name}: its last job was {number - 1} and is {found.job}: was it switched off, or does "
                "somebody else command it?"
            )
        return found.job == number

    def _check_told(self, number: int, time_s: float, speed_rpm: float, grant: Granted) -> Job:
        """Make sure that it does what it was told: a line that was changed on its way may mean something else."""
        found = yield from self._patiently(self._observe)
        near = math.isclose(found.time_s, time_s, rel_tol=1e-3) and math.isclose(found.set_rpm, speed_rpm, rel_tol=1e-3)
        if found.job == number and not near:
            self._tell_stop(grant)
            raise ActionFailedError(
                f"{self.name}: was told {time_s:g} s at {speed_rpm:g} rpm and began {found.time_s:g} s at "
                f"{found.set_rpm:g} rpm: it was stopped"
            )

    def _await_end(self, number: int, time_s: float) -> Job:
        start_s = self.clock.now()
        while True:
            found = yield from self._patiently(self._observe)
            if found.job != number:
                raise ActionFailedError(
                    f"{self.name}: job {number} is followed by {found.job}: was it switched off, or does somebody else "
                    "command it?"
                )
            if found.job_state is JobState.DONE:
                return
            if found.job_state is not JobState.RUNNING:
                raise ActionFailedError(f"{self.name}: job {number} {found.job_state}{_because(found.error)}")
            now_s = self.clock.now()
            if now_s >= start_s + time_s + ALLOWANCE_S:
                raise ActionFailedError(
                    f"{self.name}: job {number} is not done after {time_s + ALLOWANCE_S:g} s, {found.left_s:g} s to go"
                )
            yield min(now_s + STEADY_S, max(now_s + CLOSE_S, start_s + time_s))

    # -- the wire

    def _is_acting(self) -> bool:
        return self._busy or self.state.get() != "stop"

    def _ask(self) -> MotorStatus:
        with about(f"{self.name}: {wire.STATUS}"):
            return wire.parse_motor(self.link.query(wire.STATUS))

    def _observe(self) -> MotorStatus:
        found = agreed(self._ask, f"{self.name}: {wire.STATUS}", MotorStatus.agrees)
        self._note_job(found)
        self._publish(
            state=found.state.lower(),
            speed_rpm=found.speed_rpm,
            left_s=found.left_s,
            job=f"{found.job} {found.job_state}",
        )
        return found

    def _note_job(self, found: MotorStatus) -> None:
        """Tell what happened behind our back."""
        before, self._last = self._last, found.job
        if found.state is State.ERROR:
            self._publish(fault=f"{self.name} is in error{_because(found.error)}")
        elif before is not None and found.job < before:
            self._publish(fault=f"{self.name} was switched off: it counts its jobs from the start again")
        elif before is not None and found.job > before and not self._busy:
            self._publish(fault=f"{self.name} was started by somebody else")

    # -- looking

    def _look(self) -> float:
        found = self._observe()
        steady = found.state is not State.RUNNING
        return self.clock.now() + (STEADY_S if steady else max(CLOSE_S, min(STEADY_S, found.left_s)))


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
