"""A Eurotherm 3216P furnace controller: its registers, on Modbus RTU.

    23 programmer 0 reset 1 run 2 hold 3 end | 321 dwell units 0 h 1 min | 325 time run, s | 327 holdback
    328 at the end 0 off 1 dwell 2 SP2 3 reset | 332 cycles | 531 ramp units 0 min 1 h 2 s
    1280 + 3 (k - 1), k = 1..8: dwell | target | ramp, tenths                  (instruments.md 1.3)

The rest of the map is in `sim.parts.eurotherm`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.parts.eurotherm import EurothermUnit, Register, Wide, within
from sim.parts.furnaces import FURNACE_OPTIONS, put_up_furnace
from sim.parts.programmer import Segment, Status
from sim.plant import BoxFurnace, Plant
from sim.site import Site
from sim.spec import Instrument
from sim.wire.modbus_pdu import IllegalValue

DWELL_UNITS, ELAPSED, HOLDBACK, END_TYPE, CYCLES, RAMP_UNITS = 321, 325, 327, 328, 332, 531
FIRST_SEGMENT, SEGMENTS, WORDS_PER_SEGMENT = 1280, 8, 3
BIT_PROGRAM_RUNNING = 1 << 13
MINUTES = 1
RAMP_UNITS_MIN = {0: 1.0, 1: 60.0, 2: 1.0 / 60.0}
"""Register 531 -> minutes."""


class Eurotherm3216P(EurothermUnit):
    """The controller of one box furnace."""

    def __init__(
        self, name: str, plant: Plant, furnace: BoxFurnace, unit: int, instrument_type: int, decimals: int = 0
    ) -> None:
        self._segments = [[0.0, 0.0, 0.0] for _ in range(SEGMENTS)]
        self._dwell_units, self._ramp_units, self._cycles = MINUTES, 0, 1
        super().__init__(name, plant, furnace, unit, instrument_type, decimals)

    def special(self) -> Mapping[int, Register]:
        """Give the programmer's registers."""
        programmer = self.programmer
        return {
            DWELL_UNITS: Register(lambda: self._dwell_units, self._set_dwell_units),
            ELAPSED: Register(lambda: min(self.shown("elapsed"), 32767.0), wide=Wide.TIME),
            HOLDBACK: Register(lambda: programmer.holdback_degc, self._set_holdback, None, Wide.FLOAT),
            END_TYPE: Register(lambda: programmer.end_type, lambda value: programmer.set_end_type(int(value))),
            CYCLES: Register(lambda: self._cycles, self._set_cycles),
            RAMP_UNITS: Register(lambda: self._ramp_units, self._set_ramp_units),
            **{FIRST_SEGMENT + i: self._word(*divmod(i, 3)) for i in range(SEGMENTS * WORDS_PER_SEGMENT)},
        }

    def summary_bits(self) -> int:
        """Say whether a programme runs."""
        return BIT_PROGRAM_RUNNING if int(self.shown("status")) == Status.RUN else 0

    def set_status(self, value: float) -> None:
        """Reset, run or hold."""
        match within(value, Status.RESET, Status.HOLD):
            case Status.RUN:
                self.programmer.run(self._programme(), self._furnace.thermocouple_degc, self._cycles)
            case Status.HOLD:
                self.programmer.hold()
            case _:
                self.programmer.reset()
        self._plant.note(f"{self.name} programmer {self.programmer.status.name.lower()}")

    def _word(self, segment: int, which: int) -> Register:
        """A dwell, a target or a ramp."""

        def write(value: float) -> None:
            if self.programmer.status in (Status.RUN, Status.HOLD):
                raise IllegalValue  # the programmer is locked while it runs
            self._segments[segment][which] = within(value, 0, self.FULL_SCALE_DEGC if which == 1 else 32767)

        scale = (1.0, None, 10.0)[which]
        return Register(lambda: self._segments[segment][which], write, scale, Wide.FLOAT)

    def _set_dwell_units(self, value: float) -> None:
        self._dwell_units = int(within(value, 0, MINUTES))

    def _set_ramp_units(self, value: float) -> None:
        self._ramp_units = int(within(value, 0, 2))

    def _set_cycles(self, value: float) -> None:
        self._cycles = int(within(value, 1, 9999))

    def _set_holdback(self, value: float) -> None:
        self.programmer.holdback_degc = within(value, 0, 9999)

    def _programme(self) -> tuple[Segment, ...]:
        dwell_s = 60.0 if self._dwell_units == MINUTES else 3600.0
        per_min = RAMP_UNITS_MIN[self._ramp_units]
        return tuple(Segment(ramp / per_min, degc, dwell * dwell_s) for dwell, degc, ramp in self._segments)


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> Eurotherm3216P:
    furnace = put_up_furnace(site, instrument)
    instrument_type, decimals = site.count(instrument, "instrument_type"), int(site.option(instrument, "decimals"))
    controller = Eurotherm3216P(instrument.name, site.plant, furnace, spot.unit or 1, instrument_type, decimals)
    site.answer_modbus(instrument, spot, controller)
    return controller


MODEL = Model(Carrier.PTY, Language.MODBUS, _put_up, {**FURNACE_OPTIONS, "instrument_type": 0xF3, "decimals": 0})
