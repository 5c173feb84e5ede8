"""A diffuse-reflectance spectrometer: lines of text ended by LF, in the manner of SCPI, over TCP.

    *IDN? SYST:LIM? SYST:ERR? STAT? COUN? LAMP? REF? CONF:RANG? CONF:INT? CONF:AVER? CONF:SAMP? FETC?      answered
    *CLS LAMP ON|OFF CONF:RANG a,b CONF:INT ms CONF:AVER n CONF:SAMP id REF:DARK REF:WHITE INIT ABOR       not answered

What is wrong with a command is in the error queue. One acquisition at a time; a spectrum is kept until the next.
"""

from __future__ import annotations

import binascii
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.clock import Timer
from sim.addresses import Carrier, Language, Spot
from sim.errors import BadOptionError
from sim.model import Model
from sim.plant import Exposure, Plant, Shutter, Spectrometer, SpectrometerFault
from sim.site import Site
from sim.spec import Instrument
from sim.wire.lines import LineReceiver, Reply
from sim.wire.receiver import Send

LEAST_MS, MOST_MS = 1.0, 5000.0
MOST_AVERAGES = 1000
QUEUE = 10
"""Entries of the error queue; the last one tells that there were more."""
NO_ERROR = (0, "No error")
UNDEFINED = (-113, "Undefined header")
OUT_OF_RANGE = (-222, "Data out of range")
CONFLICT = (-221, "Settings conflict")
IGNORED = (-213, "Init ignored")
STALE = (-230, "Data corrupt or stale")
OVERFLOW = (-350, "Queue overflow")
FAULTS = {SpectrometerFault.SATURATED: (101, "Detector saturated"), SpectrometerFault.NO_LIGHT: (102, "No light")}

Error = tuple[int, str]


@dataclass
class Settings:
    """What CONF has set."""

    from_nm: float = 350.0
    to_nm: float = 1100.0
    integration_ms: float = 20.0
    averages: int = 1
    sample: str = "-"


@dataclass
class Memory:
    """What is lost with the power."""

    settings: Settings = field(default_factory=Settings)
    state: str = "IDLE"
    count: int = 0
    dark_ms: float | None = None
    white_ms: float | None = None
    spectrum: str | None = None
    errors: deque[Error] = field(default_factory=deque)


