"""A Yudian AI furnace controller: its parameters, on AIBUS; several may share a line.

    older map (v7)   00 present segment | 15 state 0 run, 4 hold, 12 stop | 1A.. segments | 56 minutes into this one
    newer map (v8)   00 setpoint | 15 model | 1A manual output | 1B state 0 run, 1 stop, 2 hold | 2B segments in use
                     4A reading | 4B setpoint | 4C output x 256 | 50.. segments
    both             01..04 alarms | 05 hysteresis | 07..09 P, I, D | 0B sensor | 0C dPt | 0D, 0E scale | 10 shift

As instruments.md 1.6 has it. A unit answers its own address only, by the same ten bytes whatever was asked; a frame
that it does not understand, or whose sum is wrong, is met with silence. A parameter that is not there is 7FFFh, a
value that is not taken leaves what was there, and the reply shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.addresses import Carrier, Language, Spot
from sim.errors import BadOptionError
from sim.model import Model
from sim.parts.furnaces import FURNACE_OPTIONS, put_up_furnace
from sim.parts.programmer import PidController
from sim.parts.timed_programmer import Running, TimedProgrammer, TimedSegment
from sim.plant import BoxFurnace, Plant
from sim.site import Site
from sim.spec import Instrument
from sim.wire.aibus import AibusReceiver, Reply
from sim.wire.receiver import Send

NOTHING = 0x7FFF
LARGEST = 32000
FULL_SCALE_DEGC = 1300
"""Upper end of the scale: what a broken sensor reads."""
HIGH_ALARM, LOW_ALARM, OVER_RANGE = 1 << 0, 1 << 1, 1 << 4
SPARE = {0x01: 9999, 0x02: -1999, 0x03: 9999, 0x04: 9999, 0x05: 10, 0x06: 1, 0x07: 150, 0x08: 1500, 0x09: 0}
FIXED = {**SPARE, 0x0A: 10, 0x0B: 0, 0x0D: 0, 0x0E: FULL_SCALE_DEGC, 0x10: 0, 0x11: 2}
"""Parameters that nothing here depends on, as they come from the maker."""
SENSOR, DECIMALS = 0x0B, 0x0C
UNSET_MIN = -121


@dataclass(frozen=True)
class Dialect:
    """Where a unit has what is about its programme."""

    states: dict[int, Running]
    state: int
    first: int
    count: int
    segments_in_use: int | None


DIALECTS = {
    "v7": Dialect({0: Running.RUN, 4: Running.HOLD, 12: Running.STOP}, 0x15, 0x1A, 30, None),
    "v8": Dialect({0: Running.RUN, 2: Running.HOLD, 1: Running.STOP}, 0x1B, 0x50, 50, 0x2B),
}


@dataclass(frozen=True)
class Make:
    """How one unit was made and configured."""

    dialect: str = "v8"
    decimals: int = 1
    """dPt."""
    begins: bool = True
    """Whether a segment's temperature is where it begins, or where it ends."""
    time_decimals: int = 0
    """Of the minutes of a segment."""
    model: int = 5187


