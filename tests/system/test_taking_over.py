"""A run, a take-over by hand during it, a STOP with the lab service killed, and a reset: all as real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEED = 400
LAB = "powder-1"

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(240)]


class Rehearsal:
    """One run with its simulator and supervisor, all in a state folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.state, self.data = folder / "state", folder / "run"
        self.runtime = self.state / "athanor" / "run" / LAB
        self.said = (folder / "said").open("w+")
        words = ["run", "examples/batio3.yaml", "--lab", "examples/lab.yaml", "--budget", "1", "--seed", "1"]
        self.run = subprocess.Popen(
            [sys.executable, "-m", "lab", *words, "--clock", f"scaled {SPEED}", "--data", str(self.data), "--json"],
            cwd=ROOT,
            env=self.environment,
            stdout=self.said,
            stderr=self.said,
            start_new_session=True,
        )
        self.pids: set[int] = set()

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"XDG_STATE_HOME": str(self.state)}

    def athanor(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lab", *words]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=check, timeout=60
        )

    def facts(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.runtime / name).read_text(encoding="utf-8"))
        return found

    def entries(self, kind: str) -> list[dict[str, Any]]:
        lines = (self.data / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]

    def plant(self) -> list[dict[str, Any]]:
        """What the plant itself wrote down."""
        log = Path(self.facts("sim.json")["log"])
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]

    def heater_closed(self) -> bool:
        edges = [e for e in self.plant() if e["kind"] == "edge" and e["output"] == "contactor"]
        return any([e for e in edges if e["module"] == module][-1]["closed"] for module in {e["module"] for e in edges})

    def notes(self) -> list[str]:
        return [entry["what"] for entry in self.plant() if entry["kind"] == "note"]

    def stage(self) -> str:
        found = json.loads(self.athanor("status", "--data", str(self.data), "--json").stdout)
        found = found[0] if isinstance(found, list) else found
        return str(found["samples"][0]["stage"]) if found["samples"] else "none"

    def wait(self, condition: Callable[[], bool], what: str, within_s: float = 90.0) -> None:
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            try:
                if condition():
                    return
            except (OSError, ValueError, KeyError, IndexError):
                pass  # not written yet
            if self.run.poll() not in (None, -signal.SIGKILL):
                pytest.fail(f"the run ended while {what} was waited for: {self.words()}")
            time.sleep(0.2)
        pytest.fail(f"{what} did not come within {within_s:g} s: {self.words()}")

    def words(self) -> str:
        self.said.seek(0)
        return self.said.read()[-2000:]

    def wait_for_heat(self) -> None:
        self.wait(self.heater_closed, "a closed contactor")
        self.pids = {self.facts("sim.json")["pid"], self.facts("safety.json")["pid"]}
        self.wait(lambda: any("programmer run" in note for note in self.notes()), "a programme that runs")

    def end(self) -> None:
        """End every process by its id."""
        if self.run.poll() is None:
            self.run.kill()
        self.run.wait()
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        self.said.close()


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    rehearsal = Rehearsal(tmp_path)
    try:
        yield rehearsal
    finally:
        rehearsal.end()


def furnace_that_heats(rehearsal: Rehearsal) -> str:
    (started,) = [e for e in rehearsal.entries("task-started") if e["task"] == "fire 1"]
    return str(started["station"])


def test_a_stop_with_the_lab_service_killed_opens_what_was_closed_and_a_reset_gives_only_ability(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.wait_for_heat()
    time.sleep(1.0)  # until the lab service has seen the programme run and said so
    rehearsal.run.kill()
    rehearsal.run.wait()
    time.sleep(1.0)
    assert rehearsal.heater_closed(), "a programme that runs goes on without the lab service, as declared"

    stopped = rehearsal.athanor("stop")
    assert stopped.stdout.count("open after") == 4
    assert "no lab service is there" in stopped.stdout
    assert not rehearsal.heater_closed()
    alarms = json.loads(rehearsal.athanor("alarms", "list", "--json").stdout)
    assert any(alarm["key"].startswith("trip:STOP by") for alarm in alarms)

    reset = rehearsal.athanor("reset", "--yes")
    assert "nothing is switched on by that" in reset.stdout
    time.sleep(0.5)
    assert not rehearsal.heater_closed()
    verified = rehearsal.athanor("audit", "verify", str(rehearsal.runtime / "safety" / "audit.jsonl"))
    assert "whole" in verified.stdout


def test_a_device_is_taken_from_a_run_without_a_bump_and_the_run_goes_on_when_a_person_says_so(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.wait_for_heat()
    furnace = furnace_that_heats(rehearsal)
    manual = rehearsal.athanor("manual", furnace, "set-setpoint", "200 degC", "--yes", "--release")
    assert "set-setpoint 200 degC" in manual.stdout + manual.stderr
    notes = [note for note in rehearsal.notes() if note.startswith(furnace)]
    held = next(i for i, note in enumerate(notes) if "programmer hold" in note)
    assert any("setpoint 200 degC" in note for note in notes[held:]), "first the programme waits, then the setpoint"

    rehearsal.wait(lambda: rehearsal.stage().startswith("held"), "a held sample")
    time.sleep(1.0)
    assert rehearsal.stage().startswith("held"), "giving the device back resumes nothing"
    denied = rehearsal.athanor("manual", furnace, "set-setpoint", "1200 degC", "--yes", "--release", check=False)
    assert denied.returncode != 0
    assert "1100 degC" in denied.stderr

    rehearsal.athanor("resume", furnace)
    rehearsal.wait(lambda: not rehearsal.stage().startswith("held"), "a sample that goes on")
    rehearsal.wait(lambda: bool(rehearsal.entries("task-failed")), "a firing that is told from the recipe's")
    (failed,) = rehearsal.entries("task-failed")
    assert "ended by hand" in failed["reason"]
