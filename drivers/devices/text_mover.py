"""The text mover: carries labware, pours, mixes, cleans, changes dosing heads and opens furnace doors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

from ophyd import Component

from drivers.bus import Bus, Job
from drivers.clock import Clock
from drivers.codecs import text_mover as wire
from drivers.codecs.text_mover import JobState
from drivers.errors import (
    ActionFailedError,
    CodecError,
    DriverError,
    LimitError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.gate import Gate, Granted
from drivers.instrument import Instrument, Leave
from drivers.kinds import Kind
from drivers.links import LineLink
from drivers.pace import STEADY_S
from drivers.signals import Reading
from drivers.spec import DriverSpec, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

T = TypeVar("T")

ALLOWANCE_S = 600.0
"""Lab seconds that any job may take beyond the time that it was asked to take."""
WATCH_S = 1.0
"""Lab seconds between looks at a job that may end at any time."""
UNKNOWN = "unknown"
"""Where the arm is after a job that did not end well."""


class TextMover(Instrument):
    """A mover that does one job at a time."""

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

    def __init__(self, name: str, *, gate: Gate, clock: Clock, bus: Bus, link: LineLink) -> None:
        super().__init__(name, gate=gate, clock=clock, bus=bus)
        self.link = link

    # -- verbs

    def move(self, from_position: str, to_position: str) -> ActionStatus:
        """Carry the labware at one position to another, free one."""
        line = self._line(lambda: wire.move(from_position, to_position))
        leave = self._authorize_until_stopped("move", to_position, subject=from_position)
        return self._do(line, leave, _places(from_position, to_position))

    def pour(self, from_position: str, to_position: str, mass_mg: float | None = None) -> ActionStatus:
        """Pour powder from one labware into another; all of it where no mass is given."""
        line = self._line(lambda: wire.pour(from_position, to_position, mass_mg))
        leave = self._authorize_until_stopped("pour", to_position, subject=from_position)
        return self._do(line, leave, _places(from_position, to_position))

    def mix(self, position: str, time_s: float, speed_rpm: float, method: str) -> ActionStatus:
        """Mix what is in the labware at a position; methods are ball-mill, mortar and shake."""
        line = self._line(lambda: wire.mix(position, time_s, speed_rpm, method))
        return self._do(line, self._authorize_until_stopped("mix", method, subject=position), _places(position), time_s)

    def clean(self, position: str) -> ActionStatus:
        """Clean the labware at a position."""
        line = self._line(lambda: wire.clean(position))
        return self._do(line, self._authorize_until_stopped("clean", subject=position), _places(position))

    def head(self, doser: str, number: int) -> ActionStatus:
        """Put a dosing head on a doser; 0 takes the one that is there back to the rack."""
        line = self._line(lambda: wire.head(doser, number))
        return self._do(line, self._authorize_until_stopped("head", str(number), subject=doser), doser)

    def door(self, furnace: str, open: bool) -> ActionStatus:  # noqa: A002 - what one says of a door
        """Open or close a furnace's door."""
        line = self._line(lambda: wire.door(furnace, open))
        leave = self._authorize_until_stopped("door-open" if open else "door-close", subject=f"{furnace}.door")
        return self._do(line, leave, furnace)

    def look_at(self, position: str) -> ActionStatus:
        """Read the barcode at a position into `labware`."""
        line = self._line(lambda: wire.ask_at(position))
        return self._begin("look-at", self._read_labware(line))

    def halt(self) -> ActionStatus:
        """Stand still, keep the grip and begin nothing that was asked for before; a gate grants this always."""
        self._note_stop()
        grant = self._authorize("stop")
        return self._begin("stop", self._halt(grant), grant)

    def stop(self, *, success: bool = False) -> None:
        """Do the same where `success` is False; raises nothing."""
        if success:
            return
        self._note_stop()
        if self.job.get() != "busy":
            return
        try:
            self.halt()
        except DriverError as error:
            log.error("%s: could not be stopped: %s", self.name, error)

    # -- jobs

    def _do(self, line: str, leave: Leave, places: str, time_s: float = 0.0) -> ActionStatus:
        return self._begin(line, self._carry_out(line, leave, places, time_s), leave[0])

    def _carry_out(self, line: str, leave: Leave, places: str, time_s: float) -> Job:
        grant, heed_stops = leave
        heed_stops()
        number = self._start(line, grant, places)
        try:
            yield from self._await_end(line, number, time_s)
        except DriverError:
            self._publish(inside=UNKNOWN)
            raise
        self._publish(job="done", inside="")

    def _start(self, line: str, grant: Granted, places: str) -> int:
        before = self.inside.get()
        # The arm may be on its way before the answer is here.
        self._publish(inside=f"{before} {places}".strip())
        try:
            number = self._parsed(line, lambda: wire.parse_started(self.link.act(line, grant)))
        except RefusedError:
            self._publish(inside=before)
            raise
        except DriverError:
            self._publish(inside=UNKNOWN)
            raise
        self._publish(job="busy")
        return number

    def _await_end(self, line: str, number: int, time_s: float) -> Job:
        start_s = self.clock.now()
        while True:
            yield self._next_watch_s(start_s + time_s)
            report = yield from self._patiently(lambda: self._ask(wire.ask_job(number), wire.parse_job))
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
        return min(now_s + STEADY_S, max(now_s + WATCH_S, end_s))

    def _read_labware(self, line: str) -> Job:
        barcode = yield from self._patiently(lambda: self._ask(line, wire.parse_at))
        self._publish(labware=barcode or "")

    def _halt(self, grant: Granted) -> Job:
        self.link.act("STOP", grant)
        yield from ()

    # -- the wire

    def _line(self, encode: Callable[[], str]) -> str:
        try:
            return encode()
        except LimitError as error:
            raise LimitError(f"{self.name}: {error}") from error

    def _ask(self, line: str, parse: Callable[[str], T]) -> T:
        return self._parsed(line, lambda: parse(self.link.query(line)))

    def _parsed(self, line: str, parse: Callable[[], T]) -> T:
        try:
            return parse()
        except (RefusedError, CodecError) as error:
            raise type(error)(f"{self.name}: {line}: {error}") from error

    # -- looking

    def _check_identity(self) -> str:
        try:
            return f"text mover {wire.parse_identity(self.link.query('ID?'))}"
        except CodecError as error:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.url} is no text mover ({error}): is the address right in the lab file?"
            ) from error

    def _look(self) -> float:
        self._check_identity()
        return self.clock.now() + STEADY_S


def _places(*positions: str) -> str:
    """The places of positions, each once.

    >>> _places("crucibles/1", "furnace-1/1")
    'crucibles furnace-1'
    """
    return " ".join(dict.fromkeys(position.partition("/")[0] for position in positions))


def _build(parts: Parts) -> TextMover:
    return TextMover(**parts.base, link=parts.line(terminator=b"\n"))


DRIVER = DriverSpec(Kind.MOVER, TextMover, _build)
