"""Ax as the ledger of trials and as the home of the surrogate model.

Imports Ax and torch: only `planner.ax_planner` imports this. Metrics are prefixed, because Ax parses their
names as algebra and refuses some (`gamma`, `S`, `beta`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from ax.adapter.base import Adapter
from ax.adapter.registry import Generators
from ax.adapter.transforms.log import Log
from ax.adapter.transforms.standardize_y import StandardizeY
from ax.adapter.transforms.unit_x import UnitX
from ax.api.utils.instantiation.from_string import optimization_config_from_string
from ax.core.experiment import Experiment
from ax.core.metric import Metric
from ax.core.observation import ObservationFeatures
from ax.core.optimization_config import OptimizationConfig
from ax.core.parameter import ParameterType, RangeParameter
from ax.core.search_space import SearchSpace
from ax.core.trial import Trial
from ax.core.types import TParameterization
from ax.core.utils import get_pending_observation_features
from botorch.acquisition.logei import qLogProbabilityOfFeasibility
from botorch.exceptions.warnings import InputDataWarning
from linear_operator.utils.warnings import NumericalWarning

from planner.acquisition import Evaluate, PoolAcquisition
from planner.pool import Score
from planner.problem import FURNACE_HOURS, TARGET_FRACTION, Goal, Problem
from planner.space import Point, Space
from planner.surrogate import surrogate_spec
from planner.types import Measured, Observation, Outcome

PREFIX = "m_"
SD_FLOOR: Mapping[str, float] = {TARGET_FRACTION: 0.02, FURNACE_HOURS: 0.02}
"""No measurement is believed to be better than this: a sd of zero would make the model interpolate."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the acquisition function prefers, and what the model expects there."""

    point: Point
    expected: Mapping[str, tuple[float, float]]
    gain: float
    """Expected hypervolume gain (or improvement of the only objective) in the objectives' units, or the
    probability that a recipe is feasible at all, depending on `acquisition`."""
    acquisition: str
    """Class name of the acquisition function."""


