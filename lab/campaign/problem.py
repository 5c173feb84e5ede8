"""From campaign and laboratory to the problem that a planner solves and the terms of the loop."""

from __future__ import annotations

from lab.config.campaign_file import CampaignFile, parse_constraint
from lab.config.lab_file import LabConfig
from planner.types import Constraint, Goal, PrecursorLot, Problem
from protocols.recipe_file import scan_from_file


def problem_of(campaign: CampaignFile, lab: LabConfig) -> Problem:
    """State the planning problem of a campaign in a laboratory.

    Raises:
        ValueError: Where a precursor is not in the inventory.
        PlannerError: Where the problem contradicts itself.
    """
    names = tuple(dict.fromkeys(lab.inventory.lot_named(text) for text in campaign.precursors))
    return Problem(
        target=campaign.target.formula,
        lots={name: precursor_lot(lab, name) for name in names},
        precursors=names,
        temperature_degc=campaign.process.temperature,
        dwell_s=campaign.process.dwell,
        ramp_degc_per_min=campaign.process.ramp,
        regrinds=tuple(campaign.process.regrinds),
        objectives={name: Goal(goal) for name, goal in campaign.objectives.items()},
        constraints=tuple(Constraint(*parse_constraint(text)) for text in campaign.constraints),
        mass_mg=campaign.batch,
        mixing=campaign.mixing.to_mixing(),
        measure=tuple(scan_from_file(entry) for entry in campaign.measure),
        atmosphere=campaign.process.atmosphere,
    )


def precursor_lot(lab: LabConfig, name: str) -> PrecursorLot:
    """What the planner may know of a lot: what its label says."""
    lot = lab.inventory.lots[name]
    return PrecursorLot(
        formula=lot.formula,
        assay=lot.assay,
        hydrate=lot.hydrate,
        loss_on_ignition=lot.loss_on_ignition,
        cost_per_g=lot.price or None,
    )
