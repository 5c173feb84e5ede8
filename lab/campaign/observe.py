"""From what was measured on a sample to what the planner may learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.types import Measured, Observation, Outcome

if TYPE_CHECKING:
    from lab.characterization.result import Characterization
    from lab.scheduling.sample_run import SampleRecord

FURNACE_HOURS_SD = 0.05
"""Hours: how finely the end of a firing is noticed."""


def target_fraction(result: Characterization, target: str) -> Measured:
    """The target's share of the whole sample, unexplained scattering counted as something else.

    The unexplained share is not known to be any phase, so half of it is added to the standard deviation.
    """
    from pymatgen.core import Composition

    wanted = Composition(target).reduced_formula
    phases = [phase for phase in result.phases if Composition(phase.formula).reduced_formula == wanted]
    claimed = sum(phase.weight_fraction for phase in phases)
    sd = sum(phase.weight_fraction_sd**2 for phase in phases) ** 0.5
    explained = 1.0 - result.unknown_fraction
    return Measured(claimed * explained, max(0.01, (sd**2 + (0.5 * result.unknown_fraction) ** 2) ** 0.5))


def observe(
    trial_id: int,
    record: SampleRecord,
    result: Characterization | None,
    *,
    target: str,
    least_confidence: float,
) -> Observation:
    """Judge one finished sample.

    A failed task is the equipment's fault until somebody shows that the recipe did it. A result below the
    campaign's gate, or none at all, is withheld from the model, never set to zero.
    """
    if record.failure is not None:
        return Observation(trial_id, Outcome.FAILED_EQUIPMENT)
    hours = Measured(record.furnace_s / 3600.0, FURNACE_HOURS_SD)
    if result is None or result.needs_review or result.confidence < least_confidence:
        return Observation(trial_id, Outcome.MISSING, {"furnace_hours": hours})
    return Observation(
        trial_id,
        Outcome.COMPLETED,
        {"target_fraction": target_fraction(result, target), "furnace_hours": hours},
    )
