"""Light: nothing may be acquired twice."""

from __future__ import annotations

from benchmarks.instruments_harness.rig import Action, Rig
from sim import Simulation
from sim.plant import Spectrometer
from tests.cases.case import all_cases

SPECTROMETER = all_cases()["reflectance-spectrometer"].name


def light_the_lamp(simulation: Simulation) -> None:
    """Have the lamp burn, and be warm."""
    spectrometer = simulation.plant.places[SPECTROMETER]
    if isinstance(spectrometer, Spectrometer) and not spectrometer.is_lit:
        spectrometer.light(True, simulation.plant.now() - spectrometer.warm_s)


RIGS = (
    Rig(
        "reflectance-spectrometer",
        actions=(
            Action("reference-dark", f"{SPECTROMETER} acquires dark"),
            Action("reference-white", f"{SPECTROMETER} acquires white"),
            Action("measure", f"{SPECTROMETER} acquires sample"),
        ),
        prepare=light_the_lamp,
        checked=False,
        speed=60.0,
    ),
)
