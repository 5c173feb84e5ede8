"""The Eurotherm 2416 furnace controller: programmes of sixteen segments, setpoint and reading over Modbus RTU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.codecs import eurotherm as wire
from drivers.codecs.eurotherm_segments import UNIT_CODES, Kind, Segment, Status, Units
from drivers.furnaces.eurotherm_programmer import UNIT_OPTIONS, SegmentedProgrammer
from drivers.furnaces.eurotherm_registers import Unit
from drivers.furnaces.eurotherm_settings import COMMON_OPTIONS, IEEE_OPTION, choice, common_unit, number
from drivers.furnaces.programmed import FURNACE_LIMITED, FURNACE_LIMITS, ProgrammedFurnace
from drivers.gate import Granted
from drivers.kinds import Kind as DeviceKind
from drivers.links import ModbusLink
from drivers.spec import DriverSpec, Option, Parts

PROGRAM_LEFT = 58
"""Time that is left of the programme."""
END_TYPE = 3
"""Offset in the segment that ends a programme."""


class Registers2416(SegmentedProgrammer):
    """The registers of a 2416."""

    SEGMENTS = 16
    PROGRESS = PROGRAM_LEFT

    def run(self, grant: Granted) -> None:
        """Tell it once to run, or to go on."""
        self.link.write_register(wire.PROGRAM_STATUS, Status.RUN, grant)

    def _beside(self, segment: Segment) -> dict[int, int]:
        return {END_TYPE: self._units.end_type} if segment.kind is Kind.END else {}


class Eurotherm2416(ProgrammedFurnace):
    """A furnace with a programmer of sixteen segments: a step takes one or two of them, and the end one.

    Limits are highest values: `setpoint` in degC, `ramp` in degC/min.
    """

    def __init__(
        self,
        name: str,
        *,
        link: ModbusLink,
        limits: Mapping[str, float],
        unit: Unit,
        units: Units,
        program: int = 1,
        **base: Any,
    ) -> None:
        """Join a unit: `units` in which the programme counts, `program` the number of the one that is ours."""
        super().__init__(name, controller=Registers2416(name, link, unit, units, program), limits=limits, **base)
        self.link = link


def _build(parts: Parts) -> Eurotherm2416:
    units = Units(
        rate_per=choice(parts, "rate_per", "min", UNIT_CODES),
        dwell_units=choice(parts, "dwell_units", "min", UNIT_CODES),
        dwell_count_s=number(parts, "dwell_count", 6.0, low=0.1, high=3600.0),
        end_type=int(number(parts, "end_type", 0, low=0, high=2)),
    )
    return Eurotherm2416(
        link=parts.modbus(never_write=frozenset({wire.INSTRUMENT_MODE})),
        limits=parts.limits,
        unit=common_unit(parts, None, ieee=True),
        units=units,
        program=int(number(parts, "program", 1, low=1, high=20)),
        **parts.base,
    )


DRIVER = DriverSpec(
    DeviceKind.FURNACE,
    Eurotherm2416,
    _build,
    limits=FURNACE_LIMITS,
    limited=FURNACE_LIMITED,
    options={
        **COMMON_OPTIONS,
        **UNIT_OPTIONS,
        "ieee": IEEE_OPTION,
        "instrument_type": Option("what register 122 holds (what it holds at first)"),
        "dwell_count": Option("what one count of a dwell register is worth then (6 s)", "s"),
        "end_type": Option("what the end of a programme is set to, so that the last temperature is kept (0)"),
        "program": Option("number of the programme that is written and run, 1 to 20 (1)"),
    },
)
