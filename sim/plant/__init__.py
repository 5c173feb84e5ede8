"""The physics: furnaces that heat and cool, powder that falls and is poured, and where every vessel stands.

Nothing here knows a wire. Instruments call the plant's verbs; the chemistry decides what powders become.
"""

from sim.plant.balance import Balance, CellKind, WeighingCell
from sim.plant.diffractometer import Diffractometer, Programme
from sim.plant.doser import Care, Doser, DoserFault, Head, substance
from sim.plant.furnace import BoxFurnace
from sim.plant.places import DoorState, Impossible, Kind, Labware
from sim.plant.plant import Plant
from sim.plant.record import Edge
from sim.plant.spectrometer import Exposure, Shutter, Spectrometer, SpectrometerFault

__all__ = [
    "Balance",
    "BoxFurnace",
    "Care",
    "CellKind",
    "Diffractometer",
    "DoorState",
    "Doser",
    "DoserFault",
    "Edge",
    "Exposure",
    "Head",
    "Impossible",
    "Kind",
    "Labware",
    "Plant",
    "Programme",
    "Shutter",
    "Spectrometer",
    "SpectrometerFault",
    "WeighingCell",
    "substance",
]
