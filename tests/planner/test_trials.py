"""Bookkeeping of trials: ids, what may come again, results that are refused."""

from __future__ import annotations

import pytest

from planner import Measured, Observation, Outcome, Problem
from planner.errors import AllTrialsFailedError, ObservationError
from planner.trials import Trials

VALUES = {"target_fraction": Measured(0.5, 0.02), "furnace_hours": Measured(10.0, 0.02)}
POINTS = [(0, 1, 2, 3, 0), (1, 1, 2, 3, 0), (0, 5, 5, 5, 1)]


@pytest.fixture
def trials(problem: Problem) -> Trials:
    opened = Trials(problem)
    for point in POINTS:
        opened.open(point, "because", "test", {})
    return opened


def test_ids_count_up_and_recipes_name_their_route(problem: Problem) -> None:
    trials = Trials(problem)
    first, second = (trials.open(p, "because", "test", {}) for p in POINTS[:2])
    assert (first.trial_id, second.trial_id) == (0, 1)
    assert [p.lot for p in second.recipe.precursors] == list(second.route) == ["BaO2-lot1", "TiO2-lot3"]
    assert first.candidate_id == "BaTiO3"
    assert first.conditions["atmosphere"] == "air"


def test_only_an_equipment_failure_frees_its_recipe(trials: Trials) -> None:
    outcomes = (Outcome.FAILED_RECIPE, Outcome.FAILED_EQUIPMENT, Outcome.MISSING)
    trials.close([Observation(i, outcome) for i, outcome in enumerate(outcomes)])
    assert trials.taken() == {POINTS[0], POINTS[2]}


def test_missing_is_not_learnt_and_may_be_completed_by_a_review(trials: Trials) -> None:
    trials.close([Observation(0, Outcome.MISSING, {"furnace_hours": VALUES["furnace_hours"]})])
    assert trials.learnt() == 0
    trials.close([Observation(0, Outcome.COMPLETED, VALUES)])
    assert trials.learnt() == 1


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (Observation(7, Outcome.COMPLETED, VALUES), "trial 7 was never suggested, 3 were"),
        (Observation(0, Outcome.COMPLETED, VALUES), "trial 0 has a result already"),
        (Observation(1, Outcome.COMPLETED, {**VALUES, "purity": Measured(1, 0)}), "reports purity"),
        (Observation(1, Outcome.COMPLETED, {}), "completed without target_fraction, furnace_hours"),
    ],
)
def test_a_bad_result_is_refused_together_with_its_batch(trials: Trials, second: Observation, message: str) -> None:
    with pytest.raises(ObservationError, match=message):
        trials.close([Observation(0, Outcome.COMPLETED, VALUES), second])
    assert trials.observations == {}


def test_parents_are_the_front_or_all_results_while_none_is_legal(trials: Trials) -> None:
    late = {**VALUES, "furnace_hours": Measured(30.0, 0.02)}
    trials.close([Observation(0, Outcome.COMPLETED, late)])
    assert trials.best() == [POINTS[0]]
    trials.close([Observation(1, Outcome.COMPLETED, VALUES)])
    assert trials.best() == [POINTS[1]]


def test_hope_ends_when_everything_failed(trials: Trials) -> None:
    trials.close([Observation(0, Outcome.FAILED_RECIPE), Observation(1, Outcome.FAILED_EQUIPMENT)])
    trials.check_hope(enough=3)
    with pytest.raises(AllTrialsFailedError, match=r"all 2 trials .*\(1 by the recipe, 1 by the equipment\)"):
        trials.check_hope(enough=2)
    trials.close([Observation(2, Outcome.MISSING)])
    trials.check_hope(enough=2)
