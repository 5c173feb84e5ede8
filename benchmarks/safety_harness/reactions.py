"""From a condition that is true at the plant to an output that is open, for every trip, one rule at a time."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.safety_harness.bench_lab import WATCHDOG_S, BenchLab
from benchmarks.safety_harness.drives import Change, broken, drive
from benchmarks.safety_harness.kills import bench_labs
from benchmarks.safety_harness.trials import Result, Trials, side_by_side
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Interlocks, Rule

PATIENCE_S = 1.0
"""A rule that waits longer is judged by a clock that runs faster, so that it waits about so many wall seconds."""
LABS = 8
"""Side by side; more would keep each other waiting."""
PHASE_S = 0.15
"""A fault comes at a random time in so many seconds after the heaters are on."""
WITHIN_S = 5.0
DEAF = "module deaf"


def jobs(interlocks: Interlocks) -> list[tuple[str, Rule | None, tuple[Change, ...]]]:
    """What is tried: name, rule, and the inputs that are changed; a deaf module has neither."""
    found: list[tuple[str, Rule | None, tuple[Change, ...]]] = []
    for rule in interlocks.of_kind("trip"):
        if is_comms(rule):
            continue
        driven, cut = drive(interlocks, rule), broken(interlocks, rule)
        if driven is not None:
            found.append((rule.id, rule, driven))
        if cut is not None:
            found.append((f"{rule.id} (sensor broken)", rule, cut))
    return [*found, (DEAF, None, ())]


def undriven(interlocks: Interlocks) -> list[str]:
    """Trips that nothing at the plant brings about."""
    return [r.id for r in interlocks.of_kind("trip") if not is_comms(r) and drive(interlocks, r) is None]


def is_comms(rule: Rule) -> bool:
    """Whether a rule is about a module that does not answer: that one cannot be told, its watchdog must act."""
    return str(rule.when).startswith("not known(")


class Reactor:
    """Tries one rule after another with one bench lab."""

    def __init__(self, lab: BenchLab, interlocks: Interlocks, count: int, seed: int) -> None:
        self._lab, self._interlocks, self._count, self._seed = lab, interlocks, count, seed

    def __call__(self, trial: int) -> Result:
        """Try one rule `count` times."""
        name, rule, changes = jobs(self._interlocks)[trial]
        speed = 1.0 if rule is None else max(1.0, rule.after_s / PATIENCE_S)
        waits_s = WATCHDOG_S if rule is None else rule.after_s / speed
        rules = () if rule is None else (rule,)
        self._lab.close()
        # Alone, so that what opens the output is this rule and nothing else.
        self._lab.configure(replace(self._interlocks, rules=rules, never=()), speed)
        self._lab.start()
        rng = random.Random(f"{self._seed} {name}")
        late_s = [self._try(rule, changes, rng) for _ in range(self._count)]
        known = [late - waits_s for late in late_s if late is not None]
        return {"rule": name, "speed": speed, "waits_s": waits_s, "late_s": known, "missed": late_s.count(None)}

    def _try(self, rule: Rule | None, changes: tuple[Change, ...], rng: random.Random) -> float | None:
        """Seconds from the fault to the open contact; None where it did not open."""
        lab = self._lab
        target = next(iter(lab.outputs)) if rule is None else rule.target
        contact, module = lab.outputs[target], lab.outputs[target].module
        lab.reset()
        lab.heat([target])
        time.sleep(rng.uniform(0.0, PHASE_S))
        try:
            if rule is None:
                began_s = lab.plant.fault(module, "deafen", on=True)
            else:
                began_s = max(self._do(change, change.begin()) for change in changes)
            # Not the contact, which the hard-wired loop may open as well: what the supervisor told.
            output = "contactor permit" if contact.output == "contactor" else contact.output
            edge = lab.plant.witness.wait(module, output, closed=False, since_s=began_s, within_s=WITHIN_S)
        finally:
            if rule is None:
                lab.plant.fault(module, "deafen", on=False)
            for change in changes:
                self._do(change, change.end())
        return None if edge is None else edge.monotonic_s - began_s

    def _do(self, change: Change, fault: dict[str, object]) -> float:
        module = self._lab.module(change.signal.device)
        return self._lab.plant.fault(module, str(fault["verb"]), **{k: v for k, v in fault.items() if k != "verb"})


def reaction_trials(
    trials: Trials, count: int, folder: Path, interlocks: Interlocks, values: Mapping[str, Value], seed: int
) -> list[Result]:
    """Try every rule that is missing, and give all."""
    total, figure = len(jobs(interlocks)), f"reaction-{count}"
    if trials.missing(figure, total):
        with bench_labs(folder / figure, min(LABS, total), interlocks, values) as labs:
            side_by_side([Reactor(lab, interlocks, count, seed) for lab in labs], trials, figure, total)
    return list(trials.done(figure).values())
