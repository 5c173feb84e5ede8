"""Batches that are to come: who of each is here, which can begin, and which have waited for long enough."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.scheduling.planning.floor import Floor, Place
from lab.scheduling.planning.grouping import Key
from lab.scheduling.planning.intent import Planned, rank_of
from lab.scheduling.planning.job import Kind
from lab.scheduling.planning.programme import FiringNeed
from lab.scheduling.planning.shop import Shop
from lab.scheduling.planning.snapshot import Act, Batch, Start


@dataclass
class _Coming:
    """A batch that has not begun."""

    planned: Planned
    number: int
    here: list[Key] = field(default_factory=list)
    """Members that wait for it."""
    since_s: float = math.inf
    """Since when the first of them waits."""

    @property
    def complete(self) -> bool:
        return len(self.here) == len(self.planned.batch.members)


class FurnaceQueue:
    """What waits in front of the furnaces."""

    def __init__(self, shop: Shop, intended: Sequence[Planned]) -> None:
        self._shop = shop
        self._coming = {i: _Coming(planned, i) for i, planned in enumerate(intended)}
        self._batch_of = {key: i for i, planned in enumerate(intended) for key in planned.batch.members}
        self._complete: dict[tuple[str, ...], list[int]] = {}
        self._first_s = math.inf
        """No batch that is not complete has waited since before that."""

    def batch_of(self, sample: str, step: int) -> tuple[int, Planned] | None:
        """The number of the batch that a firing is in, and what is planned for it."""
        number = self._batch_of.get((sample, step))
        return None if number is None or number not in self._coming else (number, self._coming[number].planned)

    def complete(self, furnaces: tuple[str, ...]) -> int:
        """How many complete batches wait for some furnaces."""
        return len(self._complete.get(furnaces, ()))

    def enter(self, floor: Floor, place: Place) -> None:
        """Note a crucible that has come; one that no furnace in service can fire stays in the rack."""
        key = (place.job.sample, place.step)
        if key not in self._batch_of:
            return
        coming = self._coming[self._batch_of[key]]
        coming.here.append(key)
        if place.since_s < coming.since_s:
            coming.since_s = place.since_s
            self._first_s = min(self._first_s, place.since_s)
            floor.wake_at(place.since_s + self._shop.merging.longest_wait_s)
        if coming.complete:
            insort(self._complete.setdefault(coming.planned.fit.furnaces, []), coming.number)

    def load(self, floor: Floor, robot: str) -> Start | None:
        """Begin the batch that comes first of those that can."""
        ready = [
            self._coming[number]
            for furnaces, numbers in self._complete.items()
            if numbers and floor.first_free(furnaces) is not None
            for number in numbers
        ]
        able = [c for c in ready + self._overdue(floor) if floor.first_free(c.planned.furnaces) is not None]
        coming = min(able, key=lambda c: (c.planned.rank, c.number), default=None)
        return None if coming is None else self._begin(floor, coming, robot)

    def _overdue(self, floor: Floor) -> list[_Coming]:
        """Batches that have waited for company long enough."""
        latest_s = floor.now_s - self._shop.merging.longest_wait_s
        if self._first_s > latest_s:
            return []
        waiting = [coming for coming in self._coming.values() if not coming.complete]
        self._first_s = min((coming.since_s for coming in waiting), default=math.inf)
        return [coming for coming in waiting if coming.since_s <= latest_s]

    def _begin(self, floor: Floor, coming: _Coming, robot: str) -> Start:
        furnace = floor.first_free(coming.planned.furnaces)
        assert furnace is not None  # noqa: S101 - asked for batches with a free furnace only
        del self._coming[coming.number]
        if coming.complete:
            self._complete[coming.planned.fit.furnaces].remove(coming.number)
        batch = self._of_those_here(floor, coming, self._shop.furnace[furnace].places)
        samples = tuple(sample for sample, _ in batch.members)
        leader = next(key for key in batch.members if key[0] == batch.leader)
        return Start(Act.BEGIN, Kind.FIRE, furnace, robot, samples, _need(floor, leader).programme, leader[0])

    def _of_those_here(self, floor: Floor, coming: _Coming, places: int) -> Batch:
        """Those of a batch that are here and belong together, with whoever else waits and may come along."""
        leader, members = self._company(floor, coming)
        if len(members) == len(coming.planned.batch.members):
            return Batch(tuple(members), leader[0])
        need = _need(floor, leader)
        for other in list(self._coming.values()):
            if other.complete or other.planned.fit.furnaces != coming.planned.fit.furnaces:
                continue
            for key in [k for k in other.here if self._shop.merging.may_follow(_need(floor, k), need)]:
                if len(members) < places:
                    members.append(key)
                    self._leave(floor, other.number, key)
        # The late form a batch anew.
        self._form(floor, coming, [key for key in coming.planned.batch.members if key not in members])
        return Batch(tuple(members), leader[0])

    def _company(self, floor: Floor, coming: _Coming) -> tuple[Key, list[Key]]:
        """A leader among those that are here, the planned one if it is, and who of them may follow it."""
        batch, merging = coming.planned.batch, self._shop.merging
        here = [key for key in batch.members if key in coming.here]
        follow = {
            leader: [key for key in here if merging.may_follow(_need(floor, key), _need(floor, leader))]
            for leader in here
        }
        best = max(here, key=lambda leader: (leader[0] == batch.leader, len(follow[leader])))
        return best, follow[best]

    def _leave(self, floor: Floor, number: int, key: Key) -> None:
        """Take a crucible out of a batch that it waits for."""
        other = self._coming.pop(number)
        rest = [k for k in other.planned.batch.members if k != key]
        if rest:
            self._form(floor, other, rest)

    def _form(self, floor: Floor, old: _Coming, members: list[Key]) -> None:
        """Let what is left of a batch be a batch, in its place."""
        leader = old.planned.batch.leader
        if all(sample != leader for sample, _ in members):
            # Where nobody is near enough to all, who is here settles it when the batch begins.
            place = self._shop.merging.leader_of([_need(floor, key) for key in members])
            leader = members[place or 0][0]
        fit = old.planned.fit
        rank = min(rank_of(floor.places[sample].job, self._shop) for sample, _ in members)
        furnaces = self._shop.whole(fit.furnaces, len(members))
        here = [key for key in old.here if key in members]
        since_s = min((floor.places[sample].since_s for sample, _ in here), default=math.inf)
        coming = _Coming(Planned(Batch(tuple(members), leader), fit, furnaces, rank), old.number, here, since_s)
        self._first_s = min(self._first_s, since_s)
        self._coming[old.number] = coming
        if coming.complete:
            insort(self._complete.setdefault(fit.furnaces, []), coming.number)


def _need(floor: Floor, key: Key) -> FiringNeed:
    sample, step = key
    firing = floor.places[sample].job.steps[step].firing
    assert firing is not None  # noqa: S101 - asked for firings only
    return firing
