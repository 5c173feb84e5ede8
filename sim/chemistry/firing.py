"""Chemistry along a thermal history, and the slow chemistry of standing in room air.

Integrated on absolute blocks of five minutes with the temperature at the middle of each step: one step
where the temperature stands, five where it moves. So a state never depends on when it was asked for,
and a history split at such a block gives the same bits.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sim.chemistry.errors import ChemistryError
from sim.chemistry.kinetics import (
    RELEASED,
    Geometry,
    Table,
    Wiring,
    geometry,
    layer_extent,
    surface_extent,
    tabulate,
    wire,
)
from sim.chemistry.powder import SIZE_FACTOR, Array, Powder, cells_of
from sim.chemistry.thermo import ZERO_DEGC_K

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from sim.chemistry.truth import Truth

GRID_S = 300.0
"""Length of a block; a history split at a multiple of it (in lab time) is the same history."""
_STEPS_PER_BLOCK = 5
_STEADY_DEGC = 2.0
_NOTHING_MMOL = 1e-9
_PRESSURE_ROUNDS = 6
ROOM_DEGC = 22.0


def fire(powder: Powder, time_s: "ArrayLike", temperature_degc: "ArrayLike", atmosphere: str, truth: "Truth") -> Powder:
    """Take a powder through a thermal history.

    Args:
        powder: What is in the crucible.
        time_s: Lab times of the samples (s), increasing.
        temperature_degc: Temperature at these times; linear in between.
        atmosphere: Name of an atmosphere of the truth, such as ``air``.
        truth: The world it happens in.

    Raises `ChemistryError` for a history that is no history and `UnknownChemistry` for an atmosphere
    that the truth does not know.
    """
    return fire_batch([powder], time_s, temperature_degc, atmosphere, truth)[0]


def rest(powder: Powder, seconds: float, truth: "Truth") -> Powder:
    """Leave a powder standing in room air."""
    return fire(powder, [0.0, seconds], [ROOM_DEGC, ROOM_DEGC], "air", truth)


def fire_batch(
    powders: "Sequence[Powder]",
    time_s: "ArrayLike",
    temperature_degc: "ArrayLike",
    atmosphere: str,
    truth: "Truth",
) -> list[Powder]:
    """Fire several crucibles at once, which costs little more than one.

    As `fire`, but `temperature_degc` has the shape (samples,) or (powders, samples).
    """
    times, temperatures = _history(time_s, temperature_degc, len(powders))
    pressures = dict(truth.library.pressures_bar(atmosphere))
    filled = [i for i, powder in enumerate(powders) if powder.mass_mg > powder.inert_mg]
    results = list(powders)
    if not filled or len(times) == 1:
        return results
    if len(temperatures) > 1:
        temperatures = temperatures[filled]
    bed = _Bed([powders[i] for i in filled], truth)
    edges = _edges(times, temperatures)
    middle = (edges[1:] + edges[:-1]) / 2
    kelvin = np.stack([np.interp(middle, times, row) for row in temperatures], axis=1) + ZERO_DEGC_K
    bed.run(kelvin, np.diff(edges)[:, None], pressures)
    for i, powder in zip(filled, bed.powders(), strict=True):
        results[i] = powder
    return results


def _history(time_s: "ArrayLike", temperature_degc: "ArrayLike", n: int) -> tuple[Array, Array]:
    times = np.asarray(time_s, dtype=np.float64)
    temperatures = np.atleast_2d(np.asarray(temperature_degc, dtype=np.float64))
    if times.ndim != 1 or len(times) == 0 or not np.all(np.diff(times) >= 0):
        raise ChemistryError("firing: times must be one increasing series of seconds")
    if temperatures.shape not in ((1, len(times)), (n, len(times))):
        raise ChemistryError(f"firing: {temperatures.shape} temperatures for {len(times)} times and {n} powders")
    if not (np.isfinite(times).all() and np.isfinite(temperatures).all() and (temperatures > -50).all()):
        raise ChemistryError("firing: times and temperatures must be finite and above -50 degC")
    return times, temperatures


def _edges(times: Array, temperatures: Array) -> Array:
    """Ends of all steps: blocks, cut finer where any crucible's temperature moves."""
    first, last = times[0], times[-1]
    inner = np.arange(np.floor(first / GRID_S) + 1, np.ceil(last / GRID_S)) * GRID_S
    blocks = np.concatenate([[first], inner, [last]])
    swing = np.max([_swing(blocks, times, row) for row in temperatures], axis=0)
    edges = [blocks[:1]]
    for start, end, moves in zip(blocks[:-1], blocks[1:], swing > _STEADY_DEGC, strict=True):
        edges.append(np.linspace(start, end, _STEPS_PER_BLOCK + 1)[1:] if moves else np.array([end]))
    return np.concatenate(edges)


