"""Torments one driver: many copies of its instrument, each behind a relay that spoils its wire, in one process.

Three things are held against what happened, and each is judged by somebody else than the driver: the plant's own notes
say how often an action was done, the simulated instrument says what was true, the relay says what was spoiled and when.

    python -m benchmarks.instruments_harness.torment DRIVER LINKS FAULTS SEED

FAULTS is for each link. Prints one JSON object.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

import json
import math
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.instruments_harness.rig import Action, Rig, all_rigs
from drivers.address import port_of
from drivers.bus import Bus
from drivers.clock import ScaledClock
from drivers.errors import DriverError
from drivers.gate import Command, Granted, acting_as
from drivers.instrument import Instrument as Device
from drivers.pace import STEADY_S
from drivers.registry import build
from drivers.transcript import NoTranscript
from sim import Instrument, Laboratory, Lot, Simulation, serve
from sim.relay.faults import Fault, Injection
from sim.relay.schedule import Schedule
from tests.cases.case import Case, all_cases, filled

TIMEOUT_S = 0.02
"""Wall seconds until an answer is given up."""
ACT_S = 0.3
"""Wall seconds until the reply to a command is given up."""
LATE_S = 0.03
"""By how many wall seconds a late reply is late."""
QUIET_S = 0.04
"""How late a reply may be, as the driver is told."""
RATE = 0.05
"""Faults for each request."""
ACT_EVERY = 4
"""After so many looks something is done."""
LOOK_S = 3.0
"""Wall seconds within which a look that was asked for must have been made, well or badly."""
SPOILED = 0.5
"""Part of the actions that something beside the wire spoils, where there is such a thing."""
LASTING = 40
"""Requests for which a fault goes on that is a state: several looks."""
PAUSE_S = 0.05
"""Wall seconds before a look that failed is followed by the next."""
ACTION_S = 8.0
"""Wall seconds within which an action must have ended, well or badly."""
LOTS = {"TiO2-a": Lot("TiO2-a", "TiO2")}


class OpenGate:
    """Grants everything."""

    def __init__(self, clock: ScaledClock) -> None:
        self._clock = clock

    def request(self, command: Command, lease: str | None, actor: str) -> Granted:
        """Grant."""
        return Granted(command, self._clock.now())


@dataclass
class Tally:
    """What is counted on one link."""

    looks: int = 0
    lost: int = 0
    """Looks that the device says have failed."""
    actions: int = 0
    failed: int = 0
    """Actions that the device says have failed."""
    repeated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Values that were published as good and are not true."""
    outside: list[str] = field(default_factory=list)
    """Those of them that lie outside the range in which the instrument may be."""
    unseen: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    """Looks and actions that did not end at all."""
    slowest_s: float = 0.0
    """Lab seconds from a fault until it was seen, at most."""


@dataclass
class _Look:
    """One look at the instrument."""

    begun_s: float
    """Wall time."""
    begun_lab_s: float
    ended_s: float = math.inf
    ended_lab_s: float = math.inf
    good: bool = False
    shows: frozenset[Fault] = frozenset()
    """Faults of the instrument that the device shows after it."""


