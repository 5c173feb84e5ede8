"""What is intended: which crucibles are to share a furnace and in which order furnaces take them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.scheduling.planning.grouping import Key, group
from lab.scheduling.planning.job import Job
from lab.scheduling.planning.programme import FiringNeed
from lab.scheduling.planning.shop import Fit, Shop
from lab.scheduling.planning.snapshot import Batch, Snapshot

Rank = tuple[float, float]
"""Priority with the time waited, then due date; the smaller comes first."""


def rank_of(job: Job, shop: Shop) -> Rank:
    """Where a job stands among others.

    The time since it was released counts in steps of the shop's patience, each as much as one step of priority: of
    those that arrive later only so many can overtake it.
    """
    bucket = math.floor(job.released_s / shop.patience_s) - job.priority
    return bucket, math.inf if job.due_s is None else job.due_s


@dataclass(frozen=True)
class Planned:
    """A batch that is to come, with what deciding on it needs."""

    batch: Batch
    fit: Fit
    """Of its leader."""
    furnaces: tuple[str, ...]
    """The furnaces in service that can take it whole."""
    rank: Rank
    """Of the first of its members."""


@dataclass(frozen=True)
class Pool:
    """Crucibles among which company can be sought: of one turn (first firing, second, ...), for the same furnaces."""

    places: int
    """Of the largest of these furnaces."""
    needs: Mapping[Key, FiringNeed]
    closed_s: Mapping[FiringNeed, float]
    """How long the quickest of these furnaces is closed for each."""


class Intention:
    """All that is still to be fired and can be, and how it is to be put together.

    Left out is what is being fired, what is held, and what no furnace in service can fire.
    """

    def __init__(self, shop: Shop, snapshot: Snapshot) -> None:
        self._shop = shop
        self._jobs = {p.job.sample: p.job for p in snapshot.progress}
        at_work = {sample for work in snapshot.work for sample in work.samples}
        self._left: dict[Key, FiringNeed] = {}
        self._fit: dict[Key, Fit] = {}
        for p in snapshot.progress:
            job = p.job
            for i, need in job.needs if not p.held else ():
                if i < p.step or (i == p.step and job.sample in at_work):
                    continue
                fit = shop.fit(need, job.steps[i].stations, snapshot.out_of_service)
                if fit.furnaces:
                    self._left[job.sample, i] = need
                    self._fit[job.sample, i] = fit

    def batches(self, following: Sequence[Batch] = ()) -> list[Planned]:
        """In the order in which furnaces should take them; kept as they are listed where that still holds."""
        kept = [batch for earlier in following for batch in self._still(earlier)]
        held = {key for batch in kept for key in batch.members}
        new = {key: need for key, need in self._left.items() if key not in held}
        added = sorted(self.planned(self._grouped(new)), key=urgency)
        # What nobody foresaw goes behind the plan, unless its rank says that it cannot wait.
        return sorted(self.planned(kept) + added, key=lambda p: p.rank) if following else added

    def pools(self) -> list[Pool]:
        """What is still to be fired, as far apart as company is never sought."""
        return self._pools(self._left)

    def planned(self, batches: Iterable[Batch]) -> list[Planned]:
        """What deciding on some batches needs, in their order."""
        return [self._planned(batch) for batch in batches]

    def _still(self, earlier: Batch) -> Iterable[Batch]:
        """What is left of a planned batch, if it can still be fired together."""
        members = tuple(key for key in earlier.members if key in self._left)
        if not members:
            return ()
        leader = next((key for key in members if key[0] == earlier.leader), None)
        if leader is None:
            place = self._shop.merging.leader_of([self._left[key] for key in members])
            leader = members[place] if place is not None else members[0]
        # Steps, tolerance and furnaces may have changed since; who does not belong any more is grouped anew.
        need, fit = self._left[leader], self._fit[leader]
        able = tuple(
            key
            for key in members
            if (self._left[key] is need or self._shop.merging.may_follow(self._left[key], need))
            and (self._fit[key] is fit or self._fit[key].furnaces == fit.furnaces)
        )
        if len(able) > fit.places:
            return ()
        return (earlier if able == earlier.members and leader[0] == earlier.leader else Batch(able, leader[0]),)

    def _pools(self, wanted: Mapping[Key, FiringNeed]) -> list[Pool]:
        found: dict[tuple[int, tuple[str, ...]], list[Key]] = {}
        for sample, step in wanted:
            turn = self._jobs[sample].firings.index(step)
            found.setdefault((turn, self._fit[sample, step].furnaces), []).append((sample, step))
        return [
            Pool(
                self._fit[keys[0]].places,
                {key: wanted[key] for key in keys},
                {wanted[key]: self._fit[key].closed_s for key in keys},
            )
            for keys in found.values()
        ]

    def _grouped(self, wanted: Mapping[Key, FiringNeed]) -> list[Batch]:
        return [
            self._led(members)
            for pool in self._pools(wanted)
            for members in group(pool.needs, self._shop.merging, pool.places)
        ]

    def _led(self, members: tuple[Key, ...]) -> Batch:
        leader = self._shop.merging.leader_of([self._left[key] for key in members])
        assert leader is not None  # noqa: S101 - group gives each batch a leader
        return Batch(members, members[leader][0])

    def _planned(self, batch: Batch) -> Planned:
        fit = next(self._fit[key] for key in batch.members if key[0] == batch.leader)
        rank = min(rank_of(self._jobs[sample], self._shop) for sample, _ in batch.members)
        return Planned(batch, fit, self._shop.whole(fit.furnaces, len(batch.members)), rank)


def urgency(planned: Planned) -> tuple[Rank, float]:
    """Short programmes first among equals: what comes after the furnaces soon has work, and never lacks it."""
    return planned.rank, planned.fit.closed_s