def _swing(blocks: Array, times: Array, row: Array) -> Array:
    """Highest less lowest temperature in each block, its samples and both ends counted."""
    points = np.concatenate([blocks, times])
    order = np.argsort(points, kind="stable")
    values = np.interp(points, times, row)[order]
    starts = np.searchsorted(points[order], blocks[:-1])
    ends = np.interp(blocks, times, row)
    high = np.maximum(np.maximum.reduceat(values, starts), ends[1:])
    low = np.minimum(np.minimum.reduceat(values, starts), ends[1:])
    swing: Array = high - low
    return swing


class _Bed:
    """The powders of one firing while it goes on: one array (powders, neighbourhoods) per phase."""

    def __init__(self, powders: "Sequence[Powder]", truth: "Truth") -> None:
        for powder in powders:
            if powder.phases != truth.phases:
                raise ChemistryError("firing: a powder was dispensed in another truth than it is fired in")
        self.before = powders
        self.truth = truth
        self.amounts = _by_phase([p.amounts_mmol for p in powders])
        self.there = [bool(amount.max() > _NOTHING_MMOL) for amount in self.amounts]
        self.gas = {name: np.array([p.gas_lost.get(name, 0.0) for p in powders]) for name in truth.library.gases}
        baseline = _by_phase([p.baseline_mmol for p in powders])
        self.radius_um, partner_um = _radii(powders, baseline)
        self.wirings = _reachable(wire(truth), self.amounts)
        self.grains: dict[str, Geometry] = {
            w.reaction.id: geometry(w, baseline, self.radius_um, partner_um)
            for w in self.wirings
            if w.reaction.kind != "surface"
        }

    def run(self, kelvin: Array, step_s: Array, pressures: dict[str, float]) -> None:
        tables = [tabulate(self.truth, w, kelvin, step_s, pressures) for w in self.wirings]
        breathing = [t for t in tables if _breathes(t.wiring)]
        for step in range(len(kelvin)):
            active = [t for t in tables if t.active[step]]
            if not active:
                continue
            ratio = self._pressure_ratio(breathing, step, float(step_s[step, 0]), pressures[RELEASED])
            for table in active:
                if self.there[table.wiring.core]:
                    self._advance(table, step, ratio)

    def _set(self, phase: int, amount: Array) -> None:
        self.amounts[phase] = amount
        self.there[phase] = bool(amount.max() > _NOTHING_MMOL)

    def _pressure_ratio(self, breathing: list[Table], step: int, step_s: float, room_bar: float) -> Array | None:
        """Pressure of CO2 in the bed over the room's, steady between release, uptake and exchange.

        The bed gives off K max(0, 1 - p / p_eq) and takes up K max(0, (p - p_eq) / p_room); R times the
        balance is p - p_room. That is piecewise linear in p and rising, so Newton's steps end soon. So
        a bed that gives off CO2 holds itself back, and one that takes it up starves.
        """
        there = [t for t in breathing if t.active[step] and self.there[t.wiring.core]]
        if not there:
            return None
        resistance = self.truth.library.bed_resistance_bar_s_per_mmol / room_bar
        flows = [
            (t.uphill[step], bool(t.wiring.reaction.gas_order), resistance * self._free_mmol_per_s(t, step, step_s))
            for t in there
        ]
        ratio = np.ones(len(self.before))
        for _ in range(_PRESSURE_ROUNDS):
            top, bottom = np.ones(len(self.before)), np.ones(len(self.before))
            for uphill, taken_up, free in flows:
                if taken_up:
                    on = free * (ratio > uphill)
                    top, bottom = top + on * uphill, bottom + on
                else:
                    on = free * (uphill * ratio < 1.0)
                    top, bottom = top + on, bottom + on * uphill
            last, ratio = ratio, top / bottom
            if np.array_equal(ratio, last):
                break
        return ratio[:, None]

    def _free_mmol_per_s(self, table: Table, step: int, step_s: float) -> Array:
        """Rate of a surface reaction if nothing held it back, by powder."""
        core = table.wiring.core
        exposure = table.surface[step][:, None] / self.radius_um[core]
        free: Array = surface_extent(self.amounts[core], exposure).sum(axis=1) / step_s
        return free

    def _advance(self, table: Table, step: int, ratio: Array | None) -> None:
        wiring = table.wiring
        uphill = table.uphill[step][:, None]
        if ratio is not None and wiring.released:
            uphill = uphill * ratio**wiring.released
        drive = np.maximum(1.0 - uphill, 0.0)
        if ratio is not None and wiring.reaction.gas_order == RELEASED:
            drive = drive * ratio
        if not drive.any():
            return
        if wiring.reaction.kind == "surface":
            amount = self.amounts[wiring.core]
            exposure = table.surface[step][:, None] / self.radius_um[wiring.core]
            self._apply(wiring, np.minimum(surface_extent(amount, exposure) * drive, amount))
        elif self.there[wiring.other]:
            interface, diffusion = table.interface_m[step][:, None], table.diffusion_m2[step][:, None]
            grains = self.grains[wiring.reaction.id]
            self._apply(wiring, layer_extent(wiring, grains, self.amounts, interface, diffusion, drive))
            if table.far[step]:
                self._exchange(wiring, table.long_range[step] * drive[:, 0])

    def _apply(self, wiring: Wiring, extent: Array) -> None:
        for i, count in wiring.solids_in:
            self._set(i, np.maximum(self.amounts[i] - count * extent, 0.0))
        for i, count in wiring.solids_out:
            self._set(i, self.amounts[i] + count * extent)
        if wiring.gases:
            self._give_off(wiring, extent.sum(axis=1))

    def _exchange(self, wiring: Wiring, share: Array) -> None:
        """React across neighbourhoods: what one has too much of with what another has too much of."""
        core, other = self.amounts[wiring.core], self.amounts[wiring.other]
        cores, others = core.sum(axis=1), other.sum(axis=1)
        scarce = cores * others / np.maximum(cores + others, 1e-300)
        extent = -scarce * np.expm1(-share)
        from_core = core * (extent / np.maximum(cores, 1e-300))[:, None]
        from_other = other * (extent / np.maximum(others, 1e-300))[:, None]
        self._set(wiring.core, core - from_core)
        self._set(wiring.other, other - from_other)
        placed = wiring.core_share * from_core + (1.0 - wiring.core_share) * from_other
        for i, count in wiring.solids_out:
            self._set(i, self.amounts[i] + count * placed)
        self._give_off(wiring, extent)

    def _give_off(self, wiring: Wiring, extent: Array) -> None:
        for name, count in wiring.gases:
            self.gas[name] = self.gas[name] + count * extent

    def powders(self) -> list[Powder]:
        cells = np.stack(self.amounts, axis=2)
        return [
            replace(
                powder,
                amounts_mmol=cells_of(cells[i]),
                gas_mmol=tuple((name, float(n[i])) for name, n in self.gas.items()),
            )
            for i, powder in enumerate(self.before)
        ]


