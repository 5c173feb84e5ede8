"""Furnace controllers: a reading that jumps, programmes that must start once."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from benchmarks.instruments_harness.rig import Action, Measure, Rig, Truths
from sim import Simulation
from sim.relay.faults import Fault
from tests.cases.case import all_cases

HOTTEST_DEGC = 900.0
DRIFT_DEGC = 3.0
"""How far off a reading may be: rounding, and by what its driver lets two differ; they jump by hundreds."""
ALLOWED_DEGC = (-30.0, 1400.0)
FASTEST_DEGC_PER_S = 10.0
"""No furnace follows so fast, though the one that is tormented here is made to jump."""


def rig(driver: str, *, checked: bool = True, counted: bool = True) -> Rig:
    """A furnace controller.

    Args:
        driver: Its driver.
        checked: Whether its wire carries a checksum.
        counted: Whether its readings depend on how many decimals it counts with.
    """
    name = all_cases()[driver].name

    def true(simulation: Simulation) -> Truths:
        furnace = simulation.plant.furnaces[name]
        furnace.advance(simulation.plant.now())
        return {"reading_degc": furnace.thermocouple_degc}

    def vary(simulation: Simulation, random: Random) -> None:
        furnace = simulation.plant.furnaces[name]
        furnace.advance(simulation.plant.now())
        furnace.be_at(random.uniform(30.0, HOTTEST_DEGC))

    def clear_watchdog(simulation: Simulation) -> None:
        clear = getattr(simulation.instruments[name], "clear_watchdog", None)
        if clear is not None:
            clear()

    return Rig(
        driver,
        prepare=clear_watchdog,
        beside=("safety-io",),
        true=true,
        measures={"reading_degc": Measure(DRIFT_DEGC, *ALLOWED_DEGC, rate_per_s=FASTEST_DEGC_PER_S)},
        vary=vary,
        actions=(
            Action("run-program", f"{name} programmer run", undo="reset-program", always=False),
            Action("set-setpoint"),
        ),
        shows={
            Fault.SENSOR_BREAK: not_known,
            Fault.OTHER_DEVICE: not_known,
            **({Fault.WRONG_DECIMALS: not_known} if counted else {}),
        },
        checked=checked,
        rate=0.06 if checked else 0.03,
        crowd=2 if checked else 1,
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
