from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.safety.judging.in_process import safety_socket
from lab.safety.supervisor.process import SupervisorGoneError, ask
from tests.lab.test_safety_monitor import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.journal.close()
    lab.audit.close()


def from_elsewhere(lab: Lab, question: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Ask from another thread, while this one gives lab time its turns."""
    answers: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: answers.append(question()))
    thread.start()
    while thread.is_alive():
        lab.clock.sleep_until(lab.clock.now() + 0.001)
        thread.join(0.001)
    return answers[0]


def test_a_stop_from_a_shell_opens_every_contactor_of_a_run_in_jumping_time(lab: Lab, tmp_path: Path) -> None:
    lab.start()
    lab.pass_scans()
    lab.module.contactor_closed.value = 1.0
    told: list[dict[str, Any]] = []
    with safety_socket(lab.monitor, tmp_path):
        stop = {"do": "stop", "actor": "ana", "follow": True}
        answered = from_elsewhere(lab, lambda: ask(tmp_path, stop, on_progress=told.append))
    assert lab.module.contactor_closed.value == 0.0
    assert answered["acknowledged"]["heater"] is not None
    assert [event["output"] for event in told] == ["heater"]
    assert lab.monitor.tripped() == ("STOP by ana",)
    lab.monitor.close()


def test_a_shell_sees_what_tripped_and_resets_it(lab: Lab, tmp_path: Path) -> None:
    lab.start()
    lab.module.ai1_degc.value = 1200.0
    lab.pass_scans()
    with safety_socket(lab.monitor, tmp_path):
        state = from_elsewhere(lab, lambda: ask(tmp_path, {"do": "state"}))["state"]
        assert [latch["cause"] for latch in state["tripped"]] == ["OVER"]
        assert from_elsewhere(lab, lambda: ask(tmp_path, {"do": "reset", "actor": "bo"}))["reasons"]
        lab.module.ai1_degc.value = 25.0
        assert from_elsewhere(lab, lambda: ask(tmp_path, {"do": "reset", "actor": "bo"}))["ok"]
    assert lab.monitor.tripped() == ()
    lab.monitor.close()


def test_nobody_is_there_any_more_after_the_run(lab: Lab, tmp_path: Path) -> None:
    with safety_socket(lab.monitor, tmp_path):
        pass
    with pytest.raises(SupervisorGoneError):
        ask(tmp_path, {"do": "state"})
