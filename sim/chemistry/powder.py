"""A portion of powder as matter: what is in it, how fine it is, how well mixed.

A powder is a handful of *neighbourhoods*: three grain sizes, each once with a little too much of what
carries the host element and once with too little. Matter reacts within a neighbourhood quickly and
between them slowly; milling pours all of them together and deals them out anew. How unequal they are
follows from the mixing quality, so that poor mixing leaves residues that no driving force explains.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.chemistry.formula import composition, formula_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.chemistry.library import Library

Array = NDArray[np.float64]
Cells = tuple[tuple[float, ...], ...]

SIZE_FACTOR = np.array([0.6, 1.0, 1.6, 0.6, 1.0, 1.6])
"""Grain radius of each neighbourhood over the mean one."""
_SHARE = np.array([0.125, 0.25, 0.125, 0.125, 0.25, 0.125])
_SIDE = np.array([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0])
_WORST_CONTRAST = 0.6
"""Relative excess of a phase in its rich neighbourhoods in an unmixed powder."""
LAYERED_MIXING = 0.2
"""Mixing quality of reagents poured on top of each other."""


@dataclass(frozen=True)
class Lot:
    """What a bottle holds; what is missing to its assay is inert matter."""

    formula: str
    """Formula or phase name; a formula with several forms means the commonest one."""
    assay: float = 1.0
    """Mass fraction of the (hydrated) compound, above 0 to 1."""
    hydrate: float = 0.0
    """Molecules of water of crystallisation for each formula unit."""
    grain: str = "standard"
    """Size class: nano, fine, standard or coarse."""


@dataclass(frozen=True)
class Powder:
    """Matter in one place. All verbs return new powders; amounts are mmol."""

    phases: tuple[str, ...] = ()
    molar_mass_g: tuple[float, ...] = ()
    contrast: tuple[float, ...] = ()
    """-1 for a phase whose cations are all of the host element, 1 for one without it."""
    amounts_mmol: Cells = ()
    """By neighbourhood and phase."""
    baseline_mmol: Cells = ()
    """The amounts when the grains were last broken: product layers are counted from there."""
    radius_um: tuple[float, ...] = ()
    """Mean grain radius by phase; 0 for a phase that was never a grain of its own."""
    mixing: float = 1.0
    """Mixing quality: 0 unmixed, 1 perfect."""
    inert_mg: float = 0.0
    gas_mmol: tuple[tuple[str, float], ...] = field(default=())

    @classmethod
    def empty(cls) -> "Powder":
        """Give an empty place."""
        return cls()

    @property
    def totals_mmol(self) -> tuple[float, ...]:
        """Amount of each phase, in the order of `phases`."""
        return tuple(float(sum(column)) for column in zip(*self.amounts_mmol, strict=True))

    @property
    def mass_mg(self) -> float:
        """Mass of all that is there, inert matter included (mg)."""
        return self.inert_mg + sum(n * m for n, m in zip(self.totals_mmol, self.molar_mass_g, strict=True))

    @property
    def gas_lost(self) -> "Mapping[str, float]":
        """Gas given off since the powder was dispensed (mmol, by gas); negative where taken up."""
        return dict(self.gas_mmol)

    def moles(self) -> dict[str, float]:
        """Amounts of the phases that are there (mmol)."""
        return {name: n for name, n in zip(self.phases, self.totals_mmol, strict=True) if n > 0}

    def mass_fractions(self) -> dict[str, float]:
        """Mass fractions of the phases among all phases, inert matter left out; empty for no matter."""
        masses = {name: n * m for name, n, m in zip(self.phases, self.totals_mmol, self.molar_mass_g, strict=True)}
        total = sum(masses.values())
        return {name: mass / total for name, mass in masses.items() if mass > 0}

    def elements(self) -> dict[str, float]:
        """Amounts of the elements in the phases (mmol); inert matter and lost gas are not in it."""
        total: dict[str, float] = {}
        for name, n in self.moles().items():
            for element, count in composition(formula_of(name)).items():
                total[element] = total.get(element, 0.0) + count * n
        return total


def frame(library: "Library") -> Powder:
    """Give a powder without matter that has a place for every phase of the library."""
    names = tuple(library.phases)
    nothing = ((0.0,) * len(names),) * len(_SHARE)
    return Powder(
        phases=names,
        molar_mass_g=tuple(library.molar_mass_g(name) for name in names),
        contrast=tuple(_contrast(name, library.host_element) for name in names),
        amounts_mmol=nothing,
        baseline_mmol=nothing,
        radius_um=(0.0,) * len(names),
    )


def _contrast(phase: str, host: str) -> float:
    cations = {e: n for e, n in composition(formula_of(phase)).items() if e not in ("O", "C", "H")}
    total = sum(cations.values())
    return 1.0 - 2.0 * cations.get(host, 0.0) / total if total else 1.0


def dealt(powder: Powder, totals_mmol: Array, mixing: float) -> Powder:
    """Deal total amounts out to the neighbourhoods anew; all layers and contacts are gone."""
    lean = np.outer(_SIDE, powder.contrast) * _WORST_CONTRAST * (1.0 - mixing)
    cells = cells_of(_SHARE[:, None] * (1.0 + lean) * totals_mmol)
    return replace(powder, amounts_mmol=cells, baseline_mmol=cells, mixing=mixing)


def cells_of(amounts: Array) -> Cells:
    """Turn an array (neighbourhoods, phases) into the form that a powder keeps."""
    return tuple(tuple(row) for row in amounts.tolist())
