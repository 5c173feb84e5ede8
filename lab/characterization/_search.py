"""Which phases: candidates are added one by one, each time the one that explains most, while evidence asks for more.

Every candidate is first tried coarsely at many cell strains and peak widths at once, the best are then refined
and compared with the Bayesian information criterion. A phase that later ones make needless is dropped again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lab.characterization._candidates import Start, Templates, initial_shape, make_templates, rank
from lab.characterization._model import Model, Phase, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.characterization.references import Reference

MAX_PHASES = 8
_REFINED = 6
_TRIAL_CYCLES = 5
_JOINT_CYCLES = 6
_FINAL_CYCLES = 25
# Evidence asked for beyond the plain criterion: computed and real line intensities differ in ways that
# noise does not, and a false claim teaches the laboratory something wrong.
_PRICE = 2.0
# Misfit per observation up to which a fit counts as ordinary.
_ORDINARY = 1.5


@dataclass(frozen=True)
class Found:
    """What a search ends with.

    Attributes:
        model: The phases claimed.
        misfit: Chi-squared per independent observation, with model errors in it.
        gains: For each phase, how much worse the criterion gets without it.
        margins: For each phase, how much worse it gets with the best phase of another formula in its place.
    """

    model: Model
    misfit: float
    gains: tuple[float, ...]
    margins: tuple[float, ...]


def search(problem: Problem, references: Sequence[Reference]) -> Found:
    """Find the set of references that explains a pattern with the least that is needed."""
    templates = make_templates(problem, references)
    model = problem.refine(problem.empty_model(), 4)
    cost = criterion(problem, model, len(references))
    while len(model.phases) < MAX_PHASES:
        better = _added(problem, model, references, templates)
        if better is None:
            break
        problem.dispersion = max(1.0, problem.misfit(better) / problem.resolution_elements / _ORDINARY)
        cost = criterion(problem, model, len(references))
        better_cost = criterion(problem, better, len(references))
        if better_cost >= cost:
            break
        model, cost = _pruned(problem, better, better_cost, len(references))
    model = problem.refine(model, _FINAL_CYCLES)
    model, cost = _pruned(problem, model, criterion(problem, model, len(references)), len(references))
    return _judged(problem, model, cost, references, templates)


def criterion(problem: Problem, model: Model, n_candidates: int) -> float:
    """Give misfit plus what each claimed phase has to be worth; smaller is better.

    A phase costs ln(observations) for its scale, its width and each strain (Schwarz, Ann. Statist. 6 (1978) 461),
    and 2 ln(candidates), because the best of many would fit something by chance. Misfit of wide peaks is
    shared by all their points, so a wide phase costs more in proportion.
    """
    each = np.log(problem.resolution_elements)
    price = 0.0
    for phase in model.phases:
        wide = max(1.0, np.exp(phase.shape.log_size_deg) / problem.measured.fwhm_deg)
        price += wide * (each * (2 + len(phase.shape.strain)) + 2 * np.log(n_candidates))
    return problem.misfit(model) / problem.dispersion + _PRICE * float(price)


def _added(
    problem: Problem,
    model: Model,
    references: Sequence[Reference],
    templates: Templates,
) -> Model | None:
    """Give the model with the best further candidate, refined, or None if nothing helps."""
    starts = rank(problem, model, references, templates)
    trials = [_with(problem, model, references[s.candidate], s, templates) for s in starts[:_REFINED]]
    if not trials:
        return None
    n = len(references)
    best = min(trials, key=lambda trial: criterion(problem, trial, n))
    return problem.refine(best, _JOINT_CYCLES)


def _with(problem: Problem, model: Model, reference: Reference, start: Start, templates: Templates) -> Model:
    shape = initial_shape(reference, start.strain, start.width)
    height = templates.heights[templates.widths.index(start.width)][start.candidate]
    phase = Phase(reference, start.scale / height, shape, shape.log_size_deg)
    return problem.refine(replace(model, phases=(*model.phases, phase)), _TRIAL_CYCLES, only_last=True)


def _pruned(problem: Problem, model: Model, cost: float, n_candidates: int) -> tuple[Model, float]:
    """Drop phases, weakest reason first, while the criterion gets better without them."""
    while len(model.phases) > 1:
        trials = [problem.refine(_without(model, n), 3) for n in range(len(model.phases))]
        costs = [criterion(problem, trial, n_candidates) for trial in trials]
        n = int(np.argmin(costs))
        if costs[n] >= cost:
            break
        model, cost = trials[n], costs[n]
    return model, cost


def _without(model: Model, n: int) -> Model:
    return replace(model, phases=model.phases[:n] + model.phases[n + 1 :])


def _judged(
    problem: Problem,
    model: Model,
    cost: float,
    references: Sequence[Reference],
    templates: Templates,
) -> Found:
    """Weigh each claimed phase against nothing and against the best other formula in its place."""
    gains, margins = [], []
    for n, phase in enumerate(model.phases):
        rest = problem.refine(_without(model, n), 3)
        gain = criterion(problem, rest, len(references)) - cost
        others = {m for m, r in enumerate(references) if r.formula == phase.reference.formula}
        rivals = rank(problem, rest, references, templates, others)[:3]
        costs = [
            criterion(problem, _with(problem, rest, references[s.candidate], s, templates), len(references))
            for s in rivals
        ]
        gains.append(gain)
        margins.append(min([gain, *(c - cost for c in costs)]))
    return Found(model, problem.misfit(model) / problem.resolution_elements, tuple(gains), tuple(margins))
