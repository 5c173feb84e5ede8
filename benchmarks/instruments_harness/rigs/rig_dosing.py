"""Powder and mass: nothing may be dosed or tared twice, and no mass be another one."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from benchmarks.instruments_harness.rig import Action, Measure, Rig, Truths
from drivers.instrument import Instrument as Device
from sim import Simulation
from sim.plant import Balance, DoorState
from tests.cases.case import all_cases

DOSER = all_cases()["quantos"].name
BALANCE = all_cases()["mt-sics-balance"].name
DIGITS = 10.0
"""Of the last digit, by which drivers let two readings of one mass differ."""
BALANCE_STEP_MG, DOSER_STEP_MG = 0.1, 0.01
NOISE_MG = 0.3
"""What noise, drift and rounding make of a mass at rest."""
RECORD_MG = 1.0
"""How far the driver of a doser lets a record be from what lies there."""
CHANGE = 0.1
"""Part of the looks before which something is put on the balance or taken off."""
BALANCE_MG, DOSER_MG = 220_000.0, 250_000.0


def ready_to_dose(simulation: Simulation) -> None:
    """Have a full head locked in place, and an empty vial on the pan."""
    plant = simulation.plant
    doser = plant.dosers[DOSER]
    if doser.mounted != 1:
        plant.change_head(DOSER, 1)
    doser.pin_locked, doser.position, doser.door = True, 1, DoorState.CLOSED
    if doser.head is not None:
        doser.head.dosages = 0
    if 1 not in doser.holds:
        free = next(number for number in sorted(plant.places["vials"].holds))
        doser.put(1, plant.places["vials"].take(free))


def true_of_doser(simulation: Simulation) -> Truths:
    """Net mass and tare, and the door; a dosing begins with a tare, so that the net mass is what was dosed."""
    doser, now_s = simulation.plant.dosers[DOSER], simulation.plant.now()
    net_mg = doser.cell.net(doser.gross_mg(now_s))
    return {"net_mg": net_mg, "dosed_mg": net_mg, "tare_mg": doser.cell.tare_mg, "door": doser.door.lower()}


def balance_of(simulation: Simulation) -> Balance:
    """The balance of the plant."""
    found = simulation.plant.places[BALANCE]
    if not isinstance(found, Balance):
        raise TypeError(f"{BALANCE} is no balance")
    return found


def true_of_balance(simulation: Simulation) -> Truths:
    """Net mass and tare, and the doors."""
    balance, now_s = balance_of(simulation), simulation.plant.now()
    net_mg = balance.cell.net(balance.gross_mg(now_s))
    return {"mass_mg": net_mg, "tare_mg": balance.cell.tare_mg, "door": balance.door.lower()}


def load(simulation: Simulation, random: Random) -> None:
    """Put a vial on the balance now and then, or take it off."""
    if random.random() >= CHANGE:
        return
    balance, vials = balance_of(simulation), simulation.plant.places["vials"]
    if 1 in balance.holds:
        vials.put(1, balance.take(1))
    else:
        balance.put(1, vials.take(1))
    balance.disturb(simulation.plant.now())


def is_empty(simulation: Simulation, device: Device, told: Mapping[str, Any]) -> str:
    """Look whether nothing is left of the load that was tared or zeroed."""
    net_mg = true_of_balance(simulation)["mass_mg"]
    left = isinstance(net_mg, float) and abs(net_mg) > DIGITS * BALANCE_STEP_MG + NOISE_MG
    return f"and {net_mg} mg are left" if left else ""


RIGS = (
    Rig(
        "quantos",
        actions=(
            Action("dose", f"{DOSER} dosing .*"),
            Action("tare", f"{DOSER} tared.*", always=False),
            Action("weigh"),
        ),
        true=true_of_doser,
        measures={
            "net_mg": Measure(NOISE_MG, -DOSER_MG, DOSER_MG, agreement=DIGITS * DOSER_STEP_MG),
            "dosed_mg": Measure(NOISE_MG, -DOSER_MG, DOSER_MG, agreement=RECORD_MG),
            "tare_mg": Measure(DOSER_STEP_MG, -DOSER_MG, DOSER_MG, agreement=DIGITS * DOSER_STEP_MG),
            "door": Measure(),
        },
        prepare=ready_to_dose,
        checked=False,
        speed=600.0,
    ),
    Rig(
        "mt-sics-balance",
        actions=(
            Action("weigh"),
            # Where nothing lies there, one whose command was lost is in effect all the same.
            Action("tare", f"{BALANCE} tared.*", check=is_empty, always=False),
            Action("zero", f"{BALANCE} zeroed.*", check=is_empty, always=False),
        ),
        true=true_of_balance,
        measures={
            "mass_mg": Measure(NOISE_MG, -BALANCE_MG, BALANCE_MG, agreement=DIGITS * BALANCE_STEP_MG),
            "tare_mg": Measure(BALANCE_STEP_MG, -BALANCE_MG, BALANCE_MG, agreement=DIGITS * BALANCE_STEP_MG),
            "door": Measure(),
        },
        vary=load,
        checked=False,
        speed=60.0,
    ),
)
