"""What only tells how things are, or is told how they shall be: safety modules, gas."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from benchmarks.instruments_harness.rig import Action, Check, Measure, Rig, Truths
from drivers.devices.alicat import CLEAR
from drivers.devices.safety_io import COIL_SIGNALS, INPUT_SIGNALS
from drivers.instrument import Instrument as Device
from drivers.safety_module import AGREE
from sim import Simulation
from tests.cases.case import all_cases

MODULE = all_cases()["safety-io"].name
GAS = all_cases()["alicat"].name
FULL_SCALE_SCCM = 500.0
STEP_SCCM = 2.0
"""By as much the flow changes from look to look: what no rate check may take for a broken wire."""
STEP_DEGC = 5.0
WATCHDOG = ("off", "running", "expired")
ALLOWED_DEGC = (-30.0, 1400.0)
FASTEST_DEGC_PER_S = 10.0


def true_of_module(simulation: Simulation) -> Truths:
    """The independent sensor, and every contact, coil and the watchdog."""
    module: Any = simulation.instruments[MODULE]
    contacts = zip(INPUT_SIGNALS, module.read_inputs(0, len(INPUT_SIGNALS)), strict=True)
    coils = zip(COIL_SIGNALS, module.read_coils(0, len(COIL_SIGNALS)), strict=True)
    return {
        "ai1_degc": module.forced(1),
        "watchdog": WATCHDOG[module.read_holding(2, 1)[0]],
        **{name: float(on) for name, on in (*contacts, *coils)},
    }


def vary_module(simulation: Simulation, random: Random) -> None:
    """Have the sensor show a little more or less."""
    module: Any = simulation.instruments[MODULE]
    after = min(1000.0, max(20.0, module.forced(1) + random.uniform(-STEP_DEGC, STEP_DEGC)))
    module.force_analogue(1, round(after, 1))


def contactor(wanted: bool) -> Check:
    """Look at the permit of the contactor."""

    def check(simulation: Simulation, device: Device, told: Mapping[str, Any]) -> str:
        module: Any = simulation.instruments[MODULE]
        return "" if module.read_coils(0, 1)[0] is wanted else "and the permit says otherwise"

    return check


def gas_of(simulation: Simulation) -> Any:
    """The gas line behind the flow controller."""
    controller: Any = simulation.instruments[GAS]
    return controller.line


def true_of_gas(simulation: Simulation) -> Truths:
    """What flows, and of what, and how it is."""
    line, now_s, controller = gas_of(simulation), simulation.plant.now(), simulation.instruments[GAS]
    return {
        "flow_sccm": line.reading_sccm(now_s),
        "setpoint_sccm": line.target_sccm,
        "gas": controller.gas,  # type: ignore[attr-defined]
        "temperature_degc": line.temperature_degc(now_s),
        "pressure_kpa": line.pressure_kpa(now_s),
    }


def vary_flow(simulation: Simulation, random: Random) -> None:
    """Have a little more or less flow."""
    line = gas_of(simulation)
    after = line.target_sccm + random.uniform(-STEP_SCCM, STEP_SCCM)
    line.set_target(min(FULL_SCALE_SCCM, max(0.0, after)), simulation.plant.now())


def no_flow(simulation: Simulation) -> None:
    """Have nothing flow, since long enough."""
    now_s = simulation.plant.now()
    gas_of(simulation).set_target(0.0, now_s - 60.0)


def tared(simulation: Simulation, device: Device, told: Mapping[str, Any]) -> str:
    """Look whether an offset is left that stands clear of the noise."""
    left_sccm = gas_of(simulation).reading_sccm(simulation.plant.now())
    return "" if abs(left_sccm) < 2 * CLEAR * FULL_SCALE_SCCM else f"and {left_sccm:g} sccm are left"


def flows(simulation: Simulation, device: Device, told: Mapping[str, Any]) -> str:
    """Look at the setpoint in force."""
    target_sccm = gas_of(simulation).target_sccm
    return "" if abs(target_sccm - told["sccm"]) < 0.1 else f"and {target_sccm:g} sccm are in force"


RIGS = (
    Rig(
        "safety-io",
        true=true_of_module,
        measures={
            "ai1_degc": Measure(0.11, *ALLOWED_DEGC, rate_per_s=FASTEST_DEGC_PER_S, agreement=AGREE / 10.0),
            "watchdog": Measure(),
            **{name: Measure() for name in (*INPUT_SIGNALS, *COIL_SIGNALS)},
        },
        vary=vary_module,
        actions=(
            Action("close-contactor", check=contactor(True)),
            Action("open-contactor", check=contactor(False)),
        ),
        checked=False,
    ),
    Rig(
        "alicat",
        true=true_of_gas,
        measures={
            # Noise is another one in each tenth of a second, so that the truth moves a little after it was told.
            "flow_sccm": Measure(2.5, -10.0, 1.5 * FULL_SCALE_SCCM, agreement=0.05 * FULL_SCALE_SCCM),
            "setpoint_sccm": Measure(0.51, -10.0, 1.5 * FULL_SCALE_SCCM),
            "gas": Measure(),
            "temperature_degc": Measure(0.6, -30.0, 100.0, rate_per_s=1.0, agreement=0.5),
            "pressure_kpa": Measure(0.6, 0.0, 2500.0, agreement=3.5),
        },
        vary=vary_flow,
        actions=(
            Action("set-flow", check=flows),
            # One that was acknowledged and dropped is told by its offset alone, where that stands clear of the noise.
            Action("tare", f"{GAS} tared", prepare=no_flow, check=tared, always=False),
        ),
        checked=False,
    ),
)
