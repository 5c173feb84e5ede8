"""From the POST of a STOP to the open contact at the plant, while the machine is busy."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Mapping
from typing import Protocol

from benchmarks.safety_harness.bench_lab import Contact
from benchmarks.safety_harness.trials import Result, Trials
from benchmarks.safety_harness.witness import Witness

WITHIN_S = 5.0
PHASE_S = 0.1
"""A STOP comes at a random time of a scan."""


class Stoppable(Protocol):
    """A laboratory that can be heated and stopped."""

    witness: Witness

    @property
    def outputs(self) -> Mapping[str, Contact]:
        """What is switched at the plant by each output."""

    @property
    def stop_port(self) -> int:
        """Where STOP is served over HTTP."""

    def reset(self) -> None:
        """Do what a person does after a trip."""

    def heat(self) -> None:
        """Close the heaters."""


def stop_trial(lab: Stoppable, port: int, rng: random.Random) -> Result:
    """Heat, wait until the plant shows it, post a STOP, and see when the last heater's contact is open."""
    began_s = time.monotonic()
    lab.reset()
    lab.heat()
    heaters = [contact for contact in lab.outputs.values() if contact.output == "contactor"]
    closed = [lab.witness.wait(c.module, c.output, closed=True, since_s=began_s, within_s=WITHIN_S) for c in heaters]
    if None in closed:
        raise RuntimeError("a heater was closed, and the plant knows nothing of it")
    time.sleep(rng.uniform(0.0, PHASE_S))
    posted_s = time.monotonic()
    acknowledged_ms, answered_ms = _post(port, posted_s)
    opened = [lab.witness.wait(c.module, c.output, closed=False, since_s=posted_s, within_s=WITHIN_S) for c in heaters]
    late_s = [edge.monotonic_s - posted_s for edge in opened if edge is not None]
    left_on = len(opened) - len(late_s)
    return {
        "ms": 1e3 * max(late_s) if late_s else None,
        "acknowledged_ms": acknowledged_ms,
        "answered_ms": answered_ms,
        "left_on": left_on,
    }


def _post(port: int, posted_s: float) -> tuple[float | None, float]:
    """Milliseconds in which the modules had answered, as the supervisor says, and in which it had answered here."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN_S)
    try:
        connection.request("POST", "/stop")
        response = connection.getresponse()
        found = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"STOP was answered with {response.status}")
    acknowledged = [ms for ms in found["acknowledged"].values() if ms is not None]
    return max(acknowledged, default=None), 1e3 * (time.monotonic() - posted_s)


def stop_trials(trials: Trials, count: int, lab: Stoppable, seed: int, tell: str = "stop") -> None:
    """Do the trials that are missing."""
    port = lab.stop_port
    for trial in trials.missing(tell, count):
        trials.add(tell, trial, stop_trial(lab, port, random.Random(f"{seed} stop {trial}")))
