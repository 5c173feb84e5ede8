"""The Eurotherm 3216P furnace controller: programmes, setpoint and reading over Modbus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from drivers.codecs import eurotherm as wire
from drivers.codecs import eurotherm_3216p as program_wire
from drivers.codecs.eurotherm_3216p import RAMP_UNIT_CODES, Status, Units
from drivers.furnaces.controller import ProgramState
from drivers.furnaces.eurotherm_registers import EurothermController, Extra, Unit
from drivers.furnaces.eurotherm_settings import COMMON_OPTIONS, choice, common_unit, number
from drivers.furnaces.program import FurnaceProgram
from drivers.furnaces.programmed import FURNACE_LIMITED, FURNACE_LIMITS, ProgrammedFurnace
from drivers.gate import Granted
from drivers.kinds import Kind
from drivers.links import ModbusLink
from drivers.spec import DriverSpec, Option, Parts

INSTRUMENT_TYPE = 0xF3
ONCE = 1
"""How often the segments are run through."""


class Registers3216P(EurothermController):
    """The registers of a 3216P."""

    STATES: ClassVar[Mapping[int, ProgramState]] = {
        Status.RESET: ProgramState.RESET,
        Status.RUN: ProgramState.RUN,
        Status.HOLD: ProgramState.HOLD,
        Status.END: ProgramState.END,
    }
    RESET, HOLD = Status.RESET, Status.HOLD

    def __init__(self, name: str, link: ModbusLink, unit: Unit, units: Units) -> None:
        """Join a unit; `units` say how its programme counts, the rest is as for `EurothermController`."""
        super().__init__(name, link, unit)
        self._units = units

    def fit(self, program: FurnaceProgram) -> FurnaceProgram:
        """Give a programme as eight segments hold it."""
        return program_wire.decode_program(self._encode(program), self.decimals, self._units)

    def held(self) -> FurnaceProgram | None:
        """Give the programme that is in the segments."""
        registers = self._read(program_wire.SEGMENTS, program_wire.WORDS * program_wire.SEGMENT_COUNT)
        return program_wire.decode_program(registers, self.decimals, self._units)

    def load(self, program: FurnaceProgram, grant: Granted, heed_stops: Callable[[], None]) -> None:
        """Write settings and segments, and read them back."""
        self._check_decimals()
        self._to_reset(grant)
        for address, words in (
            (program_wire.DWELL_UNITS, (self._units.dwell_units,)),
            (program_wire.RAMP_UNITS, (RAMP_UNIT_CODES[self._units.rate_per],)),
            (program_wire.END_TYPE, (self._units.end_type,)),
            (program_wire.CYCLES, (ONCE,)),
            (program_wire.SEGMENTS, self._encode(program)),
        ):
            heed_stops()
            self._write(address, words, grant)

    def run(self, grant: Granted) -> None:
        """Tell it once to run, or to go on."""
        self.link.write_register(wire.PROGRAM_STATUS, Status.RUN, grant)

    def _encode(self, program: FurnaceProgram) -> tuple[int, ...]:
        return program_wire.encode_program(program, self.decimals, self._units)

    def _read_extra(self, status: int) -> Extra:
        if status != Status.RUN:
            return Extra()
        run_for, _, holdback = self._read_in_look(program_wire.PROGRESS, program_wire.PROGRESS_COUNT)
        # It does not say when it waits, so where it may wait its time is not known.
        return Extra(progress=wire.decode_progress(run_for), waits=holdback != 0)


class Eurotherm3216P(ProgrammedFurnace):
    """A furnace with a programmer of eight segments.

    Limits are highest values: `setpoint` in degC, `ramp` in degC/min.
    """

    def __init__(
        self,
        name: str,
        *,
        link: ModbusLink,
        limits: Mapping[str, float],
        instrument_type: int = INSTRUMENT_TYPE,
        unit: Unit | None = None,
        units: Units | None = None,
        **base: Any,
    ) -> None:
        """Join a unit: `unit` as the lab file has it, `units` in which its programme counts."""
        registers = Registers3216P(name, link, unit or Unit(instrument_type), units or Units())
        super().__init__(name, controller=registers, limits=limits, **base)
        self.link = link


def _build(parts: Parts) -> Eurotherm3216P:
    units = Units(
        dwell_units=int(number(parts, "dwell_units", 1, low=0, high=1)),
        dwell_count_s=number(parts, "dwell_count", 60.0, low=0.1, high=3600.0),
        rate_per=choice(parts, "rate_per", "min", RAMP_UNIT_CODES),
        end_type=int(number(parts, "end_type", 1, low=0, high=3)),
    )
    link = parts.modbus(never_write=frozenset({wire.INSTRUMENT_MODE}))
    unit = common_unit(parts, INSTRUMENT_TYPE, ieee=False)
    return Eurotherm3216P(link=link, limits=parts.limits, unit=unit, units=units, **parts.base)


DRIVER = DriverSpec(
    Kind.FURNACE,
    Eurotherm3216P,
    _build,
    limits=FURNACE_LIMITS,
    limited=FURNACE_LIMITED,
    options={
        **COMMON_OPTIONS,
        "instrument_type": Option("what register 122 holds (0xF3)"),
        "dwell_units": Option("what register 321 is set to: 0 for h, 1 for min (1)"),
        "dwell_count": Option("what one count of a dwell register is worth then (60 s)", "s"),
        "rate_per": Option("for which time a ramp is, and register 531 is set: min, h or s (min)"),
        "end_type": Option("what register 328 is set to, so that the last temperature is kept (1)"),
    },
)
