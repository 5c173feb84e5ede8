"""How far each reaction gets in one step of the grid.

State is one array (powders, neighbourhoods) per phase. Three kinds of reaction:

* surface: n (1 - exp(-k dt / r)) phi comes about in a step, r in micrometres;
* core and shell: x, the relative depth of the product layer, grows as
  dx/dt = phi c / (R_contact + R_layer x), R_contact = r / k_i, R_layer = r^2 (1 - x) / D: with
  R_contact = 0 this is the law of Ginstling and Brounshtein (J. Appl. Chem. USSR 23 (1950) 1327);
  c is the share of the grain that the other reactant still covers;
* long range, between neighbourhoods: first order in the scarcer reactant.

phi = 1 - exp(dG / RT), no less than 0: a rate dies with its driving force and never runs uphill.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.chemistry.errors import ChemistryError
from sim.chemistry.library import REFERENCE_K
from sim.chemistry.powder import Array
from sim.chemistry.thermo import GAS_CONSTANT_J, ZERO_DEGC_K, reaction_gibbs_kj

if TYPE_CHECKING:
    from sim.chemistry.library import Rate, Reaction
    from sim.chemistry.truth import Truth

RELEASED = "CO2"
"""The gas whose own release raises its pressure in the bed."""
_COVER = 0.15
"""Amount of the other reactant, per amount of core, at which half of the contacts are left."""
_LEAST_STEP = 1e-9
"""A reaction that converts less than this share in a step is left out of it."""
_LEAST_FAR = 1e-8
_MOST_CHANGE = 1e4
"""Factor by which the pressure of the bed's own gas is thought to leave the room's, at most."""
_GRAIN_RATIO = 4.0
"""Other reactant's grains over core grains, in radius, at which half of the contacts are lost."""


@dataclass(frozen=True)
class Wiring:
    """Where one reaction finds its species; indices into the phases of the truth."""

    reaction: "Reaction"
    solids_in: tuple[tuple[int, float], ...]
    solids_out: tuple[tuple[int, float], ...]
    gases: tuple[tuple[str, float], ...]
    """Gas given off (positive) or taken up for each mole of reaction."""
    core: int
    other: int
    layer: int
    skeleton: tuple[int, ...]
    """Phases that were grains of the core kind when the powder was last ground."""
    core_share: float
    """Part of the products that stay where the core was, in a reaction over a long range."""

    @property
    def released(self) -> float:
        """Moles of the bed's own gas for each mole of reaction."""
        return dict(self.gases).get(RELEASED, 0.0)


def wire(truth: "Truth") -> tuple[Wiring, ...]:
    """Look up the species of all reactions. Raises `ChemistryError` for a contact not of two solids."""
    cores = {r.core for r in truth.library.reactions if r.kind == "core"}
    return tuple(_wire(truth, reaction, cores) for reaction in truth.library.reactions)


def _wire(truth: "Truth", reaction: "Reaction", cores: set[str]) -> Wiring:
    place = {name: i for i, name in enumerate(truth.phases)}
    solids_in = tuple((place[s], n) for s, n in reaction.reactants.items() if s in place)
    others = [s for s in reaction.reactants if s in place and s != reaction.core]
    if len(others) != (0 if reaction.kind == "surface" else 1) or reaction.core not in reaction.reactants:
        raise ChemistryError(f"reaction {reaction.id!r}: {reaction.kind} with solids {list(reaction.reactants)}")
    gases = {g: -n for g, n in reaction.reactants.items() if g in truth.library.gases}
    gases |= {g: n for g, n in reaction.products.items() if g in truth.library.gases}
    host = truth.library.host_element
    content = {s: truth.library.phases[s].elements.get(host, 0.0) for s in (reaction.core, *others)}
    total = sum(content.values())
    return Wiring(
        reaction=reaction,
        solids_in=solids_in,
        solids_out=tuple((place[s], n) for s, n in reaction.products.items() if s in place),
        gases=tuple(gases.items()),
        core=place[reaction.core],
        other=place[others[0]] if others else -1,
        layer=place[reaction.layer] if reaction.layer else -1,
        skeleton=tuple(sorted(place[s] for s in cores | {reaction.core})),
        core_share=content[reaction.core] / total if total else 1.0,
    )


@dataclass(frozen=True)
class Table:
    """One reaction's numbers over a history; arrays (steps, 1 or powders)."""

    wiring: Wiring
    uphill: Array
    """exp(dG / RT) at the pressures of the room: phi = 1 - uphill."""
    surface: Array
    """k dt, for grains of one micrometre."""
    interface_m: Array
    """k_i dt."""
    diffusion_m2: Array
    """D dt."""
    long_range: Array
    active: list[bool]
    """Whether a step needs this reaction at all."""
    far: list[bool]
    """Whether a step needs its long range."""


