"""Powder and mass: nothing may be dosed or tared twice."""

from __future__ import annotations

from benchmarks.instruments_harness.rig import Action, Rig
from sim import Simulation
from sim.plant import DoorState
from tests.cases.case import all_cases

DOSER = all_cases()["quantos"].name


def ready_to_dose(simulation: Simulation) -> None:
    """Have a full head locked in place, and an empty vial on the pan."""
    plant = simulation.plant
    doser = plant.dosers[DOSER]
    if doser.mounted != 1:
        plant.change_head(DOSER, 1)
    doser.pin_locked, doser.position, doser.door = True, 1, DoorState.CLOSED
    if doser.head is not None:
        doser.head.dosages = 0
    doser.door = DoorState.CLOSED
    if 1 not in doser.holds:
        free = next(number for number in sorted(plant.places["vials"].holds))
        doser.put(1, plant.places["vials"].take(free))


RIGS = (
    Rig(
        "quantos",
        actions=(Action("dose", f"{DOSER} dosing .*"),),
        prepare=ready_to_dose,
        checked=False,
        speed=600.0,
    ),
    Rig(
        "mt-sics-balance",
        actions=(
            Action("weigh", "never noted"),
            Action("tare", "balance-1 tared.*"),
            Action("zero", "balance-1 zeroed.*"),
        ),
        checked=False,
        speed=60.0,
    ),
)
