"""One sample from the recipe to the measured pattern, task by task.

Runs in a task of the clock of its own. A task that fails is a result of the sample, not an exception of the
campaign: what failed, where and why is kept, and the stations are free again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bluesky.utils import FailedStatus, Msg

from drivers.clock import Clock
from drivers.gate import DriverError
from lab.records.journal import Journal
from lab.safety.commands.contents import Contents
from lab.safety.commands.holds import CAMPAIGN
from lab.scheduling.engine import Standing, TaskEngine
from lab.scheduling.overdue import may_take_s, noticed
from lab.scheduling.reservations import OutOfServiceError, Reservations
from protocols import plans
from protocols.recipe import Firing, Mixing, Recipe

Plan = Generator[Msg, Any, Any]
Tell = Callable[[str, str, str], None]
"""Key, text and guidance of what a person must know; must not wait."""


@dataclass(frozen=True)
class Bench:
    """The devices that samples are made on, and where things stand between tasks."""

    furnaces: Mapping[str, Any]
    watched_by: Mapping[str, Any]
    """Furnace name to its safety module, where it has one."""
    doser: Any
    mover: Any
    diffractometer: Any
    head_of: Mapping[str, int]
    """Lot name to the number of the dosing head that holds it."""
    fits: Callable[[str, Firing], bool]
    """Whether a furnace, by its name, can do a firing within its limits and atmospheres."""
    mill: str = "mill-1/1"
    first_slot: int = 2
    """Number of the diffractometer's first belt position, as its wire counts them."""
    contents: Contents = field(default_factory=Contents)
    """What is in the mill and in the furnaces, as rules ask for it."""

    def written_by(self, stations: Collection[str]) -> frozenset[str]:
        """The devices among some stations: what a task there may write to."""
        devices = {self.doser.name, self.mover.name, self.diffractometer.name, *self.furnaces}
        return frozenset(devices.intersection(stations))

    def stands_still(self, retired: Mapping[str, str]) -> str | None:
        """Why no further sample can be made with these stations out of service, or None where one can."""
        needed = (self.doser.name, self.mover.name, self.mill, self.diffractometer.name)
        missing = [name for name in needed if name in retired]
        if not missing and all(name in retired for name in self.furnaces):
            missing = list(self.furnaces)
        return "; ".join(f"{name} is out of service: {retired[name]}" for name in missing) or None


@dataclass(frozen=True)
class Span:
    """One task on one station, in lab time; what a Gantt chart draws."""

    station: str
    task: str
    sample: str
    start_s: float
    end_s: float


@dataclass
class SampleRecord:
    """What became of one sample so far."""

    sample: str
    number: int
    recipe: Recipe
    stage: str = "waiting"
    dosed_mg: dict[str, float] = field(default_factory=dict)
    peaks_degc: list[float] = field(default_factory=list)
    furnace_s: float = 0.0
    """Time in the furnace, programme and cooling until it can be handled, all firings."""
    pattern_path: str | None = None
    failure: str | None = None
    spans: list[Span] = field(default_factory=list)


