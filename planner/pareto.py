"""What a campaign has reached: the non-dominated results and the hypervolume they cover."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from planner.problem import Goal, Problem
from planner.types import Observation, Outcome

Values = tuple[float, ...]


def pareto(observations: Iterable[Observation], problem: Problem) -> list[Observation]:
    """The completed observations that keep every constraint and that no other one beats in all objectives."""
    legal = [o for o in observations if _counts(o, problem)]
    losses = [_losses({n: o.objectives[n].value for n in problem.objectives}, problem) for o in legal]
    return [o for o, mine in zip(legal, losses, strict=True) if not any(_beats(other, mine) for other in losses)]


def hypervolume(
    observations: Iterable[Observation], problem: Problem, reference_point: Mapping[str, float] | None = None
) -> float:
    """Volume of objective space that the results beat, counted from the reference point; 0 for none.

    In the product of the objectives' units (weight fraction times hours). Exact, by slicing along the
    last objective (Zitzler's HSO): meant for the few objectives and few hundred results of a campaign.
    """
    corner = _losses(reference_point or problem.reference_point(), problem)
    front = [
        _losses({n: o.objectives[n].value for n in problem.objectives}, problem) for o in pareto(observations, problem)
    ]
    return _volume([f for f in front if all(a < b for a, b in zip(f, corner, strict=True))], corner)


def _counts(observation: Observation, problem: Problem) -> bool:
    measured = observation.objectives
    if observation.outcome is not Outcome.COMPLETED or not problem.objectives.keys() <= measured.keys():
        return False
    return all(c.name in measured and c.allows(measured[c.name].value) for c in problem.constraints)


def _losses(values: Mapping[str, float], problem: Problem) -> Values:
    return tuple(values[n] if goal is Goal.MINIMIZE else -values[n] for n, goal in problem.objectives.items())


def _beats(other: Values, mine: Values) -> bool:
    return other != mine and all(a <= b for a, b in zip(other, mine, strict=True))


def _volume(points: Sequence[Values], corner: Values) -> float:
    if not points:
        return 0.0
    if len(corner) == 1:
        return corner[0] - min(p[0] for p in points)
    total = 0.0
    levels = sorted({p[-1] for p in points})
    for low, high in zip(levels, [*levels[1:], corner[-1]], strict=True):
        total += (high - low) * _volume([p[:-1] for p in points if p[-1] <= low], corner[:-1])
    return total