class Link:
    """One copy of the instrument, its device, and what is watched of both."""

    def __init__(
        self, rig: Rig, case: Case, device: Device, simulation: Simulation, clock: ScaledClock, seed: str
    ) -> None:
        self.device, self.tally, self.simulation = device, Tally(), simulation
        self._rig, self._case, self._clock = rig, case, clock
        self._random = Random(seed)
        self.spoiled: Counter[str] = Counter()
        """What was wrong beside the wire -> how often."""
        self._looks: list[_Look] = []
        self._wrong: list[tuple[float, str]] = []
        """Lab time, and what was published then that was not true."""
        self._truths: list[tuple[float, dict[str, float | str]]] = []
        self._began_s = time.monotonic()
        """Wall time since when a value that is published now may have been asked for."""
        self._acting_since_s = math.inf
        self._looked = threading.Event()
        self._poll, self._publish = device.poll, device._publish  # noqa: SLF001 - what is published is what is judged
        setattr(device, "poll", self._watched_poll)  # noqa: B010
        setattr(device, "_publish", self._watched_publish)  # noqa: B010
        self._note_truth()

    # -- what the bus calls

    def _watched_poll(self) -> float:
        look = _Look(time.monotonic(), self._clock.now())
        self._began_s = look.begun_s
        next_s = self._poll()
        look.ended_s, look.ended_lab_s = time.monotonic(), self._clock.now()
        look.good = self.device.comm_ok.get() == 1
        look.shows = frozenset(fault for fault, shows in self._rig.shows.items() if shows(self.device))
        self._looks.append(look)
        self._looked.set()
        return next_s

    def _watched_publish(self, **values: float | str) -> None:
        self._publish(**values)
        for signal in values.keys() & self._rig.truths.keys():
            self._judge(signal, values[signal])

    def _judge(self, signal: str, value: float | str) -> None:
        if value in ("unknown", "") or (isinstance(value, float) and math.isnan(value)):
            return
        true = self._true_lately(signal)
        if _is_true(value, true, self._rig.tolerance):
            return
        said = f"{signal} {value!r}, true {sorted(set(map(str, true)))}"
        self._wrong.append((self._clock.now(), said))
        low, high = self._rig.ranges.get(signal, (-math.inf, math.inf))
        if isinstance(value, float) and not low <= value <= high:
            self.tally.outside.append(said)

    def _true_lately(self, signal: str) -> list[float | str]:
        """Everything that has been true since the look or the action began that a value comes from."""
        self._note_truth()
        since_s = min(self._began_s, self._acting_since_s)
        older = [index for index, (t_s, _) in enumerate(self._truths) if t_s <= since_s]
        return [truths[signal] for _, truths in self._truths[(older[-1] if older else 0) :]]

    def _note_truth(self) -> None:
        with self.simulation.plant.lock, self.simulation.plant.heat:
            truths = {signal: tell(self.simulation) for signal, tell in self._rig.truths.items()}
        self._truths.append((time.monotonic(), truths))
        del self._truths[:-200]

    # -- what is done to it

    def torment(self, over: Callable[[], bool]) -> None:
        """Look and act until nothing is spoiled any more."""
        turn = 0
        while not over():
            turn += 1
            if self._rig.actions and turn % ACT_EVERY == 0:
                action = self._random.choice(tuple(self._rig.actions))
                if self._rig.spoils and self._random.random() < SPOILED:
                    self._act_spoiled(action)
                else:
                    self._act(action)
            else:
                self._look()

    def _look(self) -> None:
        with self.simulation.plant.lock, self.simulation.plant.heat:
            self._rig.vary(self.simulation, self._random)
        self._note_truth()
        self._looked.clear()
        self.device.bus.hasten(self.device.name)
        if not self._looked.wait(LOOK_S):
            self.tally.stuck.append(f"no look within {LOOK_S:g} s")
        self.tally.looks += 1
        if self.device.comm_ok.get() != 1:
            self.tally.lost += 1
            time.sleep(PAUSE_S)

    def _act(self, action: Action) -> bool:
        with self.simulation.plant.lock, self.simulation.plant.heat:
            self._rig.prepare(self.simulation)
        before, self._acting_since_s = self._done(action), time.monotonic()
        self.tally.actions += 1
        told = self._case.arguments.get(action.verb, {}) if action.arguments is None else action.arguments(self._random)
        ended_well = self._do(action.verb, dict(told), wait=action.undo is None)
        self.tally.failed += not ended_well
        if action.undo is not None:
            self._do(action.undo, {}, wait=True)
        done = self._done(action) - before
        if done > 1:
            self.tally.repeated.append(f"{action.verb} was done {done} times")
        self._acting_since_s = math.inf
        return ended_well

    def _act_spoiled(self, action: Action) -> None:
        """Act while something beside the wire is wrong."""
        what = self._random.choice(sorted(self._rig.spoils))
        end = self._rig.spoils[what](self.simulation)
        self.spoiled[what] += 1
        if self._act(action):
            self.tally.wrong.append(f"{action.verb} ended well although {what}")
        end()

    def _do(self, verb: str, arguments: dict[str, Any], *, wait: bool) -> bool:
        over = threading.Event()
        try:
            with acting_as("auto", "torment"):
                status = self.device.set(verb, **arguments)
        except DriverError:
            return False
        status.add_callback(lambda _: over.set())
        ended = over.wait(ACTION_S if wait else TIMEOUT_S * 20)
        if wait and not ended:
            self.tally.stuck.append(f"{verb} did not end within {ACTION_S:g} s")
        return status.success if ended else not wait

    def _done(self, action: Action) -> int:
        return sum(re.fullmatch(action.done, said) is not None for _, said in self.simulation.plant.log)

    # -- afterwards

    def judge_values(self, history: list[Injection], limit_s: float) -> None:
        """Count what was wrong, less what the instrument itself said wrongly before anybody could know.

        One that is stuck shows what was true a while ago; a little below zero is what the relay has it say.
        """
        excused = [
            (injection.t_s, min(injection.t_s + limit_s, _end_of(injection, history)))
            for injection in history
            if injection.fault in {Fault.STUCK, Fault.INT16_WRAP, *self._rig.excused} and not injection.over
        ]
        for t_s, said in self._wrong:
            if not any(begun_s <= t_s <= over_s for begun_s, over_s in excused):
                lately = [f"{one.fault} {one.detail}".strip() for one in history if one.t_s <= t_s][-3:]
                self.tally.wrong.append(f"{said} after {', '.join(lately)}")

    def judge_faults(self, history: list[Injection], limit_s: float) -> None:
        """Hold every fault against the looks that followed it.

        Args:
            history: What was spoiled on this link.
            limit_s: Lab seconds within which it must have been seen.
        """
        ends = [i.t_s for i in history if i.over] + [math.inf]
        for injection in history:
            if injection.over:
                continue
            looks = [look for look in self._looks if look.ended_lab_s >= injection.t_s]
            if not looks:
                continue
            after_s = looks[0].ended_lab_s - injection.t_s
            if injection.fault in self._rig.shows:
                over_s = next(t_s for t_s in ends if t_s >= injection.t_s)
                # A look that began before the fault did has nothing to show, and the last one may see its end.
                whole = [look for look in looks if look.begun_lab_s > injection.t_s and look.ended_lab_s < over_s]
                if not whole:
                    continue
                showing = [look for look in whole if injection.fault in look.shows]
                after_s = (showing[0].ended_lab_s if showing else math.inf) - injection.t_s
            self.tally.slowest_s = max(self.tally.slowest_s, after_s)
            if after_s > limit_s:
                self.tally.unseen.append(f"{injection.fault} {injection.detail} not seen within {limit_s:g} s")


