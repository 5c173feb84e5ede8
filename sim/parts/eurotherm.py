"""The register map that Eurotherm 2400, 3200 and EPC3000 have in common, as a Modbus unit answers with it.

    1 reading | 2 target | 3 manual output | 4 output | 5 working setpoint | 6 8 9 PID | 11 12 range | 15 SP select
    23 programmer | 24 SP1 | 30 31 output limits | 35 rate limit, x10 | 74 75 summary | 107 firmware | 122 type
    131 own address | 199 mode | 202 input mV | 215 CJC | 257 frozen | 258 sensor break | 259 power failed
    273 manual | 274 acknowledge | 276 remote | 516 units | 525 decimals          (instruments.md 1.1, 1.2, 1.4)

As the manuals have it: a register that is not configured reads as something and takes nothing (function 6:
exception 03; function 16: dropped silently), an address beyond the map is exception 02, a value out of range
exception 03. From 0x8000 on the same parameters are 32 bits wide: a pair of words, high word first, at even
addresses, read and written whole; function 6 is refused there.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sim.parts.furnace_unit import FurnaceUnit
from sim.parts.programmer import Status
from sim.plant import BoxFurnace, Plant
from sim.wire.modbus_pdu import IllegalAddress, IllegalValue

LAST_ADDRESS = 16383
WIDE, PADDING = 0x8000, 0x8000
LARGEST = 32767

READING, TARGET_SETPOINT, MANUAL_OUTPUT, WORKING_OUTPUT, WORKING_SETPOINT = 1, 2, 3, 4, 5
PROPORTIONAL_BAND, INTEGRAL_TIME, DERIVATIVE_TIME, RANGE_LOW, RANGE_HIGH, SETPOINT_SELECT = 6, 8, 9, 11, 12, 15
PROGRAM_STATUS, SETPOINT_1, OUTPUT_LOW, OUTPUT_HIGH, RATE_LIMIT = 23, 24, 30, 31, 35
FAST_STATUS, SUMMARY = 74, 75
FIRMWARE, INSTRUMENT_TYPE, COMMS_ADDRESS, INSTRUMENT_MODE = 107, 122, 131, 199
CJC, FROZEN, SENSOR_BREAK, POWER_FAILED = 215, 257, 258, 259
MANUAL, ACKNOWLEDGE, REMOTE, UNITS, DECIMALS = 273, 274, 276, 516, 525

BIT_MANUAL, BIT_SENSOR_BREAK, BIT_COMPLETE, BIT_OUT_OF_RANGE = 1 << 4, 1 << 5, 1 << 9, 1 << 10
CONFIGURATION_MODE = 2
CJC_DEGC = 25.0
MOST_DECIMALS = 2


class Wide(Enum):
    """What the 32-bit form of a register is."""

    FLOAT = "float"
    TIME = "milliseconds"
    WHOLE = "whole number"


@dataclass(frozen=True)
class Register:
    """One register: how it is read, and how it is written where it can be; both in the unit that is meant."""

    read: Callable[[], float]
    write: Callable[[float], None] | None = None
    scale: float | None = 1.0
    """Counts of the 16-bit form for one unit; None for temperatures, which follow the decimals."""
    wide: Wide = Wide.WHOLE


class EurothermUnit(FurnaceUnit):
    """The controller of one box furnace, a `ModbusDevice`; models add what their programmers have."""

    FIRMWARE_VERSION = 0x0206

    def __init__(
        self, name: str, plant: Plant, furnace: BoxFurnace, unit: int, instrument_type: int, decimals: int = 0
    ) -> None:
        super().__init__(name, plant, furnace)
        self.decimals = decimals
        """Of temperatures, also as somebody changes them at the panel."""
        self.locked = False
        """Takes nothing over the wire, for checkers to set."""
        self.other_device = False
        """Whether a controller of another type answers in its place; it has no number of its own."""
        self._unit, self._type = unit, instrument_type
        self._mode = 0
        self._registers = {**self._common(), **self.special()}

    def register(self, address: int) -> Register | None:
        """Give a register; None where there is none now: some come and go with what is configured."""
        return self._registers.get(address)

    def special(self) -> Mapping[int, Register]:
        """Give the registers of this model."""
        return {}

    def status_code(self) -> int:
        """Give what register 23 says."""
        return int(self.shown("status"))

    # -- Modbus

    def status_byte(self) -> int:
        """Answer function 7: the lower half of the summary."""
        with self.now():
            return self._summary() & 0xFF

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
        with self.now():
            if address >= WIDE:
                return [word for at in self._pairs(address, count) for word in self._read_wide(at)]
            if address + count - 1 > LAST_ADDRESS:
                raise IllegalAddress
            return [self._read(at) for at in range(address, address + count)]

    def write_holding(self, address: int, values: Sequence[int], *, single: bool) -> None:
        """Write registers one after another; function 6 is stricter than 16."""
        with self.now():
            if self.locked:
                raise IllegalValue
            if address >= WIDE:
                self._write_all_wide(address, values, single)
                return
            if address + len(values) - 1 > LAST_ADDRESS:
                raise IllegalAddress
            for at, value in enumerate(values, start=address):
                self._write(at, value - 0x10000 if value & 0x8000 else value, single)

    def _read(self, address: int) -> int:
        register = self.register(address)
        return unconfigured(address) if register is None else self._count(register, register.read())

    def _count(self, register: Register, value: float) -> int:
        if math.isnan(value) or math.isinf(value):
            return LARGEST  # whole numbers know no other way to say that there is none
        if register.scale == 1.0 and register.wide is Wide.WHOLE:
            return round(value)
        scale = 10.0**self.decimals if register.scale is None else register.scale
        return max(-LARGEST, min(LARGEST, round(value * scale)))

    def _write(self, address: int, value: int, single: bool) -> None:
        register = self.register(address)
        if register is None and not single:
            return
        if register is None or register.write is None:
            raise IllegalValue
        register.write(value / (10.0**self.decimals if register.scale is None else register.scale))

    # -- 32 bits

    def _pairs(self, address: int, count: int) -> range:
        if address % 2 or (address - WIDE + count - 1) // 2 > LAST_ADDRESS:
            raise IllegalAddress
        if count % 2:
            raise IllegalValue
        return range((address - WIDE) // 2, (address - WIDE + count) // 2)

    def _read_wide(self, address: int) -> tuple[int, int]:
        register = self.register(address)
        if register is None:
            return unconfigured(address), unconfigured(address + 1)
        value = register.read()
        match register.wide:
            case Wide.FLOAT:
                packed = struct.pack(">f", float(LARGEST) if math.isinf(value) else value)
            case Wide.TIME:
                packed = struct.pack(">I", round(value * 1000.0))
            case _:
                packed = struct.pack(">HH", self._count(register, value) & 0xFFFF, PADDING)
        high, low = struct.unpack(">HH", packed)
        return high, low

    def _write_all_wide(self, address: int, values: Sequence[int], single: bool) -> None:
        if single:
            raise IllegalValue  # both words in one, or none
        for i, at in enumerate(self._pairs(address, len(values))):
            register = self.register(at)
            if register is None:
                continue
            if register.write is None:
                raise IllegalValue
            register.write(self._wide_value(register, values[2 * i], values[2 * i + 1]))

    def _wide_value(self, register: Register, high: int, low: int) -> float:
        match register.wide:
            case Wide.FLOAT:
                (value,) = struct.unpack(">f", struct.pack(">HH", high, low))
                return float(value)
            case Wide.TIME:
                return (high << 16 | low) / 1000.0
            case _:
                return float(high - 0x10000 if high & 0x8000 else high)

    # -- the map

    def _common(self) -> dict[int, Register]:
        loop, programmer = self.loop, self.programmer
        setpoint = Register(lambda: programmer.target_degc, self._set_target, None, Wide.FLOAT)
        return {
            READING: Register(lambda: self.shown("reading"), None, None, Wide.FLOAT),
            TARGET_SETPOINT: setpoint,
            MANUAL_OUTPUT: Register(lambda: self.manual_percent or 0.0, self._set_manual_output, 1.0, Wide.FLOAT),
            WORKING_OUTPUT: Register(lambda: self.shown("output"), None, 1.0, Wide.FLOAT),
            WORKING_SETPOINT: Register(lambda: self.shown("setpoint"), None, None, Wide.FLOAT),
            PROPORTIONAL_BAND: Register(lambda: loop.band_degc, wide=Wide.FLOAT),
            INTEGRAL_TIME: Register(lambda: loop.integral_s, wide=Wide.TIME),
            DERIVATIVE_TIME: constant(0, Wide.TIME),
            RANGE_LOW: Register(lambda: 0.0, None, None, Wide.FLOAT),
            RANGE_HIGH: Register(lambda: self.FULL_SCALE_DEGC, None, None, Wide.FLOAT),
            SETPOINT_SELECT: constant(0),
            PROGRAM_STATUS: Register(self.status_code, self.set_status),
            SETPOINT_1: setpoint,
            OUTPUT_LOW: constant(0, Wide.FLOAT),
            OUTPUT_HIGH: constant(100, Wide.FLOAT),
            RATE_LIMIT: Register(lambda: programmer.limit_degc_per_min, self._set_rate_limit, 10.0, Wide.FLOAT),
            FAST_STATUS: Register(lambda: self._summary() & 0xFF),
            SUMMARY: Register(self._summary),
            FIRMWARE: constant(self.FIRMWARE_VERSION),
            INSTRUMENT_TYPE: Register(lambda: self._type + self.other_device),
            COMMS_ADDRESS: constant(self._unit),
            INSTRUMENT_MODE: Register(lambda: self._mode, self._set_mode),
            CJC: Register(lambda: CJC_DEGC, None, None, Wide.FLOAT),
            FROZEN: constant(0),
            SENSOR_BREAK: Register(lambda: self.sensor_broken),
            POWER_FAILED: Register(lambda: self.power_failed),
            MANUAL: Register(lambda: self.manual_percent is not None, self._set_manual),
            ACKNOWLEDGE: Register(lambda: 0.0, self._acknowledge),
            REMOTE: Register(lambda: self.remote_degc is not None, self._set_remote),
            UNITS: constant(0),
            DECIMALS: Register(lambda: self.decimals),
        }

    def summary_bits(self) -> int:
        """Give the bits of register 75 that only this model has."""
        return 0

    def _summary(self) -> int:
        bits = BIT_SENSOR_BREAK | BIT_OUT_OF_RANGE if self.sensor_broken else 0
        bits |= BIT_MANUAL if self.manual_percent is not None else 0
        bits |= BIT_COMPLETE if int(self.shown("status")) == Status.END else 0
        return bits | self.summary_bits()

    def set_status(self, value: float) -> None:
        """Have the programmer do something, by the numbers of register 23; raises `IllegalValue` for others."""
        raise IllegalValue

    def _set_target(self, value: float) -> None:
        degc = within(value, 0, self.FULL_SCALE_DEGC)
        if not self.ignore_setpoint:
            self.programmer.set_target(degc)
        self._plant.note(f"{self.name} setpoint {value:g} degC")

    def _set_rate_limit(self, value: float) -> None:
        self.programmer.limit_degc_per_min = within(value, 0, 3000)

    def _set_manual_output(self, value: float) -> None:
        if self.manual_percent is None:
            raise IllegalValue
        self.manual_percent = within(value, 0, 100)

    def _set_manual(self, value: float) -> None:
        self.manual_percent = (self.manual_percent or 0.0) if within(value, 0, 1) else None

    def _set_remote(self, value: float) -> None:
        self.remote_degc = (self.remote_degc or 0.0) if within(value, 0, 1) else None

    def _acknowledge(self, value: float) -> None:
        self.power_failed = self.power_failed and within(value, 0, 1) == 0

    def _set_mode(self, value: float) -> None:
        self._mode = int(within(value, 0, CONFIGURATION_MODE))
        self.standby = self._mode != 0
        self._plant.note(f"{self.name} instrument mode {value:g}")


def constant(value: float, wide: Wide = Wide.WHOLE) -> Register:
    """Make a register that nobody writes."""
    return Register(lambda: value, wide=wide)


def within(value: float, least: float, most: float) -> float:
    """Give a value that is in range; raises `IllegalValue` for another."""
    if not least <= value <= most:
        raise IllegalValue
    return value


def unconfigured(address: int) -> int:
    """What a register reads that means nothing: some number, always the same here so that runs repeat."""
    return (address * 40503 + 12345) & 0xFFFF
