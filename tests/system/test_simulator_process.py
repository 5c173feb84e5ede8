"""``athanor sim`` as a person starts it: a process of its own, asked by production drivers over the wire."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.bus import Bus
from drivers.clock import RealClock
from drivers.gate import Command, Granted
from drivers.links import open_modbus
from drivers.safety_module import SafetyModule
from drivers.transcript import NoTranscript
from lab.config.lab_file import packaged_lab
from lab.errors import UsageError
from lab.simulator import COMMAND, Serving, running_simulator, start_simulator

pytestmark = [pytest.mark.system, pytest.mark.slow]

WITHIN_S = 20.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "athanor" / "run" / "powder-1"


@pytest.fixture
def simulator(home: Path) -> Iterator[subprocess.Popen[str]]:
    process = start_simulator(packaged_lab(), "powder-1", Serving(ephemeral=True))
    yield process
    process.kill()
    process.communicate()


def facts() -> dict[str, Any]:
    found = running_simulator("powder-1")
    assert found is not None
    return found


def edges(module: str) -> list[dict[str, Any]]:
    lines = map(json.loads, Path(facts()["log"]).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["kind"] == "edge" and line["module"] == module]


def test_a_production_driver_closes_a_contactor_and_the_watchdog_opens_it(
    simulator: subprocess.Popen[str], home: Path
) -> None:
    bus = Bus("safety-1", RealClock())
    module = SafetyModule(open_modbus("safety-1", facts()["endpoints"]["safety-1"], NoTranscript(), bus, timeout_s=2.0))
    try:
        module.start_watchdog(0.5, Granted(Command("safety-1", "start-watchdog"), 0.0))
        module.set_contactor(True, Granted(Command("safety-1", "close-contactor"), 0.0))
        before_s = time.monotonic()
        while len(edges("safety-1")) < 4 and time.monotonic() < before_s + WITHIN_S:
            time.sleep(0.02)  # nobody asks the module anything: it must open by itself
    finally:
        bus.close()
    found = [(edge["output"], edge["closed"], edge["why"]) for edge in edges("safety-1")]
    assert found == [
        ("contactor permit", True, "command"),
        ("contactor", True, "command"),
        ("contactor permit", False, "watchdog"),
        ("contactor", False, "watchdog"),
    ]


def test_sigterm_ends_it_and_leaves_nothing_behind(simulator: subprocess.Popen[str], home: Path) -> None:
    assert simulator.pid == facts()["pid"]
    assert (home / "wires" / "furnace-1").exists()
    os.kill(simulator.pid, signal.SIGTERM)
    assert simulator.wait(WITHIN_S) == 0
    assert list(home.iterdir()) == []


def test_a_second_one_says_why_it_does_not_start(simulator: subprocess.Popen[str]) -> None:
    with pytest.raises(UsageError, match="are served already"):
        start_simulator(packaged_lab(), "powder-1", Serving(ephemeral=True))
    assert simulator.poll() is None


def test_it_prints_every_address_as_json_until_ctrl_c(home: Path, tmp_path: Path) -> None:
    words = ["--lab", str(packaged_lab()), "--ephemeral", "--speed", "30", "--json"]
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line == "}\n":
                break
        said = json.loads(text)
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
    assert said["speed"] == 30.0
    assert said["models"]["furnace-1"] == "eurotherm-3216p"
    assert said["endpoints"]["xrd-1"].startswith("socket://127.0.0.1:")


def test_it_prints_a_table_of_who_is_where_and_what_is_done_to_the_wires(home: Path, tmp_path: Path) -> None:
    words = ["--lab", str(packaged_lab()), "--ephemeral", "--faults", "0.5", "--fault-seed", "3", "--paced"]
    words += ["--record", str(tmp_path / "wire.jsonl")]
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.strip())
            if "over the wires" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 0
    assert said[0] == "simulated instruments of lab powder-1, 1 times real time; Ctrl-C ends them"
    assert said[1].split() == ["device", "model", "answers", "at"]
    rows = {line.split()[0]: line.split()[1:] for line in said[2:] if "-1 " in line}
    assert rows["xrd-1"][0] == "aeris"
    assert rows["xrd-1"][1].startswith("socket://127.0.0.1:")
    assert rows["furnace-1"] == ["eurotherm-3216p", f"modbus-rtu:{home}/wires/furnace-1/1"]
    assert said[-2] == f"wires are broken on purpose; what was done is in {home}/faults.jsonl"
    assert said[-1] == f"all that goes over the wires is in {tmp_path}/wire.jsonl"
    assert (tmp_path / "wire.jsonl").exists()