class YudianAibus:
    """The controller of one box furnace."""

    def __init__(self, name: str, plant: Plant, furnace: BoxFurnace, unit: int, make: Make) -> None:
        self.name, self.unit = name, unit
        self.sensor_broken = False
        """A broken thermocouple, for checkers to set, as what follows."""
        self.broken_reads: float | None = None
        """What a broken thermocouple seems to read, in degC; the end of the scale where nobody says."""
        self.ignore_setpoint = False
        """Segments are acknowledged, and stay what they were."""
        self.other_device = False
        """Whether another one of the kind answers: for another sensor."""
        self.decimals = make.decimals
        """dPt, also as somebody changes it at the panel."""
        self._stuck: Reply | None = None
        self._plant, self._furnace = plant, furnace
        self._make = make
        self._dialect = DIALECTS[make.dialect]
        self._loop = PidController()
        self._parameters = dict(FIXED)
        self._table = [(0.0, UNSET_MIN)] * self._dialect.count
        self._in_use = self._dialect.count
        self._setpoint_degc = 0.0
        self._programmer = TimedProgrammer(self._loop, self._segments, make.begins)
        self._special = self._map()
        furnace.controller = self

    # -- for checkers

    @property
    def stuck(self) -> bool:
        """Whether every answer is what it was when this was set, whatever happens."""
        return self._stuck is not None

    @stuck.setter
    def stuck(self, stuck: bool) -> None:
        self._furnace.advance(self._plant.now())
        self._stuck = self._reply(0) if stuck else None

    def power_cycle(self) -> None:
        """Go off and on: it comes back stopped, with its programme and its parameters."""
        self._furnace.advance(self._plant.now())
        self._programmer.stop()

    def panel_setpoint(self, degc: float) -> None:
        """Have somebody run a programme of one temperature at the panel."""
        self._furnace.advance(self._plant.now())
        self._programmer.stop()
        self._table[:2] = [(degc, 3000), (degc, UNSET_MIN)]
        self._in_use = self._dialect.count
        self._programmer.run(self._furnace.thermocouple_degc)

    def panel_hold(self) -> None:
        """Have somebody press hold at the panel."""
        self._furnace.advance(self._plant.now())
        self._programmer.hold()

    # -- what the furnace asks at every grid step

    def power(self, reading_degc: float, dt_s: float) -> float:
        """Give the heater power, 0..1; see `sim.plant.furnace.Controller`."""
        if self._programmer.moving:
            self._programmer.step(dt_s)
        if self.sensor_broken or self._programmer.state is Running.STOP:
            return 0.0
        return self._loop.power(reading_degc, dt_s)

    def at_rest(self, reading_degc: float) -> bool:
        """Whether time alone changes nothing; see `sim.plant.furnace.Controller`."""
        if self._programmer.state is Running.STOP:
            return True
        return not self._programmer.moving and self._loop.is_off(reading_degc)

    # -- AIBUS

    def receiver(self, send: Send) -> AibusReceiver:
        """Give what listens on the line."""
        return AibusReceiver(send, self.unit, self)

    def read(self, parameter: int) -> Reply:
        """Answer a reading of a parameter."""
        self._furnace.advance(self._plant.now())
        return self._reply(self._value(parameter))

    def write(self, parameter: int, value: int) -> Reply:
        """Answer a writing of a parameter; what is not taken leaves it as it was."""
        self._furnace.advance(self._plant.now())
        if self.ignore_setpoint and self._in_table(parameter):
            return self._reply(value)
        if -LARGEST <= value <= LARGEST:
            self._set(parameter, value)
        return self._reply(self._value(parameter))

    def _reply(self, value: int) -> Reply:
        if self._stuck is not None:
            return Reply(self._stuck.pv, self._stuck.sv, self._stuck.mv, self._stuck.status, value)
        status = OVER_RANGE if self.sensor_broken else self._alarms()
        return Reply(self._raw(self._reading_degc()), self._raw(self._loop.setpoint_degc), self._mv(), status, value)

    def _reading_degc(self) -> float:
        if not self.sensor_broken:
            return self._furnace.thermocouple_degc
        return float(FULL_SCALE_DEGC) if self.broken_reads is None else self.broken_reads

    def _alarms(self) -> int:
        degc = self._furnace.thermocouple_degc
        return HIGH_ALARM * (degc > self._parameters[0x01]) | LOW_ALARM * (degc < self._parameters[0x02])

    def _mv(self) -> int:
        stopped = self._programmer.state is Running.STOP or self.sensor_broken
        return 0 if stopped else round(100.0 * self._furnace.output)

    # -- the parameters

    def _map(self) -> dict[int, tuple[Callable[[], int], Callable[[int], None] | None]]:
        programmer = self._programmer
        special: dict[int, tuple[Callable[[], int], Callable[[int], None] | None]] = {
            DECIMALS: (lambda: self.decimals, self._set_decimals),
            self._dialect.state: (self._tell_state, self._set_state),
        }
        if self._dialect.segments_in_use is None:
            special[0x00] = (lambda: programmer.segment, self._set_segment)
            special[0x56] = (lambda: int(programmer.elapsed_s // 60), None)
            return special
        return special | {
            0x00: (lambda: self._raw(self._setpoint_degc), self._set_setpoint),
            0x15: (lambda: self._make.model, None),
            0x1A: (self._mv, None),
            self._dialect.segments_in_use: (lambda: self._in_use, self._set_in_use),
            0x4A: (lambda: self._raw(self._reading_degc()), None),
            0x4B: (lambda: self._raw(self._loop.setpoint_degc), None),
            0x4C: (lambda: self._mv() * 256, None),
        }

    def _value(self, parameter: int) -> int:
        if self._in_table(parameter):
            degc, minutes = self._table[(parameter - self._dialect.first) // 2]
            return minutes if (parameter - self._dialect.first) % 2 else self._raw(degc)
        if parameter in self._special:
            return self._special[parameter][0]()
        if parameter == SENSOR and self.other_device:
            return self._parameters[SENSOR] + 1
        return self._parameters.get(parameter, NOTHING)

    def _set(self, parameter: int, value: int) -> None:
        if self._in_table(parameter):
            self._set_in_table(parameter - self._dialect.first, value)
        elif parameter in self._special:
            write = self._special[parameter][1]
            if write is not None:
                write(value)
        elif parameter in self._parameters:
            self._parameters[parameter] = value

    def _in_table(self, parameter: int) -> bool:
        return self._dialect.first <= parameter < self._dialect.first + 2 * self._dialect.count

    def _set_in_table(self, offset: int, value: int) -> None:
        degc, minutes = self._table[offset // 2]
        self._table[offset // 2] = (degc, value) if offset % 2 else (value / self._steps, minutes)

    def _set_decimals(self, value: int) -> None:
        if value % 128 <= 3 and 0 <= value < 256:
            self.decimals = value

    def _set_setpoint(self, value: int) -> None:
        self._setpoint_degc = value / self._steps

    def _set_in_use(self, value: int) -> None:
        if 0 <= value <= self._dialect.count:
            self._in_use = value

    def _set_segment(self, value: int) -> None:
        if 1 <= value <= self._dialect.count:
            self._programmer.go_to(value)

    def _tell_state(self) -> int:
        return next(value for value, state in self._dialect.states.items() if state is self._programmer.state)

    def _set_state(self, value: int) -> None:
        match self._dialect.states.get(value):
            case Running.RUN:
                self._programmer.run(self._furnace.thermocouple_degc)
            case Running.HOLD:
                self._programmer.hold()
            case Running.STOP:
                self._programmer.stop()
            case _:
                return
        self._plant.note(f"{self.name} programmer {self._programmer.state.value}")

    def _segments(self) -> list[TimedSegment]:
        steps = 10.0**self._make.time_decimals
        return [TimedSegment(degc, minutes / steps if minutes > 0 else minutes) for degc, minutes in self._used]

    @property
    def _used(self) -> list[tuple[float, int]]:
        return self._table[: self._in_use]

    # -- temperatures

    @property
    def _steps(self) -> float:
        """Steps that a degree has on the wire; from 128 on there is a further decimal."""
        more, shown = divmod(self.decimals, 128)
        return float(10**shown * (10 if more else 1))

    def _raw(self, degc: float) -> int:
        shown = 10.0 ** (self.decimals % 128)
        return round(round(degc * shown) * (self._steps / shown))


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> YudianAibus:
    dialect, segments = str(site.option(instrument, "map")), str(site.option(instrument, "segments"))
    if dialect not in DIALECTS or segments not in ("start", "target"):
        raise BadOptionError(
            f"{instrument.name}: map {dialect!r} and segments {segments!r} were asked for: there are "
            f"{', '.join(DIALECTS)} and start, target"
        )
    make = Make(
        dialect,
        int(site.option(instrument, "decimals")),
        segments == "start",
        int(site.option(instrument, "time_decimals")),
        site.count(instrument, "model"),
    )
    furnace = put_up_furnace(site, instrument)
    controller = YudianAibus(instrument.name, site.plant, furnace, int(spot.ear or 1), make)
    site.answer(instrument, spot, controller.receiver)
    return controller


MODEL = Model(
    Carrier.PTY,
    Language.FRAMES,
    _put_up,
    {**FURNACE_OPTIONS, "map": "v8", "segments": "start", "decimals": 1, "time_decimals": 0, "model": 5187},
)
