"""Light: nothing may be acquired twice, and a spectrum be that of what lies there."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np

from benchmarks.instruments_harness.rig import Action, Measure, Rig, Truths
from drivers.instrument import Instrument as Device
from sim import Lot, Simulation
from sim.chemistry import dispense
from sim.plant import Spectrometer
from sim.plant.doser import substance
from sim.plant.optics import BARE, reflectance
from tests.cases.case import all_cases

CASE = all_cases()["reflectance-spectrometer"]
SPECTROMETER = CASE.name
STEADY_S = 3600.0
"""Lab seconds after which a lamp gives the same light from minute to minute."""
CHANGE = 0.1
"""Part of the looks before which a holder is put there, or taken away."""
POWDER_MG = 200.0
OFF, OFF_ON_AVERAGE = 0.15, 0.02
"""How far a point may be off where there is little light, and all of them on average."""


def spectrometer_of(simulation: Simulation) -> Spectrometer:
    """The spectrometer of the plant."""
    found = simulation.plant.places[SPECTROMETER]
    if not isinstance(found, Spectrometer):
        raise TypeError(f"{SPECTROMETER} is no spectrometer")
    return found


def light_the_lamp(simulation: Simulation) -> None:
    """Have the lamp burn since long ago."""
    spectrometer = spectrometer_of(simulation)
    if not spectrometer.is_lit:
        spectrometer.light(True, simulation.plant.now() - STEADY_S)


def change_sample(simulation: Simulation, random: Random) -> None:
    """Put white powder at the window now and then, or take it away."""
    spectrometer, holders = spectrometer_of(simulation), simulation.plant.places["holders"]
    if random.random() >= CHANGE:
        return
    if 1 in spectrometer.holds:
        holders.put(1, spectrometer.take(1))
        return
    holder = holders.take(1)
    if not holder.powder.mass_mg:
        lot = substance(Lot("white", "TiO2"))
        holder.powder = dispense(holder.powder, lot, POWDER_MG, simulation.plant.truth)
    spectrometer.put(1, holder)


def true(simulation: Simulation) -> Truths:
    """Whether the lamp burns."""
    spectrometer = spectrometer_of(simulation)
    warm = spectrometer.is_warm(simulation.plant.now())
    return {"lamp": "on" if warm else "warming" if spectrometer.is_lit else "off"}


def is_of_what_lies_there(simulation: Simulation, device: Device, told: Mapping[str, Any]) -> str:
    """Hold a spectrum against what the powder at the window reflects."""
    nm, found = (np.asarray(getattr(device, name).get()) for name in ("wavelengths_nm", "reflectance"))
    if device.sample_id.get() != told["sample_id"] or not len(nm) or len(nm) != len(found):
        return f"and its spectrum is of {device.sample_id.get()!r}, {len(found)} points at {len(nm)} wavelengths"
    if (nm[0], nm[-1]) != (told["from_nm"], told["to_nm"]):
        return f"and its spectrum goes from {nm[0]:g} to {nm[-1]:g} nm"
    holder = spectrometer_of(simulation).holds.get(1)
    off = found - (np.full_like(nm, BARE) if holder is None else reflectance(holder.powder, nm))
    if np.abs(off).max() > OFF or abs(off.mean()) > OFF_ON_AVERAGE:
        return f"and its spectrum is off by {off.mean():.3f} on average, {np.abs(off).max():.3f} at most"
    return ""


MEASURE = Action(
    "measure",
    f"{SPECTROMETER} acquires sample",
    check=is_of_what_lies_there,
    rests_on=("reference-dark", "reference-white"),
)
WHITE = Action("reference-white", f"{SPECTROMETER} acquires white")

RIGS = (
    Rig(
        "reflectance-spectrometer",
        # A measurement needs references, a white one a dark one, and a dark one ends the white one.
        actions=(Action("reference-dark", f"{SPECTROMETER} acquires dark"), WHITE, WHITE, MEASURE, MEASURE, MEASURE),
        true=true,
        measures={"lamp": Measure()},
        prepare=light_the_lamp,
        vary=change_sample,
        checked=False,
        rate=0.025,
        speed=60.0,
    ),
)