class ReflectanceSpectrometer:
    """One instrument."""

    def __init__(self, plant: Plant, optics: Spectrometer, serial: str) -> None:
        self.name = optics.name
        self._plant, self._optics, self._serial = plant, optics, serial
        self.other_device = False
        """Whether another instrument of the kind answers in its place."""
        self.busy = False
        """Whether somebody at the instrument acquires something."""
        self._memory = Memory()
        self._timer: Timer | None = None

    @property
    def stuck(self) -> bool:
        """Whether its detector reads out the same counts again and again."""
        return self._optics.stuck

    @stuck.setter
    def stuck(self, stuck: bool) -> None:
        self._optics.stuck = stuck

    def receiver(self, send: Send) -> LineReceiver:
        """Give what listens on one connection."""
        return LineReceiver(send, self.command, b"\n")

    def command(self, line: str, reply: Reply) -> None:
        """Carry out one line."""
        header, _, rest = line.strip().partition(" ")
        if header.endswith("?"):
            self._answer(header, reply)
        elif header:
            self._obey(header, rest.strip())

    def power_cycle(self) -> None:
        """Be switched off and on: the lamp is out, and nothing is remembered."""
        self._abort()
        self._memory = Memory()
        self._optics.light(False, self._plant.now())
        self._plant.note(f"{self.name} switched off and on")

    # -- questions

    def _answer(self, question: str, reply: Reply) -> None:
        memory, settings = self._memory, self._memory.settings
        first, last = self._optics.wavelengths_nm[0], self._optics.wavelengths_nm[-1]
        answers: dict[str, Callable[[], str]] = {
            "*IDN?": lambda: f"ATHANOR,DR-1,{self._serial}{'-2' if self.other_device else ''},1",
            "SYST:LIM?": lambda: f"{first:g},{last:g},{LEAST_MS:g},{MOST_MS:g},{MOST_AVERAGES}",
            "SYST:ERR?": self._next_error,
            "STAT?": lambda: "BUSY" if self.busy else memory.state,
            "COUN?": lambda: str(memory.count),
            "LAMP?": self._lamp,
            "REF?": lambda: f"{_or_dash(memory.dark_ms)},{_or_dash(memory.white_ms)}",
            "CONF:RANG?": lambda: f"{settings.from_nm:g},{settings.to_nm:g}",
            "CONF:INT?": lambda: f"{settings.integration_ms:g}",
            "CONF:AVER?": lambda: str(settings.averages),
            "CONF:SAMP?": lambda: settings.sample,
        }
        if question in answers:
            reply(answers[question]())
        elif question == "FETC?" and memory.spectrum is not None:
            reply(memory.spectrum)
        else:
            self._fail(STALE if question == "FETC?" else UNDEFINED)

    def _lamp(self) -> str:
        if not self._optics.is_lit:
            return "OFF"
        return "ON" if self._optics.is_warm(self._plant.now()) else "WARMING"

    def _next_error(self) -> str:
        number, text = self._memory.errors.popleft() if self._memory.errors else NO_ERROR
        return f'{number},"{text}"'

    def _fail(self, error: Error) -> None:
        errors = self._memory.errors
        if len(errors) < QUEUE:
            errors.append(error)
        else:
            errors[-1] = OVERFLOW

    # -- commands

    def _obey(self, header: str, rest: str) -> None:
        match header, rest:
            case "*CLS", "":
                self._memory.errors.clear()
            case "LAMP", ("ON" | "OFF"):
                self._switch_lamp(rest == "ON")
            case (("CONF:RANG" | "CONF:INT" | "CONF:AVER" | "CONF:SAMP"), _):
                error = IGNORED if self._is_acquiring else self._configure(header, rest)
                if error is not None:
                    self._fail(error)
            case "REF:DARK", "":
                self._begin(Shutter.DARK)
            case "REF:WHITE", "":
                self._begin(Shutter.WHITE)
            case "INIT", "":
                self._begin(Shutter.SAMPLE)
            case "ABOR", "":
                self._abort()
            case _:
                self._fail(UNDEFINED)

    def _switch_lamp(self, on: bool) -> None:
        if on is not self._optics.is_lit:
            self._plant.note(f"{self.name} lamp {'on' if on else 'off'}")
        self._optics.light(on, self._plant.now())
        if not on:
            self._memory.dark_ms = self._memory.white_ms = None

    def _configure(self, header: str, rest: str) -> Error | None:
        settings = self._memory.settings
        if header == "CONF:SAMP":
            if not re.fullmatch(r"[\w.-]{1,32}", rest, re.ASCII):
                return OUT_OF_RANGE
            settings.sample = rest
            return None
        try:
            numbers = [float(part) for part in rest.split(",")]
        except ValueError:
            return OUT_OF_RANGE
        first, last = float(self._optics.wavelengths_nm[0]), float(self._optics.wavelengths_nm[-1])
        match header, numbers:
            case "CONF:RANG", [a, b] if first <= a < b <= last and self._points(a, b):
                settings.from_nm, settings.to_nm = a, b
            case "CONF:INT", [ms] if LEAST_MS <= ms <= MOST_MS:
                settings.integration_ms = ms
            case "CONF:AVER", [n] if 1 <= n <= MOST_AVERAGES and n == int(n):
                settings.averages = int(n)
            case _:
                return OUT_OF_RANGE
        return None

    # -- acquisitions

    @property
    def _is_acquiring(self) -> bool:
        return self.busy or self._memory.state == "BUSY"

    def _begin(self, what: Shutter) -> None:
        memory, now_s = self._memory, self._plant.now()
        settings = memory.settings
        if self._is_acquiring:
            self._fail(IGNORED)
            return
        ready = {
            Shutter.DARK: True,
            Shutter.WHITE: memory.dark_ms == settings.integration_ms,
            Shutter.SAMPLE: memory.dark_ms == memory.white_ms == settings.integration_ms,
        }
        if not ready[what] or (what is not Shutter.DARK and not self._optics.is_warm(now_s)):
            self._fail(CONFLICT)
            return
        memory.count += 1
        memory.state, memory.spectrum = "BUSY", None
        exposure = Exposure(memory.count, what, settings.integration_ms, settings.averages, now_s)
        self._optics.begin(exposure)
        self._plant.note(f"{self.name} acquires {what}")
        self._timer = self._plant.at(
            exposure.end_s, f"{self.name} exposure", lambda: self._end(exposure, settings.sample)
        )

    def _end(self, exposure: Exposure, sample: str) -> None:
        self._timer = None
        memory = self._memory
        found = self._optics.finish(self._plant.now())
        if isinstance(found, SpectrometerFault):
            memory.state = "ERR"
            self._fail(FAULTS[found])
            return
        memory.state = "DONE"
        if exposure.what is Shutter.DARK:
            memory.dark_ms, memory.white_ms = exposure.integration_ms, None
        elif exposure.what is Shutter.WHITE:
            memory.white_ms = exposure.integration_ms
        else:
            settings, nm = memory.settings, self._optics.wavelengths_nm
            inside = self._points(settings.from_nm, settings.to_nm)
            memory.spectrum = block(sample, exposure.number, [(float(nm[n]), float(found[n])) for n in inside])

    def _points(self, from_nm: float, to_nm: float) -> list[int]:
        """Give the pixels between two wavelengths."""
        return [n for n, nm in enumerate(self._optics.wavelengths_nm) if from_nm <= nm <= to_nm]

    def _abort(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._optics.abort()
            self._memory.state = "IDLE"
            self._plant.note(f"{self.name} aborted")


def block(sample: str, number: int, points: list[tuple[float, float]]) -> str:
    """Write a spectrum as a definite-length block with a checksum at its end.

    >>> block("S1", 2, [(350.0, 0.5)])
    '#230S1,2,1;350.00,0.50000*6844CDCA'
    """
    text = ";".join((f"{sample},{number},{len(points)}", *(f"{nm:.2f},{value:.5f}" for nm, value in points)))
    whole = f"{text}*{binascii.crc32(text.encode('ascii')):08X}"
    length = str(len(whole))
    return f"#{len(length)}{length}{whole}"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> ReflectanceSpectrometer:
    warm_s = site.option(instrument, "warm_s")
    if isinstance(warm_s, bool) or not isinstance(warm_s, int | float) or warm_s < 0:
        raise BadOptionError(f"{instrument.name}: warm_s {warm_s!r} is no number of seconds from 0")
    optics = Spectrometer(instrument.name, site.plant.seed, float(warm_s))
    site.plant.add(optics)
    serial = str(site.option(instrument, "serial") or f"SN-{instrument.name}")
    spectrometer = ReflectanceSpectrometer(site.plant, optics, serial)
    site.answer(instrument, spot, spectrometer.receiver)
    return spectrometer


MODEL = Model(Carrier.TCP, Language.TEXT, _put_up, {"warm_s": 300.0, "serial": None})
