"""From a lab file to what its supervisor is told."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.config.lab_file import load_lab, packaged_lab
from lab.errors import UsageError
from lab.safety.alarms.notify_routes import Webhook
from lab.safety.interlocks.compiled import from_json
from lab.safety.interlocks.lint import interlocks_of
from lab.safety.supervisor import launch as supervisor_launch
from lab.safety.supervisor.config import HttpPlace, load_config
from lab.safety.supervisor.launch import config_of
from protocols.documents import DocumentError

Simulator = Callable[[dict[str, Any] | None], None]


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Simulator:
    def serve(facts: dict[str, Any] | None) -> None:
        monkeypatch.setattr(supervisor_launch, "running_simulator", lambda lab_name: facts)

    serve(
        {
            "endpoints": {name: f"modbus-tcp://127.0.0.1:{7000 + i}/1" for i, name in enumerate(safety_modules())},
            "clock": {"kind": "real", "speed": 1.0, "start_s": 0.0, "origin_s": time.monotonic()},
        }
    )
    return serve


def safety_modules() -> list[str]:
    return list(load_lab(packaged_lab()).safety_modules)


def lab_with(tmp_path: Path, **changes: tuple[str, str]) -> Path:
    """The packaged lab with one text replaced in some of its files."""
    shutil.copytree(packaged_lab().parent, tmp_path / "lab")
    for name, (old, new) in changes.items():
        path = tmp_path / "lab" / f"{name}.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    return tmp_path / "lab" / "lab.yaml"


def test_rules_and_places_reach_the_supervisor_as_they_stand_in_the_files(simulator: Simulator, tmp_path: Path) -> None:
    lab = load_lab(packaged_lab())
    told = config_of(lab, http=HttpPlace(), users=tmp_path / "users.json")
    assert from_json(told["rules"]) == interlocks_of(lab)
    assert told["rules"]["sha256"] == interlocks_of(lab).sha256 != ""
    assert told["world"] == "simulated"
    assert told["modules"][safety_modules()[0]] == {
        "address": "modbus-tcp://127.0.0.1:7000/1",
        "watchdog_s": 1.0,
        "baud": 9600,
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**told, "folder": str(tmp_path)}))
    found = load_config(path)
    assert found.interlocks == interlocks_of(lab)
    assert found.users == tmp_path / "users.json"
    assert found.notify is None


def test_routes_travel_without_their_secrets(simulator: Simulator) -> None:
    routes = [Webhook("webhook-1", "env:LAB_HOOK")]
    told = config_of(load_lab(packaged_lab()), http=None, routes=routes)
    assert "env:LAB_HOOK" in json.dumps(told["notify"])
    assert told["http"] is None


def test_simulated_modules_must_be_served(simulator: Simulator) -> None:
    for facts in (None, {"endpoints": {}, "clock": {"kind": "real"}}):
        simulator(facts)
        with pytest.raises(UsageError, match=r"is simulated, and nobody serves it: start athanor sim"):
            config_of(load_lab(packaged_lab()), http=None)


def test_a_file_that_does_not_lint_is_refused_with_its_lines(simulator: Simulator, tmp_path: Path) -> None:
    name = safety_modules()[0]
    path = lab_with(tmp_path, interlocks=(f"{name}.ai1", "safety-99.ai1"))
    with pytest.raises(DocumentError, match=r"interlocks.yaml, line \d+: .*safety-99"):
        config_of(load_lab(path), http=None)


def test_real_instruments_do_not_live_in_a_hurry(simulator: Simulator, tmp_path: Path) -> None:
    text = packaged_lab().read_text()
    address = next(line.split('address: "')[1].split('"')[0] for line in text.splitlines() if "safety-1:" in line)
    path = lab_with(tmp_path, lab=(address, "modbus-tcp://192.168.1.7:502/1"))
    told = config_of(load_lab(path), http=None)
    assert told["modules"]["safety-1"]["address"] == "modbus-tcp://192.168.1.7:502/1"
    simulator(
        {
            "endpoints": dict.fromkeys(safety_modules(), "modbus-tcp://127.0.0.1:7000/1"),
            "clock": {"kind": "scaled", "speed": 60.0},
        }
    )
    with pytest.raises(UsageError, match="60 times as fast: start athanor sim without --speed"):
        config_of(load_lab(path), http=None)


def test_stop_is_not_served_to_others_without_tls(simulator: Simulator) -> None:
    with pytest.raises(UsageError, match="without TLS"):
        config_of(load_lab(packaged_lab()), http=HttpPlace("0.0.0.0"))