@contextmanager
def _calm() -> Iterator[None]:
    """Ignore what is meant for Ax's authors, the jitter that nearly noise-free hours need, and constant metrics."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", NumericalWarning)
        warnings.simplefilter("ignore", InputDataWarning)
        yield


class Ledger:
    """Trials with their states and data; fits the surrogate and ranks pools of candidates."""

    @_calm()
    def __init__(self, problem: Problem, space: Space) -> None:
        self.problem = problem
        self.space = space
        self.metrics = tuple(dict.fromkeys([*problem.objectives, *(c.name for c in problem.constraints)]))
        self.experiment = Experiment(
            name=problem.target,
            search_space=SearchSpace(_parameters(space)),
            optimization_config=_optimization_config(problem),
            tracking_metrics=[Metric(name=PREFIX + m) for m in self.metrics if m not in problem.objectives],
        )
        self._adapter: Adapter | None = None

    @_calm()
    def open(self, point: Point) -> int:
        """Register a trial that is about to run; gives its id, counted from 0."""
        _, trial_id = self.experiment.attach_trial([self._parameterization(point)])
        self.experiment.trials[trial_id].mark_running(no_runner_required=True)
        return int(trial_id)

    @_calm()
    def close(self, observation: Observation) -> None:
        """Set a trial's state from its outcome, and keep its values."""
        trial = self._trial(observation.trial_id)
        self._adapter = None
        if observation.outcome is Outcome.FAILED_RECIPE:
            trial.mark_abandoned(reason=observation.outcome.value, unsafe=True)
        elif observation.outcome is Outcome.FAILED_EQUIPMENT:
            trial.mark_failed(reason=observation.outcome.value, unsafe=True)
        else:
            self._attach(trial, observation.objectives)
            trial.mark_completed()

    @_calm()
    def choose(self, search: Callable[[Score], tuple[Point, float]], seed: int) -> Choice:
        """The point that `search` finds best by acquisition value, given data and trials in flight.

        Torch runs on one thread with its own seed, and gets its global state back afterwards.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return self._choose(search)
        finally:
            torch.set_num_threads(threads)

    def _choose(self, search: Callable[[Score], tuple[Point, float]]) -> Choice:
        found: list[tuple[Point, float, str]] = []

        def run(evaluate: Evaluate, acquisition: str) -> torch.Tensor:
            point, value = search(lambda points: evaluate(self._tensor(points)).numpy())
            found.append((point, value, acquisition))
            return self._tensor([point])

        adapter = self._fitted()
        adapter.gen(
            n=1,
            pending_observations=get_pending_observation_features(self.experiment),
            model_gen_options={"ax_acquisition_kwargs": {"search": run}},
        )
        point, value, acquisition = found[0]
        feasibility = acquisition == qLogProbabilityOfFeasibility.__name__
        scale = 1.0 if feasibility else self._unit_of_gain(adapter)
        return Choice(point, self.predict(point), math.exp(value) * scale, acquisition)

    def _tensor(self, points: Sequence[Point]) -> torch.Tensor:
        return torch.tensor([self.space.coordinates(p) for p in points], dtype=torch.double)

    def _unit_of_gain(self, adapter: Adapter) -> float:
        """The model works on standardised outcomes; this is one of its units of gain in ours."""
        standardize = adapter.transforms["StandardizeY"]
        if not isinstance(standardize, StandardizeY):
            raise TypeError(f"Ax standardised with {standardize!r}, and StandardizeY was asked for")
        return math.prod(float(standardize.Ystd[PREFIX + name]) for name in self.problem.objectives)

    @_calm()
    def predict(self, point: Point) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of every objective at a point, by the model last fitted."""
        features = ObservationFeatures(parameters=self._parameterization(point))
        means, covariances = self._fitted().predict([features])
        return {
            name: (float(means[PREFIX + name][0]), float(covariances[PREFIX + name][PREFIX + name][0]) ** 0.5)
            for name in self.problem.objectives
        }

    def _fitted(self) -> Adapter:
        if self._adapter is None:
            self._adapter = self._fit()
        return self._adapter

    def _fit(self) -> Adapter:
        hours = PREFIX + FURNACE_HOURS if self.space.with_hours else None
        return Generators.BOTORCH_MODULAR(
            experiment=self.experiment,
            data=self.experiment.lookup_data(),
            transforms=[Log, UnitX, StandardizeY],
            acquisition_class=PoolAcquisition,
            surrogate_spec=surrogate_spec(hours),
        )

    def _trial(self, trial_id: int) -> Trial:
        trial = self.experiment.trials[trial_id]
        if not isinstance(trial, Trial):
            raise TypeError(f"trial {trial_id} is a {type(trial).__name__}, and one recipe is one Trial")
        return trial

    def _attach(self, trial: Trial, measured: Mapping[str, Measured]) -> None:
        data: dict[str, tuple[float, float]] = {
            PREFIX + name: (m.value, max(m.sd, SD_FLOOR[name])) for name, m in measured.items() if name in self.metrics
        }
        if data:
            trial.update_trial_data(data)

    def _parameterization(self, point: Point) -> TParameterization:
        conditions = self.space.conditions(point).as_dict()
        coordinates = zip(self.space.names, self.space.coordinates(point), strict=True)
        return {name: float(conditions.get(name, unit)) for name, unit in coordinates}


def _parameters(space: Space) -> list[RangeParameter]:
    axes = {axis.name: axis for axis in space.axes}
    parameters = []
    for name in space.names:
        axis = axes.get(name)
        low, high = (axis.values[0], axis.values[-1]) if axis else (0.0, 1.0)
        log = axis is not None and axis.log
        parameters.append(RangeParameter(name, ParameterType.FLOAT, low, high, log_scale=log))
    return parameters


def _optimization_config(problem: Problem) -> OptimizationConfig:
    """Objectives with the declared reference point as thresholds, so that Ax never infers its own."""
    terms = [("-" if goal is Goal.MINIMIZE else "") + PREFIX + n for n, goal in problem.objectives.items()]
    bounds = [f"{PREFIX}{c}" for c in problem.constraints if c.name not in problem.objectives]
    if len(terms) > 1:
        for name, value in problem.reference_point().items():
            op = "<=" if problem.objectives[name] is Goal.MINIMIZE else ">="
            bounds.append(f"{PREFIX}{name} {op} {value!r}")
    return optimization_config_from_string(", ".join(terms), bounds)
