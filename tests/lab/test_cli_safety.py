"""``athanor safety``."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import pytest

from lab.cli.safety import run_safety
from lab.config.lab_file import load_lab, packaged_lab
from lab.safety.supervisor import launch as supervisor_launch
from lab.safety.supervisor import process as supervisor_process


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What this process would have become."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    modules = load_lab(packaged_lab()).safety_modules
    facts = {
        "endpoints": dict.fromkeys(modules, "modbus-tcp://127.0.0.1:7000/1"),
        "clock": {"kind": "scaled", "speed": 10.0, "start_s": 0.0, "origin_s": time.monotonic()},
    }
    monkeypatch.setattr(supervisor_launch, "running_simulator", lambda lab_name: facts)
    return []


def test_it_becomes_a_process_that_knows_the_rules_as_numbers(commands: list[list[str]]) -> None:
    run_safety(None, http="127.0.0.1:8090", as_json=True, become=commands.append)
    ((interpreter, *words, path),) = commands
    assert interpreter == sys.executable
    assert words == ["-m", "lab.safety.supervisor"]
    told = json.loads(Path(path).read_text())
    assert told["http"] == {"host": "127.0.0.1", "port": 8090, "cert": None, "key": None}
    assert told["clock"]["speed"] == 10.0
    assert told["announce"] == "json"
    assert Path(told["folder"]).name == "powder-1"


def test_a_file_that_does_not_lint_stops_the_start_with_its_line(
    commands: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(packaged_lab().parent, tmp_path / "lab")
    path = tmp_path / "lab" / "interlocks.yaml"
    path.write_text(path.read_text().replace("safety-1.ai1", "safety-99.ai1"))
    with pytest.raises(SystemExit) as ended:
        run_safety(tmp_path / "lab" / "lab.yaml", become=commands.append)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "interlocks.yaml, line " in told
    assert "safety-99" in told
    assert commands == []
    assert not list((tmp_path / "state").rglob("safety-config.json"))


def test_a_supervisor_that_runs_is_left_alone(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor_process, "running_supervisor", lambda instance: {"pid": 4711})
    with pytest.raises(SystemExit) as ended:
        run_safety(None, become=commands.append)
    assert ended.value.code == 2
    assert "has a supervisor already (process 4711)" in capsys.readouterr().err
    assert commands == []


@pytest.mark.parametrize("http", ["8090", "127.0.0.1:", "127.0.0.1:http", ":8090", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused(
    commands: list[list[str]], http: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_safety(None, http=http, become=commands.append)
    assert ended.value.code == 2
    assert "is no HOST:PORT" in capsys.readouterr().err


def test_others_reach_stop_with_a_certificate_alone(
    commands: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_safety(None, http="0.0.0.0:8090", become=commands.append)
    assert ended.value.code == 2
    assert "without TLS" in capsys.readouterr().err
