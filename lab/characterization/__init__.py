"""Characterization: from what a diffractometer wrote to phases, fractions, and how far to trust them."""

from lab.characterization.analysis import analyze, analyze_file
from lab.characterization.errors import CharacterizationError, PatternError, ReferenceFolderError
from lab.characterization.patterns import Pattern, read_pattern
from lab.characterization.references import Reference, ReferenceSet, load_reference_set, load_references
from lab.characterization.result import Characterization, FitCurves, Lattice, PhaseFraction
from lab.characterization.wavelengths import Radiation, radiation

__all__ = [
    "Characterization",
    "CharacterizationError",
    "FitCurves",
    "Lattice",
    "Pattern",
    "PatternError",
    "PhaseFraction",
    "Radiation",
    "Reference",
    "ReferenceFolderError",
    "ReferenceSet",
    "analyze",
    "analyze_file",
    "load_reference_set",
    "load_references",
    "radiation",
    "read_pattern",
]
