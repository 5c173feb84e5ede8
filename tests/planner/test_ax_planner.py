"""The learning planner against a made-up furnace."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from planner import Goal, Measured, Observation, Outcome, Planner, Problem, Suggestion, furnace_hours, hypervolume
from planner.ax_planner import AxPlanner
from planner.errors import AllTrialsFailedError, ObservationError, PoolEmptyError
from planner.random_planner import RandomPlanner

Respond = Callable[[Suggestion], Observation]


def campaign(planner: Planner, respond: Respond, samples: int, slots: int) -> list[Observation]:
    """Keep `slots` recipes in flight and finish them first in, first out."""
    flying = planner.suggest(slots)
    results: list[Observation] = []
    while flying:
        results.append(respond(flying.pop(0)))
        planner.record(results[-1:])
        if len(results) + len(flying) < samples:
            flying += planner.suggest(1)
    return results


def learnt_from(planner: AxPlanner, metric: str) -> set[int]:
    """Trials for which Ax holds a value of the metric."""
    data = planner._ledger.experiment.lookup_data().df
    return set(data[data.metric_name == metric].trial_index)


def key(suggestion: Suggestion) -> tuple[object, ...]:
    return (suggestion.route, *suggestion.conditions.values())


def test_the_start_fills_the_space_and_says_so(problem: Problem) -> None:
    first, second, _ = AxPlanner(problem, seed=1, n_initial=3).suggest(3)
    assert first.reason.startswith("space-filling start 1 of 3; route Ba")
    assert second.reason.startswith("space-filling start 2 of 3")
    assert first.route != second.route
    assert first.expected["furnace_hours"][0] == pytest.approx(furnace_hours(first.recipe))


def test_an_impatient_lab_gets_more_of_the_start_and_never_one_recipe_twice(problem: Problem) -> None:
    suggestions = AxPlanner(problem, seed=2, n_initial=3).suggest(8)
    assert len({key(s) for s in suggestions}) == 8
    assert "0 results tell nothing apart" in suggestions[-1].reason


def test_after_the_start_a_model_decides_and_says_why(problem: Problem, respond: Respond) -> None:
    planner = AxPlanner(problem, seed=3)
    planner.record([respond(s) for s in planner.suggest(5)])
    (suggestion,) = planner.suggest(1)
    assert re.match(
        r"expected hypervolume gain \S+; predicted target_fraction \S+ ± \S+, furnace_hours \S+ ± \S+; "
        r"route Ba(CO3|O2)\+TiO2$",
        suggestion.reason,
    )
    assert suggestion.model_version.endswith("qLogNoisyExpectedHypervolumeImprovement, 5 results")
    mean, sd = suggestion.expected["target_fraction"]
    assert 0.0 <= mean <= 1.0
    assert sd > 0.0


def test_hours_are_soon_known_from_the_programme(problem: Problem, respond: Respond) -> None:
    planner = AxPlanner(problem, seed=4)
    planner.record([respond(s) for s in planner.suggest(8)])
    (suggestion,) = planner.suggest(1)
    measured = respond(suggestion).objectives["furnace_hours"].value
    assert suggestion.expected["furnace_hours"][0] == pytest.approx(measured, rel=0.1)


def test_trials_in_flight_are_neither_repeated_nor_ignored(problem: Problem, respond: Respond) -> None:
    planners = [AxPlanner(problem, seed=5), AxPlanner(problem, seed=5)]
    for planner in planners:
        planner.record([respond(s) for s in planner.suggest(5)])
    batch = planners[0].suggest(4)
    assert len({key(s) for s in batch}) == 4
    # The second planner forgets its first suggestion as an equipment failure, so its next one may be alike.
    (alone,) = planners[1].suggest(1)
    assert key(alone) == key(batch[0])
    planners[1].record([Observation(alone.trial_id, Outcome.FAILED_EQUIPMENT)])
    (again,) = planners[1].suggest(1)
    assert distance(again, alone) < min(distance(s, alone) for s in batch[1:])


def distance(a: Suggestion, b: Suggestion) -> float:
    """Steps of 10 degC and half hours between two suggestions, and a long way to another route."""
    temperature = abs(float(a.conditions["temperature_degc"]) - float(b.conditions["temperature_degc"])) / 10
    dwell = abs(float(a.conditions["dwell_s"]) - float(b.conditions["dwell_s"])) / 1800
    return temperature + dwell + 20.0 * (a.route != b.route)


def test_same_seed_and_calls_give_the_same_recipes(problem: Problem, respond: Respond) -> None:
    runs = [campaign_suggestions(AxPlanner(problem, seed=6, n_initial=4), respond) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0] != campaign_suggestions(AxPlanner(problem, seed=7, n_initial=4), respond)


def campaign_suggestions(planner: Planner, respond: Respond) -> list[Suggestion]:
    torch.rand(1)  # the global generator's state must not matter
    made = planner.suggest(4)
    planner.record([respond(s) for s in made[:3]])
    made += planner.suggest(2)
    planner.record([respond(made[4])])
    return made + planner.suggest(1)


def test_global_torch_state_is_given_back(problem: Problem, respond: Respond) -> None:
    planner = AxPlanner(problem, seed=6, n_initial=3)
    planner.record([respond(s) for s in planner.suggest(3)])
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    planner.suggest(1)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


def test_a_planner_rebuilt_from_the_log_goes_on_alike(problem: Problem, respond: Respond) -> None:
    planner = AxPlanner(problem, seed=8, n_initial=3)
    log = planner.suggest(4)
    results = [respond(s) for s in log[:3]]
    planner.record(results)
    log += planner.suggest(1)
    rebuilt = AxPlanner(problem, seed=8, n_initial=3)
    rebuilt.resume(pickle.loads(pickle.dumps(log)))
    rebuilt.record(results)
    assert rebuilt.suggest(1) == planner.suggest(1)


def test_a_log_with_a_gap_is_refused(problem: Problem) -> None:
    log = AxPlanner(problem, seed=8).suggest(2)
    with pytest.raises(ObservationError, match="trial 1 comes where trial 0 was due"):
        AxPlanner(problem, seed=8).resume(log[1:])


def test_ax_learns_of_every_outcome_in_its_own_words(problem: Problem, respond: Respond) -> None:
    planner = AxPlanner(problem, seed=9)
    suggestions = planner.suggest(5)
    planner.record([respond(suggestions[0])])
    planner.record([Observation(1, Outcome.FAILED_RECIPE), Observation(2, Outcome.FAILED_EQUIPMENT)])
    planner.record([Observation(3, Outcome.MISSING, {"furnace_hours": Measured(9.0, 0.1)})])
    trials = planner._ledger.experiment.trials
    assert [trials[i].status.name for i in range(5)] == [
        "COMPLETED",
        "ABANDONED",
        "FAILED",
        "COMPLETED",
        "RUNNING",
    ]


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_missing_never_becomes_zero(problem: Problem, respond: Respond) -> None:
    planner = AxPlanner(problem, seed=10)
    suggestions = planner.suggest(6)
    planner.record([respond(s) for s in suggestions[:4]])
    planner.record([Observation(4, Outcome.MISSING, {"furnace_hours": Measured(9.0, 0.1)})])
    planner.record([Observation(5, Outcome.MISSING)])
    assert learnt_from(planner, "m_target_fraction") == {0, 1, 2, 3}
    assert learnt_from(planner, "m_furnace_hours") == {0, 1, 2, 3, 4}
    (suggestion,) = planner.suggest(1)
    assert key(suggestion) not in {key(s) for s in suggestions}
    planner.record([respond(suggestions[5])])  # a review releases the value
    assert learnt_from(planner, "m_target_fraction") == {0, 1, 2, 3, 5}


def test_a_failed_recipe_never_returns_and_an_unlucky_one_comes_next(problem: Problem) -> None:
    planner = AxPlanner(problem, seed=11)
    first, second = planner.suggest(2)
    planner.record([Observation(first.trial_id, Outcome.FAILED_RECIPE)])
    planner.record([Observation(second.trial_id, Outcome.FAILED_EQUIPMENT)])
    later = planner.suggest(5)
    assert key(first) not in {key(s) for s in later}
    assert later[0].conditions == second.conditions


def test_when_everything_failed_the_planner_stops(problem: Problem) -> None:
    planner = AxPlanner(problem, seed=12, n_initial=2)
    planner.record([Observation(s.trial_id, Outcome.FAILED_RECIPE) for s in planner.suggest(4)])
    with pytest.raises(AllTrialsFailedError, match="all 4 trials for BaTiO3 failed"):
        planner.suggest(1)


def test_equal_results_keep_the_space_filling_going(problem: Problem) -> None:
    planner = AxPlanner(problem, seed=13, n_initial=3)
    nothing = {"target_fraction": Measured(0.0, 0.02), "furnace_hours": Measured(9.0, 0.02)}
    planner.record([Observation(s.trial_id, Outcome.COMPLETED, nothing) for s in planner.suggest(3)])
    assert planner.suggest(1)[0].reason.startswith("space-filling, since 3 results tell nothing apart")


def test_while_nothing_keeps_the_limit_the_limit_is_sought(problem: Problem, respond: Respond) -> None:
    planner = AxPlanner(problem, seed=14)
    for s in planner.suggest(5):
        late = replace(respond(s).objectives["furnace_hours"], value=25.0 + s.trial_id)
        values = {**respond(s).objectives, "furnace_hours": late}
        planner.record([Observation(s.trial_id, Outcome.COMPLETED, values)])
    assert planner.suggest(1)[0].reason.startswith("nothing legal yet, feasible with probability 0.")


def test_one_objective_with_a_constraint(problem: Problem, respond: Respond) -> None:
    single = replace(problem, objectives={"target_fraction": Goal.MAXIMIZE})
    planner = AxPlanner(single, seed=15)
    planner.record([respond(s) for s in planner.suggest(5)])
    (suggestion,) = planner.suggest(1)
    assert suggestion.reason.startswith("expected improvement")
    assert single.hours(planner.trials.space.conditions(planner.trials.points[-1])) <= 24.0


def test_the_last_recipes_of_a_small_space_come_one_by_one(problem: Problem, respond: Respond) -> None:
    tiny = replace(
        problem,
        temperature_degc=(900.0, 910.0),
        dwell_s=(3600.0, 3600.0),
        ramp_degc_per_min=(5.0, 5.0),
        regrinds=(0,),
    )
    planner = AxPlanner(tiny, seed=16, n_initial=2)
    results = campaign(planner, respond, samples=4, slots=1)
    assert len(results) == 4
    with pytest.raises(PoolEmptyError, match="4 of 4"):
        planner.suggest(1)


def test_what_ax_holds_is_the_point_that_was_suggested(problem: Problem, respond: Respond) -> None:
    planner = AxPlanner(problem, seed=17, n_initial=3)
    planner.record([respond(s) for s in planner.suggest(3)])
    (suggestion,) = planner.suggest(1)
    ledger = planner._ledger
    (arm,) = ledger.experiment.trials[3].arms
    assert arm.parameters["temperature_degc"] == suggestion.conditions["temperature_degc"]
    assert arm.parameters["dwell_s"] == suggestion.conditions["dwell_s"]
    # Our coordinates are those that Ax's own transforms make of the arm.
    generator: Any = ledger._fitted().generator
    observed = generator.surrogate.Xs[0].numpy()
    expected = [planner.trials.space.coordinates(p) for p in planner.trials.points[:3]]
    np.testing.assert_allclose(observed, expected, atol=1e-9)


@pytest.mark.slow
def test_sixteen_samples_beat_random_ones(problem: Problem, respond: Respond) -> None:
    gains = []
    for seed in range(4):
        learnt = campaign(AxPlanner(problem, seed), respond, samples=16, slots=2)
        drawn = campaign(RandomPlanner(problem, seed), respond, samples=16, slots=2)
        gains.append(hypervolume(learnt, problem) - hypervolume(drawn, problem))
    assert np.mean(gains) > 1.0  # of at most 24 h times a fraction of 1
    assert min(gains) > 0.0


def test_random_recipes_are_legal_and_reproducible(problem: Problem) -> None:
    first, second = (RandomPlanner(problem, seed=1).suggest(6) for _ in range(2))
    assert first == second
    assert len({key(s) for s in first}) == 6
    assert all(furnace_hours(s.recipe) <= 24.0 for s in first)
