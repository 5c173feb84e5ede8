"""The reference: first in, first out, with firings of identical programmes that wait together fired together."""

from __future__ import annotations

import heapq

from lab.scheduling.planning.floor import Floor
from lab.scheduling.planning.shop import Shop
from lab.scheduling.planning.snapshot import Act, Batch, Plan, Snapshot, Start


class FirstCome:
    """Serves in the order of asking: whoever asked first of those whose station and robot are free.

    A furnace takes the firing that asked first, and with it all that wait for exactly the same programme in the same
    class, up to its places. Nobody waits for company.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._asked = 0
        self._queues: dict[tuple[str, ...], list[tuple[int, str]]] = {}
        self._takes: list[tuple[int, str]] = []
        self.begun: list[Batch] = []

    def enter(self, floor: Floor, sample: str) -> None:
        """Note the asking for a station."""
        step = floor.places[sample].current
        stations = step.stations
        if step.firing is not None:
            stations = self._shop.fit(step.firing, step.stations).furnaces
        self._asked += 1
        heapq.heappush(self._queues.setdefault(stations, []), (self._asked, sample))

    def done(self, floor: Floor, station: str) -> None:
        """Note the asking to be emptied."""
        self._asked += 1
        self._takes.append((self._asked, station))

    def pick(self, floor: Floor) -> Start | None:
        """Serve who asked first."""
        robot = floor.robot()
        able = [
            (queue[0][0], stations)
            for stations, queue in self._queues.items()
            if queue and self._can_begin(floor, stations, robot)
        ]
        first = min(able, default=None)
        if self._takes and robot is not None and (first is None or self._takes[0][0] < first[0]):
            station = self._takes.pop(0)[1]
            samples = floor.busy[station].samples
            return Start(Act.TAKE, floor.places[samples[0]].current.kind, station, robot, samples)
        return None if first is None else self._begin(floor, first[1], robot)

    def _can_begin(self, floor: Floor, stations: tuple[str, ...], robot: str | None) -> bool:
        if stations and floor.first_free(stations) is None:
            return False
        return robot is not None or not floor.places[self._queues[stations][0][1]].current.begins_with_robot

    def _begin(self, floor: Floor, stations: tuple[str, ...], robot: str | None) -> Start:
        sample = heapq.heappop(self._queues[stations])[1]
        step = floor.places[sample].current
        station = (floor.first_free(stations) or "") if stations else ""
        if step.firing is None:
            used = (robot or "") if step.begins_with_robot else ""
            return Start(Act.BEGIN, step.kind, station, used, (sample,))
        same = [
            entry for entry in sorted(self._queues[stations]) if floor.places[entry[1]].current.firing == step.firing
        ]
        with_it = same[: self._shop.furnace[station].places - 1]
        for entry in with_it:
            self._queues[stations].remove(entry)
        heapq.heapify(self._queues[stations])
        samples = (sample, *(name for _, name in with_it))
        self.begun.append(Batch(tuple((name, floor.places[name].step) for name in samples), sample))
        return Start(Act.BEGIN, step.kind, station, robot or "", samples, step.firing.programme, sample)


def first_come(shop: Shop, snapshot: Snapshot) -> Plan:
    """The plan that first in, first out makes."""
    rule = FirstCome(shop)
    floor = Floor(shop, snapshot, rule)
    floor.run()
    bookings = sorted(floor.bookings, key=lambda b: (b.start_s, b.station, b.samples))
    return Plan(tuple(bookings), tuple(rule.begun), (), snapshot.now_s, floor.finished_s, tuple(sorted(floor.places)))
