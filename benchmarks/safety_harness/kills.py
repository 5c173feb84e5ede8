"""The supervisor killed or stopped at random points while heaters are on: does the watchdog open them, and in time?"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.safety_harness.bench_lab import WATCHDOG_S, BenchLab, NoAnswerError
from benchmarks.safety_harness.plant import running_plant
from benchmarks.safety_harness.trials import Result, Trials, side_by_side
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Interlocks

LABS = 12
"""Side by side: each does nothing most of the time."""
RANDOM_S = 1.5
"""The signal comes at a random time in so many seconds after the first heater is asked to close."""
SETTLED_S = WATCHDOG_S + 1.0
"""After the signal, when everything must be over."""
WOKEN_S = 0.5
"""How long a supervisor that was stopped is watched after it goes on."""
KILL, STOP = "kill", "stop"
SIGNALS = {KILL: signal.SIGKILL, STOP: signal.SIGSTOP}


class Killer:
    """Does trials with one bench lab."""

    def __init__(self, lab: BenchLab, how: str, seed: int) -> None:
        self._lab = lab
        self._how = how
        self._seed = seed
        self._tries = 0

    def __call__(self, trial: int) -> Result | None:
        """One trial; None where no heater had been on."""
        self._tries += 1
        rng = random.Random(f"{self._seed} {self._how} {trial} {self._tries}")
        lab = self._lab
        self._get_ready()
        began_s = time.monotonic()
        sent: list[float] = []
        timer = threading.Timer(rng.uniform(0.0, RANDOM_S), lambda: sent.append(lab.signal(SIGNALS[self._how])))
        timer.start()
        with suppress(NoAnswerError, OSError):  # the signal may come first
            lab.heat()
        timer.join()
        time.sleep(max(0.0, sent[0] + SETTLED_S - time.monotonic()))
        result = self._judge(began_s, sent[0])
        self._go_on()
        woken = self._closings_since(sent[0])
        return None if result is None else {**result, "closed_again": woken}

    def _get_ready(self) -> None:
        lab = self._lab
        if lab.process is None or lab.process.poll() is not None:
            lab.start()
        elif lab.connection is None:
            lab.connect()
        lab.reset()

    def _judge(self, began_s: float, signal_s: float) -> Result | None:
        """What the plant says about every output that was on when the signal came, or went on after it."""
        off_s, left_on = [], 0
        for contact in self._lab.outputs.values():
            edges = self._lab.plant.witness.edges(contact.module, contact.output, began_s)
            closed = [edge for edge in edges if edge.closed]
            if not closed:
                continue
            if edges[-1].closed:
                left_on += 1
            elif edges[-1].monotonic_s >= signal_s:
                off_s.append(edges[-1].monotonic_s - signal_s)
        if not off_s and not left_on:
            return None
        return {"off_s": max(off_s, default=None), "left_on": left_on, "outputs": len(off_s) + left_on}

    def _go_on(self) -> None:
        """Wake a supervisor that was stopped, and give it time to do what it should not."""
        self._lab.disconnect()
        if self._how == STOP:
            self._lab.signal(signal.SIGCONT)
            time.sleep(WOKEN_S)
        elif self._lab.process is not None:
            self._lab.process.wait()

    def _closings_since(self, signal_s: float) -> int:
        """Closings that nobody asked for: after everything was over."""
        witness, over_s = self._lab.plant.witness, signal_s + SETTLED_S
        return sum(
            edge.closed
            for contact in self._lab.outputs.values()
            for edge in witness.edges(contact.module, contact.output, over_s)
        )


@contextmanager
def bench_labs(
    folder: Path, count: int, interlocks: Interlocks, values: Mapping[str, Value]
) -> Iterator[list[BenchLab]]:
    """So many bench labs on one plant, none started yet."""
    with ExitStack() as stack:
        plant = stack.enter_context(running_plant(folder / "plant", count))
        labs = [BenchLab(plant, number, interlocks, folder / "labs", values) for number in range(count)]
        for lab in labs:
            stack.callback(lab.close)
        yield labs


def supervisor_trials(
    trials: Trials, how: str, count: int, folder: Path, interlocks: Interlocks, values: Mapping[str, Value], seed: int
) -> list[Result]:
    """Do the trials that are missing, and give all."""
    figure = f"supervisor-{how}"
    if trials.missing(figure, count):
        with bench_labs(folder / figure, min(LABS, count), interlocks, values) as labs:
            side_by_side([Killer(lab, how, seed) for lab in labs], trials, figure, count)
    return list(trials.done(figure).values())
