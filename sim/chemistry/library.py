"""The simulator's own phases, gases and reactions of one chemical system, read from a JSON file.

The file is data with citations; nothing outside the simulator reads it. A reaction that does not
balance, a site of an unknown element or a phase without an energy is refused when the file is read.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sim.chemistry.errors import ChemistryError, UnknownChemistry
from sim.chemistry.formula import composition, formula_of

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SYSTEM = "ba-ti-c-o-h"
REFERENCE_K = 1273.0
"""Temperature at which the file states its rates."""


@dataclass(frozen=True)
class Site:
    """One site of the asymmetric unit; fractional coordinates, B in square angstrom."""

    label: str
    element: str
    ion: str
    x: float
    y: float
    z: float
    occupancy: float
    b_iso: float


@dataclass(frozen=True)
class Structure:
    """A crystal structure: symmetry by generators, cell in angstrom and degrees, sites."""

    space_group: str
    operations: int
    """How many symmetry operations the generators must give."""
    generators: tuple[str, ...]
    """Symmetry operations such as ``-x+1/2,y+1/2,-z``, of which all others are products."""
    cell: tuple[float, float, float, float, float, float]
    sites: tuple[Site, ...]
    source: str


@dataclass(frozen=True)
class Energy:
    """Enthalpy and entropy at 298.15 K and Maier-Kelley heat capacity a + bT + c/T^2 (J/mol/K)."""

    h298_kj_per_mol: float
    s298_j_per_mol_k: float
    cp: tuple[float, float, float]
    source: str
    transitions: tuple[tuple[float, float], ...] = ()
    """Temperature (K) and heat (kJ/mol) of each change of form, melting included."""


@dataclass(frozen=True)
class Phase:
    """A solid; without a structure it shows no diffraction lines."""

    name: str
    energy: Energy
    melting_degc: float | None
    decomposition_degc: float | None
    density_g_per_cm3: float
    structure: Structure | None
    aliases: tuple[str, ...]

    @property
    def elements(self) -> "Mapping[str, float]":
        """Element counts of one formula unit."""
        return composition(formula_of(self.name))


@dataclass(frozen=True)
class Rate:
    """An Arrhenius rate, stated at 1273 K."""

    at_1273_k: float
    activation_kj_per_mol: float


@dataclass(frozen=True)
class Reaction:
    """A reaction between solids and gases.

    Kind ``surface``: one solid changes at its own surface, first order in what is left of it.
    Kind ``core``: a product layer grows inward on the grains of `core`; kind ``shell``: it grows on
    what covers those grains. Both are limited by the contact (interface) and by diffusion through
    `layer`, in series.
    """

    id: str
    kind: str
    reactants: "Mapping[str, float]"
    products: "Mapping[str, float]"
    core: str
    layer: str | None
    surface_per_s: Rate | None
    interface_m_per_s: Rate | None
    diffusion_m2_per_s: Rate | None
    long_range_per_s: Rate | None
    gas_order: str | None
    source: str


@dataclass(frozen=True)
class Library:
    """All that is known of one chemical system; `document` is the file's own text."""

    document: str
    system: str
    host_element: str
    hydration: str
    bed_resistance_bar_s_per_mmol: float
    melt_gain: float
    atomic_weights: "Mapping[str, float]"
    gases: "Mapping[str, Energy]"
    phases: "Mapping[str, Phase]"
    reactions: tuple[Reaction, ...]
    atmospheres: "Mapping[str, Mapping[str, float]]"
    grain_radius_um: "Mapping[str, float]"
    default_polymorph: "Mapping[str, str]"

    def phase_of(self, formula: str) -> Phase:
        """Find the phase that a lot's formula or phase name means.

        Raises `UnknownChemistry` that names the element or the formula not known.
        """
        name = self.default_polymorph.get(formula, formula)
        for phase in self.phases.values():
            if name == phase.name or name in phase.aliases:
                return phase
        strange = [e for e in composition(formula_of(formula)) if e not in self.atomic_weights]
        if strange:
            raise UnknownChemistry(
                f"{formula}: element {strange[0]} is not in this truth; it knows {', '.join(self.atomic_weights)}"
            )
        raise UnknownChemistry(
            f"{formula}: no such phase in the truth for {self.system}; it knows {', '.join(self.phases)}"
        )

    def molar_mass_g(self, name: str) -> float:
        """Mass of one mole of a phase or gas (g); equally mg for one mmol."""
        return sum(self.atomic_weights[e] * n for e, n in composition(formula_of(name)).items())

    def radius_um(self, grain: str) -> float:
        """Grain radius of a lot's size class (micrometre). Raises `UnknownChemistry`."""
        if grain not in self.grain_radius_um:
            raise UnknownChemistry(f"grain class {grain!r} is not known; allowed: {', '.join(self.grain_radius_um)}")
        return self.grain_radius_um[grain]

    def pressures_bar(self, atmosphere: str) -> "Mapping[str, float]":
        """Partial pressures of an atmosphere (bar). Raises `UnknownChemistry`."""
        if atmosphere not in self.atmospheres:
            raise UnknownChemistry(f"atmosphere {atmosphere!r} is not known; allowed: {', '.join(self.atmospheres)}")
        return self.atmospheres[atmosphere]


