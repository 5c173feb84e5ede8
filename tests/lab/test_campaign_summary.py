from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest

from drivers.gate import Command, Denied
from lab.campaign.given import GivenRecipes
from lab.campaign.loop import Sample
from lab.campaign.problem import precursor_lot, problem_of
from lab.campaign.summary import Account, front_names, summarize, table_of
from lab.config.campaign_file import load_campaign
from lab.config.lab_file import LabConfig
from lab.scheduling.sample_run import SampleRecord
from planner.types import Goal, Measured, Observation, Outcome, Problem
from protocols.recipe import Dwell, Firing, Mixing, PrecursorAmount, Ramp, Recipe, Target, XrdScan
from tests.lab.conftest import LabFolder

RECIPE = Recipe(
    target=Target(formula="BaTiO3"),
    precursors=(PrecursorAmount(lot="BaCO3-lot7", mass_mg=592), PrecursorAmount(lot="TiO2-lot3", mass_mg=240)),
    mixing=Mixing(time_s=600, speed_rpm=300),
    firings=(Firing(segments=(Ramp(rate_degc_per_min=5, to_degc=950), Dwell(time_s=21600))),) * 2,
    measure=(XrdScan(from_deg=10, to_deg=80, time_s=480),),
)
DENIED = Denied(Command("mover-1", "door-open", subject="furnace-1.door"), ("F1-DOOR: f1.over is 412.0 degC",))


@pytest.fixture
def lab(lab_folder: LabFolder) -> LabConfig:
    return lab_folder.load()


@pytest.fixture
def problem(lab_folder: LabFolder, lab: LabConfig) -> Problem:
    return problem_of(load_campaign(lab_folder.path("campaign.yaml")), lab)


def sample(number: int, outcome: Outcome | None, fraction: float = 0.0, hours: float = 0.0) -> Sample:
    name = f"sample-{number:03d}"
    (suggestion,) = GivenRecipes([RECIPE], "given").suggest(1)
    record = SampleRecord(name, number, RECIPE)
    objectives = {}
    if outcome is Outcome.COMPLETED:
        objectives = {"target_fraction": Measured(fraction, 0.02), "furnace_hours": Measured(hours, 0.05)}
    if outcome is Outcome.FAILED_EQUIPMENT:
        record.failure = "fire 1: furnace-1: silent"
    observation = None if outcome is None else Observation(number, outcome, objectives)
    made = Sample(suggestion, record, Path(f"recipes/{name}.yaml"), observation=observation)
    object.__setattr__(made.suggestion, "trial_id", number)
    return made


SAMPLES = (
    sample(1, Outcome.COMPLETED, 0.90, 30.0),
    sample(2, Outcome.COMPLETED, 0.80, 40.0),  # worse in both than the first
    sample(3, Outcome.COMPLETED, 0.70, 10.0),
    sample(4, Outcome.COMPLETED, 0.99, 60.0),  # longer than the constraint allows
    sample(5, Outcome.MISSING),
    sample(6, Outcome.FAILED_EQUIPMENT),
)
ACCOUNT = Account("barium titanate", "simulated", 86400.12345, 12.34567, "runs/a", [DENIED])


def test_the_summary_has_exactly_the_keys_of_the_interface(problem: Problem) -> None:
    summary = summarize(SAMPLES, problem, ACCOUNT)
    assert set(summary) == {
        "campaign",
        "world",
        "samples",
        "succeeded",
        "failed",
        "in_review",
        "best",
        "hypervolume",
        "virtual_s",
        "wall_s",
        "denied",
        "data",
    }
    assert {frozenset(entry) for entry in summary["best"]} == {frozenset({"sample", "target", "objectives", "recipe"})}
    assert set(summary["hypervolume"]) == {"value", "reference_point"}
    assert {frozenset(entry) for entry in summary["denied"]} == {frozenset({"device", "command", "reasons"})}
    values = summary["best"][0]["objectives"]["furnace_hours"]
    assert values == {"value": 30.0, "sd": 0.05, "unit": "h"}
    assert json.loads(json.dumps(summary)) == summary


def test_each_sample_is_counted_once(problem: Problem) -> None:
    summary = summarize(SAMPLES, problem, ACCOUNT)
    assert (summary["samples"], summary["succeeded"], summary["failed"], summary["in_review"]) == (6, 4, 1, 1)


def test_a_sample_still_in_work_has_not_succeeded(problem: Problem) -> None:
    summary = summarize([*SAMPLES, sample(7, None)], problem, ACCOUNT)
    assert (summary["samples"], summary["succeeded"], summary["failed"], summary["in_review"]) == (7, 4, 1, 1)


