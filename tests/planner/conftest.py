"""A small planning problem: barium titanate from two barium sources."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from planner import Measured, Observation, Outcome, PrecursorLot, Problem, Suggestion, furnace_hours
from protocols.recipe import Mixing, XrdScan


@pytest.fixture
def problem() -> Problem:
    return Problem(
        target="BaTiO3",
        lots={
            "BaCO3-lot7": PrecursorLot("BaCO3"),
            "BaO2-lot1": PrecursorLot("BaO2"),
            "TiO2-lot3": PrecursorLot("TiO2"),
            "Li2CO3-lot2": PrecursorLot("Li2CO3"),
        },
        precursors=("BaCO3", "BaO2", "TiO2-lot3"),
        temperature_degc=(700.0, 1100.0),
        dwell_s=(3600.0, 12 * 3600.0),
        ramp_degc_per_min=(2.0, 10.0),
        regrinds=(0, 1),
        objectives={"target_fraction": "maximize", "furnace_hours": "minimize"},  # type: ignore[dict-item]
        constraints=(("furnace_hours", "<=", 24.0),),  # type: ignore[arg-type]
        mixing=Mixing(time_s=600, speed_rpm=300),
        measure=(XrdScan(from_deg=10, to_deg=80, time_s=480),),
    )


Respond = Callable[[Suggestion], Observation]


@pytest.fixture
def respond() -> Respond:
    """A made-up furnace: kinetics with a best temperature, a better route, a cost of fast ramps, noise."""

    def measure(suggestion: Suggestion) -> Observation:
        rng = np.random.default_rng([suggestion.trial_id, 17])
        c = {k: float(v) for k, v in suggestion.conditions.items() if k != "atmosphere"}
        carbonate = "BaCO3-lot7" in suggestion.route
        onset_degc = 930.0 if carbonate else 980.0
        rate = 0.35 * np.exp((c["temperature_degc"] - onset_degc) / 45.0) * (1.0 + 1.2 * c["regrinds"])
        fraction = 1.0 - np.exp(-rate * (c["dwell_s"] / 3600.0) ** 0.7)
        fraction *= 0.75 + 0.25 / (1.0 + np.exp((c["temperature_degc"] - 1070.0) / 12.0))
        fraction *= 1.0 if carbonate else 0.92
        fraction -= 0.01 * max(0.0, c["ramp_degc_per_min"] - 5.0)
        hours = 0.8 + 1.08 * furnace_hours(suggestion.recipe)
        measured = float(np.clip(fraction + rng.normal(0.0, 0.02), 0.0, 1.0))
        values = {"target_fraction": Measured(measured, 0.02), "furnace_hours": Measured(hours, 0.02)}
        return Observation(suggestion.trial_id, Outcome.COMPLETED, values)

    return measure
