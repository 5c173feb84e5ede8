"""``athanor stop``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.cli.stop import stop_all
from lab.records.lock import hold_lab
from lab.safety.supervisor import stop as supervisor_stop
from lab.safety.supervisor.server import Server
from lab.safety.supervisor.sockets import bind_unix
from tests.lab.guarded import Guard

pytestmark = pytest.mark.system


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the runtime folders of all labs are."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "state" / "athanor" / "run"
    (folder / "powder-1").mkdir(parents=True)
    return folder


@pytest.fixture
def guard(run: Path) -> Iterator[Guard]:
    guard = Guard(run / "powder-1")
    server = Server(run / "powder-1" / "safety.sock", guard.requests)
    yield guard
    server.close()
    guard.close()


def test_everything_stops_and_each_acknowledgement_has_a_line(guard: Guard, capsys: pytest.CaptureFixture[str]) -> None:
    stop_all()
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.rpartition(" after ")[0] for line in lines[:2]) == [
        "powder-1: f1.heater open",
        "powder-1: f2.heater open",
    ]
    assert "no lab service is there" in lines[2]
    (cause,) = [cause for cause in guard.causes() if cause.startswith("STOP by")]
    assert cause.endswith("at a shell")


def test_what_does_not_acknowledge_has_a_line_and_an_exit_code(
    guard: Guard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_stop, "ANSWER_S", 0.02)
    guard.hardware["safety-2"].silent = True
    with pytest.raises(SystemExit) as ended:
        stop_all(lab="powder-1")
    assert ended.value.code == 1
    assert "f2.heater DID NOT ACKNOWLEDGE: switch its supply off by hand" in capsys.readouterr().out


def test_devices_that_do_not_stop_are_named(
    guard: Guard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_stop, "DEVICES_ANSWER_S", 0.02)
    guard.lab.hello(guard.service, 1, ["doser-1"])
    with pytest.raises(SystemExit):
        stop_all()
    assert "doser-1 DID NOT STOP: no answer" in capsys.readouterr().out


def test_a_program_gets_one_document(guard: Guard, capsys: pytest.CaptureFixture[str]) -> None:
    stop_all(as_json=True)
    (found,) = json.loads(capsys.readouterr().out)
    assert found["lab"] == "powder-1"
    assert found["complete"] is True
    assert set(found["acknowledged"]) == {"f1.heater", "f2.heater"}


def test_a_dead_supervisor_keeps_no_other_lab_from_stopping(
    guard: Guard, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "powder-2").mkdir()
    bind_unix(run / "powder-2" / "safety.sock").close()
    with pytest.raises(SystemExit) as ended:
        stop_all()
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert "powder-1: f1.heater open" in told.out
    assert "powder-2: " in told.err
    assert "watchdogs open the contactors" in told.err


def test_a_lab_is_found_by_the_data_folder_of_its_run(
    guard: Guard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hold_lab("powder-1", tmp_path, shared=True):
        stop_all(data=tmp_path)
    assert "f1.heater open" in capsys.readouterr().out


@pytest.mark.parametrize("lab", [None, "powder-9"])
def test_where_nobody_can_be_asked_that_is_said(run: Path, lab: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        stop_all(lab=lab)
    assert ended.value.code == 2
    assert "use the emergency stop at the instruments" in capsys.readouterr().err


def test_a_data_folder_that_nobody_uses_is_an_error(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        stop_all(data=tmp_path)
    assert ended.value.code == 2
