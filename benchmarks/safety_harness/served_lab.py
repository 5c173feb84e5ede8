"""The example laboratory as it is really served: simulator, supervisor and lab service, a process each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.safety_harness.bench_lab import CONTACTS, Connection, Contact, NoAnswerError
from benchmarks.safety_harness.load import busy_cores, open_pages
from benchmarks.safety_harness.rules import LAB, Shipped, shipped
from benchmarks.safety_harness.stops import stop_trials
from benchmarks.safety_harness.trials import Result, Trials
from benchmarks.safety_harness.witness import Witness
from lab.console.client import LabClient
from lab.errors import LabError
from lab.records.lock import runtime_folder
from lab.safety.supervisor.process import running_supervisor
from lab.simulator import Serving, start_simulator

ATHANOR = (sys.executable, "-m", "lab")
UP_WITHIN_S = 60.0
HEAT_WITHIN_S = 20.0
END_WITHIN_S = 20.0
BEATEN_S = 0.3
"""After this the lab service has told its supervisor what it has just seen."""


class ServedLab:
    """A laboratory that is served; it is heated by hand, as a person at a shell would."""

    def __init__(self, lab_file: Path, name: str, rules: Shipped, witness: Witness) -> None:
        self.name = name
        self.witness = witness
        self.runtime = runtime_folder(name)
        heaters = {name: o for name, o in rules.interlocks.outputs.items() if o.channel == "do1"}
        self.outputs = {name: Contact(o.device, CONTACTS[o.channel]) for name, o in heaters.items()}
        self.declared_s = {name: output.continue_for_s for name, output in heaters.items()}
        """For how long each heater may go on without the lab service, where its furnace runs a programme."""
        self.service: subprocess.Popen[bytes] | None = None
        self._lab_file = lab_file
        self._starts = 0
        self._connections: dict[str, Connection] = {}
        self._leases: dict[str, str] = {}

    @property
    def stop_port(self) -> int:
        """Where STOP is served over HTTP."""
        facts = running_supervisor(self.name)
        if facts is None:
            raise NoAnswerError("the supervisor is gone")
        return int(facts["http"].rpartition(":")[2])

    def serve(self) -> subprocess.Popen[bytes]:
        """Start the lab service, which starts the supervisor where there is none, and wait until it serves."""
        self._starts += 1
        folder = self._lab_file.parent
        (self.runtime / "lab.sock").unlink(missing_ok=True)  # left by one that was killed
        words = ["serve", "--lab", str(self._lab_file), "--data", str(folder / f"data-{self._starts}")]
        log = folder / "service.log"
        with log.open("ab") as said:
            command = [*ATHANOR, *words, "--port", "0", "--clock", "real"]
            self.service = subprocess.Popen(command, stdout=said, stderr=said)
        deadline_s = time.monotonic() + UP_WITHIN_S
        while not (self.runtime / "lab.sock").exists() or running_supervisor(self.name) is None:
            if self.service.poll() is not None or time.monotonic() > deadline_s:
                raise NoAnswerError(f"the lab service did not come up: {log.read_text(encoding='utf-8')[-1000:]}")
            time.sleep(0.05)
        if not self._connections:
            # One for each heater, so that they are closed at once.
            self._connections = {name: Connection(self.runtime / "safety.sock") for name in self.outputs}
        return self.service

    def reset(self) -> None:
        """Do what a person does after a trip, until nothing is latched."""
        first = next(iter(self._connections.values()))
        deadline_s = time.monotonic() + HEAT_WITHIN_S
        while not (answer := first.ask("reset", actor="bench", role="operator"))["ok"]:
            if time.monotonic() > deadline_s:
                raise NoAnswerError(f"{self.name} cannot be reset: {answer['reasons']}")
            time.sleep(0.05)

    def heat(self) -> None:
        """Close the heaters, all at once."""
        threads = [threading.Thread(target=self._close, args=(name,)) for name in self._connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def forget_leases(self) -> None:
        """Begin anew with a lab service that knows of no lease."""
        self._leases.clear()

    def ask_for_heat(self) -> int:
        """Ask for every heater once; how many were granted."""
        asked = (self._ask_close(name) for name in self._connections)
        return sum(answer["ok"] for answer in asked)

    def end(self) -> None:
        """End the lab service and the supervisor."""
        for connection in self._connections.values():
            connection.close()
        if self.service is not None:
            self.service.send_signal(signal.SIGCONT)
            _end(self.service)
        facts = running_supervisor(self.name)
        if facts is not None:
            os.kill(facts["pid"], signal.SIGTERM)

    def _close(self, output: str) -> None:
        """Take the furnace, close its contactor, and have a programme that was running go on."""
        furnace, deadline_s = self._furnace(output), time.monotonic() + HEAT_WITHIN_S
        while True:
            try:
                client = LabClient(self.runtime)
                self._execute(client, furnace, "close-contactor")
                if "hold" in _programme(client, furnace):
                    self._execute(client, furnace, "continue-program")
                    while "run" not in _programme(client, furnace) and time.monotonic() < deadline_s:
                        time.sleep(0.05)
                    time.sleep(BEATEN_S)
                return
            except LabError as error:
                self._leases.pop(furnace, None)
                if time.monotonic() > deadline_s:
                    raise NoAnswerError(f"{self.name} cannot close {output}: {error}") from error
                time.sleep(0.05)
                self.reset()

    def _execute(self, client: LabClient, furnace: str, verb: str) -> None:
        lease = self._leases.get(furnace)
        if lease is None:
            lease = self._leases[furnace] = client.take(furnace)["id"]
        armed = client.arm(lease, furnace, verb)
        if armed["denied"]:
            raise LabError("; ".join(armed["denied"]))
        given = client.execute(armed["token"])
        ended = client.finished(given["command"], within_s=HEAT_WITHIN_S)
        if ended.get("error"):
            raise LabError(str(ended["error"]))

    def _furnace(self, output: str) -> str:
        """The furnace behind the contactor of an output, as the example laboratory numbers them."""
        return f"furnace-{self.outputs[output].module.rpartition('-')[2]}"

    def _ask_close(self, output: str) -> dict[str, Any]:
        return self._connections[output].ask("close", output=output, actor="bench", role="operator")


def _programme(client: LabClient, furnace: str) -> str:
    return str(client.state()["devices"][furnace]["readings"]["program_status"])


@contextmanager
def served_lab(folder: Path, name: str, continue_for: str = "12 h") -> Iterator[ServedLab]:
    """The example laboratory under another name, its instruments served and nothing else yet, inside the block.

    Args:
        folder: Where everything goes; must not exist.
        name: Of the laboratory.
        continue_for: For how long heaters may go on without the lab service.
    """
    shutil.copytree(LAB.parent, folder)
    lab_file = folder / LAB.name
    for path, old, new in (
        (lab_file, "name: powder-1", f"name: {name}"),
        (folder / "interlocks.yaml", "continue_for: 12 h", f"continue_for: {continue_for}"),
    ):
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    log = folder / "plant.jsonl"
    simulator = start_simulator(lab_file, name, Serving(results=folder / "raw", log=log, ephemeral=True))
    witness = Witness(log)
    lab = ServedLab(lab_file, name, shipped(lab_file), witness)
    try:
        yield lab
    finally:
        lab.end()
        _end(simulator)
        witness.close()


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def measured_stops(trials: Trials, count: int, folder: Path, seed: int, facts: dict[str, Any]) -> list[Result]:
    """Do the trials that are missing, with open pages and busy cores, and give all."""
    if trials.missing("stop", count):
        with served_lab(folder, "bench-stops") as lab:
            lab.serve()
            with open_pages(lab.runtime / "lab.sock") as pages, busy_cores():
                stop_trials(trials, count, lab, seed)
                held = pages.end()
        facts["open pages"] = f"{held['open']} to the end, {held['events']} events"
    return list(trials.done("stop").values())