@dataclass
class SampleRunner:
    """Carries out one recipe on the bench."""

    bench: Bench
    clock: Clock
    reservations: Reservations
    engine: TaskEngine
    journal: Journal
    record: SampleRecord
    programme: str
    """Name of the diffractometer's stored measuring programme."""
    on_stage: Callable[[SampleRecord], None]
    tell: Tell = lambda key, text, guidance: None
    """Tells a person that something needs one."""

    def run(self) -> SampleRecord:
        """Run every task in order; a failure ends the sample and is kept in the record."""
        try:
            self._make()
        except (DriverError, plans.PlanError, OutOfServiceError) as error:
            self._fail(error)
        except FailedStatus as error:
            self._fail(error.__cause__ or error)
        return self.record

    def _make(self) -> None:
        recipe, n = self.record.recipe, self.record.number
        self._dose(recipe, n)
        for i, firing in enumerate(recipe.firings):
            if i > 0:
                self._regrind(recipe, n, i)
            self._fire(firing, n, i)
        self._measure(recipe, n)
        self._enter("made")

    def _dose(self, recipe: Recipe, n: int) -> None:
        bench = self.bench
        pan = f"{bench.doser.name}/1"
        doses = [
            plans.Dose(p.lot, bench.head_of[p.lot], p.mass_mg, recipe.mass_tolerance_mg) for p in recipe.precursors
        ]
        bench.contents.weighed(self.record.sample, [p.lot for p in recipe.precursors])
        self._at_the_mill(recipe.mixing)
        self.record.dosed_mg = self._task(
            "dose",
            {bench.doser.name, bench.mover.name, bench.mill},
            lambda md: plans.dose(
                bench.doser, bench.mover, vial=f"vials/{n}", pan=pan, then=bench.mill, doses=doses, md=md
            ),
            station=bench.doser.name,
            also=("mix", lambda md: self._mix(recipe, n, md)),
        )
        self._off_the_mill()

    def _mix(self, recipe: Recipe, n: int, md: Mapping[str, Any]) -> Plan:
        return plans.mix(
            self.bench.mover,
            mill=self.bench.mill,
            mixing=recipe.mixing,
            crucible=f"crucibles/{n}",
            vial_home=f"vials/{n}",
            md=md,
        )

    def _regrind(self, recipe: Recipe, n: int, i: int) -> None:
        bench = self.bench
        mixing = recipe.regrind or recipe.mixing
        self._at_the_mill(mixing)
        self._task(
            f"regrind {i}",
            {bench.mover.name, bench.mill},
            lambda md: plans.regrind(
                bench.mover,
                mill=bench.mill,
                mixing=mixing,
                crucible=f"crucibles/{n}",
                vial_home=f"vials/{n}",
                md=md,
            ),
            station=bench.mill,
        )
        self._off_the_mill()

    def _at_the_mill(self, mixing: Mixing) -> None:
        """Count the sample as being in the mill before it is: rules must know before anything begins."""
        self.bench.contents.wetted(self.record.sample, mixing.solvent)
        self.bench.contents.put(self.record.sample, _place(self.bench.mill), alone=True)

    def _off_the_mill(self) -> None:
        self.bench.contents.taken(self.record.sample, _place(self.bench.mill))

    def _fire(self, firing: Firing, n: int, i: int) -> None:
        self._enter(f"waits for a furnace ({i + 1})")
        able = [frozenset({name}) for name in self.bench.furnaces if self.bench.fits(name, firing)]
        # A furnace that somebody keeps waiting is taken where no other is free.
        able.sort(key=lambda names: self.engine.holds.why(names) is not None)
        with self.reservations.hold_any(able, self.record.sample) as held:
            (name,) = held
            furnace, safety, mover = (
                self.bench.furnaces[name],
                self.bench.watched_by.get(name),
                self.bench.mover,
            )
            slot, crucible = f"{name}/1", f"crucibles/{n}"
            places = {"crucible": crucible, "slot": slot}
            self.bench.contents.put(self.record.sample, name)
            self._task(
                f"load {i + 1}",
                {mover.name},
                lambda md: plans.load(furnace, mover, safety, **places, md=md),
                station=name,
            )
            start_s = self.clock.now()
            try:
                peak_degc = self._task(
                    f"fire {i + 1}",
                    (),
                    lambda md: plans.fire(furnace, safety, firing=firing, now=self.engine.now, md=md),
                    station=name,
                )
                self.bench.contents.fired(self.record.sample)
                self.record.peaks_degc.append(peak_degc)
            finally:
                # Also after a failure: the next sample needs the furnace empty.
                with self._retiring(name):
                    self._task(
                        f"cool {i + 1}",
                        (),
                        lambda md: plans.cool(furnace, safety, now=self.engine.now, md=md),
                        station=name,
                    )
                    self.record.furnace_s += self.clock.now() - start_s
                    self._task(
                        f"recover {i + 1}",
                        {mover.name},
                        lambda md: plans.recover(furnace, mover, safety, **places, md=md),
                        station=name,
                    )
                    self.bench.contents.taken(self.record.sample, name)

    @contextmanager
    def _retiring(self, furnace: str) -> Iterator[None]:
        """Take a furnace out of service if a crucible stays in it."""
        try:
            yield
        except BaseException:
            self.reservations.retire(furnace, f"{self.record.sample} could not be taken out of it")
            self.journal.write("out-of-service", durable=True, station=furnace, sample=self.record.sample)
            raise

    def _measure(self, recipe: Recipe, n: int) -> None:
        bench, scan = self.bench, recipe.measure[0]
        self.record.pattern_path = self._task(
            "measure",
            {bench.diffractometer.name, bench.mover.name},
            lambda md: plans.measure(
                bench.diffractometer,
                bench.mover,
                crucible=f"crucibles/{n}",
                holder=f"holders/{n}",
                slot=bench.first_slot,
                min_mass_mg=scan.min_mass_mg,
                programme=self.programme,
                sample_id=self.record.sample,
                md=md,
            ),
            station=bench.diffractometer.name,
        )

    def _task(
        self,
        task: str,
        stations: Collection[str],
        plan: Callable[[Mapping[str, Any]], Plan],
        *,
        station: str,
        also: tuple[str, Callable[[Mapping[str, Any]], Plan]] | None = None,
    ) -> Any:
        """Run one task, and `also` a second one without letting the stations go in between."""
        devices = self.bench.written_by({station, *stations})
        with self.reservations.hold(stations, self.record.sample):
            result = self._run_plan(task, station, devices, plan)
            if also is not None:
                self._run_plan(also[0], self.bench.mill, devices, also[1])
        return result

    def _run_plan(
        self, task: str, station: str, devices: frozenset[str], plan: Callable[[Mapping[str, Any]], Plan]
    ) -> Any:
        record = self.record
        self._enter(task)
        start_s = self.clock.now()
        entry: dict[str, Any] = {"sample": record.sample, "task": task, "station": station}
        self.journal.write("task-started", durable=True, **entry)
        try:
            with noticed(
                self.clock, self.engine.now, may_take_s(task, record.recipe), lambda: self._hangs(task, station)
            ):
                result = self.engine.run(
                    plan({**entry}),
                    actor="auto",
                    holder=f"{record.sample}/{task}",
                    devices=devices,
                    keys={record.sample, CAMPAIGN},
                    on_standing=lambda standing, why: self._stand(task, standing, why),
                    metadata={},
                )
        except BaseException as error:
            # The first failure is the cause; taking the sample out of the furnace may go wrong after it.
            reason = str(error.__cause__ or error)
            record.failure = record.failure or f"{task}: {reason}"
            self.journal.write("task-failed", **entry, reason=reason)
            self.reservations.note_failure(station, reason)
            raise
        finally:
            record.spans.append(Span(station, task, record.sample, start_s, self.clock.now()))
        self.journal.write("task-done", **entry, result=result)
        self.reservations.note_success(station)
        return result

    def _hangs(self, task: str, station: str) -> None:
        name = self.record.sample
        self.journal.write("task-hangs", durable=True, sample=name, task=task, station=station)
        self.tell(
            f"hangs:{name}",
            f"{task} of {name} on {station} takes longer than it can",
            f"look at {station}; take it over by hand, or stop",
        )

    def _stand(self, task: str, standing: Standing, why: str) -> None:
        """Show that a task is held or goes on."""
        if standing is not Standing.RUNNING:
            self.journal.write(str(standing), sample=self.record.sample, task=task, reason=why)
        self._enter({Standing.RUNNING: task, Standing.HELD: f"held: {why}"}.get(standing, f"restarting {task}"))

    def _enter(self, stage: str) -> None:
        self.record.stage = stage
        self.on_stage(self.record)

    def _fail(self, error: BaseException) -> None:
        self.record.failure = self.record.failure or f"{self.record.stage}: {error}"
        self._enter("failed")


def _place(position: str) -> str:
    """The place of a position such as ``mill-1/1``."""
    return position.partition("/")[0]
