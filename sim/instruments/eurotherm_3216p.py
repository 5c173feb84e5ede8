"""A Eurotherm 3216P furnace controller: its registers, on Modbus RTU.

    1 reading | 2 setpoint | 4 output % | 5 working setpoint | 23 programmer | 24 SP1 | 35 rate limit, x10
    75 summary | 107 firmware | 122 type | 131 own address | 258 sensor break | 321, 328 programmer settings
    1280 + 3 (k - 1), k = 1..8: dwell | target | ramp                          (instruments.md 1.1 to 1.4)

Registers are whole numbers, temperatures in degC without decimals. As the manuals have it: an unconfigured
register reads as something and takes nothing (function 6: exception 03; function 16: dropped silently), an
address beyond the map is exception 02, a value out of range exception 03.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.parts.furnaces import FURNACE_OPTIONS, put_up_furnace
from sim.parts.programmer import PidController, Programmer, Segment, Status
from sim.plant import BoxFurnace, Plant
from sim.site import Site
from sim.spec import Instrument
from sim.wire.modbus_pdu import IllegalAddress, IllegalValue

LAST_ADDRESS = 16383
READING, TARGET_SETPOINT, WORKING_OUTPUT, WORKING_SETPOINT = 1, 2, 4, 5
PROPORTIONAL_BAND, INTEGRAL_TIME, RANGE_LOW, RANGE_HIGH = 6, 8, 11, 12
PROGRAM_STATUS, SETPOINT_1, RATE_LIMIT, SUMMARY = 23, 24, 35, 75
FIRMWARE, INSTRUMENT_TYPE, COMMS_ADDRESS, INSTRUMENT_MODE = 107, 122, 131, 199
SENSOR_BREAK, DWELL_UNITS, END_TYPE, UNITS, DECIMALS = 258, 321, 328, 516, 525
FIRST_SEGMENT, SEGMENTS, WORDS_PER_SEGMENT = 1280, 8, 3
SEGMENT_WORDS = range(FIRST_SEGMENT, FIRST_SEGMENT + SEGMENTS * WORDS_PER_SEGMENT)

FIRMWARE_VERSION = 0x0206
FULL_SCALE_DEGC = 1372
"""Upper end of thermocouple type K: what a broken sensor reads."""
BITS_SENSOR_BREAK, BIT_PROGRAM_RUNNING = 1 << 5 | 1 << 10, 1 << 13
MINUTES = 1
CONFIGURATION_MODE = 2


@dataclass(frozen=True)
class Register:
    """One register: how it is read, and how it is written where it can be."""

    read: Callable[[], int]
    write: Callable[[int], None] | None = None


class Eurotherm3216P:
    """The controller of one box furnace, a `ModbusDevice`."""

    def __init__(self, name: str, plant: Plant, furnace: BoxFurnace, unit: int, instrument_type: int) -> None:
        self.name = name
        self.sensor_broken = False
        """A broken thermocouple, for checkers to set."""
        self._plant = plant
        self._furnace = furnace
        self._loop = PidController()
        self._programmer = Programmer(self._loop)
        self._segment_words = [0] * len(SEGMENT_WORDS)
        self._dwell_units = MINUTES
        self._mode = 0
        self._registers = self._map(unit, instrument_type)
        furnace.controller = self

    # -- what the furnace asks at every grid step

    def power(self, reading_degc: float, dt_s: float) -> float:
        """Give the heater power, 0..1; see `sim.plant.furnace.Controller`."""
        if self._programmer.moving:
            self._programmer.step(dt_s)
        if self.sensor_broken or self._mode:
            return 0.0
        return self._loop.power(reading_degc, dt_s)

    def at_rest(self, reading_degc: float) -> bool:
        """Whether time alone changes nothing; see `sim.plant.furnace.Controller`."""
        return not self._programmer.moving and self._loop.is_off(reading_degc)

    # -- Modbus

    def read_coils(self, address: int, count: int) -> list[bool]:
        """Refuse: there are none."""
        raise IllegalAddress

    def read_inputs(self, address: int, count: int) -> list[bool]:
        """Refuse: there are none."""
        raise IllegalAddress

    def read_input_registers(self, address: int, count: int) -> list[int]:
        """Functions 3 and 4 read the same words."""
        return self.read_holding(address, count)

    def write_coils(self, address: int, values: Sequence[bool]) -> None:
        """Refuse: there are none."""
        raise IllegalAddress

    def read_holding(self, address: int, count: int) -> list[int]:
        """Give registers as they are now."""
        if address + count - 1 > LAST_ADDRESS:
            raise IllegalAddress
        self._furnace.advance(self._plant.now())
        return [self._read(a) for a in range(address, address + count)]

    def write_holding(self, address: int, values: Sequence[int], *, single: bool) -> None:
        """Write registers one after another; function 6 is stricter than 16."""
        if address + len(values) - 1 > LAST_ADDRESS:
            raise IllegalAddress
        self._furnace.advance(self._plant.now())
        for a, value in enumerate(values, start=address):
            self._write(a, value - 0x10000 if value & 0x8000 else value, single)

    def _read(self, address: int) -> int:
        if address in SEGMENT_WORDS:
            return self._segment_words[address - FIRST_SEGMENT]
        register = self._registers.get(address)
        return register.read() if register else 0

    def _write(self, address: int, value: int, single: bool) -> None:
        if address in SEGMENT_WORDS:
            self._set_segment_word(address - FIRST_SEGMENT, value)
            return
        register = self._registers.get(address)
        if register is None and not single:
            return
        if register is None or register.write is None:
            raise IllegalValue
        register.write(value)

    # -- the map

    def _map(self, unit: int, instrument_type: int) -> dict[int, Register]:
        loop, programmer = self._loop, self._programmer
        setpoint = Register(lambda: round(programmer.target_degc), self._set_target)
        return {
            READING: Register(self._reading),
            TARGET_SETPOINT: setpoint,
            WORKING_OUTPUT: Register(lambda: round(100.0 * self._furnace.output)),
            WORKING_SETPOINT: Register(lambda: round(loop.setpoint_degc)),
            PROPORTIONAL_BAND: Register(lambda: round(loop.band_degc)),
            INTEGRAL_TIME: Register(lambda: round(loop.integral_s)),
            RANGE_LOW: Register(lambda: 0),
            RANGE_HIGH: Register(lambda: FULL_SCALE_DEGC),
            PROGRAM_STATUS: Register(lambda: int(programmer.status), self._set_status),
            SETPOINT_1: setpoint,
            RATE_LIMIT: Register(lambda: round(10.0 * programmer.limit_degc_per_min), self._set_rate_limit),
            SUMMARY: Register(self._summary),
            FIRMWARE: Register(lambda: FIRMWARE_VERSION),
            INSTRUMENT_TYPE: Register(lambda: instrument_type),
            COMMS_ADDRESS: Register(lambda: unit),
            INSTRUMENT_MODE: Register(lambda: self._mode, self._set_mode),
            SENSOR_BREAK: Register(lambda: int(self.sensor_broken)),
            DWELL_UNITS: Register(lambda: self._dwell_units, self._set_dwell_units),
            END_TYPE: Register(lambda: int(programmer.end_type), programmer.set_end_type),
            UNITS: Register(lambda: 0),
            DECIMALS: Register(lambda: 0),
        }

    def _reading(self) -> int:
        return FULL_SCALE_DEGC if self.sensor_broken else round(self._furnace.thermocouple_degc)

    def _summary(self) -> int:
        running = BIT_PROGRAM_RUNNING if self._programmer.status is Status.RUN else 0
        return running | (BITS_SENSOR_BREAK if self.sensor_broken else 0)

    def _set_target(self, value: int) -> None:
        self._programmer.set_target(_within(value, 0, FULL_SCALE_DEGC))
        self._plant.note(f"{self.name} setpoint {value} degC")

    def _set_rate_limit(self, value: int) -> None:
        self._programmer.limit_degc_per_min = _within(value, 0, 30000) / 10.0

    def _set_mode(self, value: int) -> None:
        self._mode = _within(value, 0, CONFIGURATION_MODE)
        self._plant.note(f"{self.name} instrument mode {value}")

    def _set_dwell_units(self, value: int) -> None:
        self._dwell_units = _within(value, 0, MINUTES)

    def _set_segment_word(self, index: int, value: int) -> None:
        if self._programmer.status in (Status.RUN, Status.HOLD):
            raise IllegalValue  # the programmer is locked while it runs
        self._segment_words[index] = _within(value, 0, FULL_SCALE_DEGC if index % 3 == 1 else 32767)

    def _set_status(self, value: int) -> None:
        match _within(value, Status.RESET, Status.HOLD):
            case Status.RUN:
                self._programmer.run(self._segments(), self._furnace.thermocouple_degc)
            case Status.HOLD:
                self._programmer.hold()
            case _:
                self._programmer.reset()
        self._plant.note(f"{self.name} programmer {self._programmer.status.name.lower()}")

    def _segments(self) -> tuple[Segment, ...]:
        unit_s = 60.0 if self._dwell_units == MINUTES else 3600.0
        words = self._segment_words
        return tuple(
            Segment(words[i + 2] / 10.0, float(words[i + 1]), words[i] * unit_s)
            for i in range(0, len(words), WORDS_PER_SEGMENT)
        )


def _within(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise IllegalValue
    return value


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> Eurotherm3216P:
    furnace = put_up_furnace(site, instrument)
    instrument_type = site.count(instrument, "instrument_type")
    controller = Eurotherm3216P(instrument.name, site.plant, furnace, spot.unit or 1, instrument_type)
    site.answer_modbus(instrument, spot, controller)
    return controller


MODEL = Model(Carrier.PTY, Language.MODBUS, _put_up, {**FURNACE_OPTIONS, "instrument_type": 0xF3})
