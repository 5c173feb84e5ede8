"""How one talks to a reflectance spectrometer: settings are read back, and acquisitions are counted.

Commands are not answered (docs/wires.md). So what is set is asked for, and whether an acquisition was begun is known
from the instrument's own count: it is never begun a second time because nobody heard of the first.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ophyd import Component

from drivers.bus import Job, Waits
from drivers.codecs import reflectance_spectrometer as wire
from drivers.codecs.reflectance_spectrometer import Lamp, Limits, Spectrum, State
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CodecError,
    DriverError,
    LinkError,
    RefusedError,
    WrongInstrumentError,
    about,
)
from drivers.gate import Granted
from drivers.links.opening import NotOpenError
from drivers.parts.agreement import agreed
from drivers.parts.one_at_a_time import OneAtATime
from drivers.signals import Reading

log = logging.getLogger(__name__)

T = TypeVar("T")

WATCH_S = 1.0
"""Lab seconds between looks at an acquisition."""
ALLOWANCE_S = 60.0
"""Lab seconds that an acquisition may take beyond twice its integration."""
TRIES = 3
"""How often what can be seen to be taken is sent where it is not."""
ERRORS = 20
"""More entries than this an error queue does not hold."""


@dataclass(frozen=True)
class Shot:
    """How one acquisition is made."""

    settings: tuple[tuple[str, str], ...]
    integration_ms: float
    averages: int

    @property
    def duration_s(self) -> float:
        """How long the light is collected."""
        return self.integration_ms * self.averages / 1000.0


class SpectrometerLine(OneAtATime):
    """What all verbs of a reflectance spectrometer are made of."""

    state = Component(Reading, value="unknown", kind="normal")
    """``idle``, ``busy``, ``done`` or ``err``."""
    lamp = Component(Reading, value="unknown", kind="normal")
    """``off``, ``warming`` or ``on``."""
    dark_ms = Component(Reading, value=math.nan, units="ms", precision=3, kind="normal")
    """Integration time that the dark reference is for; NaN where there is none."""
    white_ms = Component(Reading, value=math.nan, units="ms", precision=3, kind="normal")
    """The same of the white reference."""
    changed = Component(Reading, value="", kind="normal")
    """What happened to the instrument that nobody asked for; empty where nothing did."""
    serial = Component(Reading, value="", kind="config")
    model = Component(Reading, value="", kind="config")

    def __init__(self, name: str, *, serial: str | None = None, **base: Any) -> None:
        super().__init__(name, **base)
        self._meant = serial
        self._limits: Limits | None = None
        self._count: int | None = None
        """Acquisitions that the instrument had begun when it was last asked."""

    # -- parts of jobs

    def _check_ready(self, command: str, shot: Shot) -> None:
        """Refuse what would give no spectrum."""
        self._check_idle(command)
        lamp = self._ask_lamp()
        if command != wire.REFERENCE_DARK and lamp is not Lamp.ON:
            raise RefusedError(f"{self.name}: {command}: the lamp is {lamp.lower()}: lamp-on first, and wait for it")
        references = self._ask_references()
        needed = {
            wire.REFERENCE_DARK: {},
            wire.REFERENCE_WHITE: {"dark": references.dark_ms},
            wire.MEASURE: {"dark": references.dark_ms, "white": references.white_ms},
        }[command]
        missing = [name for name, taken_ms in needed.items() if taken_ms != shot.integration_ms]
        if missing:
            raise RefusedError(
                f"{self.name}: {command}: there is no {' and no '.join(missing)} reference of "
                f"{shot.integration_ms:g} ms: take {' and '.join(f'reference-{name}' for name in missing)} first"
            )

    def _check_idle(self, command: str) -> None:
        if self._ask_state() is State.BUSY:
            raise BusyError(f"{self.name}: {command}: acquires something that nobody here asked for: wait for its end")

    def _start(self, command: str, before: int, grant: Granted) -> Waits[int]:
        """Begin, once; whether it has begun is asked for by the instrument's count, as commands are not answered."""
        cause: LinkError | None = None
        try:
            self.link.send(command, grant)
        except NotOpenError:
            raise  # nothing was sent
        except LinkError as error:
            cause = error
        try:
            count = yield from self._patiently(self._ask_count)
        except DriverError as lost:
            raise ActionFailedError(
                f"{self.name}: whether {command} was begun is unknown ({lost}): ask for its state before it is repeated"
            ) from (cause or lost)
        if count == before:
            raise ActionFailedError(
                f"{self.name}: {command} was not begun ({cause or self._errors()}): it may be asked for again"
            ) from cause
        if count != before + 1:
            raise ActionFailedError(
                f"{self.name}: has begun {count} acquisitions, and {before} before {command}: it was switched off and "
                "on, or somebody else uses it"
            )
        return count

    def _await_end(self, command: str, number: int, shot: Shot) -> Job:
        end_s = self.clock.now() + shot.duration_s
        give_up_s = end_s + shot.duration_s + ALLOWANCE_S
        self._publish(state=State.BUSY.lower())
        while True:
            now_s = self.clock.now()
            yield end_s if now_s < end_s else now_s + WATCH_S
            state = yield from self._patiently(self._ask_state)
            count = yield from self._patiently(self._ask_count)
            if count != number:
                raise ActionFailedError(
                    f"{self.name}: counts {count} acquisitions where {command} was number {number}: it was switched "
                    "off and on, or somebody else uses it"
                )
            if state is State.DONE:
                return
            if state is not State.BUSY:
                how = "was aborted" if state is State.IDLE else "failed"
                raise ActionFailedError(f"{self.name}: {command} {how} ({self._errors()})")
            if self.clock.now() >= give_up_s:
                raise ActionFailedError(
                    f"{self.name}: {command} is not done {give_up_s - end_s:g} s after its time: stop it, look at it"
                )

    def _set(self, command: str, value: str, grant: Granted) -> Job:
        """Set one thing, and read it back: commands are not answered."""
        seen = ""
        for _ in range(TRIES):
            yield from self._patiently(lambda: self.link.send(f"{command} {value}", grant))
            seen = yield from self._patiently(lambda: self.link.query(f"{command}?"))
            if wire.is_set(value, seen):
                return
        raise RefusedError(f"{self.name}: {command} {value} was not taken, it is {seen} ({self._errors()})")

    # -- the wire

    def _ask(self, question: str, parse: Callable[[str], T]) -> T:
        line = self.link.query(question)
        if not self._failures:
            self._seen()
        with about(f"{self.name}: {question}"):
            return parse(line)

    def _ask_twice(self, question: str, parse: Callable[[str], T]) -> T:
        """Ask for what much depends on: lines have no checksum."""
        return agreed(lambda: self._ask(question, parse), f"{self.name}: {question}")

    def _ask_state(self) -> State:
        return self._ask(wire.ASK_STATE, wire.parse_state)

    def _ask_count(self) -> int:
        self._count = self._ask_twice(wire.ASK_COUNT, wire.parse_count)
        return self._count

    def _ask_lamp(self) -> Lamp:
        lamp = self._ask(wire.ASK_LAMP, wire.parse_lamp)
        self._publish(lamp=lamp.lower())
        return lamp

    def _ask_references(self) -> wire.References:
        found = self._ask_twice(wire.ASK_REFERENCES, wire.parse_references)
        self._publish(
            dark_ms=math.nan if found.dark_ms is None else found.dark_ms,
            white_ms=math.nan if found.white_ms is None else found.white_ms,
        )
        return found

    def _fetch(self) -> Spectrum:
        return self._ask(wire.ASK_SPECTRUM, wire.parse_spectrum)

    def _errors(self) -> str:
        """Empty the instrument's error queue, and say what was in it."""
        found = []
        try:
            for _ in range(ERRORS):
                error = self._ask(wire.ASK_ERROR, wire.parse_error)
                if error is None:
                    break
                found.append(error)
        except (LinkError, CodecError) as lost:
            found.append(f"its errors could not be read: {lost}")
        return ", ".join(found) or "it tells no error"

    def _check_identity(self) -> str:
        identity = self._ask_identity()
        known = self._meant or str(self.serial.get())
        if known not in ("", identity.serial):
            raise WrongInstrumentError(
                f"{self.name}: spectrometer {identity.serial} answers at {self.link.url}, and {known} is meant: is the "
                "address right in the lab file? After a replacement restart the laboratory"
            )
        self._limits = self._ask_twice(wire.ASK_LIMITS, wire.parse_limits)
        self.wavelengths_nm.limit(self._limits.from_nm, self._limits.to_nm)
        self._publish(serial=identity.serial, model=identity.model)
        return f"reflectance spectrometer {identity.model} {identity.serial}"

    def _ask_identity(self) -> wire.Identity:
        try:
            return self._ask_twice(wire.ASK_IDENTITY, wire.parse_identity)
        except CodecError:
            log.debug("%s: is asked once more who it is, because no line has a checksum", self.name)
        try:
            return self._ask_twice(wire.ASK_IDENTITY, wire.parse_identity)
        except CodecError as error:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.url} is no reflectance spectrometer ({error}): is the address right in the "
                "lab file?"
            ) from error
