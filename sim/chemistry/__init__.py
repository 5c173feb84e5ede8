"""What powders do: mixing, firing and standing in air, decided by a truth that only the simulator holds."""

from sim.chemistry.errors import ChemistryError, UnknownChemistry
from sim.chemistry.firing import GRID_S, fire, fire_batch, rest
from sim.chemistry.library import Library, Phase, Reaction, Site, Structure
from sim.chemistry.powder import Lot, Powder
from sim.chemistry.processing import dispense, grind, merge, mill, transfer
from sim.chemistry.thermo import reaction_gibbs_kj
from sim.chemistry.truth import Spread, Truth

__all__ = [
    "GRID_S",
    "ChemistryError",
    "Library",
    "Lot",
    "Phase",
    "Powder",
    "Reaction",
    "Site",
    "Spread",
    "Structure",
    "Truth",
    "UnknownChemistry",
    "dispense",
    "fire",
    "fire_batch",
    "grind",
    "merge",
    "mill",
    "reaction_gibbs_kj",
    "rest",
    "transfer",
]
