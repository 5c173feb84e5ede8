"""Finding, asking and starting a supervisor."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.errors import UsageError
from lab.safety.supervisor.process import (
    SupervisorGoneError,
    ask,
    request_to,
    running_supervisor,
    start_supervisor,
    supervised_labs,
    write_config,
)
from lab.safety.supervisor.server import Server
from tests.lab.guarded import F1, F2, Guard

pytestmark = pytest.mark.system


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runtime folder of lab powder-1."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "state" / "athanor" / "run" / "powder-1"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def guard(folder: Path) -> Iterator[Guard]:
    guard = Guard(folder)
    guard.scan()
    server = Server(folder / "safety.sock", guard.requests)
    yield guard
    server.close()
    guard.close()


def facts(folder: Path, **changed: object) -> None:
    found = {"pid": os.getpid(), "http": None, "rules": "5afe", "lab": None, "name": "powder-1", **changed}
    (folder / "safety.json").write_text(json.dumps(found))


def test_one_question_has_one_answer(guard: Guard, folder: Path) -> None:
    assert ask(folder, {"do": "state"})["state"]["scan"] == 1
    assert ask(folder, {"do": "explode"})["ok"] is False


def test_progress_is_told_before_the_answer(guard: Guard, folder: Path) -> None:
    events: list[dict[str, Any]] = []
    answered = ask(folder, {"do": "stop", "actor": "ada", "follow": True}, on_progress=events.append)
    assert {event["output"] for event in events} == {F1, F2}
    assert "id" not in answered


def test_nobody_there_is_one_sentence_with_a_remedy(folder: Path) -> None:
    with pytest.raises(SupervisorGoneError, match=r"safety.sock: .*start it with athanor safety") as caught:
        ask(folder, {"do": "state"})
    assert "\n" not in str(caught.value)


def test_one_that_does_not_answer_in_time_is_given_up(guard: Guard, folder: Path) -> None:
    with guard.lock, pytest.raises(SupervisorGoneError, match="deadline"):
        ask(folder, {"do": "reset", "actor": "ada"}, within_s=0.05)


def test_a_supervisor_runs_where_one_answers_and_only_there(folder: Path) -> None:
    assert running_supervisor("powder-1") is None
    facts(folder)
    assert running_supervisor("powder-1") is None, "its socket is gone"
    (folder / "safety.json").write_text("{")
    assert running_supervisor("powder-1") is None


def test_a_running_supervisor_tells_about_itself(guard: Guard, folder: Path) -> None:
    facts(folder, http="http://127.0.0.1:1")
    found = running_supervisor("powder-1")
    assert found is not None
    assert found["http"] == "http://127.0.0.1:1"
    assert running_supervisor("powder-2") is None


def test_labs_are_found_by_their_sockets(guard: Guard, folder: Path) -> None:
    assert supervised_labs() == ["powder-1"]
    assert request_to(None)({"do": "state"})["ok"]
    assert request_to("powder-1")({"do": "state"})["ok"]
    with pytest.raises(UsageError, match=r"powder-2.* labs with a safety supervisor are: powder-1"):
        request_to("powder-2")
    (folder.parent / "powder-2").mkdir()
    (folder.parent / "powder-2" / "safety.sock").touch()
    with pytest.raises(UsageError, match="was not given"):
        request_to(None)


def test_what_a_supervisor_is_told_is_for_nobody_elses_eyes(folder: Path) -> None:
    path = write_config({"lab": "powder-1"}, folder)
    path = write_config({"lab": "powder-1"}, folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"lab": "powder-1", "folder": str(folder)}


def test_one_that_cannot_start_says_why_and_leaves_nothing(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"rules is missing: start the supervisor with athanor safety"):
        start_supervisor({"lab": "powder-1", "world": "simulated"}, folder)
    assert not (folder / "safety.sock").exists()
