"""Powder diffraction as the simulated instrument sees it: patterns, and the file it writes."""

from sim.diffraction.instrument import Instrument
from sim.diffraction.pattern import pattern, positions
from sim.diffraction.xrdml import write_xrdml
from sim.diffraction.xy import write_xy

__all__ = ["Instrument", "pattern", "positions", "write_xrdml", "write_xy"]
