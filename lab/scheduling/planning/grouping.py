"""Which crucibles share a furnace: as few and as full batches as can be seen at once.

The crucible that is hardest to find company for is served first, and takes the company that is hardest to place
elsewhere.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from lab.scheduling.planning.programme import FiringNeed, Merging

Key = tuple[str, int]
"""A sample and the number of its step."""


def followers(needs: Sequence[FiringNeed], merging: Merging) -> list[list[int]]:
    """For each need, which of all may be fired with its programme; itself is one of them."""
    by_peak = sorted(range(len(needs)), key=lambda i: (needs[i].programme.peak_degc, i))
    peaks = [needs[i].programme.peak_degc for i in by_peak]
    found = []
    for leader in needs:
        peak_degc, room = leader.programme.peak_degc, merging.peak_degc + 1e-6
        near = by_peak[bisect_left(peaks, peak_degc - room) : bisect_right(peaks, peak_degc + room)]
        found.append(sorted(i for i in near if merging.may_follow(needs[i], leader)))
    return found


def group(wanted: Mapping[Key, FiringNeed], merging: Merging, places: int) -> list[tuple[Key, ...]]:
    """Put crucibles into batches of at most `places`; each batch has a member that all others may follow."""
    items: dict[FiringNeed, list[Key]] = {}
    for key, need in wanted.items():
        items.setdefault(need, []).append(key)
    return _Grouping(list(items), list(items.values()), merging, places).run()


class _Grouping:
    """The state of one grouping; needs that are equal are counted together."""

    def __init__(self, needs: list[FiringNeed], items: list[list[Key]], merging: Merging, places: int) -> None:
        self._items = items
        self._places = places
        self._follow = followers(needs, merging)
        self._leaders: list[list[int]] = [[] for _ in needs]
        for leader, members in enumerate(self._follow):
            for member in members:
                self._leaders[member].append(leader)
        self._around = [sum(len(items[i]) for i in members) for members in self._follow]
        self._heap = [(self._reach(i), i) for i in range(len(needs))]
        heapq.heapify(self._heap)

    def run(self) -> list[tuple[Key, ...]]:
        batches = []
        while self._heap:
            reach, lonely = heapq.heappop(self._heap)
            if not self._items[lonely]:
                continue
            if reach != self._reach(lonely):
                heapq.heappush(self._heap, (self._reach(lonely), lonely))
                continue
            batches.append(self._batch_around(lonely))
        return batches

    def _reach(self, need: int) -> int:
        """The most crucibles that could be in one batch with it."""
        return max((self._around[leader] for leader in self._leaders[need] if self._items[leader]), default=0)

    def _batch_around(self, lonely: int) -> tuple[Key, ...]:
        able = [leader for leader in self._leaders[lonely] if self._items[leader]]
        leader = max(able, key=lambda i: (min(self._around[i], self._places), i == lonely, -self._around[i], -i))
        # The leader itself must be in, or nobody asked for what is run.
        others = sorted(
            (i for i in self._follow[leader] if self._items[i] and i not in {lonely, leader}),
            key=lambda i: (self._reach(i), i),
        )
        taken = [self._pull(leader)] if leader != lonely else []
        for i in (lonely, leader, *others) if leader != lonely else (lonely, *others):
            while self._items[i] and len(taken) < self._places:
                taken.append(self._pull(i))
        self._look_again({lonely, leader, *others})
        return tuple(taken)

    def _pull(self, need: int) -> Key:
        for leader in self._leaders[need]:
            self._around[leader] -= 1
        return self._items[need].pop(0)

    def _look_again(self, touched: set[int]) -> None:
        """Whoever lost possible company may be the loneliest now."""
        leaders = {leader for i in touched for leader in self._leaders[i]}
        for i in sorted({i for leader in leaders for i in self._follow[leader] if self._items[i]}):
            heapq.heappush(self._heap, (self._reach(i), i))
