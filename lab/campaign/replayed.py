"""A campaign played again from its wire transcript alone: the same bytes must give the planner the same input."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.campaign.given import GivenRecipes
from lab.campaign.loop import Analyst, CampaignLoop, Terms
from lab.config.lab_file import LabConfig
from lab.records.journal import read_journal
from lab.simulation import recorded_wires
from lab.startup import Choices, make_clock, open_lab
from planner.types import Measured, Observation, Outcome
from protocols.recipe_file import load_recipe


@dataclass(frozen=True)
class Playback:
    """What a replay gave the planner, beside what the run had given it."""

    recorded: list[Observation]
    replayed: list[Observation]
    mismatches: int
    """Requests that differed from the recorded ones."""


def play_back(data: Path, lab: LabConfig, terms: Terms, analyst: Analyst, scratch: Path) -> Playback:
    """Run the recipes of a finished run again, every instrument's side played from the transcript.

    The recipes are those that the run saved, because they are what the planner asked; all that instruments
    answered comes from the transcript, and the journal is only what the outcome is compared with.

    Args:
        data: Data folder of the run.
        lab: The lab that it ran on.
        terms: What the campaign asked for; all recipes that the run made are made again.
        analyst: Analyses the patterns again.
        scratch: An empty folder for the replay's own records.
    """
    entries = list(read_journal(data / "journal.jsonl"))
    for part in ("recipes", "raw", "fits"):
        (scratch / part).mkdir()
    clock = make_clock("jump", simulated=True)
    wires = recorded_wires(lab, data / "transcript.jsonl", clock, scratch / "raw", scratch / "wires")
    recipes = [load_recipe(path) for path in sorted((data / "recipes").glob("*.yaml"))]
    opened = open_lab(lab, scratch, Choices(), wires=wires, clock=clock)
    planner = GivenRecipes(recipes, "replay")
    loop = CampaignLoop(
        replace(terms, samples=len(recipes)),
        planner,
        analyst,
        opened.bench,
        opened.engines,
        opened.clock,
        opened.reservations,
        opened.journal,
        scratch,
    )
    with closing(opened):
        opened.start()
        loop.run()
    recorded = [_observation(entry) for entry in _of(entries, "observed")]
    return Playback(recorded, planner.observations, len(wires.mismatches))


def _of(entries: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [entry for entry in entries if entry["kind"] == kind]


def _observation(entry: dict[str, Any]) -> Observation:
    objectives = {name: Measured(*pair) for name, pair in entry["objectives"].items()}
    return Observation(entry["trial_id"], Outcome(entry["outcome"]), objectives)