def test_the_best_are_the_trade_offs_that_keep_the_constraints(problem: Problem) -> None:
    summary = summarize(SAMPLES, problem, ACCOUNT)
    assert front_names(summary) == ["sample-001", "sample-003"]
    assert [entry["recipe"] for entry in summary["best"]] == ["recipes/sample-001.yaml", "recipes/sample-003.yaml"]
    assert summary["best"][0]["target"] == "BaTiO3"


def test_the_hypervolume_is_counted_from_the_reference_point(problem: Problem) -> None:
    volume = summarize(SAMPLES, problem, ACCOUNT)["hypervolume"]
    assert volume["reference_point"] == {"target_fraction": 0.0, "furnace_hours": 48.0}
    # 0.9 over the hours from 30 to 48, and 0.7 over those from 10 to 30.
    assert volume["value"] == pytest.approx(0.9 * 18.0 + 0.7 * 20.0)


def test_denials_tell_the_command_as_a_person_would(problem: Problem) -> None:
    assert summarize(SAMPLES, problem, ACCOUNT)["denied"] == [
        {
            "device": "mover-1",
            "command": "door-open furnace-1.door",
            "reasons": ["F1-DOOR: f1.over is 412.0 degC"],
        }
    ]


def test_a_run_without_samples_has_a_summary(problem: Problem) -> None:
    summary = summarize([], problem, ACCOUNT)
    assert (summary["samples"], summary["best"], summary["hypervolume"]["value"]) == (0, [], 0.0)


def test_the_table_stars_the_best_and_tells_failures(problem: Problem) -> None:
    from rich.console import Console

    console = Console(width=180, record=True, file=StringIO())
    console.print(table_of(SAMPLES, summarize(SAMPLES, problem, ACCOUNT)))
    lines = console.export_text().splitlines()
    assert ["001" in line for line in lines if "★" in line] == [True, False]
    assert any("006" in line and "furnace-1: silent" in line for line in lines)
    assert any("0.900 ± 0.020" in line and "30.0" in line for line in lines)


def test_given_recipes_come_in_their_order_and_then_no_more() -> None:
    other = RECIPE.model_copy(update={"mass_tolerance_mg": 2.0})
    planner = GivenRecipes([RECIPE, other], "given")
    first, second = planner.suggest(1), planner.suggest(5)
    assert [s.recipe for s in (*first, *second)] == [RECIPE, other]
    assert [s.trial_id for s in (*first, *second)] == [0, 1]
    assert planner.suggest(1) == []


def test_a_given_recipe_is_described_like_a_suggested_one() -> None:
    (suggestion,) = GivenRecipes([RECIPE], "from recipe.yaml").suggest(1)
    assert suggestion.route == ("BaCO3-lot7", "TiO2-lot3")
    assert suggestion.reason == "from recipe.yaml"
    assert suggestion.candidate_id == "BaTiO3"
    assert suggestion.expected == {}
    assert dict(suggestion.conditions) == {
        "temperature_degc": 950.0,
        "dwell_s": 21600.0,
        "ramp_degc_per_min": 5.0,
        "regrinds": 1,
        "atmosphere": "air",
    }


def test_given_recipes_keep_what_they_are_told() -> None:
    planner = GivenRecipes([RECIPE], "given")
    planner.record([Observation(0, Outcome.MISSING)])
    assert [o.trial_id for o in planner.observations] == [0]


def test_the_problem_says_what_campaign_and_inventory_say(problem: Problem) -> None:
    assert problem.target == "BaTiO3"
    assert problem.precursors == ("BaCO3-lot7", "BaO2-lot2", "BaOH2-lot4", "TiO2-lot3")
    assert problem.lots["BaO2-lot2"].assay == 0.95
    assert problem.temperature_degc == (700.0, 1100.0)
    assert problem.objectives == {"target_fraction": Goal.MAXIMIZE, "furnace_hours": Goal.MINIMIZE}
    assert [tuple(c) for c in problem.constraints] == [("furnace_hours", "<=", 48.0)]
    assert problem.mass_mg == 500.0


def test_the_planner_knows_of_a_lot_what_its_label_says(lab_folder: LabFolder) -> None:
    lab_folder.change("inventory.yaml", "assay: 0.98,", "assay: 0.98, hydrate: 8, loss_on_ignition: 0.02,")
    lot = precursor_lot(lab_folder.load(), "BaOH2-lot4")
    assert (lot.formula, lot.assay, lot.hydrate, lot.loss_on_ignition, lot.cost_per_g) == (
        "Ba(OH)2",
        0.98,
        8.0,
        0.02,
        1.1,
    )
