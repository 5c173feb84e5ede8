"""The lab service killed or stopped at random points while heaters are on: does each output do what is declared?

One heater runs a programme and may go on for `CONTINUE_S`, which is shortened from the file's hours; the other may
not. While the lab service is gone, everybody is refused who asks for a heater.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.safety_harness.bench_lab import BenchLab
from benchmarks.safety_harness.kills import KILL, LABS, RANDOM_S, SIGNALS, STOP, WOKEN_S, bench_labs
from benchmarks.safety_harness.line_process import LineProcess
from benchmarks.safety_harness.stops import Stoppable
from benchmarks.safety_harness.trials import Result, Trials, side_by_side
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Interlocks
from lab.safety.supervisor.lab import LOST_AFTER_S

PROCESS = "benchmarks.safety_harness.lab_process"
CONTINUE_S = 1.0
LOST_S = {KILL: 0.0, STOP: LOST_AFTER_S}
"""A dead process' connection closes at once; one that is stopped counts as gone after so many seconds."""
TWO_SCANS_S = 0.2
SOONER_S = 0.35
"""How much sooner than declared after a signal an output may open: the time counts from the last beat, a fifth of a
second before the signal at most, and the last scan that is not later than declared opens; the rest is the trial's."""
SETTLED_S = LOST_AFTER_S + CONTINUE_S + 0.8
ASK_S = 0.1


def shortened(interlocks: Interlocks) -> Interlocks:
    """The rules with heaters alone: the first may go on for `CONTINUE_S`, the second may not."""
    heaters = [output for output in interlocks.outputs.values() if output.channel == "do1"]
    outputs = {
        output.name: replace(output, continue_for_s=CONTINUE_S if i == 0 else 0.0) for i, output in enumerate(heaters)
    }
    rules = tuple(r for r in interlocks.rules if r.target in outputs or r.kind not in ("trip", "interlock"))
    never = tuple(condition for condition in interlocks.never if condition.signals & outputs.keys())
    return replace(interlocks, outputs=outputs, rules=rules, never=never)


class LabKiller:
    """Does trials with one bench lab."""

    def __init__(self, lab: BenchLab, how: str, interlocks: Interlocks, values: Mapping[str, Value], seed: int) -> None:
        self._lab, self._how, self._seed = lab, how, seed
        self._declared_s = {name: output.continue_for_s for name, output in interlocks.outputs.items()}
        self._values = values
        self._service: LineProcess | None = None
        self._tries = 0

    def __call__(self, trial: int) -> Result | None:
        """One trial; None where no heater had been on."""
        self._tries += 1
        rng = random.Random(f"{self._seed} lab {self._how} {trial} {self._tries}")
        service = self._get_ready()
        began_s = time.monotonic()
        service.say("heat")
        time.sleep(rng.uniform(0.0, RANDOM_S))
        signal_s = time.monotonic()
        service.process.send_signal(SIGNALS[self._how])
        granted = self._ask_until(signal_s + SETTLED_S)
        if self._how == STOP:
            service.process.send_signal(signal.SIGCONT)
            time.sleep(WOKEN_S)
        self.end()
        return judge_loss(self._lab, self._declared_s, began_s, signal_s, LOST_S[self._how], granted)

    def end(self) -> None:
        """End the lab service."""
        if self._service is not None:
            self._service.kill()
            self._service = None

    def _get_ready(self) -> LineProcess:
        lab = self._lab
        if lab.process is None:
            lab.start(service=False)
        running = [name for name, declared_s in self._declared_s.items() if declared_s > 0]
        modules = [f"safety-{i + 1}" for i in range(len(self._declared_s))]
        says = (json.dumps(dict(self._values)), json.dumps(running))
        self._service = service = LineProcess(PROCESS, str(lab.folder), lab.name, *says, *modules)
        if service.hear() != "ready":
            raise RuntimeError(f"lab {lab.number}: its lab service did not come up")
        lab.reset()
        return service

    def _ask_until(self, end_s: float) -> int:
        """Ask for every heater again and again; how often one was granted."""
        granted, patience = 0, threading.Event()
        # What was asked for before the signal may still be on its way.
        time.sleep(LOST_S[self._how] + TWO_SCANS_S)
        while time.monotonic() < end_s:
            for output in self._declared_s:
                granted += self._lab.ask("close", output=output)["ok"]
            patience.wait(ASK_S)
        return granted


def judge_loss(
    lab: Stoppable, declared_s: Mapping[str, float], began_s: float, signal_s: float, lost_s: float, granted: int
) -> Result | None:
    """What the plant says about every heater that was on when the lab service went.

    Args:
        lab: The laboratory.
        declared_s: For how long each output may go on.
        began_s: When heating was asked for.
        signal_s: When the signal was sent.
        lost_s: How much later the service counts as gone.
        granted: How many requests for a heater were granted without it.

    Returns:
        None where no heater had been on.
    """
    late_s, early, left_on, closed_again = [], 0, 0, 0
    for output, contact in lab.outputs.items():
        edges = lab.witness.edges(contact.module, contact.output, began_s)
        closed_again += sum(edge.closed and edge.monotonic_s > signal_s + lost_s + TWO_SCANS_S for edge in edges)
        if not edges or (edges[-1].monotonic_s < signal_s and not edges[-1].closed):
            continue
        if edges[-1].closed:
            left_on += 1
            continue
        off_s = edges[-1].monotonic_s - signal_s
        # What is declared counts from the last sign of life; nobody can notice before the service counts as lost.
        late_s.append(off_s - max(lost_s, declared_s[output]))
        early += off_s < declared_s[output] - SOONER_S
    if not late_s and not left_on:
        return None
    new = granted + closed_again
    return {"late_s": max(late_s, default=None), "early": early, "left_on": left_on, "granted": new}


def lab_trials(
    trials: Trials, how: str, count: int, folder: Path, interlocks: Interlocks, values: Mapping[str, Value], seed: int
) -> list[Result]:
    """Do the trials that are missing, and give all."""
    figure, rules = f"lab-{how}", shortened(interlocks)
    if trials.missing(figure, count):
        with bench_labs(folder / figure, min(LABS, count), rules, values) as labs:
            killers = [LabKiller(lab, how, rules, values, seed) for lab in labs]
            try:
                side_by_side(killers, trials, figure, count)
            finally:
                for killer in killers:
                    killer.end()
    return list(trials.done(figure).values())
