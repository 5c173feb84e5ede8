"""Furnace controllers: a reading that jumps, programmes that must start once."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from benchmarks.instruments_harness.rig import Action, Rig
from sim import Simulation
from sim.relay.faults import Fault
from tests.cases.case import all_cases

HOTTEST_DEGC = 900.0
DRIFT_DEGC = 3.0
"""By how much a hot furnace that is off cools between a look and the truth; readings jump by hundreds."""


def rig(driver: str, *, checked: bool = True, counted: bool = True) -> Rig:
    """A furnace controller.

    Args:
        driver: Its driver.
        checked: Whether its wire carries a checksum.
        counted: Whether its readings depend on how many decimals it counts with.
    """
    name = all_cases()[driver].name

    def reading(simulation: Simulation) -> float:
        furnace = simulation.plant.furnaces[name]
        furnace.advance(simulation.plant.now())
        return furnace.thermocouple_degc

    def vary(simulation: Simulation, random: Random) -> None:
        furnace = simulation.plant.furnaces[name]
        furnace.advance(simulation.plant.now())
        furnace.be_at(random.uniform(30.0, HOTTEST_DEGC))

    return Rig(
        driver,
        beside=("safety-io",),
        truths={"reading_degc": reading},
        tolerance=DRIFT_DEGC,
        vary=vary,
        actions=(
            Action("run-program", f"{name} programmer run", undo="reset-program"),
            Action("set-setpoint", ".*never noted"),
        ),
        shows={
            Fault.SENSOR_BREAK: not_known,
            Fault.OTHER_DEVICE: not_known,
            **({Fault.WRONG_DECIMALS: not_known} if counted else {}),
        },
        checked=checked,
    )


def not_known(device: Any) -> bool:
    """Whether a device says that it does not know its reading."""
    return bool(math.isnan(device.reading_degc.get()))


RIGS = (
    rig("eurotherm-3216p"),
    rig("eurotherm-2416", counted=False),
    rig("eurotherm-epc3016", checked=False, counted=False),
    rig("yudian-aibus"),
)
