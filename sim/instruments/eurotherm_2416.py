"""A Eurotherm 2416 furnace controller: its registers, on Modbus RTU.

    36 time left of the segment, s | 56 segment | 58 time left of the programme, s | 59 cycles left
    160 target of the segment | 163 setpoint of the programmer                 (instruments.md 1.2, 1.3)

Its programmes are in `sim.parts.eurotherm_segments`, the rest of the map in `sim.parts.eurotherm`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.parts.eurotherm import Register, Wide
from sim.parts.eurotherm_segments import SegmentedUnit
from sim.parts.furnaces import FURNACE_OPTIONS, put_up_furnace
from sim.site import Site
from sim.spec import Instrument

SEGMENT_LEFT, SEGMENT_NUMBER, PROGRAM_LEFT, CYCLES_LEFT, PROGRAMMER_SETPOINT = 36, 56, 58, 59, 163
LONGEST_S = 32767.0
"""A longer time does not fit."""


class Eurotherm2416(SegmentedUnit):
    """The controller of one box furnace."""

    FIRMWARE_VERSION = 0x0411

    def special(self) -> Mapping[int, Register]:
        """Give what the programmer shows."""
        programmer = self.programmer
        return {
            **super().special(),
            SEGMENT_LEFT: Register(lambda: min(self.shown("segment left"), LONGEST_S), wide=Wide.TIME),
            SEGMENT_NUMBER: Register(lambda: self.shown("segment")),
            PROGRAM_LEFT: Register(lambda: min(self.shown("left"), LONGEST_S), wide=Wide.TIME),
            CYCLES_LEFT: Register(lambda: programmer.cycles_left),
            PROGRAMMER_SETPOINT: Register(lambda: self.shown("setpoint"), None, None, Wide.FLOAT),
        }


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> Eurotherm2416:
    furnace = put_up_furnace(site, instrument)
    instrument_type, decimals = site.count(instrument, "instrument_type"), int(site.option(instrument, "decimals"))
    controller = Eurotherm2416(instrument.name, site.plant, furnace, spot.unit or 1, instrument_type, decimals)
    site.answer_modbus(instrument, spot, controller)
    return controller


MODEL = Model(Carrier.PTY, Language.MODBUS, _put_up, {**FURNACE_OPTIONS, "instrument_type": 0x2410, "decimals": 0})