def tabulate(
    truth: "Truth", wiring: Wiring, temperature_k: Array, step_s: Array, pressures_bar: dict[str, float]
) -> Table:
    """Work out one reaction's numbers for each step; temperature (steps, powders), step (steps, 1)."""
    reaction = wiring.reaction
    energy = reaction_gibbs_kj(truth, reaction, temperature_k, pressures_bar)
    uphill = np.exp(np.clip(energy * 1000 / (GAS_CONSTANT_J * temperature_k), -60.0, 60.0))
    surface = _arrhenius(truth, reaction, reaction.surface_per_s, temperature_k) * step_s
    if reaction.gas_order:
        surface = surface * pressures_bar[reaction.gas_order]
    interface = _arrhenius(truth, reaction, reaction.interface_m_per_s, temperature_k) * step_s
    interface = interface * _melt_gain(truth, reaction, temperature_k)
    diffusion = _arrhenius(truth, reaction, reaction.diffusion_m2_per_s, temperature_k) * step_s
    long_range = _arrhenius(truth, reaction, reaction.long_range_per_s, temperature_k) * step_s
    # Grains are never finer than some 10 nm, which bounds the share converted in a step.
    fastest = np.maximum(surface * 100, interface * 1e8) * (uphill < (_MOST_CHANGE if wiring.released else 1.0))
    active: list[bool] = np.greater(fastest.max(axis=1), _LEAST_STEP).tolist()
    far: list[bool] = np.greater(long_range.max(axis=1), _LEAST_FAR).tolist()
    return Table(wiring, uphill, surface, interface, diffusion, long_range, active, far)


def _arrhenius(truth: "Truth", reaction: "Reaction", rate: "Rate | None", temperature_k: Array) -> Array:
    if rate is None:
        return np.zeros_like(temperature_k)
    slope = rate.activation_kj_per_mol * 1000 * truth.activation_factor.get(reaction.id, 1.0) / GAS_CONSTANT_J
    height = rate.at_1273_k * truth.rate_factor.get(reaction.id, 1.0)
    value: Array = height * np.exp(slope * (1 / REFERENCE_K - 1 / temperature_k))
    return value


def _melt_gain(truth: "Truth", reaction: "Reaction", temperature_k: Array) -> Array:
    """A melt wets its partner: contacts count `melt_gain` times."""
    melting = [truth.library.phases[s].melting_degc for s in reaction.reactants if s in truth.library.phases]
    known = [degc for degc in melting if degc is not None]
    if not known:
        return np.ones_like(temperature_k)
    return np.where(temperature_k > min(known) + ZERO_DEGC_K, truth.library.melt_gain, 1.0)


def surface_extent(amount: Array, exposure: Array) -> Array:
    """Amount converted at grain surfaces if nothing holds it back; `exposure` is k dt / radius."""
    extent: Array = -amount * np.expm1(-exposure)
    return extent


@dataclass(frozen=True)
class Geometry:
    """What a contact reaction finds when firing begins; arrays (powders, neighbourhoods)."""

    core_mmol: Array
    """Core matter when last ground."""
    floor_mmol: Array
    """`_COVER` of it, never 0."""
    layer_mmol: Array
    """Layer matter when last ground: separate grains, no obstacle to a shell."""
    radius_m: Array
    contact: Array
    """Share of contacts that the other reactant's grain size allows, 0 to 1."""


def geometry(wiring: Wiring, baseline: list[Array], radius_um: list[Array], partner_um: Array) -> Geometry:
    """Measure the grains for one contact reaction; radii (powders, neighbourhoods)."""
    core: Array = np.sum([baseline[i] for i in wiring.skeleton], axis=0)
    weighted: Array = np.sum([baseline[i] * radius_um[i] for i in wiring.skeleton], axis=0)
    radius = np.divide(weighted, core, out=np.ones_like(core), where=core > 0)
    contact = 1.0 / (1.0 + partner_um / radius / _GRAIN_RATIO)
    floor = np.maximum(_COVER * core, 1e-12)
    return Geometry(core, floor, baseline[wiring.layer], radius * 1e-6, contact)


def layer_extent(
    wiring: Wiring,
    grains: Geometry,
    amounts: list[Array],
    interface_m: Array,
    diffusion_m2: Array,
    drive: Array,
) -> Array:
    """Amount converted at a contact in one step, implicit in the layer's depth."""
    core, other = amounts[wiring.core], amounts[wiring.other]
    cover = other / (other + grains.floor_mmol) * grains.contact
    safe = np.maximum(grains.core_mmol, 1e-12)
    if wiring.reaction.kind == "shell":
        cover = cover * core / (core + grains.floor_mmol)
        bare = 1.0 - (amounts[wiring.layer] - grains.layer_mmol) / safe
    else:
        left = sum(amounts[i] for i in wiring.skeleton) + 0.0
        cover = cover * core / np.maximum(left, 1e-300)
        bare = left / safe
    inner = np.cbrt(np.minimum(np.maximum(bare, 0.0), 1.0))
    resistance = grains.radius_m / interface_m
    layer = grains.radius_m**2 * inner / diffusion_m2
    now = resistance + layer * (1.0 - inner)
    progress = cover * drive
    depth = 2.0 * progress / (now + np.sqrt(now * now + 2.0 * layer * progress))
    after = np.maximum(inner - depth, 0.0)
    extent: Array = grains.core_mmol * (inner**3 - after**3)
    return np.minimum(extent, np.minimum(core, other))
