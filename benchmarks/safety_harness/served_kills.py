"""The whole lab service killed or stopped while one furnace runs a programme and both heaters are on.

Fewer trials than with the service's side of the supervisor alone, because a lab service takes seconds to come up.
"""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from pymodbus.client import ModbusSerialClient

from benchmarks.safety_harness.bench_lab import NoAnswerError
from benchmarks.safety_harness.kills import RANDOM_S, SIGNALS, STOP, WOKEN_S
from benchmarks.safety_harness.lab_kills import ASK_S, CONTINUE_S, LOST_S, SETTLED_S, TWO_SCANS_S, judge_loss
from benchmarks.safety_harness.served_lab import ServedLab, served_lab
from benchmarks.safety_harness.trials import Result, Trials, side_by_side
from lab.console.client import LabClient
from lab.simulator import running_simulator

LABS = 2
FURNACE = "furnace-1"
FIRST_SEGMENT, STATUS, RUN = 1280, 23, 1
SEGMENT = (900, 30, 10)
"""A dwell of 900 minutes or hours at 30 degC, after 1 degC/min: the furnace stays as good as cold."""
SEEN_WITHIN_S = 30.0


class ServedKiller:
    """Does trials with one laboratory."""

    def __init__(self, lab: ServedLab, how: str, seed: int) -> None:
        self._lab, self._how, self._seed = lab, how, seed
        # Where no programme runs, the heater opens at once.
        programme = next(iter(lab.outputs))
        self._declared_s = {name: lab.declared_s[name] if name == programme else 0.0 for name in lab.outputs}
        self._tries = 0

    def __call__(self, trial: int) -> Result | None:
        """One trial; None where no heater had been on."""
        self._tries += 1
        rng = random.Random(f"{self._seed} served {self._how} {trial} {self._tries}")
        lab, service = self._lab, self._get_ready()
        began_s = time.monotonic()
        lab.heat()
        time.sleep(rng.uniform(0.0, RANDOM_S))
        signal_s = time.monotonic()
        service.send_signal(SIGNALS[self._how])
        # What was asked for before the signal may still be on its way.
        time.sleep(LOST_S[self._how] + TWO_SCANS_S)
        granted, patience = 0, threading.Event()
        while time.monotonic() < signal_s + SETTLED_S:
            granted += lab.ask_for_heat()
            patience.wait(ASK_S)
        if self._how == STOP:
            service.send_signal(signal.SIGCONT)
            time.sleep(WOKEN_S)
        return judge_loss(lab, self._declared_s, began_s, signal_s, LOST_S[self._how], granted)

    def _get_ready(self) -> subprocess.Popen[bytes]:
        lab = self._lab
        if lab.service is None:
            _start_programme(lab.name)
        service = lab.service
        if service is None or service.poll() is not None:
            service = lab.serve()
            _wait_for_programme(lab)
            lab.forget_leases()
        lab.reset()
        return service


def _wait_for_programme(lab: ServedLab) -> None:
    """Wait until the lab service has seen what its furnace does."""
    client, deadline_s = LabClient(lab.runtime), time.monotonic() + SEEN_WITHIN_S
    while True:
        status = client.state()["devices"][FURNACE]["readings"]["program_status"]
        if "run" in str(status):
            return
        if time.monotonic() > deadline_s:
            raise NoAnswerError(f"{lab.name}: the lab service says that {FURNACE} is at {status}")
        time.sleep(0.1)


def _start_programme(lab_name: str) -> None:
    """Start a programme at the controller, over its wire, before any lab service holds that."""
    facts = running_simulator(lab_name)
    path, unit = facts["endpoints"][FURNACE].removeprefix("modbus-rtu:").rsplit("/", 1) if facts else ("", "1")
    client = ModbusSerialClient(path, baudrate=19200, timeout=2.0, retries=0)
    client.connect()
    try:
        client.write_registers(FIRST_SEGMENT, list(SEGMENT), device_id=int(unit))
        client.write_register(STATUS, RUN, device_id=int(unit))
    finally:
        client.close()  # type: ignore[no-untyped-call]


def served_trials(trials: Trials, how: str, count: int, folder: Path, seed: int) -> list[Result]:
    """Do the trials that are missing, and give all."""
    figure = f"served-{how}"
    if trials.missing(figure, count):
        with ExitStack() as stack:
            labs = [
                stack.enter_context(served_lab(folder / f"{figure}-{n}", f"bench-{how}-{n}", f"{CONTINUE_S:g} s"))
                for n in range(min(LABS, count))
            ]
            side_by_side([ServedKiller(lab, how, seed) for lab in labs], trials, figure, count)
    return list(trials.done(figure).values())
