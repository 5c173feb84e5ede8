"""What a campaign came to: the object that ``--json`` prints, and the table that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivers.gate import Denied
from lab.config.campaign_file import OBJECTIVE_UNITS
from planner.pareto import hypervolume, pareto
from planner.types import Observation, Outcome, Problem

if TYPE_CHECKING:
    from rich.table import Table

    from lab.campaign.loop import Sample
    from lab.campaign.session import Session


@dataclass(frozen=True)
class Account:
    """What a run used and where it is kept."""

    campaign: str
    world: str
    virtual_s: float
    wall_s: float
    data: str
    denials: Sequence[Denied]


def summarize(samples: Sequence[Sample], problem: Problem, account: Account) -> dict[str, Any]:
    """The result object of ``athanor run --json``."""
    observations = [sample.observation for sample in samples if sample.observation is not None]
    best = pareto(observations, problem)
    by_trial = {sample.suggestion.trial_id: sample for sample in samples}
    return {
        "campaign": account.campaign,
        "world": account.world,
        "samples": len(samples),
        "succeeded": sum(1 for observation in observations if observation.outcome is Outcome.COMPLETED),
        "failed": sum(1 for sample in samples if sample.failed),
        "in_review": sum(1 for sample in samples if sample.in_review),
        "best": [_entry(by_trial[observation.trial_id], observation) for observation in best],
        "hypervolume": {
            "value": hypervolume(observations, problem),
            "reference_point": problem.reference_point(),
        },
        "virtual_s": round(account.virtual_s, 3),
        "wall_s": round(account.wall_s, 3),
        "denied": [
            {"device": d.command.device, "command": d.command.describe(), "reasons": list(d.reasons)}
            for d in account.denials
        ],
        "data": account.data,
    }


def front_names(summary: dict[str, Any]) -> list[str]:
    """Names of the samples with the best trade-offs."""
    return [entry["sample"] for entry in summary["best"]]


def table_of(samples: Sequence[Sample], summary: dict[str, Any]) -> Table:
    """One row per sample for people: recipe, phases, objectives, best trade-offs starred."""
    from rich.table import Table

    table = Table(
        "",
        "sample",
        "precursors",
        "degC",
        "dwell / h",
        "degC/min",
        "regrinds",
        "phases found",
        "target",
        "furnace / h",
        "note",
    )
    front = front_names(summary)
    for sample in samples:
        table.add_row("★" if sample.name in front else "", sample.name.rpartition("-")[2], *_row(sample))
    return table


def _row(sample: Sample) -> list[str]:
    firing = sample.record.recipe.firings[0]
    conditions = sample.suggestion.conditions
    dwell_h = float(conditions.get("dwell_s", 0.0)) / 3600
    note = sample.record.failure or (sample.result.review_reason if sample.result and sample.in_review else None) or ""
    objectives = sample.observation.objectives if sample.observation else {}
    fraction, hours = objectives.get("target_fraction"), objectives.get("furnace_hours")
    return [
        " + ".join(sample.suggestion.route),
        f"{firing.peak_degc:.0f}",
        f"{dwell_h:.1f}",
        f"{firing.segments[0].rate_degc_per_min:.1f}" if firing.segments[0].kind == "ramp" else "",
        str(sample.record.recipe.regrinds),
        _phases(sample),
        f"{fraction.value:.3f} ± {fraction.sd:.3f}" if fraction else "",
        f"{hours.value:.1f}" if hours else "",
        note,
    ]


def _phases(sample: Sample) -> str:
    if sample.result is None:
        return ""
    phases = [f"{phase.formula} {phase.weight_fraction:.2f}" for phase in sample.result.phases]
    if sample.result.unknown_fraction >= 0.05:
        phases.append(f"? {sample.result.unknown_fraction:.2f}")
    return ", ".join(phases)


def _entry(sample: Sample, observation: Observation) -> dict[str, Any]:
    return {
        "sample": sample.name,
        "target": sample.record.recipe.target.formula,
        "objectives": {
            name: {"value": measured.value, "sd": measured.sd, "unit": OBJECTIVE_UNITS[name]}
            for name, measured in observation.objectives.items()
        },
        "recipe": str(sample.recipe_path),
    }


def report_lines(session: Session, summary: dict[str, Any], *, dry: bool) -> list[str]:
    """What people want to know below the table, a line each."""
    furnace_h = sum(sample.record.furnace_s for sample in session.samples) / 3600
    kept, lost = summary["succeeded"], summary["failed"]
    lines = [
        f"{summary['samples']} samples: {kept} measured, {lost} failed, {summary['in_review']} for review; "
        f"{summary['virtual_s'] / 3600:.1f} h of lab time, {furnace_h:.1f} furnace hours, "
        f"{summary['wall_s']:.0f} s here",
        f"hypervolume {summary['hypervolume']['value']:.3f} against {summary['hypervolume']['reference_point']}",
    ]
    if session.ended_because is not None:
        lines.append(f"ended before the budget: {session.ended_because}")
    if dry:
        lines += [f"reagent {line}" for line in reagents(session)]
        lines += [f"schedule {line}" for line in schedule(session)]
    if dry and session.raised:
        lines.append(f"raised under this clock: {'; '.join(session.raised)}")
    lines += [f"denied: {d['device']} {d['command']}: {'; '.join(d['reasons'])}" for d in summary["denied"]]
    lines += [f"needs a person: {sample.name}: {_why_review(sample)}" for sample in session.samples if sample.in_review]
    lines += [f"failed: {sample.name}: {sample.record.failure}" for sample in session.samples if sample.failed]
    if summary["world"] == "simulated":
        lines.append("SIMULATED: instruments, chemistry and patterns are not real")
    lines.append(f"data: {summary['data']} (journal, raw patterns, fits, recipes, transcript, pareto.png, gantt.png)")
    return lines


def schedule(session: Session) -> list[str]:
    """Who works when, in hours of lab time, one line for each station."""
    spans = sorted((span for sample in session.samples for span in sample.record.spans), key=lambda span: span.start_s)
    rows: dict[str, list[str]] = {}
    for span in spans:
        start_h, end_h = ((t_s - spans[0].start_s) / 3600 for t_s in (span.start_s, span.end_s))
        rows.setdefault(span.station, []).append(f"{span.sample} {span.task} {start_h:.1f} to {end_h:.1f} h")
    return [f"{station}: {', '.join(tasks)}" for station, tasks in sorted(rows.items())]


def reagents(session: Session) -> list[str]:
    """What went into vials: mass and cost per lot."""
    used: dict[str, float] = {}
    for sample in session.samples:
        for lot, mass_mg in sample.record.dosed_mg.items():
            used[lot] = used.get(lot, 0.0) + mass_mg
    lots = session.lab.inventory.lots
    return [
        f"{lot}: {mass / 1000:.3f} g, cost {mass / 1000 * lots[lot].price:.2f}" for lot, mass in sorted(used.items())
    ]


def _why_review(sample: Sample) -> str:
    if sample.result is None:
        return sample.analysis_failure or "no result"
    return sample.result.review_reason or f"confidence {sample.result.confidence:.2f} is below the campaign's gate"
