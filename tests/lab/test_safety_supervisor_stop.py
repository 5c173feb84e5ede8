"""STOP: contactors first, whatever else hangs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.safety.supervisor import stop as supervisor_stop
from tests.lab.guarded import F1, F2, Guard, scanning


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    guard = Guard(tmp_path)
    yield guard
    guard.close()


def heat(guard: Guard) -> None:
    guard.ready()
    with scanning(guard):
        for output in (F1, F2):
            assert guard.ask("close", output=output, actor="ada")["ok"]


def contactors(guard: Guard) -> list[bool]:
    return [module.inputs[5] for module in guard.hardware.values()]


def records(guard: Guard, action: str) -> list[dict[str, Any]]:
    assert guard.scribe.flush(5.0)
    found = [json.loads(line) for line in guard.audit.path.read_text().splitlines()]
    return [record for record in found if record["action"] == action]


def test_everything_opens_and_latches_and_is_written_down(guard: Guard) -> None:
    heat(guard)
    assert contactors(guard) == [True, True]
    stopped = guard.stopper.stop("ada")
    assert contactors(guard) == [False, False]
    assert {name: ms is not None and ms < 1000.0 for name, ms in stopped.acknowledged.items()} == {F1: True, F2: True}
    assert guard.causes() == ["STOP by ada"]
    (record,) = records(guard, "stop")
    assert record["who"] == "ada"


def test_outputs_open_while_the_core_is_locked_and_latch_with_the_next_scan(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_stop, "LATCH_S", 0.001)
    heat(guard)
    locked, free = threading.Event(), threading.Event()

    def hold() -> None:
        with guard.lock:
            locked.set()
            free.wait(5.0)

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(1.0)
    guard.stopper.stop("ada")
    assert contactors(guard) == [False, False]
    assert guard.causes() == []
    assert guard.stopper.pending
    free.set()
    holder.join()
    assert guard.ask("close", output=F1, actor="eve")["reasons"] == ["a STOP is under way"]
    guard.scan()
    assert guard.causes() == ["STOP by ada"]
    assert not guard.stopper.pending


def test_outputs_open_while_the_disk_hangs(guard: Guard) -> None:
    heat(guard)
    free = threading.Event()
    guard.scribe.do(lambda: free.wait(5.0))
    guard.stopper.stop("ada")
    assert contactors(guard) == [False, False]
    assert guard.causes() == ["STOP by ada"]
    free.set()


def test_one_dead_module_delays_no_other_and_raises_an_alarm(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_stop, "ANSWER_S", 0.02)
    heat(guard)
    guard.hardware["safety-1"].hanging.clear()
    guard.modules["safety-1"].look()
    stopped = guard.stopper.stop("ada")
    assert contactors(guard) == [True, False]
    assert stopped.acknowledged[F1] is None
    assert stopped.acknowledged[F2] is not None
    assert guard.scribe.flush(5.0)
    alarm = guard.core.alarms.get("stop:f1.heater")
    assert alarm is not None
    assert alarm.priority == "critical"
    assert "not acknowledged" in alarm.text
    guard.hardware["safety-1"].hanging.set()
    guard.modules["safety-1"].look().exception(1.0)
    deadline_s = time.monotonic() + 5.0
    while alarm.active and time.monotonic() < deadline_s:
        guard.scan()
        assert guard.scribe.flush(5.0)
        alarm = guard.core.alarms.get("stop:f1.heater")
        assert alarm is not None
    assert not alarm.active, "it has been seen open"


def test_acknowledgements_are_told_one_by_one(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_stop, "ANSWER_S", 0.02)
    heat(guard)
    guard.hardware["safety-2"].hanging.clear()
    events: list[dict[str, Any]] = []
    guard.stopper.stop("ada", events.append)
    assert [event["output"] for event in events] == [F1, F2]
    assert events[0]["ms"] is not None
    assert events[1]["ms"] is None


def test_a_thousand_stops_are_one_latch_and_each_is_written_down(guard: Guard) -> None:
    guard.ready()
    threads = threading.active_count()
    for i in range(100):
        guard.stopper.stop(f"somebody {i}")
    assert guard.causes() == ["STOP by somebody 0"]
    assert len(records(guard, "stop")) == 100
    assert threading.active_count() <= threads


def test_devices_are_asked_and_their_answers_collected(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_stop, "DEVICES_ANSWER_S", 0.02)
    guard.lab.hello(guard.service, 1, ["doser-1", "mover-1", "xrd-1"])
    answer_at_once(guard, {"doser-1": None, "mover-1": "mover-1: busy"})
    events: list[dict[str, Any]] = []
    stopped = guard.stopper.stop("ada", events.append)
    assert stopped.done.wait(5.0)
    assert stopped.lab
    assert stopped.devices == {"doser-1": None, "mover-1": "mover-1: busy", "xrd-1": "no answer"}
    told = {event["device"]: event["why"] for event in events if "device" in event}
    assert told == {"doser-1": None, "mover-1": "mover-1: busy"}
    assert guard.scribe.flush(5.0)
    found = {key: guard.core.alarms.get(f"stop:{key}") for key in ("doser-1", "mover-1", "xrd-1")}
    assert {key for key, alarm in found.items() if alarm is not None} == {"mover-1", "xrd-1"}
    guard.scan()
    assert guard.ask("reset", actor="ada")["ok"]
    assert not any(alarm.active for alarm in guard.core.alarms.list()), "whoever resets has been there"


def test_without_a_lab_service_a_stop_is_done_when_the_outputs_are_open(guard: Guard) -> None:
    stopped = guard.stopper.stop("ada")
    assert stopped.done.wait(5.0)
    assert not stopped.lab
    assert stopped.devices == {}


def test_stops_that_come_while_devices_are_asked_are_passed_on_together(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_stop, "DEVICES_ANSWER_S", 5.0)
    guard.lab.hello(guard.service, 1, ["doser-1"])
    first = guard.stopper.stop("ada")
    while not guard.service.sent:
        time.sleep(0.001)
    later = [guard.stopper.stop("eve") for _ in range(20)]
    guard.lab.stopped(guard.service, "doser-1", None)
    assert first.done.wait(5.0)
    while len(guard.service.sent) < 2:
        time.sleep(0.001)
    guard.lab.stopped(guard.service, "doser-1", None)
    assert all(stopped.done.wait(5.0) for stopped in later)
    assert [message["stop"]["by"] for message in guard.service.sent] == ["ada", "eve"]


def test_a_close_that_a_stop_overtakes_stays_open(guard: Guard) -> None:
    guard.ready()
    module = guard.hardware["safety-1"]

    def stop_now(coil: int, closed: bool) -> None:
        if closed:
            module.on_write = lambda coil, closed: None
            guard.stopper.stop("ada")

    module.on_write = stop_now
    with scanning(guard):
        answered = guard.ask("close", output=F1, actor="eve")
    assert not answered["ok"]
    assert contactors(guard) == [False, False]
    assert guard.causes() == ["STOP by ada"]


def answer_at_once(guard: Guard, answers: dict[str, str | None]) -> None:
    """Have the lab service answer for its devices as soon as it is asked."""
    send = guard.service.send

    def send_and_answer(message: Any) -> None:
        send(message)
        for device, why_not in answers.items():
            # The round is known to others only after it was sent.
            threading.Timer(0.001, guard.lab.stopped, (guard.service, device, why_not)).start()

    guard.service.send = send_and_answer  # type: ignore[method-assign]
