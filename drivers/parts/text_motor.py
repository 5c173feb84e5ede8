"""A motor with a timer behind lines of text, one job at a time: what a mill and a shaker have in common.

The wire has no checksum, so every look is taken twice and both must agree. A job whose reply was lost is settled by its
number: the machine counts its jobs, and is told again only when it has not begun one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Mapping
from typing import Any, ClassVar, TypeVar

from ophyd import Component

from drivers.bus import Job
from drivers.codecs import text_machine as wire
from drivers.codecs.text_machine import JobState, MotorStatus, State
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CodecError,
    DriverError,
    LimitError,
    LinkError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.gate import Granted
from drivers.instrument import Instrument, Leave
from drivers.links import LineLink
from drivers.pace import CLOSE_S, STEADY_S
from drivers.parts.agreement import agreed
from drivers.signals import Reading
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

T = TypeVar("T")

ALLOWANCE_S = 120.0
"""Lab seconds that a job may take beyond its time: spinning up, slowing down."""
TRIES = 3
"""How often a job is told that the machine has not begun."""


class TextMotor(Instrument):
    """A machine that turns for a time at a speed."""

    KIND: ClassVar[str] = ""
    """What it calls itself."""
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

    def __init__(self, name: str, *, link: LineLink, limits: Mapping[str, float], **base: Any) -> None:
        super().__init__(name, **base)
        self.link = link
        self.limits = {"speed": limits["speed"]}
        self.speed_rpm.limit(0.0, self.limits["speed"])
        self._serial: str | None = None
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

    def halt(self) -> ActionStatus:
        """Slow down and end the job; a gate grants this always."""
        self._note_stop()
        grant = self._authorize("stop")
        return self._begin("stop", self._halt(grant), grant)

    def stop(self, *, success: bool = False) -> None:
        """Do the same where `success` is False and it runs; raises nothing."""
        if success:
            return
        self._note_stop()
        if not self._busy and self.state.get() == "stop":
            return
        try:
            self.halt()
        except DriverError as error:
            log.error("%s: could not be stopped: %s", self.name, error)

    # -- jobs

    def _run(self, time_s: float, speed_rpm: float, leave: Leave) -> Job:
        before = yield from self._patiently(self._observe)
        if before.state is not State.STOP:
            raise BusyError(f"{self.name}: cannot start: its state is {before.state}{_because(before.error)}")
        self._busy = True
        try:
            number = yield from self._start(wire.start(time_s, speed_rpm), before.job, leave)
            self._publish(fault="")
            yield from self._check_told(number, time_s, speed_rpm, leave[0])
            yield from self._await_end(number, time_s)
        finally:
            self._busy = False

    def _start(self, line: str, before: int, leave: Leave) -> Generator[float | None, None, int]:
        """Start a job, and give its number; told again only where the machine says that it has begun none."""
        grant, heed_stops = leave
        for attempt in range(TRIES):
            heed_stops()
            try:
                number = self._parsed(line, lambda: wire.parse_started(self.link.act(line, grant)))
            except RefusedError:
                # Refused because it is at what it was told before, or because it cannot.
                if attempt == 0:
                    raise
            except (LinkError, CodecError) as error:
                log.warning("%s: %s was not answered (%s): it is asked what it does", self.name, line, error)
            else:
                if number == before + 1:
                    return number
            for _ in range(2):
                yield self.clock.now() + CLOSE_S
                found = yield from self._patiently(self._observe)
                if found.job == before + 1:
                    return found.job
            if found.job != before:
                raise ActionFailedError(
                    f"{self.name}: its last job was {before} and is {found.job}: was it switched off, or does "
                    "somebody else command it?"
                )
        raise ActionFailedError(f"{self.name}: was told {line} {TRIES} times and has not begun")

    def _check_told(self, number: int, time_s: float, speed_rpm: float, grant: Granted) -> Job:
        """Make sure that it does what it was told: a line that was changed on its way may mean something else."""
        found = yield from self._patiently(self._observe)
        near = math.isclose(found.time_s, time_s, rel_tol=1e-3) and math.isclose(found.set_rpm, speed_rpm, rel_tol=1e-3)
        if found.job == number and not near:
            self._parsed(wire.STOP, lambda: wire.check_stopped(self.link.act(wire.STOP, grant)))
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

    def _halt(self, grant: Granted) -> Job:
        for attempt in range(TRIES):
            try:
                self._parsed(wire.STOP, lambda: wire.check_stopped(self.link.act(wire.STOP, grant)))
                break
            except (LinkError, CodecError):
                if attempt == TRIES - 1:
                    raise
        self.bus.hasten(self.name)
        yield from ()

    # -- the wire

    def _parsed(self, line: str, parse: Callable[[], T]) -> T:
        try:
            return parse()
        except (RefusedError, CodecError) as error:
            raise type(error)(f"{self.name}: {line}: {error}") from error

    def _ask(self) -> MotorStatus:
        return self._parsed(wire.STATUS, lambda: wire.parse_motor(self.link.query(wire.STATUS)))

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

    def _check_identity(self) -> str:
        try:
            serial = agreed(lambda: wire.parse_identity(self.KIND, self.link.query("ID?")), f"{self.name}: ID?")
        except CodecError as error:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.url} is no {self.KIND} ({error}): is the address right in the lab file?"
            ) from error
        if self._serial not in (None, serial):
            raise WrongInstrumentError(
                f"{self.name}: {serial} answers at {self.link.url}, and {self._serial} did before: was it exchanged?"
            )
        self._serial = serial
        return f"{self.KIND} {serial}"

    def _look(self) -> float:
        found = self._observe()
        steady = found.state is not State.RUNNING
        return self.clock.now() + (STEADY_S if steady else max(CLOSE_S, min(STEADY_S, found.left_s)))


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