def _end_of(injection: Injection, history: list[Injection]) -> float:
    """Lab time until which a look may still show what a fault did."""
    ends = [one.t_s for one in history if one.over and one.fault is injection.fault and one.t_s >= injection.t_s]
    return min(ends, default=injection.t_s) + STEADY_S


def _is_true(value: float | str, true: list[float | str], tolerance: float) -> bool:
    """Whether a value is one of those that were true, or lies between numbers that were."""
    numbers = [one for one in true if isinstance(one, float) and not math.isnan(one)]
    if isinstance(value, str) or not numbers:
        return value in true
    return min(numbers) - tolerance <= value <= max(numbers) + tolerance


def torment(rig: Rig, links: int, faults: int, seed: int) -> dict[str, Any]:
    """Torment a driver; gives what came of it, as JSON."""
    clock = ScaledClock(rig.speed)
    with ExitStack() as resources:
        buses: list[Bus] = []
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        # Before the wires go away, whoever uses them does.
        resources.callback(_close, buses)
        watched = [_link(rig, i, clock, folder / str(i), seed, resources, buses) for i in range(links)]
        begun_s, cpu_s = time.monotonic(), time.process_time()
        threads = [
            threading.Thread(target=_torment, args=(link, rig, faults, seed + i)) for i, link in enumerate(watched)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took_s, cpu_s = time.monotonic() - begun_s, time.process_time() - cpu_s
        done = [i for link in watched for i in link.simulation.relay.history if not i.over]
        for link in watched:
            longest_s = link.device.STALE_S * rig.speed + STEADY_S
            history = list(link.simulation.relay.history)
            link.judge_values(history, longest_s)
            link.judge_faults(history, longest_s)
        _close(buses)
        return {
            "driver": rig.driver,
            "checked": rig.checked,
            "faults": len(done) + sum(link.spoiled.total() for link in watched),
            "kinds": dict(sum((link.spoiled for link in watched), Counter(str(i.fault) for i in done))),
            "wall_s": took_s,
            "cpu_s": cpu_s,
            **_summed([link.tally for link in watched]),
        }


def _link(
    rig: Rig, i: int, clock: ScaledClock, folder: Path, seed: int, resources: ExitStack, buses: list[Bus]
) -> Link:
    cases = all_cases()
    case = cases[rig.driver]
    wanted = [case, *(cases[driver] for driver in rig.beside)]
    results = folder / "results"
    results.mkdir(parents=True)
    simulated = tuple(
        Instrument(one.name, one.driver, one.address, {**filled(one.sim, results), **(rig.sim if one is case else {})})
        for one in wanted
    )
    plan = Laboratory("torment", simulated, LOTS, seed=seed * 1000 + i)
    simulation = resources.enter_context(serve(plan, clock, folder / "wires"))
    address = simulation.endpoints[case.name]
    bus = Bus(port_of(address), clock)
    buses.append(bus)
    told = {
        "timeout": TIMEOUT_S,
        "act_timeout": ACT_S,
        "quiet": QUIET_S,
        **filled(case.options, results),
        "limits": case.limits,
    }
    device = build(case.name, rig.driver, address, {**told, **rig.options}, OpenGate(clock), clock, NoTranscript(), bus)
    device.identify()
    return Link(rig, case, device, simulation, clock, f"{seed}/{i}")


def _close(buses: list[Bus]) -> None:
    for bus in buses:
        bus.close()


def _torment(link: Link, rig: Rig, faults: int, seed: int) -> None:
    relay, name = link.simulation.relay, link.device.name
    if not rig.wired:
        link.torment(lambda: link.spoiled.total() >= faults)
        return
    relay.late_s = LATE_S
    possible = [fault for fault in relay.faults_of(name) if fault not in rig.beyond]
    relay.start(Schedule(rates={name: RATE}, seed=seed, faults=possible, lasting=LASTING))
    link.torment(lambda: sum(not i.over for i in relay.history) >= faults)
    relay.stop()


def _summed(tallies: list[Tally]) -> dict[str, Any]:
    lists = ("repeated", "wrong", "outside", "unseen", "stuck")
    return {
        **{name: sum(getattr(tally, name) for tally in tallies) for name in ("looks", "lost", "actions", "failed")},
        **{name: sum(len(getattr(tally, name)) for tally in tallies) for name in lists},
        "slowest_s": max(tally.slowest_s for tally in tallies),
        "examples": {name: [said for tally in tallies for said in getattr(tally, name)][:5] for name in lists},
    }


def main() -> None:
    """Torment the driver that the command line names."""
    driver, links, faults, seed = sys.argv[1], *map(int, sys.argv[2:5])
    print(json.dumps(torment(all_rigs()[driver], links, faults, seed)))


if __name__ == "__main__":
    main()
