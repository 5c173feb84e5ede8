"""The laboratory as matter: where every vessel stands, what it holds, and what hands can do with it.

Nothing moves but by a verb of this class, and only instruments call those, when the wire tells them to.
`Plant.lock` guards everything, and whoever calls a verb holds it; `Plant.heat` guards furnaces, their controllers
and safety modules besides. Those hold `heat` alone, so that they answer at once while the chemistry is computed;
nobody who holds it asks for `lock`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from drivers.clock import Clock, Timer
from sim.chemistry import Powder, Truth, grind, merge, mill, rest, transfer
from sim.plant.diffractometer import Diffractometer
from sim.plant.doser import Doser
from sim.plant.draws import draw
from sim.plant.furnace import BoxFurnace
from sim.plant.hearth import Hearth
from sim.plant.places import RACK_SIZE, Bin, DoorState, Impossible, Kind, Labware, Place, split_position
from sim.plant.record import Edge, Record

RACKS = {"vials": Kind.VIAL, "crucibles": Kind.CRUCIBLE, "holders": Kind.HOLDER}
TARE_MG = {Kind.VIAL: 12_500.0, Kind.CRUCIBLE: 21_000.0, Kind.HOLDER: 8_200.0}
MILL = "mill-1"
POURING_LOSS = 0.004
"""Part of what is poured that stays on the walls."""
POURING_SD = 0.03
"""Relative standard deviation of a mass that is poured by eye."""
SHAKER_SPEED = 0.3
"""A shaker at a given speed does what a ball mill does at this part of it."""


class Plant:
    """Everything in the room that is not electronics."""

    def __init__(self, clock: Clock, truth: Truth, seed: int, log: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.heat = threading.RLock()
        self.truth = truth
        self.seed = seed
        self._record = Record(log)
        self.log = self._record.notes
        """What happened: (lab time, words); a watchdog's entry has the time of its expiry and may come late."""
        self.edges = self._record.edges
        """What outputs of safety modules did."""
        self.places: dict[str, Place] = {}
        self.furnaces: dict[str, BoxFurnace] = {}
        self.dosers: dict[str, Doser] = {}
        self.diffractometers: dict[str, Diffractometer] = {}
        self._clock = clock
        self._timers: set[Timer] = set()
        self._closed = False
        self._pours = 0
        for rack, kind in RACKS.items():
            self.add(Place(rack)).holds = self._rack(rack, kind)
        self.add(Place(MILL, 1, 1))
        self.add(Bin("waste", 1, 1))

    # -- time

    def now(self) -> float:
        """Lab time in POSIX seconds."""
        return self._clock.now()

    def at(self, t_s: float, name: str, action: Callable[[], None], lock: threading.RLock | None = None) -> Timer:
        """Have something happen at a lab time, under the lock that the caller holds: `self.lock`, or `lock`."""

        def act() -> None:
            with lock or self.lock:
                self._timers.discard(timer)
                if not self._closed:
                    action()

        timer = self._clock.call_at(t_s, act, name)
        self._timers.add(timer)
        return timer

    def note(self, what: str, t_s: float | None = None) -> None:
        """Log what happened, now or at lab time `t_s`."""
        self._record.note(self.now() if t_s is None else t_s, what)

    def switched(self, module: str, output: str, closed: bool, why: str, t_s: float) -> None:
        """Log that an output of a safety module has changed."""
        self._record.edge(Edge(time.monotonic(), t_s, module, output, closed, why))

    def settle(self) -> None:
        """Bring all furnaces and watchdogs to the present; for checkers that ask without a wire."""
        with self.lock, self.heat:
            for furnace in self.furnaces.values():
                furnace.advance(self.now())

    def close(self) -> None:
        """Let nothing happen any more."""
        with self.lock, self.heat:
            self._closed = True
            for timer in list(self._timers):
                timer.cancel()
            self._record.close()

    # -- what there is

    def add(self, place: Place) -> Place:
        """Put up a place."""
        self.places[place.name] = place
        return place

    def add_furnace(self, furnace: BoxFurnace, slots: int, atmosphere: str) -> None:
        """Put up a furnace with its slots."""
        self.furnaces[furnace.name] = furnace
        self.add(Hearth(furnace, slots, atmosphere, self.truth, self.seed, self.heat))

    def add_doser(self, doser: Doser) -> None:
        """Put up a doser with its pan."""
        self.dosers[doser.name] = doser
        self.add(doser)

    def add_diffractometer(self, diffractometer: Diffractometer) -> None:
        """Put up a diffractometer with its belt."""
        self.diffractometers[diffractometer.name] = diffractometer
        self.add(diffractometer)

    def labware_at(self, position: str) -> Labware | None:
        """Give what stands at a position, its powder as it is now.

        Raises:
            Impossible: There is no such position.
        """
        labware = self.standing_at(position)
        if labware is not None:
            self._live(self._place(position)[0], labware)
        return labware

    def standing_at(self, position: str) -> Labware | None:
        """Give what stands at a position, its powder as it was when last touched; costs nothing.

        Requests are checked with this one, because a wire waits for the answer: firing powder takes time.

        Raises:
            Impossible: There is no such position.
        """
        place, number = self._place(position)
        return place.holds.get(number)

    def _place(self, position: str) -> tuple[Place, int]:
        name, number = split_position(position)
        place = self.places.get(name)
        if place is None or number not in place.numbers:
            raise Impossible(f"unknown position {position}")
        return place, number

    def _reach(self, position: str) -> tuple[Place, int]:
        place, number = self._place(position)
        reason = place.blocked(number)
        if reason:
            raise Impossible(reason)
        return place, number

    def _reachable(self, position: str) -> Labware:
        self._reach(position)
        labware = self.standing_at(position)
        if labware is None:
            raise Impossible(f"{position} is empty")
        return labware

    def _vessel(self, position: str) -> Labware:
        labware = self._reachable(position)
        self._live(self._place(position)[0], labware)
        return labware

    def _live(self, place: Place, labware: Labware) -> None:
        """Let powder live up to now: in a furnace by its history, elsewhere in room air."""
        now_s = self.now()
        place.live(labware, now_s)
        if not isinstance(place, Hearth) and now_s > labware.since_s:
            if labware.powder.mass_mg > 0:
                labware.powder = rest(labware.powder, now_s - labware.since_s, self.truth)
            labware.since_s = now_s

    def _rack(self, name: str, kind: Kind) -> dict[int, Labware]:
        tares_mg = TARE_MG[kind] * draw(self.seed, name, "tare").normal(1.0, 0.01, RACK_SIZE)
        return {
            n: Labware(f"{kind.name[0]}{n:03d}", kind, float(tare_mg), Powder.empty(), self.now())
            for n, tare_mg in enumerate(tares_mg, start=1)
        }

    # -- what hands can do; each check first, so that what is impossible changes nothing

    def check_move(self, source: str, destination: str) -> None:
        """Say whether labware can be moved.

        Raises:
            Impossible: With the reason.
        """
        self._reachable(source)
        place, number = self._reach(destination)
        if number in place.holds:
            raise Impossible(f"{destination} is occupied")

    def move(self, source: str, destination: str) -> None:
        """Move labware; raises as `check_move`."""
        self.check_move(source, destination)
        self._vessel(source)
        (origin, m), (place, n) = self._reach(source), self._reach(destination)
        labware = origin.take(m)
        labware.since_s = self.now()
        place.put(n, labware)
        for touched in (origin, place):
            touched.disturb(self.now())
        self.note(f"{labware.barcode} moved {source} to {destination}")

    def check_pour(self, source: str, destination: str) -> None:
        """Say whether powder can be poured; raises as `check_move`."""
        if source == destination:
            raise Impossible(f"{source} cannot be poured into itself")
        if self._reachable(source).powder.mass_mg <= 0:
            raise Impossible(f"{source} holds no powder")
        self._reachable(destination)

    def pour(self, source: str, destination: str, mass_mg: float | None) -> float:
        """Pour about `mass_mg`, or all; give the milligrams that arrived. Raises as `check_pour`."""
        self.check_pour(source, destination)
        giver, taker = self._vessel(source), self._vessel(destination)
        self._pours += 1
        error = 1.0 + POURING_SD * draw(self.seed, "hands", "pour", self._pours).normal()
        fraction = 1.0 if mass_mg is None else min(1.0, max(0.0, mass_mg * error / giver.powder.mass_mg))
        moved, left = transfer(giver.powder, fraction)
        arrived, _ = transfer(moved, 1.0 - POURING_LOSS)
        giver.powder = left
        taker.powder = merge(taker.powder, arrived)
        for position in (source, destination):
            self._place(position)[0].disturb(self.now())
        self.note(f"{arrived.mass_mg:.1f} mg poured {source} to {destination}")
        return arrived.mass_mg

    def check_mix(self, position: str) -> None:
        """Say whether something can be mixed there; raises as `check_move`."""
        if split_position(position)[0] != MILL:
            raise Impossible(f"{position} is no mill station")
        self._reachable(position)

    def mix(self, position: str, time_s: float, speed_rpm: float, method: str) -> None:
        """Mix what stands at a mill station; raises as `check_mix`."""
        self.check_mix(position)
        vessel = self._vessel(position)
        if method == "mortar":
            vessel.powder = grind(vessel.powder, time_s)
        else:
            vessel.powder = mill(vessel.powder, time_s, speed_rpm * (SHAKER_SPEED if method == "shake" else 1.0))
        self.note(f"{vessel.barcode} mixed at {position}: {method} {time_s:g} s")

    def check_clean(self, position: str) -> None:
        """Say whether labware can be cleaned; raises as `check_move`."""
        self._reachable(position)

    def clean(self, position: str) -> None:
        """Clean labware; raises as `check_clean`."""
        vessel = self._vessel(position)
        vessel.powder = Powder.empty()
        vessel.uses += 1
        self.note(f"{vessel.barcode} cleaned at {position}")

    def check_head(self, doser: str, number: int) -> Doser:
        """Say whether a dosing head can be changed; raises as `check_move`."""
        place = self.dosers.get(doser)
        if place is None:
            raise Impossible(f"unknown doser {doser}")
        if number and number not in place.heads:
            raise Impossible(f"no head {number} in the rack of {doser}")
        if place.pin_locked and place.mounted is not None:
            raise Impossible(f"{doser} head pin locked")
        return place

    def change_head(self, doser: str, number: int) -> None:
        """Put a head on, 0 for none; raises as `check_head`."""
        place = self.check_head(doser, number)
        place.mounted = number or None
        self.note(f"{doser} head {number or 'none'}")

    def check_door(self, furnace: str) -> BoxFurnace:
        """Say whether there is such a door; raises as `check_move`."""
        if furnace not in self.furnaces:
            raise Impossible(f"unknown furnace {furnace}")
        return self.furnaces[furnace]

    def set_door(self, furnace: str, state: DoorState) -> None:
        """Bring a furnace's door somewhere; raises as `check_door`."""
        box = self.check_door(furnace)
        with self.heat:
            box.advance(self.now())
            if box.door is not state:
                box.door = state
                self.note(f"{furnace} door {state.lower()}")
