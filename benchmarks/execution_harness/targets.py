"""58 oxides that solid-state laboratories make, and the conditions that they are usually made at.

Temperatures and dwells are round figures of common practice, where a planner would begin; the programme of a single
recipe is drawn around them in `workload`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One compound and where to begin."""

    formula: str
    peak_degc: float
    dwell_h: float
    volatile: str = ""
    """What it gives off when fired, and so whom it must not share a furnace with."""
    atmosphere: str = "air"
    calcined_degc: float | None = None
    """Where a first firing, then a regrind, is usual: the temperature of that firing."""


TARGETS = (
    Target("BaTiO3", 1050, 8),
    Target("SrTiO3", 1100, 10),
    Target("CaTiO3", 1150, 12),
    Target("LaAlO3", 1250, 12, calcined_degc=950),
    Target("LaMnO3", 1100, 12, calcined_degc=900),
    Target("LaFeO3", 1100, 10),
    Target("LaCoO3", 1000, 12),
    Target("NdGaO3", 1200, 16, calcined_degc=1000),
    Target("SrSnO3", 1150, 12),
    Target("BaSnO3", 1200, 12, calcined_degc=1000),
    Target("BaZrO3", 1250, 16, calcined_degc=1050),
    Target("CaMnO3", 1100, 16),
    Target("Y2Ti2O7", 1250, 24, calcined_degc=1050),
    Target("MgAl2O4", 1250, 10),
    Target("Mg2TiO4", 1250, 8),
    Target("NiFe2O4", 1050, 8),
    Target("CoFe2O4", 1000, 8),
    Target("MgCr2O4", 1100, 8),
    Target("Ca3Co4O9", 900, 20, calcined_degc=850),
    Target("BaNb2O6", 1150, 6),
    Target("Ba5Nb4O15", 1200, 8, calcined_degc=1000),
    Target("MgNb2O6", 1100, 6),
    Target("LaNbO4", 1150, 8),
    Target("La2CuO4", 1000, 16, calcined_degc=900),
    Target("CuFe2O4", 900, 10),
    Target("Li2TiO3", 850, 10, "lithium"),
    Target("Li4Ti5O12", 850, 12, "lithium"),
    Target("LiMn2O4", 800, 12, "lithium"),
    Target("LiCoO2", 850, 12, "lithium"),
    Target("LiNi0.5Mn1.5O4", 850, 12, "lithium"),
    Target("Li2MnO3", 850, 20, "lithium"),
    Target("LiAlO2", 900, 8, "lithium"),
    Target("LiNbO3", 1000, 4, "lithium"),
    Target("LiTaO3", 1050, 4, "lithium"),
    Target("Li7La3Zr2O12", 1100, 6, "lithium", calcined_degc=900),
    Target("Li0.33La0.56TiO3", 1150, 6, "lithium", calcined_degc=800),
    Target("Na2Ti3O7", 850, 20, "sodium", calcined_degc=800),
    Target("Na0.67MnO2", 900, 12, "sodium"),
    Target("NaNbO3", 900, 6, "sodium"),
    Target("K2Ti6O13", 1050, 10, "potassium"),
    Target("KNbO3", 850, 6, "potassium"),
    Target("ZnFe2O4", 950, 8, "zinc"),
    Target("ZnAl2O4", 1100, 8, "zinc"),
    Target("Zn2SnO4", 1150, 12, "zinc"),
    Target("Bi4Ti3O12", 900, 6, "bismuth"),
    Target("BiFeO3", 800, 2, "bismuth"),
    Target("BiVO4", 650, 8, "bismuth"),
    Target("Bi2MoO6", 600, 10, "bismuth"),
    Target("PbTiO3", 800, 4, "lead"),
    Target("PbZrO3", 850, 4, "lead"),
    Target("CaWO4", 900, 8, "molybdenum"),
    Target("CaMoO4", 800, 6, "molybdenum"),
    Target("La2Mo2O9", 900, 12, "molybdenum", calcined_degc=650),
    Target("YBa2Cu3O7", 930, 20, atmosphere="oxygen", calcined_degc=900),
    Target("LaNiO3", 850, 12, atmosphere="oxygen"),
    Target("LiNiO2", 720, 12, "lithium", "oxygen"),
    Target("LiFePO4", 700, 8, "lithium", "argon"),
    Target("Na3V2(PO4)3", 800, 10, "sodium", "argon", calcined_degc=350),
)

SOURCES = {
    "Al": ("Al2O3", "Al(OH)3"),
    "Ba": ("BaCO3", "BaO2"),
    "Bi": ("Bi2O3",),
    "Ca": ("CaCO3", "CaO"),
    "Co": ("Co3O4",),
    "Cr": ("Cr2O3",),
    "Cu": ("CuO",),
    "Fe": ("Fe2O3", "FeC2O4"),
    "Ga": ("Ga2O3",),
    "K": ("K2CO3",),
    "La": ("La2O3", "La(OH)3"),
    "Li": ("Li2CO3", "LiOH"),
    "Mg": ("MgO", "MgCO3"),
    "Mn": ("MnO2", "Mn2O3", "MnCO3"),
    "Mo": ("MoO3",),
    "Na": ("Na2CO3",),
    "Nb": ("Nb2O5",),
    "Nd": ("Nd2O3",),
    "Ni": ("NiO", "NiCO3"),
    "P": ("NH4H2PO4",),
    "Pb": ("PbO", "PbO2"),
    "Sn": ("SnO2",),
    "Sr": ("SrCO3",),
    "Ta": ("Ta2O5",),
    "Ti": ("TiO2",),
    "V": ("V2O5", "NH4VO3"),
    "W": ("WO3",),
    "Y": ("Y2O3",),
    "Zn": ("ZnO",),
    "Zr": ("ZrO2",),
}
"""Precursors that bring one cation each."""
