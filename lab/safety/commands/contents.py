"""What is in mills, shakers and furnaces, as far as safety asks: oxidiser, organic matter, moisture.

Known from the tasks of the samples, before they begin: what is about to be there counts as being there. Lots are
known by their formula:

    oxidiser   peroxides and superoxides, nitrates, chlorates, perchlorates, permanganates
    organic    an organic solvent, or carbon with hydrogen that is no (bi)carbonate
    dry        no solvent

A firing to its end leaves nothing but oxidiser.

An empty place holds neither oxidiser nor organic matter, and is dry. A lot that nobody knows makes all that is
asked of it unknown. So it is in a place to which no task of a sample goes: whoever put something there told nobody.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from lab.safety.interlocks.expressions import Value

WATERY = frozenset({"water", "deionised water", "deionized water", "H2O"})
"""Solvents that are wet and not organic; every other solvent counts as organic."""

_ATOM = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)")
_GROUP = re.compile(r"\(([^()]*)\)(\d*\.?\d*)")
_OXIDISING_GROUP = re.compile(r"NO3|ClO[34]|MnO4")
_ALKALI = frozenset({"Li", "Na", "K", "Rb", "Cs"})
_TWO_VALUED = frozenset({"Mg", "Ca", "Sr", "Ba", "Zn", "Cd"})


@dataclass(frozen=True)
class Charge:
    """What one sample has in it, None where it is not known."""

    oxidiser: bool | None = False
    organic: bool | None = False
    """In the powder itself."""
    solvent: bool = False
    """Whether an organic solvent is in it."""
    wet: bool = False

    def values(self) -> dict[str, Value]:
        """What rules may ask."""
        organic = True if self.solvent else self.organic
        return {"oxidiser": self.oxidiser, "organic": organic, "dry": not self.wet}


EMPTY = Charge()
ASKED = tuple(EMPTY.values())
"""What can be asked of a place: ``PLACE.contents.oxidiser`` and so on."""


class Contents:
    """Where which sample is; may be used from several threads."""

    def __init__(self, formulas: Mapping[str, str] | None = None, *, untold: Collection[str] = ()) -> None:
        """Begin with everything empty.

        Args:
            formulas: Lot name to formula, of the inventory.
            untold: Places that others fill: unknown, but for a sample that was put there.
        """
        self._untold = frozenset(untold)
        self._formulas = dict(formulas or {})
        self._lock = threading.Lock()
        self._charges: dict[str, Charge] = {}
        self._places: dict[str, frozenset[str]] = {}

    def weighed(self, sample: str, lots: Collection[str]) -> None:
        """A sample is made of these lots."""
        formulas = [self._formulas.get(lot) for lot in lots]
        charge = Charge(
            oxidiser=_any(None if formula is None else is_oxidiser(formula) for formula in formulas),
            organic=_any(None if formula is None else is_organic(formula) for formula in formulas),
        )
        with self._lock:
            self._charges[sample] = charge

    def wetted(self, sample: str, solvent: str | None) -> None:
        """A sample is ground in a solvent; None is dry."""
        if solvent is not None:
            self._change(sample, solvent=solvent not in WATERY, wet=True)

    def fired(self, sample: str) -> None:
        """A sample went through a firing to its end: nothing organic or wet is left, but oxidiser may be."""
        with self._lock:
            charge = self._charges.get(sample, Charge(None, None))
            self._charges[sample] = Charge(oxidiser=charge.oxidiser)

    def put(self, sample: str, place: str, *, alone: bool = False) -> None:
        """A sample is in a place, or about to be; `alone` where there is room for one, so that no other is there."""
        with self._lock:
            others = frozenset() if alone else self._places.get(place, frozenset())
            self._places[place] = others | {sample}

    def taken(self, sample: str, place: str) -> None:
        """A sample is in a place no more."""
        with self._lock:
            self._places[place] = self._places.get(place, frozenset()) - {sample}

    def of(self, place: str) -> dict[str, Value]:
        """What a place holds, by the names that rules use."""
        with self._lock:
            samples = sorted(self._places.get(place, ()))
            charges = [self._charges.get(sample, Charge(None, None)).values() for sample in samples]
        if not charges and place in self._untold:
            return dict.fromkeys(ASKED, None)
        charges = charges or [EMPTY.values()]
        return {
            "oxidiser": _any(charge["oxidiser"] for charge in charges),
            "organic": _any(charge["organic"] for charge in charges),
            "dry": all(charge["dry"] for charge in charges),
        }

    def _change(self, sample: str, *, solvent: bool, wet: bool) -> None:
        with self._lock:
            charge = self._charges.get(sample, Charge(None, None))
            self._charges[sample] = replace(charge, solvent=solvent, wet=wet)


def is_oxidiser(formula: str) -> bool:
    """Whether a compound gives off oxygen to what burns.

    >>> [is_oxidiser(f) for f in ("BaO2", "Ba(NO3)2", "KClO4", "KMnO4", "Li2O2", "KO2", "BaN2O6")]
    [True, True, True, True, True, True, True]
    >>> [is_oxidiser(f) for f in ("BaO", "TiO2", "Li2O", "BaCO3", "Mn3O4", "ZnO", "Ba(OH)2")]
    [False, False, False, False, False, False, False]
    """
    if _OXIDISING_GROUP.search(formula):
        return True
    atoms = atoms_of(formula)
    oxygen = atoms.get("O", 0.0)
    if {"N", "O"} < atoms.keys() and not {"C", "H"} & atoms.keys():
        return oxygen >= 3 * atoms["N"]
    metals = atoms.keys() - {"O"}
    if len(metals) != 1:
        return False
    (metal,) = metals
    ratio = oxygen / atoms[metal]
    return (metal in _ALKALI and ratio > 0.75) or (metal in _TWO_VALUED and ratio > 1.25)


def is_organic(formula: str) -> bool:
    """Whether a compound has carbon that burns: with hydrogen, and not all of it in carbonate.

    >>> [is_organic(f) for f in ("Ba(CH3COO)2", "C6H8O7", "C2H6O", "CO(NH2)2")]
    [True, True, True, True]
    >>> [is_organic(f) for f in ("BaCO3", "NaHCO3", "(NH4)2CO3", "Mg5(CO3)4(OH)2", "BaC2O4", "TiO2")]
    [False, False, False, False, False, False]
    """
    atoms = atoms_of(formula)
    carbon = atoms.get("C", 0.0)
    # Carbonate has three oxygen for each carbon, which no organic compound in a laboratory of powders has.
    return carbon > 0 and atoms.get("H", 0.0) > 0 and atoms.get("O", 0.0) < 3 * carbon


def atoms_of(formula: str) -> dict[str, float]:
    """How many of each element a formula has, brackets multiplied out.

    >>> atoms_of("Ba(OH)2")
    {'Ba': 1.0, 'O': 2.0, 'H': 2.0}
    """
    while (group := _GROUP.search(formula)) is not None:
        times = float(group[2] or 1)
        inner = "".join(f"{element}{count * times:g}" for element, count in atoms_of(group[1]).items())
        formula = formula[: group.start()] + inner + formula[group.end() :]
    atoms: dict[str, float] = {}
    for element, count in _ATOM.findall(formula):
        atoms[element] = atoms.get(element, 0.0) + float(count or 1)
    return atoms


def _any(truths: Iterable[Value]) -> bool | None:
    """Whether any is true; None where none is and some are not known."""
    found = list(truths)
    return True if True in found else None if None in found else False
