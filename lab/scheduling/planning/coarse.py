"""A coarse sketch of the laboratory, for deciding on the order of batches.

Three stages: what feeds the furnaces, one batch after the other; the furnaces; and the critical station behind them,
one batch's samples after the other's. The feeding stage is whatever has most to do before first firings, a station or
the robots. Times are whole minutes from the snapshot on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lab.scheduling.planning.grouping import Key
from lab.scheduling.planning.intent import Planned
from lab.scheduling.planning.job import Step
from lab.scheduling.planning.shop import Shop
from lab.scheduling.planning.snapshot import Progress, Snapshot, Stage, Work

_UNIT_S = 60.0


@dataclass(frozen=True)
class Behind:
    """What is to be done after a furnace, for all samples of a batch together."""

    lag: int
    """Until the critical station can begin."""
    work: int
    """There."""
    tail: int
    """From its end to the end of the last sample."""


@dataclass(frozen=True)
class CoarseBatch:
    """One batch that is to come."""

    furnaces: tuple[str, ...]
    feed: int
    """Work of the feeding stage that it waits for."""
    taken: int
    """How long it keeps a furnace."""
    after: tuple[tuple[int, int], ...]
    """Batches that it comes after, each with the time between."""
    behind: Behind


@dataclass(frozen=True)
class Standing:
    """What is under way: free from a time on, and then leaving work behind."""

    furnace: str
    """Empty for samples that are past their last firing."""
    until: int
    behind: Behind


@dataclass(frozen=True)
class Sketch:
    """All of it."""

    batches: tuple[CoarseBatch, ...]
    standing: tuple[Standing, ...]


@dataclass(frozen=True)
class Coarse:
    """Sketches a snapshot."""

    shop: Shop
    snapshot: Snapshot
    critical: tuple[str, ...]

    def sketch(self, planned: Sequence[Planned]) -> Sketch:
        """The sketch with these batches to come."""
        feeding = self._feeding(planned)
        in_batch = {key: i for i, p in enumerate(planned) for key in p.batch.members}
        batches = tuple(self._batch(p, feeding, in_batch) for p in planned)
        return Sketch(batches, tuple(self._standing()))

    @cached_property
    def _progress(self) -> Mapping[str, Progress]:
        return {p.job.sample: p for p in self.snapshot.progress}

    def _batch(self, planned: Planned, feeding: _Feeding, in_batch: Mapping[Key, int]) -> CoarseBatch:
        progress = self._progress
        feed_s, after = 0.0, dict[int, float]()
        for sample, step in planned.batch.members:
            p = progress[sample]
            before = [i for i in p.job.firings if i < step and (sample, i) in in_batch]
            way = p.job.steps[(before[-1] + 1 if before else p.step) : step]
            if before:
                number = in_batch[sample, before[-1]]
                # The first one comes after its whole way, the others one after the other.
                way_s = sum(s.station_s for s in way) if number not in after else feeding.work_s(way)
                after[number] = after.get(number, 0.0) + way_s
            else:
                feed_s += feeding.work_s(way)
        jobs = [(progress[sample].job, step) for sample, step in planned.batch.members]
        by_robot_s = len(jobs) * (self.shop.load_s + self.shop.unload_s)
        return CoarseBatch(
            planned.furnaces,
            _units(feed_s),
            _units(planned.fit.closed_s + by_robot_s),
            tuple((number, _units(way_s)) for number, way_s in sorted(after.items())),
            self._behind([job.steps[step + 1 :] for job, step in jobs if step == job.firings[-1]]),
        )

    def _behind(self, ways: Sequence[Sequence[Step]]) -> Behind:
        found = [self._way(way) for way in ways] or [(0.0, 0.0, 0.0)]
        return Behind(
            _units(min(lag for lag, _, _ in found)),
            _units(sum(work for _, work, _ in found)),
            _units(max(tail for _, _, tail in found)),
        )

    def _way(self, steps: Sequence[Step]) -> tuple[float, float, float]:
        """The time before the critical station, the work there, and the time after it."""
        lengths = [step.station_s for step in steps]
        # Nothing is critical where all that is left needs no station.
        at = next((i for i, step in enumerate(steps) if step.stations and step.stations == self.critical), None)
        if at is None:
            return 0.0, 0.0, sum(lengths)
        return sum(lengths[:at]), lengths[at] / len(self.critical), sum(lengths[at + 1 :])

    def _standing(self) -> Iterator[Standing]:
        progress = self._progress
        for work in self.snapshot.work:
            if work.station in self.shop.furnace:
                inside = [progress[sample] for sample in work.samples]
                last = [p.job.steps[p.step + 1 :] for p in inside if p.step == p.job.firings[-1]]
                yield Standing(
                    work.station, _units(max(self._until_s(work) - self.snapshot.now_s, 0.0)), self._behind(last)
                )
        past = [p.job.steps[p.step :] for p in progress.values() if all(i < p.step for i in p.job.firings)]
        if past:
            yield Standing("", 0, self._behind(past))

    def _until_s(self, work: Work) -> float:
        if work.stage is Stage.TAKING:
            return work.robot_until_s
        ready_s = self.snapshot.now_s if work.stage is Stage.DONE else work.ready_s
        return ready_s + len(work.samples) * self.shop.unload_s

    def _feeding(self, planned: Sequence[Planned]) -> _Feeding:
        load_s: dict[tuple[str, ...], float] = {}
        for sample, step in (key for p in planned for key in p.batch.members):
            p = self._progress[sample]
            if p.job.firings[0] == step:
                for s in p.job.steps[p.step : step]:
                    for group, work_s in ((s.stations, s.station_s), (self.shop.robots, s.robot_s)):
                        load_s[group] = load_s.get(group, 0.0) + work_s / max(len(group), 1)
        load_s.pop((), None)
        most = max(load_s, key=lambda group: (load_s[group], group), default=self.shop.robots)
        return _Feeding(most, by_robots=most == self.shop.robots)


@dataclass(frozen=True)
class _Feeding:
    """What has most to do before first firings."""

    names: tuple[str, ...]
    by_robots: bool

    def work_s(self, steps: Sequence[Step]) -> float:
        """What some steps ask of it."""
        if self.by_robots:
            return sum(step.robot_s for step in steps) / len(self.names)
        return sum(step.station_s for step in steps if step.stations == self.names) / len(self.names)


def _units(time_s: float) -> int:
    return round(time_s / _UNIT_S)
