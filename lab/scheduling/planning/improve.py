"""A better plan than the greedy one, if there is time to look for it; never a worse one.

CP-SAT proposes which crucibles share a furnace (`membership`) and in which order furnaces take the batches (`order`).
Each proposal is played on the floor by the same rule that decides in the laboratory, and the best one is kept: what a
plan promises is what following it gives. Then single batches are moved in the best order, and a move stays where
playing it shows that it does no harm. One worker and deterministic time: a seed fixes the plan.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from lab.scheduling.planning.coarse import Coarse
from lab.scheduling.planning.decide import look_ahead, played
from lab.scheduling.planning.greedy import Greedy, critical_stations
from lab.scheduling.planning.intent import Intention, Planned, urgency
from lab.scheduling.planning.membership import Configure, shared
from lab.scheduling.planning.order import ordered
from lab.scheduling.planning.shop import Shop
from lab.scheduling.planning.snapshot import Plan, Snapshot

_SHARE = 0.1
"""The part of the solver's time for membership, over all pools, and for each order that is looked for."""
_MOVES = 10.0
"""Moves of single batches that are tried for each unit of time; each is the playing of a whole plan."""


def improve(shop: Shop, snapshot: Snapshot, plan: Plan, *, seed: int, deterministic_time: float) -> Plan:
    """The best plan that is found from here on: never worse than going on with `plan`, or than deciding anew.

    Args:
        shop: The laboratory.
        snapshot: How things stand.
        plan: What is followed so far; it may have been made earlier.
        seed: Of the solver and of the moves.
        deterministic_time: How much work to spend, in CP-SAT's own measure: the same on every machine, a few
            seconds of processor time each for some hundred samples.

    Raises:
        PlanningError: Where the snapshot contradicts the shop or itself.
    """
    search = _Search(shop, snapshot)
    best = search.played(search.intention.batches(plan.batches), plan.critical)
    best = min(best, search.played(search.intention.batches()), key=_by_cost)
    for batches in search.proposals(best.batches, seed, deterministic_time * _SHARE):
        best = min(best, search.played(batches), key=_by_cost)
    return search.moved(best, random.Random(seed), round(deterministic_time * _MOVES)).plan


def better_of(shop: Shop, snapshot: Snapshot, followed: Plan, proposed: Plan) -> Plan:
    """Which of two plans to follow from here on, played from here; the one that is followed, where they are equal.

    A plan that was improved in the background comes for a laboratory that has gone on meanwhile.

    Raises:
        PlanningError: Where the snapshot contradicts the shop or itself.
    """
    return min((followed, proposed), key=lambda p: cost(look_ahead(shop, snapshot, following=p), snapshot))


def cost(plan: Plan, snapshot: Snapshot) -> tuple[int, float, float]:
    """What makes a plan better: fewer samples stranded, less time behind due dates, an earlier end."""
    end_s: dict[str, float] = {}
    for booking in plan.bookings:
        for sample in booking.samples:
            end_s[sample] = max(end_s.get(sample, 0.0), booking.end_s)
    late_s = sum(
        max(0.0, end_s.get(p.job.sample, plan.end_s) - p.job.due_s)
        for p in snapshot.progress
        if p.job.due_s is not None
    )
    return len(plan.stranded), late_s, plan.end_s


@dataclass(frozen=True)
class _Played:
    """A plan and the batches that it came of."""

    plan: Plan
    batches: Sequence[Planned]
    cost: tuple[int, float, float]


def _by_cost(each: _Played) -> tuple[int, float, float]:
    return each.cost


class _Search:
    """Looks for better plans of one snapshot."""

    def __init__(self, shop: Shop, snapshot: Snapshot) -> None:
        self._shop = shop
        self._snapshot = snapshot
        self._critical = critical_stations(snapshot.progress)
        self.intention = Intention(shop, snapshot)

    def played(self, batches: Sequence[Planned], critical: tuple[str, ...] | None = None) -> _Played:
        """What comes of some batches in an order."""
        rule = Greedy(self._shop, batches, self._critical if critical is None else critical)
        plan = played(self._shop, self._snapshot, rule)
        return _Played(plan, batches, cost(plan, self._snapshot))

    def proposals(self, batches: Sequence[Planned], seed: int, time: float) -> Iterator[Sequence[Planned]]:
        """Better batches, and better orders of them and of those given."""
        fewest = self._fewest(seed, time)
        yield fewest
        coarse = Coarse(self._shop, self._snapshot, self._critical)
        for listed in (fewest, batches):
            numbers = ordered(coarse.sketch(listed), _configured(seed, time))
            if numbers is not None:
                yield [listed[i] for i in numbers]

    def _fewest(self, seed: int, time: float) -> list[Planned]:
        """Batches that keep the furnaces for the least time, the short ones first."""
        pools = self.intention.pools()
        found = []
        for pool in pools:
            batches = shared(pool, self._shop.merging, _configured(seed, time / len(pools)))
            if batches is None:
                return self.intention.batches()
            found += batches
        return sorted(self.intention.planned(found), key=urgency)

    def moved(self, best: _Played, draws: random.Random, moves: int) -> _Played:
        """The best after some moves of one batch to another place."""
        for _ in range(moves if len(best.batches) > 1 else 0):
            batches = list(best.batches)
            batch = batches.pop(draws.randrange(len(batches)))
            batches.insert(draws.randrange(len(batches) + 1), batch)
            found = self.played(batches, best.plan.critical)
            if found.cost <= best.cost:
                best = found
        return best


def _configured(seed: int, time: float) -> Configure:
    def configure(solver: cp_model.CpSolver) -> None:
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = seed
        solver.parameters.max_deterministic_time = time

    return configure
