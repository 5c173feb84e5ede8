"""What only tells how things are: safety modules, gas, balances."""

from __future__ import annotations

from random import Random
from typing import Any

from benchmarks.instruments_harness.rig import Action, Rig
from sim import Simulation
from sim.relay.faults import Fault
from tests.cases.case import all_cases

MODULE = all_cases()["safety-io"].name
GAS = all_cases()["alicat"].name
FULL_SCALE_SCCM = 200.0
STEP_SCCM = 2.0
"""By as much the flow changes from look to look: what no rate check may take for a broken wire."""
STEP_DEGC = 5.0
ALLOWED_DEGC = (-30.0, 1400.0)


def module_reading(simulation: Simulation) -> float:
    """The independent sensor of a safety module."""
    return simulation.instruments[MODULE].forced(1)  # type: ignore[attr-defined, no-any-return]


def vary_module(simulation: Simulation, random: Random) -> None:
    """Have the sensor show a little more or less."""
    before = module_reading(simulation)
    after = min(1000.0, max(20.0, before + random.uniform(-STEP_DEGC, STEP_DEGC)))
    simulation.instruments[MODULE].force_analogue(1, round(after, 1))  # type: ignore[attr-defined]


def gas_of(simulation: Simulation) -> Any:
    """The gas line behind the flow controller."""
    return simulation.instruments[GAS].line  # type: ignore[attr-defined]


def flow(simulation: Simulation) -> float:
    """What flows."""
    return float(gas_of(simulation).reading_sccm(simulation.plant.now()))


def vary_flow(simulation: Simulation, random: Random) -> None:
    """Have a little more or less flow."""
    line = gas_of(simulation)
    after = line.target_sccm + random.uniform(-STEP_SCCM, STEP_SCCM)
    line.set_target(min(FULL_SCALE_SCCM, max(0.0, after)), simulation.plant.now())


RIGS = (
    Rig(
        "safety-io",
        truths={"ai1_degc": module_reading},
        tolerance=0.11,
        vary=vary_module,
        ranges={"ai1_degc": ALLOWED_DEGC},
        actions=(Action("close-contactor", "never noted"), Action("open-contactor", "never noted")),
        checked=False,
    ),
    Rig(
        "alicat",
        truths={"flow_sccm": flow},
        tolerance=1.5,
        vary=vary_flow,
        ranges={"flow_sccm": (-10.0, 1.1 * FULL_SCALE_SCCM)},
        excused=frozenset({Fault.POWER_CYCLE, Fault.LOCAL_CHANGE}),
        actions=(Action("set-flow", "never noted"),),
        checked=False,
    ),
)