def _breathes(wiring: Wiring) -> bool:
    """Whether a surface reaction gives off or takes up the gas whose pressure the bed changes."""
    return wiring.reaction.kind == "surface" and wiring.released != 0 and wiring.reaction.gas_order in (None, RELEASED)


def _by_phase(cells: "Sequence[tuple[tuple[float, ...], ...]]") -> list[Array]:
    stacked = np.array(cells)
    return [np.ascontiguousarray(stacked[:, :, i]) for i in range(stacked.shape[2])]


def _radii(powders: "Sequence[Powder]", baseline: list[Array]) -> tuple[list[Array], Array]:
    """Grain radii by phase, and of the grains without host element (micrometre), for each neighbourhood.

    A phase that was never a grain of its own takes the mean of what it can have come from.
    """
    radius = np.array([p.radius_um for p in powders])
    amount = np.stack([b.sum(axis=1) for b in baseline], axis=1)
    partners = np.array(powders[0].contrast) >= 1.0
    means = {side: _mean(radius, amount * (partners == side)) for side in (True, False)}
    filled = np.where(radius > 0, radius, np.where(partners, means[True][:, None], means[False][:, None]))
    by_phase = [filled[:, i, None] * SIZE_FACTOR for i in range(filled.shape[1])]
    return by_phase, means[True][:, None] * SIZE_FACTOR


def _mean(radius: Array, weight: Array) -> Array:
    total = weight.sum(axis=1)
    weighted = (radius * weight).sum(axis=1)
    # One micrometre where there is nothing to take the mean of.
    mean: Array = np.divide(weighted, total, out=np.ones_like(total), where=weighted > 0)
    return mean


def _reachable(wirings: tuple[Wiring, ...], amounts: list[Array]) -> list[Wiring]:
    """Leave out the reactions whose solids are not there and cannot form."""
    there = {i for i, amount in enumerate(amounts) if amount.any()}
    found: list[Wiring] = []
    grown = True
    while grown:
        grown = False
        for wiring in wirings:
            if wiring not in found and all(i in there for i, _ in wiring.solids_in):
                found.append(wiring)
                there |= {i for i, _ in wiring.solids_out}
                grown = True
    return [w for w in wirings if w in found]
