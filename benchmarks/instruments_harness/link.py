"""One copy of an instrument under torment: its device looks and acts, and all of it is watched.

Three things are held against what happened, and each is told by somebody else than the driver: the plant's own notes
say how often an action was done, the simulated instrument says at each of its answers what was true, the relay says
what was spoiled and when.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import ExitStack
from random import Random
from typing import Any

from benchmarks.instruments_harness.judging import Seen
from benchmarks.instruments_harness.rig import Action, Rig
from benchmarks.instruments_harness.tally import Act, Look, Sample, Tally, Wrong, distance, since
from drivers.clock import ScaledClock
from drivers.errors import DriverError
from drivers.gate import acting_as
from drivers.instrument import Instrument as Device
from sim import Simulation
from tests.cases.case import Case

ACT_EVERY = 4
"""Each so many turns something is done, the others are looks; where only actions can be spoiled, each turn."""
LOOK_S = 10.0
"""Wall seconds within which a look that was asked for must have been made, well or badly.

On a wire that is spoiled all the time each of a few dozen questions may take its three tries, and many links share two
processors.
"""
SPOILED = 0.75
"""Part of the actions that something beside the wire spoils, where there is such a thing."""
PAUSE_S = 0.05
"""Wall seconds before a look that failed is followed by the next."""
ACTION_S = 20.0
"""Wall seconds within which an action must have ended, well or badly."""
BEGUN_S = 0.4
"""Wall seconds after which an action is undone that goes on by itself."""
KEPT, RECENT, LAST = 256, 64, 12
"""Changes of what was true that are remembered; the last answers, of which a job may publish something; and the very
last, in which it has read that, twice where it must."""


class Link:
    """One copy of the instrument, its device, and what is watched of both."""

    def __init__(
        self, rig: Rig, case: Case, device: Device, simulation: Simulation, clock: ScaledClock, seed: str
    ) -> None:
        self.device, self.simulation = device, simulation
        self.tally, self.seen = Tally(), Seen()
        self.spoiled: Counter[str] = Counter()
        """What was wrong beside the wire -> how often."""
        self._rig, self._case, self._clock = rig, case, clock
        self._random = Random(seed)
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._answered_s: deque[float] = deque(maxlen=RECENT)
        self._answers = 0
        self._polling_since_s: float | None = None
        self._good: dict[str, tuple[float, float]] = {}
        """Signal -> the number that was published last as good, and the lab time of that."""
        self._last_good_s: dict[str, float] = {}
        """Verb -> wall time at which it began that ended well last."""
        self._looked = threading.Event()
        self._poll, self._publish = device.poll, device._publish  # noqa: SLF001 - what is published is what is judged
        setattr(device, "poll", self._watched_poll)  # noqa: B010
        setattr(device, "_publish", self._watched_publish)  # noqa: B010
        if rig.wired:
            simulation.relay.watch(device.name, self._note_truth)

    # -- what the bus and the instrument call

    def _note_truth(self, name: str) -> None:
        """Note what is true while the instrument answers; it has taken the lock under which it does."""
        self._answers += 1
        if not self._rig.measures or name != self.device.name:
            return
        with self.simulation.plant.heat:
            truths = self._rig.true(self.simulation)
        now_s = time.monotonic()
        self._answered_s.append(now_s)
        if not self._samples or self._samples[-1][1] != truths:
            self._samples.append((now_s, truths))

    def _watched_poll(self) -> float:
        look, answers = Look(time.monotonic(), self._clock.now()), self._answers
        self._polling_since_s = look.begun_s
        try:
            next_s = self._poll()
        finally:
            self._polling_since_s = None
        look.ended_s, look.ended_lab_s = time.monotonic(), self._clock.now()
        look.good, look.asked = self.device.comm_ok.get() == 1, self._answers > answers
        look.shows = frozenset(fault for fault, shows in self._rig.shows.items() if shows(self.device))
        self.seen.looks.append(look)
        self._looked.set()
        return next_s

    def _watched_publish(self, **values: float | str) -> None:
        self._publish(**values)
        for signal in values.keys() & self._rig.measures.keys():
            self._judge(signal, values[signal])

    def _judge(self, signal: str, value: float | str) -> None:
        if value == "unknown" or (isinstance(value, float) and math.isnan(value)):
            return
        before = self._good.get(signal)
        if isinstance(value, float):
            self._good[signal] = (value, self._clock.now())
        answered_s = tuple(self._answered_s) or (0.0,)
        from_s = self._polling_since_s or answered_s[0]
        true = [truths[signal] for truths in since(tuple(self._samples), from_s)]
        off = distance(value, true)
        self.tally.values += bool(true)
        if true and off > self._rig.measures[signal].tolerance:
            said = tuple(sorted({str(one) for one in true}))
            read_s = max(from_s, answered_s[-LAST:][0])
            self.seen.wrong.append(
                Wrong(signal, value, self._clock.now(), read_s, time.monotonic(), off, before, said[:3])
            )

    # -- what is done to it

    def torment(self, over: Callable[[], bool]) -> None:
        """Look and act until nothing is spoiled any more."""
        turn = 0
        while not over():
            turn += 1
            if self._rig.actions and (turn % ACT_EVERY == 0 or not self._rig.wired):
                action = self._random.choice(tuple(self._rig.actions))
                if self._rig.spoils and self._random.random() < SPOILED:
                    self._act_spoiled(action)
                else:
                    self._act(action)
            else:
                self._look()

    def _look(self) -> None:
        with self._plant_held():
            self._rig.vary(self.simulation, self._random)
        self._looked.clear()
        self.device.bus.hasten(self.device.name)
        if not self._looked.wait(LOOK_S):
            self.tally.stuck.append(f"no look within {LOOK_S:g} s")
        self.tally.looks += 1
        if self.device.comm_ok.get() != 1:
            self.tally.lost += 1
            time.sleep(PAUSE_S)

    def _act(self, action: Action) -> Act:
        with self._plant_held():
            self._rig.prepare(self.simulation)
            action.prepare(self.simulation)
        noted = len(self.simulation.plant.log)
        told = dict(
            self._case.arguments.get(action.verb, {}) if action.arguments is None else action.arguments(self._random)
        )
        act = Act(time.monotonic(), self._clock.now(), verb=action.verb)
        act.rests_on_s = min((self._last_good_s.get(verb, math.inf) for verb in action.rests_on), default=math.inf)
        act.good, act.goes_on = self._do(action.verb, told, wait=action.undo is None)
        if act.good:
            if action.check is not None:
                with self._plant_held():
                    act.amiss = action.check(self.simulation, self.device, told)
            self._last_good_s[action.verb] = act.begun_s
        act.ended_s, act.ended_lab_s = time.monotonic(), self._clock.now()
        self.tally.actions += 1
        self.tally.failed += not act.good
        if action.undo is not None:
            self._do(action.undo, {}, wait=True)
        act.done = self._done(action, noted)
        if act.done == 0 and not action.always:
            act.done = None
        self.seen.acts.append(act)
        return act

    def _act_spoiled(self, action: Action) -> None:
        """Act while something beside the wire is wrong."""
        what = self._random.choice(sorted(self._rig.spoils))
        with self._plant_held():
            end = self._rig.spoils[what](self.simulation)
        self.spoiled[what] += 1
        if self._act(action).good:
            self.tally.claimed.append(f"{action.verb} ended well although {what}")
        with self._plant_held():
            end()

    def _do(self, verb: str, arguments: dict[str, Any], *, wait: bool) -> tuple[bool, bool]:
        """Have a verb carried out; gives whether it is good so far, and whether it goes on."""
        over = threading.Event()
        try:
            with acting_as("auto", "torment"):
                status = self.device.set(verb, **arguments)
        except DriverError:
            return False, False
        status.add_callback(lambda _: over.set())
        ended = over.wait(ACTION_S if wait else BEGUN_S)
        if wait and not ended:
            self.tally.stuck.append(f"{verb} did not end within {ACTION_S:g} s")
        return (status.success, False) if ended else (not wait, True)

    def _done(self, action: Action, noted: int) -> int | None:
        if action.done is None:
            return None
        pattern = re.compile(action.done)
        return sum(pattern.fullmatch(said) is not None for _, said in self.simulation.plant.log[noted:])

    def _plant_held(self) -> ExitStack:
        held = ExitStack()
        held.enter_context(self.simulation.plant.lock)
        held.enter_context(self.simulation.plant.heat)
        return held
