"""The loop: ask the planner, make and measure on the bench, tell the planner, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from drivers.clock import Clock, Event
from lab.campaign.observe import observe
from lab.characterization.errors import CharacterizationError
from lab.characterization.result import Characterization
from lab.errors import LabError
from lab.records.journal import Journal
from lab.scheduling.engine import TaskEngine
from lab.scheduling.reservations import Reservations
from lab.scheduling.sample_run import Bench, SampleRecord, SampleRunner, Tell
from planner.errors import PlannerError
from planner.types import Observation, Outcome, Planner, Suggestion
from protocols.recipe_file import save_recipe


class Analyst(Protocol):
    """Turns a pattern file into phases, and draws the fit."""

    def analyze(self, pattern: Path, picture: Path) -> Characterization:
        """Analyse one pattern.

        Raises:
            CharacterizationError: Where the file cannot be read.
            LabError: Where no worker answers.
        """


@dataclass
class Sample:
    """One sample of the campaign, from its suggestion to what was learnt from it."""

    suggestion: Suggestion
    record: SampleRecord
    recipe_path: Path
    result: Characterization | None = None
    observation: Observation | None = None
    analysis_failure: str | None = None
    """Why the pattern could not be analysed."""

    @property
    def name(self) -> str:
        """The sample's name."""
        return self.record.sample

    @property
    def in_review(self) -> bool:
        """Whether a person has to look at the result first."""
        return self.observation is not None and self.observation.outcome is Outcome.MISSING

    @property
    def failed(self) -> bool:
        """Whether there is no result."""
        return self.record.failure is not None


@dataclass(frozen=True)
class Terms:
    """What a campaign asks for."""

    target: str
    samples: int
    least_confidence: float
    scan_programme: str


@dataclass
class CampaignLoop:
    """Runs one campaign on one bench; `run` blocks in lab time."""

    terms: Terms
    planner: Planner
    analyst: Analyst
    bench: Bench
    engines: list[TaskEngine]
    """One for each sample that may be in work at a time."""
    clock: Clock
    reservations: Reservations
    journal: Journal
    folder: Path
    on_change: Callable[[Sample], None] = lambda sample: None
    stop_requested: Callable[[], bool] = lambda: False
    """Asked between samples: no new one is started once it is true; those in work are finished."""
    tell: Tell = lambda key, text, guidance: None
    """Tells a person that something needs one: a task that hangs, a result that waits for a review."""
    samples: list[Sample] = field(default_factory=list)
    ended_because: str | None = None
    """Why no further sample was started, where that ended the campaign before its budget."""

    def run(self) -> list[Sample]:
        """Make and measure samples until the budget is spent or a stop is asked for."""
        self._changed: Event = self.clock.event()
        self._finished: list[Sample] = []
        self._defect: BaseException | None = None
        free = list(self.engines)
        while True:
            while free and (sample := self._next()) is not None:
                self._start(sample, free.pop(0), free)
            # Where time passes by itself, the last sample may come in between the learning above and here.
            if len(free) == len(self.engines) and not self._finished:
                if self._defect is not None:
                    raise self._defect
                return self.samples
            self._changed.wait()
            self._changed.clear()
            self._learn()

    def _next(self) -> Sample | None:
        """The next sample, or None where there is to be no further one."""
        still = self.bench.stands_still(self.reservations.retired)
        if still is not None and self.ended_because is None:
            self._end(still)
        over = self.stop_requested() or self.ended_because is not None or self._defect is not None
        if over or len(self.samples) >= self.terms.samples:
            return None
        try:
            (suggestion,) = self.planner.suggest(1)
        except PlannerError as error:
            self._end(str(error))
            return None
        number = len(self.samples) + 1
        name = f"sample-{number:03d}"
        path = self.folder / "recipes" / f"{name}.yaml"
        save_recipe(suggestion.recipe, path)
        self.journal.write(
            "suggested",
            durable=True,
            sample=name,
            trial_id=suggestion.trial_id,
            route=list(suggestion.route),
            conditions=dict(suggestion.conditions),
            reason=suggestion.reason,
            model_version=suggestion.model_version,
            recipe=suggestion.recipe,
        )
        sample = Sample(suggestion, SampleRecord(name, number, suggestion.recipe), path)
        self.samples.append(sample)
        return sample

    def _end(self, reason: str) -> None:
        """Start no further sample; what is in work is finished and kept."""
        self.ended_because = reason
        self.journal.write("ended-early", durable=True, reason=reason)

    def _start(self, sample: Sample, engine: TaskEngine, free: list[TaskEngine]) -> None:
        runner = SampleRunner(
            self.bench,
            self.clock,
            self.reservations,
            engine,
            self.journal,
            sample.record,
            self.terms.scan_programme,
            lambda _: self.on_change(sample),
            self.tell,
        )

        def work() -> None:
            try:
                runner.run()
            except BaseException as error:
                # No failure of a sample but a defect of ours: what is in work is finished, then it is raised.
                self._defect = error
                raise
            finally:
                # In this order: an engine that is free again means that its sample waits to be learnt from.
                self._finished.append(sample)
                free.append(engine)
                self._changed.set()

        self.clock.start(sample.name, work)

    def _learn(self) -> None:
        """Analyse what was measured and tell the planner, in the order in which samples came in."""
        while self._finished:
            sample = self._finished.pop(0)
            if sample.record.pattern_path is not None and not sample.failed:
                picture = self.folder / "fits" / f"{sample.name}.png"
                try:
                    sample.result = self.analyst.analyze(Path(sample.record.pattern_path), picture)
                except (CharacterizationError, LabError) as error:
                    # The pattern is kept and a person can look at it; the campaign goes on without its result.
                    sample.analysis_failure = str(error)
            sample.observation = observe(
                sample.suggestion.trial_id,
                sample.record,
                sample.result,
                target=self.terms.target,
                least_confidence=self.terms.least_confidence,
            )
            self._log(sample)
            if sample.observation.outcome is Outcome.MISSING:
                why = sample.analysis_failure or "its analysis is not confident enough"
                self.tell(f"review:{sample.name}", f"{sample.name} waits for a review: {why}", "look at its fit")
            self.planner.record([sample.observation])
            self.on_change(sample)

    def _log(self, sample: Sample) -> None:
        observation = sample.observation
        assert observation is not None  # noqa: S101 - set just before
        self.journal.write(
            "observed",
            durable=True,
            sample=sample.name,
            trial_id=observation.trial_id,
            outcome=observation.outcome,
            objectives={name: [m.value, m.sd] for name, m in observation.objectives.items()},
            dosed_mg=sample.record.dosed_mg,
            failure=sample.record.failure or sample.analysis_failure,
            analysis=sample.result.to_json(sample.record.pattern_path or "") if sample.result else None,
        )
