"""What to start at this instant, and the plan that comes of going on like that.

Whoever runs the laboratory makes a plan with `look_ahead`, asks `decide` for what to start whenever something has
happened and at the time that `look_again_s` gives, and may exchange the plan for a better one
(`lab.scheduling.planning.improve`) at any instant: nothing else is remembered from one decision to the next.
"""

from __future__ import annotations

from lab.scheduling.planning.floor import Floor
from lab.scheduling.planning.greedy import Greedy, critical_stations
from lab.scheduling.planning.intent import Intention
from lab.scheduling.planning.shop import Shop
from lab.scheduling.planning.snapshot import Plan, Snapshot, Start


def decide(shop: Shop, snapshot: Snapshot, *, following: Plan | None = None) -> list[Start]:
    """Everything to start now, each with a station and a robot that are free for it.

    Args:
        shop: The laboratory.
        snapshot: How things stand.
        following: A plan whose batches and order are kept where they still hold; what it does not know of is
            decided as if there were none.

    Raises:
        PlanningError: Where the snapshot contradicts the shop or itself.
    """
    if not _can_anything_begin(shop, snapshot):
        return []
    rule = rule_for(shop, snapshot, following)
    floor = Floor(shop, snapshot, rule)
    starts = []
    while (start := rule.pick(floor)) is not None:
        floor.apply(start)
        starts.append(start)
    return starts


def _can_anything_begin(shop: Shop, snapshot: Snapshot) -> bool:
    """Whether a robot is free, or somebody waits for a step that needs none; most often that settles it."""
    busy = {work.robot for work in snapshot.work}
    if any(robot not in busy and robot not in snapshot.out_of_service for robot in shop.robots):
        return True
    at_work = {sample for work in snapshot.work for sample in work.samples}
    return any(
        not p.job.steps[p.step].begins_with_robot
        for p in snapshot.progress
        if not p.held and p.job.sample not in at_work
    )


def look_again_s(shop: Shop, snapshot: Snapshot) -> float | None:
    """When to decide again at the latest, if nothing happens before.

    Then a job is released, or a crucible has waited for company long enough.
    """
    at_work = {sample for work in snapshot.work for sample in work.samples}
    waiting = [p for p in snapshot.progress if p.job.sample not in at_work and not p.held]
    times_s = [
        *(p.job.released_s for p in waiting),
        *(p.since_s + shop.merging.longest_wait_s for p in waiting if p.job.steps[p.step].firing is not None),
    ]
    return min((time_s for time_s in times_s if time_s > snapshot.now_s), default=None)


def look_ahead(shop: Shop, snapshot: Snapshot, *, following: Plan | None = None) -> Plan:
    """Go on deciding until all is done that can be, and note who was where.

    Raises:
        PlanningError: Where the snapshot contradicts the shop or itself.
    """
    return played(shop, snapshot, rule_for(shop, snapshot, following))


def played(shop: Shop, snapshot: Snapshot, rule: Greedy) -> Plan:
    """The plan that a rule makes of a snapshot."""
    floor = Floor(shop, snapshot, rule)
    floor.run()
    bookings = sorted(floor.bookings, key=lambda b: (b.start_s, b.station, b.samples))
    stranded = tuple(sorted(floor.places))
    return Plan(tuple(bookings), rule.intended, rule.critical, snapshot.now_s, floor.finished_s, stranded)


def rule_for(shop: Shop, snapshot: Snapshot, following: Plan | None) -> Greedy:
    """The greedy rule with the batches that a snapshot allows."""
    intention = Intention(shop, snapshot)
    if following is None:
        return Greedy(shop, intention.batches(), critical_stations(snapshot.progress))
    return Greedy(shop, intention.batches(following.batches), following.critical)
