from __future__ import annotations

import math

import numpy as np
import pytest

from lab.campaign.observe import observe, target_fraction
from lab.characterization.result import Characterization, FitCurves, Lattice, PhaseFraction
from lab.scheduling.sample_run import SampleRecord
from planner.types import Observation, Outcome
from protocols.recipe import Firing, Mixing, PrecursorAmount, Ramp, Recipe, Target, XrdScan

RECIPE = Recipe(
    target=Target(formula="BaTiO3"),
    precursors=(PrecursorAmount(lot="TiO2-lot3", mass_mg=240),),
    mixing=Mixing(time_s=600, speed_rpm=300),
    firings=(Firing(segments=(Ramp(rate_degc_per_min=5, to_degc=950),)),),
    measure=(XrdScan(from_deg=10, to_deg=80, time_s=480),),
)
NONE = np.zeros(1)


def phase(formula: str, fraction: float, sd: float = 0.01) -> PhaseFraction:
    return PhaseFraction(formula, "Pm-3m", f"{formula}.cif", fraction, sd, 1.0, Lattice(4, 4, 4, 90, 90, 90))


def result(
    *phases: PhaseFraction, unknown: float = 0.0, confidence: float = 0.95, review: str | None = None
) -> Characterization:
    curves = FitCurves(NONE, NONE, NONE, NONE, ())
    return Characterization(phases, unknown, 0.05, confidence, review is not None, review, 1.0, curves)


def judge(
    seen: Characterization | None, *, failure: str | None = None, furnace_s: float = 36000.0, least: float = 0.8
) -> Observation:
    record = SampleRecord("sample-001", 1, RECIPE, furnace_s=furnace_s, failure=failure)
    return observe(7, record, seen, target="BaTiO3", least_confidence=least)


def test_a_trusted_result_is_complete_with_both_objectives() -> None:
    seen = judge(result(phase("BaTiO3", 0.9), phase("BaCO3", 0.1)))
    assert seen.trial_id == 7
    assert seen.outcome is Outcome.COMPLETED
    assert seen.objectives["target_fraction"].value == pytest.approx(0.9)
    assert seen.objectives["furnace_hours"].value == 10.0


@pytest.mark.parametrize(
    "seen", [result(phase("BaTiO3", 0.9), confidence=0.79), result(phase("BaTiO3", 0.9), review="two fits")]
)
def test_a_doubtful_result_is_missing_and_never_zero(seen: Characterization) -> None:
    observation = judge(seen)
    assert observation.outcome is Outcome.MISSING
    assert "target_fraction" not in observation.objectives
    assert observation.objectives["furnace_hours"].value == 10.0


def test_confidence_at_the_gate_is_enough() -> None:
    assert judge(result(phase("BaTiO3", 1.0), confidence=0.8)).outcome is Outcome.COMPLETED


@pytest.mark.parametrize("seen", [None, result(phase("BaTiO3", 0.9))])
def test_a_failed_task_is_the_equipments_fault_and_says_nothing_of_the_recipe(seen: Characterization | None) -> None:
    observation = judge(seen, failure="fire 1: furnace-1: silent")
    assert observation.outcome is Outcome.FAILED_EQUIPMENT
    assert observation.objectives == {}


def test_a_pattern_that_could_not_be_analysed_is_withheld_and_the_hours_are_kept() -> None:
    observation = judge(None)
    assert observation.outcome is Outcome.MISSING
    assert set(observation.objectives) == {"furnace_hours"}


def test_a_sample_without_the_target_is_a_result_too() -> None:
    observation = judge(result(phase("BaCO3", 0.5), phase("TiO2", 0.5)))
    assert observation.outcome is Outcome.COMPLETED
    assert observation.objectives["target_fraction"].value == 0.0


def test_polymorphs_of_the_target_count_together() -> None:
    fraction = target_fraction(
        result(phase("BaTiO3", 0.6, 0.03), phase("Ba2Ti2O6", 0.3, 0.04), phase("TiO2", 0.1)), "BaTiO3"
    )
    assert fraction.value == pytest.approx(0.9)
    assert fraction.sd == pytest.approx(0.05)


def test_what_is_unexplained_counts_as_something_else_and_as_doubt() -> None:
    fraction = target_fraction(result(phase("BaTiO3", 1.0, 0.03), unknown=0.2), "BaTiO3")
    assert fraction.value == pytest.approx(0.8)
    assert fraction.sd == pytest.approx(math.hypot(0.03, 0.1))


def test_no_fraction_is_known_better_than_one_percent() -> None:
    assert target_fraction(result(phase("BaTiO3", 1.0, 0.0001)), "BaTiO3").sd == 0.01