@cache
def packaged_library(system: str = DEFAULT_SYSTEM) -> Library:
    """Read a library that comes with the simulator."""
    folder = resources.files("sim.chemistry") / "library"
    return parse_library((folder / f"{system}.json").read_text(encoding="utf-8"))


def parse_library(document: str) -> Library:
    """Read a library from its JSON text. Raises `ChemistryError` naming the entry that is wrong."""
    raw = json.loads(document)
    library = Library(
        document=document,
        system=raw["system"],
        host_element=raw["host_element"],
        hydration=raw["hydration"],
        bed_resistance_bar_s_per_mmol=raw["bed_resistance_bar_s_per_mmol"],
        melt_gain=raw["melt_gain"],
        atomic_weights=MappingProxyType(raw["atomic_weights"]),
        gases=MappingProxyType({name: _energy(entry) for name, entry in raw["gases"].items()}),
        phases=MappingProxyType({name: _phase(name, entry) for name, entry in raw["phases"].items()}),
        reactions=tuple(_reaction(entry) for entry in raw["reactions"]),
        atmospheres=MappingProxyType(raw["atmospheres"]),
        grain_radius_um=MappingProxyType(raw["grain_radius_um"]),
        default_polymorph=MappingProxyType(raw["default_polymorph"]),
    )
    _check(library)
    return library


def _energy(entry: dict[str, Any]) -> Energy:
    a, b, c = entry["cp"]
    steps = tuple((at_k, heat_kj) for at_k, heat_kj in entry.get("transitions", ()))
    return Energy(entry["h298_kj_per_mol"], entry["s298_j_per_mol_k"], (a, b, c), entry["source"], steps)


def _phase(name: str, entry: dict[str, Any]) -> Phase:
    return Phase(
        name=name,
        energy=_energy(entry),
        melting_degc=entry["melting_degc"],
        decomposition_degc=entry["decomposition_degc"],
        density_g_per_cm3=entry["density_g_per_cm3"],
        structure=_structure(entry["structure"]) if entry["structure"] else None,
        aliases=tuple(entry.get("aliases", ())),
    )


def _structure(entry: dict[str, Any]) -> Structure:
    a, b, c, alpha, beta, gamma = entry["cell"]
    return Structure(
        space_group=entry["space_group"],
        operations=entry["operations"],
        generators=tuple(entry["generators"]),
        cell=(a, b, c, alpha, beta, gamma),
        sites=tuple(Site(**site) for site in entry["sites"]),
        source=entry["source"],
    )


def _reaction(entry: dict[str, Any]) -> Reaction:
    def rate(key: str) -> Rate | None:
        return Rate(**entry[key]) if entry.get(key) else None

    return Reaction(
        id=entry["id"],
        kind=entry["kind"],
        reactants=MappingProxyType(entry["reactants"]),
        products=MappingProxyType(entry["products"]),
        core=entry["core"],
        layer=entry.get("layer"),
        surface_per_s=rate("rate_per_s"),
        interface_m_per_s=rate("interface_m_per_s"),
        diffusion_m2_per_s=rate("diffusion_m2_per_s"),
        long_range_per_s=rate("long_range_per_s"),
        gas_order=entry.get("gas_order"),
        source=entry["source"],
    )


def _check(library: Library) -> None:
    for phase in library.phases.values():
        sites = phase.structure.sites if phase.structure else ()
        for element in (*phase.elements, *(site.element for site in sites)):
            if element not in library.atomic_weights or element not in phase.elements:
                raise ChemistryError(f"phase {phase.name}: element {element} does not belong there")
    for reaction in library.reactions:
        _check_reaction(library, reaction)


def _check_reaction(library: Library, reaction: Reaction) -> None:
    balance: dict[str, float] = {}
    for sign, side in ((-1.0, reaction.reactants), (1.0, reaction.products)):
        for name, count in side.items():
            if name not in library.phases and name not in library.gases:
                raise ChemistryError(f"reaction {reaction.id!r}: {name} is neither a phase nor a gas of the library")
            for element, n in composition(formula_of(name)).items():
                balance[element] = balance.get(element, 0.0) + sign * count * n
    off = {element: n for element, n in balance.items() if abs(n) > 1e-9}
    if off:
        raise ChemistryError(f"reaction {reaction.id!r}: does not balance, off by {off}")
    layered = (
        reaction.layer,
        reaction.interface_m_per_s,
        reaction.diffusion_m2_per_s,
        reaction.long_range_per_s,
    )
    complete = {
        "surface": reaction.surface_per_s is not None,
        "core": None not in layered,
        "shell": None not in layered,
    }
    if not complete.get(reaction.kind, False):
        raise ChemistryError(f"reaction {reaction.id!r}: kind {reaction.kind!r} lacks its rates or is not known")
