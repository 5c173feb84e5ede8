"""A motor with a timer behind lines of text: a mill, or a shaker.

    ID?            ID text-mill 1 SN-mill-2
    Status         State: RUNNING; Job: 8 running; Time: 60 s; Set: 300 rpm; Speed: 299 rpm; Left: 42 s
    Start 60 300   Job: 9 | Error: busy         Stop   Stopped

What stands there has been ground when the job ends, or as far as it came when it is stopped.
"""

from __future__ import annotations

import math

from drivers.clock import Timer
from sim.errors import BadOptionError
from sim.plant import Plant
from sim.plant.station import Station
from sim.site import Site
from sim.spec import Instrument
from sim.wire.lines import LineReceiver, Reply
from sim.wire.receiver import Send

SPIN_RPM_PER_S = 150.0
"""How fast it comes up to its speed."""
FASTEST_RPM, LONGEST_S = 5000.0, 360_000.0


class TextMotor:
    """One machine."""

    def __init__(self, name: str, kind: str, plant: Plant, station: Station, fastest_rpm: float) -> None:
        self.name = name
        self.error = ""
        """Why it does not work, for checkers to set; empty where it does."""
        self.busy = self.ignore_setpoint = self.other_device = False
        """Whether it refuses jobs, acknowledges and forgets them, or is another machine; for checkers to set."""
        self._kind, self._plant, self._station, self._fastest_rpm = kind, plant, station, fastest_rpm
        self._switch_on()

    def _switch_on(self) -> None:
        self._job, self._fate = 0, "none"
        self._time_s = self._set_rpm = 0.0
        self._began_s = -math.inf
        self._timer: Timer | None = None

    # -- what checkers and tests do to it

    def power_cycle(self) -> None:
        """Have its mains fail and come back: it stands still and counts its jobs from the start."""
        self._end("stopped")
        self._switch_on()

    # -- the wire

    def receiver(self, send: Send) -> LineReceiver:
        """Give what listens on one connection."""
        return LineReceiver(send, self.command, b"\n")

    def command(self, line: str, reply: Reply) -> None:
        """Carry out one line."""
        match line.split():
            case ["ID?"]:
                reply(f"ID {self._kind} 1 SN-{self.name}{'-2' if self.other_device else ''}")
            case ["Status"]:
                reply(self._status())
            case ["Start", time_s, speed_rpm]:
                reply(self._start(time_s, speed_rpm))
            case ["Stop"]:
                self._end("stopped")
                reply("Stopped")
            case _:
                reply("Error: unknown command")

    def _status(self) -> str:
        state = "ERROR" if self.error else "RUNNING" if self._turning else "STOP"
        fate = "" if self._fate == "none" else f" {self._fate}"
        fields = [
            f"State: {state}",
            f"Job: {self._job}{fate}",
            f"Time: {_plain(self._time_s)} s",
            f"Set: {_plain(self._set_rpm)} rpm",
            f"Speed: {self.speed_rpm:.0f} rpm",
            f"Left: {self.left_s:.0f} s",
        ]
        return "; ".join([*fields, f"Error: {self.error}"] if self.error else fields)

    def _start(self, time: str, speed: str) -> str:
        time_s, speed_rpm = _number(time), _number(speed)
        if self.error:
            return f"Error: {self.error}"
        if self._turning or self.busy:
            return "Error: busy"
        if not 0.0 < time_s <= LONGEST_S or not 0.0 < speed_rpm <= self._fastest_rpm:
            return "Error: out of range"
        if self.ignore_setpoint:
            return f"Job: {self._job + 1}"
        now_s = self._plant.now()
        self._job, self._fate = self._job + 1, "running"
        self._time_s, self._set_rpm, self._began_s = time_s, speed_rpm, now_s
        self._station.turning = True
        self._plant.note(f"{self.name} starts: {time_s:g} s at {speed_rpm:g} rpm")
        self._timer = self._plant.at(now_s + time_s, f"{self.name} job", lambda: self._end("done"))
        return f"Job: {self._job}"

    def fail(self, why: str) -> None:
        """Have it break: the job under way fails."""
        self._end("failed")
        self.error = why

    def _end(self, fate: str) -> None:
        if not self._turning:
            return
        if self._timer is not None:
            self._timer.cancel()
        turned_s = min(self._time_s, self._plant.now() - self._began_s)
        self._fate, self._station.turning, self._timer = fate, False, None
        self._station.treat(turned_s, self._set_rpm)

    @property
    def last_job(self) -> tuple[int, str]:
        """Number and fate of the last job: ``none``, ``running``, ``done``, ``stopped`` or ``failed``."""
        return self._job, self._fate

    @property
    def _turning(self) -> bool:
        return self._fate == "running"

    @property
    def speed_rpm(self) -> float:
        """How fast it turns."""
        if not self._turning:
            return 0.0
        return min(self._set_rpm, SPIN_RPM_PER_S * (self._plant.now() - self._began_s))

    @property
    def left_s(self) -> float:
        """What is left of the job under way."""
        return max(0.0, self._began_s + self._time_s - self._plant.now()) if self._turning else 0.0


def put_up_motor(site: Site, instrument: Instrument, kind: str, *, shakes: bool) -> TextMotor:
    """Put a machine and its places into the plant.

    Raises:
        BadOptionError: Where it cannot have that many places, or turns at no speed.
    """
    fastest_rpm = float(site.option(instrument, "fastest"))
    if not fastest_rpm > 0:
        raise BadOptionError(f"{instrument.name}: fastest is {fastest_rpm:g} rpm, and must be above 0")
    station = Station(instrument.name, site.count(instrument, "places"), site.plant, shakes=shakes)
    site.plant.add(station)
    return TextMotor(instrument.name, kind, site.plant, station, fastest_rpm)


MOTOR_OPTIONS = {"places": 4, "fastest": FASTEST_RPM}
"""What a simulated mill or shaker may be told: how many vessels stand on it, and its highest speed in rpm."""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _plain(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
