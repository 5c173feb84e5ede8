"""The text mover: carries labware, pours, mixes, cleans, changes dosing heads and opens furnace doors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from ophyd import Component

from drivers.bus import Job, Waits
from drivers.codecs import text_mover as wire
from drivers.codecs.text_mover import JobReport, JobState
from drivers.errors import ActionFailedError, CodecError, DriverError, GrantError, RefusedError, about
from drivers.gate import Granted
from drivers.instrument import Leave
from drivers.kinds import Kind
from drivers.pace import CLOSE_S, STEADY_S
from drivers.parts.agreement import agreed
from drivers.parts.reach import UNKNOWN, places
from drivers.parts.text_instrument import NotBegunError, TextInstrument
from drivers.signals import Reading
from drivers.spec import DriverSpec, Parts
from drivers.status import ActionStatus

T = TypeVar("T")

ALLOWANCE_S = 600.0
"""Lab seconds that any job may take beyond the time that it was asked to take."""
MOST_JOBS = 2**31


class TextMover(TextInstrument):
    """A mover that does one job at a time; its stop has it stand still and keep its grip."""

    KIND = "text-mover"
    VERBS: ClassVar[Mapping[str, str]] = {
        "move": "move",
        "pour": "pour",
        "mix": "mix",
        "clean": "clean",
        "head": "head",
        "door": "door",
        "look-at": "look_at",
        "stop": "halt",
    }
    LOOKS = frozenset({"look-at"})
    ASKED_AS: ClassVar[Mapping[str, tuple[str, ...]]] = {"door": ("door-open", "door-close")}

    labware = Component(Reading, value="", kind="normal")
    """Barcode at the position looked at last, empty where it is free."""
    job = Component(Reading, value="idle", kind="normal")
    """``idle``, ``busy``, ``done``, or why the last job failed."""
    inside = Component(Reading, value="", kind="normal")
    """The places that the job under way reaches into, parted by spaces; empty while none is. ``unknown`` after a
    job that failed or fell silent, until another one is done: the arm stands wherever it was."""

    def __init__(self, name: str, **base: Any) -> None:
        super().__init__(name, **base)
        self._last = 0
        """The last job that the mover is known to have been given."""

    # -- verbs

    def move(self, from_position: str, to_position: str) -> ActionStatus:
        """Carry the labware at one position to another, free one."""
        with about(self.name):
            line = wire.move(from_position, to_position)
        leave = self._authorize_until_stopped("move", to_position, subject=from_position)
        return self._do(line, leave, places((from_position, to_position)))

    def pour(self, from_position: str, to_position: str, mass_mg: float | None = None) -> ActionStatus:
        """Pour powder from one labware into another; all of it where no mass is given."""
        with about(self.name):
            line = wire.pour(from_position, to_position, mass_mg)
        leave = self._authorize_until_stopped("pour", to_position, subject=from_position)
        return self._do(line, leave, places((from_position, to_position)))

    def mix(self, position: str, time_s: float, speed_rpm: float, method: str) -> ActionStatus:
        """Mix what is in the labware at a position; methods are ball-mill, mortar and shake."""
        with about(self.name):
            line = wire.mix(position, time_s, speed_rpm, method)
        return self._do(
            line, self._authorize_until_stopped("mix", method, subject=position), places((position,)), time_s
        )

    def clean(self, position: str) -> ActionStatus:
        """Clean the labware at a position."""
        with about(self.name):
            line = wire.clean(position)
        return self._do(line, self._authorize_until_stopped("clean", subject=position), places((position,)))

    def head(self, doser: str, number: int) -> ActionStatus:
        """Put a dosing head on a doser; 0 takes the one that is there back to the rack."""
        with about(self.name):
            line = wire.head(doser, number)
        return self._do(line, self._authorize_until_stopped("head", str(number), subject=doser), doser)

    def door(self, furnace: str, open: bool) -> ActionStatus:  # noqa: A002 - what one says of a door
        """Open or close a furnace's door."""
        with about(self.name):
            line = wire.door(furnace, open)
        leave = self._authorize_until_stopped("door-open" if open else "door-close", subject=f"{furnace}.door")
        return self._do(line, leave, furnace)

    def look_at(self, position: str) -> ActionStatus:
        """Read the barcode at a position into `labware`."""
        with about(self.name):
            line = wire.ask_at(position)
        return self._begin("look-at", self._read_labware(line, position))

    # -- jobs

    def _do(self, line: str, leave: Leave, where: str, time_s: float = 0.0) -> ActionStatus:
        return self._begin(line, self._carry_out(line, leave, where, time_s), leave[0])

    def _carry_out(self, line: str, leave: Leave, where: str, time_s: float) -> Job:
        before = yield from self._find_last()
        leave[1]()
        # The arm may be on its way before the answer is here.
        inside = self.inside.get()
        self._publish(inside=f"{inside} {where}".strip(), job="busy")
        try:
            number = yield from self._start_job(
                line, before, leave, parse=wire.parse_started, has_begun=self._has_begun
            )
        except (RefusedError, NotBegunError, GrantError):
            self._publish(inside=inside, job="idle")
            raise
        except DriverError:
            self._publish(inside=UNKNOWN)
            raise
        self._last = number
        try:
            yield from self._await_end(line, number, time_s)
        except DriverError:
            self._publish(inside=UNKNOWN)
            raise
        self._publish(job="done", inside="")

    def _find_last(self) -> Waits[int]:
        """Find the number of the last job that the mover was given, by whomever; it tells only of single ones."""
        low = self._last
        if low and not (yield from self._has(low)):
            low = 0  # it was switched off, and counts from the start
        step = 1
        while (yield from self._has(low + step)):
            low, step = low + step, 2 * step
            if low > MOST_JOBS:
                raise CodecError(f"{self.name}: says that it was given {low} jobs: is it a text mover?")
        while step > 1:
            step //= 2
            if (yield from self._has(low + step)):
                low += step
        self._last = low
        return low

    def _has(self, number: int) -> Waits[bool]:
        return (yield from self._patiently(lambda: self._has_job(number)))

    def _await_end(self, line: str, number: int, time_s: float) -> Job:
        start_s = self.clock.now()
        while True:
            yield self._next_watch_s(start_s + time_s)
            report = yield from self._patiently(lambda: self._report(number))
            if report.state is JobState.DONE:
                return
            if report.state is JobState.FAILED:
                self._publish(job=f"failed: {report.reason}")
                raise ActionFailedError(f"{self.name}: {line} failed: {report.reason or 'no reason given'}")
            if self.clock.now() >= start_s + time_s + ALLOWANCE_S:
                raise ActionFailedError(
                    f"{self.name}: {line} is not done after {time_s + ALLOWANCE_S:g} s: what is in the way?"
                )

    def _next_watch_s(self, end_s: float) -> float:
        now_s = self.clock.now()
        return min(now_s + STEADY_S, max(now_s + CLOSE_S, end_s))

    def _read_labware(self, line: str, position: str) -> Job:
        barcode = yield from self._patiently(lambda: self._agreed(line, lambda reply: wire.parse_at(reply, position)))
        self._publish(labware=barcode or "")

    # -- the wire

    def _is_acting(self) -> bool:
        return bool(self.job.get() == "busy")

    def _tell_stop(self, grant: Granted) -> None:
        with about(f"{self.name}: {wire.STOP}"):
            wire.check_stopped(self.link.act(wire.STOP, grant))

    def _ask(self, line: str, parse: Callable[[str], T]) -> T:
        with about(f"{self.name}: {line}"):
            return parse(self.link.query(line))

    def _agreed(self, line: str, parse: Callable[[str], T]) -> T:
        return agreed(lambda: self._ask(line, parse), f"{self.name}: {line}")

    def _look_at_job(self, number: int) -> JobReport:
        report = self._ask(wire.ask_job(number), wire.parse_job)
        if report.number != number:
            raise CodecError(f"{self.name}: was asked for job {number} and told of job {report.number}")
        return report

    def _report(self, number: int) -> JobReport:
        """Look at a job that it was given; one that it knows no more is asked for again before that is believed."""
        for _ in range(2):
            try:
                return self._look_at_job(number)
            except RefusedError as error:
                if wire.NO_SUCH_JOB not in str(error):
                    raise
        raise ActionFailedError(f"{self.name}: knows of no job {number} any more: was it switched off?")

    def _has_job(self, number: int) -> bool:
        """Whether it was given a job; that it was not is believed where it is said twice, as lines have no checksum."""
        for _ in range(2):
            try:
                self._look_at_job(number)
            except RefusedError as error:
                if wire.NO_SUCH_JOB not in str(error):
                    raise
            else:
                return True
        return False

    def _has_begun(self, number: int) -> bool:
        """Whether it was given the job that follows the last one; raises where it knows no more of that one either."""
        if self._has_job(number):
            return True
        if number > 1 and not self._has_job(number - 1):
            raise ActionFailedError(
                f"{self.name}: had been given {number - 1} jobs and knows of no such job any more: was it switched off?"
            )
        return False

    # -- looking

    def _look(self) -> float:
        self._check_identity()
        return self.clock.now() + STEADY_S


def _build(parts: Parts) -> TextMover:
    return TextMover(**parts.base, link=parts.line(terminator=b"\n"))


DRIVER = DriverSpec(Kind.MOVER, TextMover, _build)
