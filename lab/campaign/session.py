"""One run from checked files to its summary: workers, laboratory, loop, pictures, lock."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.campaign.check import check_campaign, check_recipe, program_for, resolve_lots
from lab.campaign.given import GivenRecipes
from lab.campaign.loop import CampaignLoop, Sample, Terms
from lab.campaign.pictures import plot_gantt, plot_pareto
from lab.campaign.problem import precursor_lot, problem_of
from lab.campaign.summary import Account, front_names, summarize
from lab.config.campaign_file import OBJECTIVE_UNITS, CampaignFile, load_campaign
from lab.config.lab_file import LabConfig
from lab.errors import UsageError
from lab.records.lock import hold_lab
from lab.safety.judging.in_process import safety_socket
from lab.safety.judging.monitor import SafetyMonitor
from lab.startup import Choices, OpenLab, jumps, open_lab
from planner.types import Constraint, Goal, Problem
from protocols.recipe import Dwell, Recipe, XrdScan
from protocols.recipe_file import load_recipe, scan_from_file

if TYPE_CHECKING:
    from lab.campaign.compute import Compute
    from planner.types import Planner

OnChange = Callable[[Sample], None]


@dataclass(frozen=True)
class Work:
    """What is to be made, checked against the laboratory."""

    name: str
    problem: Problem
    samples: int
    least_confidence: float
    scan: XrdScan
    recipes: tuple[Recipe, ...] = ()
    """Given recipes; empty: the planner decides."""


def campaign_work(path: Path, lab: LabConfig, budget: int | None) -> Work:
    """Read and check a campaign.

    Raises:
        DocumentError: With every reason why this laboratory cannot run it.
    """
    campaign = load_campaign(path)
    if budget is not None:
        campaign = campaign.model_copy(update={"budget": campaign.budget.model_copy(update={"samples": budget})})
    check_campaign(campaign, path, lab)
    return _work(campaign, lab)


def _work(campaign: CampaignFile, lab: LabConfig) -> Work:
    return Work(
        campaign.name,
        problem_of(campaign, lab),
        campaign.budget.samples,
        campaign.gate.analysis_confidence,
        scan_from_file(campaign.measure[0]),
    )


def recipe_work(path: Path, lab: LabConfig) -> Work:
    """Read and check one recipe, to be made once.

    Raises:
        DocumentError: With every reason why this laboratory cannot make it.
    """
    recipe = load_recipe(path)
    check_recipe(recipe, path, lab)
    recipe = resolve_lots(recipe, lab)
    return Work(path.stem, _problem_of_recipe(recipe, lab), 1, 0.0, recipe.measure[0], (recipe,))


def _problem_of_recipe(recipe: Recipe, lab: LabConfig) -> Problem:
    """The problem whose only answer is the recipe, so that its result is judged like any other.

    Furnace hours count against twice the programme: a furnace cools slower than it is told to.
    """
    firing = recipe.firings[0]
    dwell_s = sum(segment.time_s for segment in firing.segments if isinstance(segment, Dwell)) or 1.0
    hours = 2 * sum(f.duration_s() for f in recipe.firings) / 3600
    return Problem(
        target=recipe.target.formula,
        lots={p.lot: precursor_lot(lab, p.lot) for p in recipe.precursors},
        temperature_degc=(firing.peak_degc, firing.peak_degc),
        dwell_s=(dwell_s, dwell_s),
        ramp_degc_per_min=(firing.fastest_degc_per_min,) * 2,
        regrinds=(recipe.regrinds,),
        objectives={"target_fraction": Goal.MAXIMIZE, "furnace_hours": Goal.MINIMIZE},
        constraints=(Constraint("furnace_hours", "<=", hours),),
        mixing=recipe.mixing,
        measure=recipe.measure,
    )


@dataclass
class Session:
    """A run in its data folder."""

    work: Work
    lab: LabConfig
    choices: Choices
    folder: Path
    started_s: float
    """Monotonic wall time at which the command began."""
    stopping: bool = False
    """Set to start no new samples."""
    opened: OpenLab | None = None
    confirm: Callable[[OpenLab], None] = lambda opened: None
    """Asked once everybody has been identified and before anything starts; raises where it must not."""
    _loop: CampaignLoop | None = field(default=None, repr=False)

    @property
    def samples(self) -> Sequence[Sample]:
        """The samples so far."""
        return self._loop.samples if self._loop is not None else []

    @property
    def ended_because(self) -> str | None:
        """Why the planner ended the campaign before its budget, where it did."""
        return self._loop.ended_because if self._loop is not None else None

    @property
    def raised(self) -> list[str]:
        """Timeouts that are longer than the files ask for, because of the clock."""
        return self.opened.safety.raised if self.opened is not None else []

    def run(self, on_change: OnChange) -> dict[str, Any]:
        """Run to the end and return the summary; whatever happens, the instruments are left cold.

        Raises:
            LabError, DriverError, DocumentError: Before anything started; what was written to the folder is gone again.
        """
        with ExitStack() as stack:
            stack.enter_context(_logging_to(self.folder / "log.txt"))
            try:
                runtime = stack.enter_context(hold_lab(self.lab.name, self.folder, shared=not self._jumps))
                opened = self.opened = open_lab(self.lab, self.folder, self.choices, runtime=runtime)
                stack.callback(opened.close)
                self.confirm(opened)
                opened.start()
                stack.enter_context(self._served(opened, runtime))
                compute = stack.enter_context(self._compute())
            except BaseException:
                stack.callback(take_back, self.folder)
                raise
            begin_s = opened.clock.now()
            self._loop = self._make_loop(opened, compute, on_change)
            opened.recipes = self._recipes
            opened.journal.write("campaign-started", durable=True, campaign=self.work.name, samples=self.work.samples)
            try:
                self._loop.run()
                return self._finish(opened, begin_s)
            except BaseException as error:
                opened.journal.write("campaign-failed", durable=True, reason=f"{type(error).__name__}: {error}")
                raise

    def abandon(self) -> None:
        """Write that the run was given up; everything that happened is with the operating system already."""
        if self.opened is not None:
            self.opened.journal.write("abandoned", durable=True, actor="operator")

    @property
    def _jumps(self) -> bool:
        simulated = self.choices.simulate_all or not self.lab.real_devices
        return jumps(self.choices.clock, simulated=simulated)

    @staticmethod
    def _served(opened: OpenLab, runtime: Path) -> AbstractContextManager[Any]:
        """Let people in: to everything, or where time jumps to STOP, reset and alarms."""
        if isinstance(opened.safety, SafetyMonitor):
            return safety_socket(opened.safety, runtime)
        # Late: it loads a web framework.
        from lab.console.running import served

        return served(opened.parts, runtime, opened.users)

    def _recipes(self) -> dict[str, Any]:
        return {
            sample.name: {
                "stage": sample.record.stage,
                "number": sample.record.number,
                "failure": sample.record.failure,
            }
            for sample in self.samples
        }

    def _should_end(self) -> bool:
        """Whether no new samples are to be started: a person said so, or stopped everything in jumping time."""
        return self.stopping or (self._jumps and self.opened is not None and self.opened.stopped.is_set())

    def _compute(self) -> Compute:
        from lab.campaign.compute import Compute

        return Compute(planning=not self.work.recipes)

    def _make_loop(self, opened: OpenLab, compute: Compute, on_change: OnChange) -> CampaignLoop:
        wavelength = self.lab.devices[self.lab.file.stations.measure[0]].wavelength or "CuKa"
        planner: Planner = (
            GivenRecipes(self.work.recipes, "given")
            if self.work.recipes
            else compute.planner(self.work.problem, self.choices.seed, n_initial=2 * len(self.lab.furnaces) + 1)
        )
        return CampaignLoop(
            terms_of(self.work, self.lab),
            planner,
            compute.analyst(reference_files(self.work.problem), wavelength, simulated=opened.world == "simulated"),
            opened.bench,
            opened.engines,
            opened.clock,
            opened.reservations,
            opened.journal,
            self.folder,
            on_change,
            self._should_end,
            opened.tell,
        )

    def _finish(self, opened: OpenLab, begin_s: float) -> dict[str, Any]:
        account = Account(
            self.work.name,
            opened.world,
            opened.clock.now() - begin_s,
            time.monotonic() - self.started_s,
            str(self.folder),
            opened.gateway.denials,
        )
        summary = summarize(self.samples, self.work.problem, account)
        self._draw(summary, begin_s, simulated=opened.world == "simulated")
        (self.folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        opened.journal.write("campaign-ended", durable=True, stopped=self.stopping, summary=summary)
        return summary

    def _draw(self, summary: dict[str, Any], begin_s: float, *, simulated: bool) -> None:
        points = {
            sample.name: {name: measured.value for name, measured in sample.observation.objectives.items()}
            for sample in self.samples
            if sample.observation is not None
        }
        objectives = tuple(self.work.problem.objectives)
        if len(objectives) == 2:
            axes = (objectives[1], objectives[0])
            plot_pareto(
                self.folder / "pareto.png", axes, OBJECTIVE_UNITS, points, front_names(summary), simulated=simulated
            )
        spans = [span for sample in self.samples for span in sample.record.spans]
        plot_gantt(self.folder / "gantt.png", spans, begin_s, simulated=simulated)


def terms_of(work: Work, lab: LabConfig) -> Terms:
    """What the loop must know of the work."""
    programme = program_for(work.scan, lab)
    if programme is None:
        raise UsageError(f"{lab.file.stations.measure[0]} has no programme for the scan of {work.name}")
    return Terms(work.problem.target, work.samples, work.least_confidence, programme)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Send what libraries log to a file: a failed task is told in one sentence, its trace is for developers."""
    handler = logging.FileHandler(path, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


def take_back(folder: Path) -> None:
    """Remove what a run that never started has left behind, and nothing that somebody else put there."""
    for name in ("journal.jsonl", "transcript.jsonl", "audit.jsonl", "audit.heads", "alarms.jsonl", "log.txt"):
        (folder / name).unlink(missing_ok=True)
    for path in (folder / "recipes", folder / "raw", folder / "fits", folder):
        with suppress(OSError):  # not empty: then it is not ours to remove
            path.rmdir()


def reference_files(problem: Problem) -> list[Path]:
    """The structures that may turn up: all of the library made of the elements of target, precursors and air."""
    from pymatgen.core import Composition

    from generator import library

    formulas = [problem.target, *(lot.formula for lot in problem.lots.values())]
    elements = {str(element) for formula in formulas for element in Composition(formula).elements}
    return list(library.structures(elements | {"O", "C", "H"}))
