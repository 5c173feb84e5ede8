"""The scan: judged, acted on, and only then a sign of life."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.safety.judging.scan import BOOT
from tests.lab.guarded import F1, F2, RULES, FakePeer, Guard, scanning


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    guard = Guard(tmp_path)
    yield guard
    guard.close()


def pets(guard: Guard) -> dict[str, int]:
    """How often each watchdog has been petted, when all lanes have done what they were told."""
    for module in guard.modules.values():
        module._opener.submit(lambda wire: None).result(1.0)
    return {name: len(module.pets) for name, module in guard.hardware.items()}


def test_it_boots_tripped_and_pets_from_the_first_scan_on(guard: Guard) -> None:
    guard.scan()
    assert guard.causes() == [BOOT]
    assert pets(guard) == {"safety-1": 1, "safety-2": 1}
    guard.scan()
    assert pets(guard) == {"safety-1": 2, "safety-2": 2}


def test_a_module_that_was_not_read_completely_loses_its_toggle_and_the_other_does_not(guard: Guard) -> None:
    guard.scan(2)
    before = pets(guard)
    guard.hardware["safety-2"].silent = True
    guard.scan(3)
    after = pets(guard)
    assert after["safety-1"] == before["safety-1"] + 3
    assert after["safety-2"] == before["safety-2"]


def test_a_fault_while_judging_pets_nobody_and_is_not_caught(guard: Guard) -> None:
    guard.scan(2)
    before = pets(guard)

    def fail(_: object) -> None:
        raise ZeroDivisionError

    guard.core.scan = fail  # type: ignore[method-assign,assignment]
    with pytest.raises(ZeroDivisionError):
        guard.scan()
    assert pets(guard) == before


def test_a_permit_is_given_for_one_second_while_every_module_answers(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun_s = time.monotonic()
    guard.scan()
    assert guard.scanner.permitted()
    assert 0.9 < guard.scanner.snapshot["permit_until"] - begun_s < 1.5
    until_s = guard.scanner.snapshot["permit_until"]
    guard.hardware["safety-2"].silent = True
    guard.scan(3)
    assert guard.scanner.snapshot["permit_until"] == until_s, "it is not renewed"
    monkeypatch.setattr("lab.safety.supervisor.scan.time.monotonic", lambda: until_s + 0.01)
    assert not guard.scanner.permitted()


def test_a_late_scan_gives_no_permit_and_pets_nobody(guard: Guard) -> None:
    guard.scan()
    before = pets(guard)
    guard.scanner.scan(time.monotonic() - 0.4)
    assert guard.scanner.snapshot["permit_until"] is None
    assert pets(guard) == before
    guard.scan()
    assert guard.scanner.permitted()


def test_a_permit_is_not_given_while_a_stop_waits_to_be_latched(guard: Guard) -> None:
    guard.scan()
    guard.stopper._unlatched.append("ada")
    guard.stopper.latch_waiting = lambda: None  # type: ignore[method-assign]
    guard.scan()
    assert guard.scanner.snapshot["permit_until"] is None


def test_a_dead_module_is_waited_for_once_and_counts_again_after_it_answers(guard: Guard) -> None:
    guard.scan()
    guard.scanner.look_within_s = 0.005
    dead = guard.hardware["safety-2"]
    dead.hanging.clear()
    guard.scan()
    guard.scanner.look_within_s = 60.0  # a scan that waits for it now, waits for ever
    begun_s = time.monotonic()
    guard.scan(3)
    assert time.monotonic() - begun_s < 30.0
    assert "safety-2" in silent(guard)
    dead.hanging.set()
    guard.modules["safety-2"].look().exception(1.0)
    guard.modules["safety-2"].look().result(1.0)
    guard.scanner.look_within_s = 5.0
    guard.scan()
    assert silent(guard) == set()


def test_a_module_that_needs_longer_than_a_scan_waits_counts_with_the_next_one(guard: Guard) -> None:
    guard.scan()
    guard.scanner.look_within_s = 0.005
    slow = guard.hardware["safety-2"]
    slow.hanging.clear()
    guard.scan()
    assert "safety-2" in silent(guard)
    guard.scanner.look_within_s = 5.0
    slow.hanging.set()
    guard.modules["safety-2"].look().result(1.0)
    guard.scan()
    assert silent(guard) == set()


def test_an_answer_from_long_before_the_scan_does_not_count(guard: Guard) -> None:
    guard.scan()
    module = guard.modules["safety-2"]
    module.look().result(1.0)
    assert module.sight is not None
    module.sight = type(module.sight)(module.sight.begun_s - 0.2, module.sight.reading)
    guard.hardware["safety-2"].silent = True
    guard.scan()
    assert "safety-2" in silent(guard)


def test_a_tripped_output_is_opened_by_the_scan_that_sees_the_cause(guard: Guard) -> None:
    guard.ready()
    with scanning(guard):
        assert guard.ask("close", output=F1, actor="ada")["ok"]
    hot = guard.hardware["safety-1"]
    hot.analogue[0] = 12000
    guard.scan()
    guard.scan()
    assert guard.causes() == ["F1-OVER"]
    assert hot.coils[0] is False
    assert (0, False) not in guard.hardware["safety-2"].told


def test_an_output_that_is_open_only_because_of_the_loop_is_told_to_stay_open(guard: Guard) -> None:
    guard.ready()
    module = guard.hardware["safety-1"]
    with scanning(guard):
        assert guard.ask("close", output=F1, actor="ada")["ok"]
    module.loop = False
    module._pull()
    module.analogue[0] = 12000
    guard.scan(2)
    assert module.coils[0] is False


def test_a_contactor_that_opens_by_itself_trips_so_that_it_does_not_close_by_itself(guard: Guard) -> None:
    guard.ready()
    module = guard.hardware["safety-1"]
    with scanning(guard):
        assert guard.ask("close", output=F1, actor="ada")["ok"]
        module.loop = False
        module._pull()
        assert holds_within(lambda: module.coils[0] is False)
    assert guard.causes() == ["command mismatch: f1.heater is told to be closed and is open"]


def test_signals_of_the_lab_are_known_while_it_lives(guard: Guard) -> None:
    peer = FakePeer()
    guard.lab.hello(peer, 1, ())
    guard.lab.beat(peer, {"f1.setpoint": 400.0, "f1.door": False}, [F1])
    guard.scanner.scan(time.monotonic())
    values = guard.scanner.snapshot["values"]
    assert values["f1.setpoint"] == 400.0
    assert values["f1.door"] is True, "what the supervisor reads itself, nobody else may say"
    guard.lab.gone(peer)
    guard.scanner.scan(time.monotonic())
    assert guard.scanner.snapshot["values"]["f1.setpoint"] is None
    assert guard.scanner.snapshot["lab"]["alive"] is False


def test_a_signal_is_unknown_while_its_quality_is_not_good(tmp_path: Path) -> None:
    over = replace(RULES.signals["f1.over"], quality="f1.door")
    guard = Guard(tmp_path, replace(RULES, signals={**RULES.signals, "f1.over": over}))
    guard.scan()
    assert guard.scanner.snapshot["values"]["f1.over"] == 25.0
    guard.hardware["safety-1"].inputs[0] = False
    guard.scan()
    assert guard.scanner.snapshot["values"]["f1.over"] is None
    guard.close()


def test_a_reading_is_unknown_when_it_is_older_than_its_signal_allows(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard.scan()
    guard.hardware["safety-1"].silent = True
    guard.scan()
    assert guard.scanner.snapshot["values"]["f1.door"] is True
    now_s = time.monotonic()
    monkeypatch.setattr("lab.safety.supervisor.scan.time.monotonic", lambda: now_s + 1.1)
    guard.scanner.scan(now_s + 1.1)
    assert guard.scanner.snapshot["values"]["f1.door"] is None
    assert guard.scanner.snapshot["values"][F1] is None


def test_a_contactor_that_does_not_open_raises_an_alarm_until_it_does(guard: Guard) -> None:
    guard.ready()
    module = guard.hardware["safety-1"]
    with scanning(guard):
        assert guard.ask("close", output=F1, actor="ada")["ok"]
        module.welded = True
        module.analogue[0] = 12000
        assert holds_within(lambda: guard.core.alarms.get("open:f1.heater") is not None)
        alarm = guard.core.alarms.get("open:f1.heater")
        assert alarm is not None
        assert alarm.priority == "critical"
        assert "welded" in alarm.text
        assert "by hand" in alarm.guidance
        module.welded, module.inputs[5] = False, False
        assert holds_within(lambda: not active(guard, "open:f1.heater"))


def test_an_expired_watchdog_trips_its_outputs_alone(guard: Guard) -> None:
    guard.ready()
    guard.hardware["safety-2"].expire()
    guard.scan()
    (latch,) = guard.core.state.tripped
    assert (latch.cause, latch.targets) == ("watchdog of safety-2 expired", (F2,))


def test_missed_scans_are_not_made_up_for(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    due: list[float] = []
    began_s = time.monotonic()
    late = iter([0.0, 0.35, 0.0, 0.0])

    def scan(due_s: float) -> None:
        due.append(due_s - began_s)
        now["s"] += next(late)
        if len(due) == 4:
            guard.scanner.end()

    now = {"s": began_s}
    monkeypatch.setattr("lab.safety.supervisor.scan.time.monotonic", lambda: now["s"])
    monkeypatch.setattr(guard.scanner, "scan", scan)
    monkeypatch.setattr(
        guard.scanner._wake, "wait", lambda for_s: now.update(s=now["s"] + for_s) or guard.scanner._closing
    )
    guard.scanner.run()
    assert due == pytest.approx([0.0, 0.1, 0.5, 0.6])


def test_a_scan_is_made_out_of_turn_when_asked_for_and_only_one_before_the_next_is_due(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    began_s, scans = time.monotonic(), list[float]()
    now = {"s": began_s}

    def scan(due_s: float) -> None:
        scans.append(due_s - began_s)
        guard.scanner.scan_soon()
        if len(scans) == 4:
            guard.scanner.end()

    monkeypatch.setattr("lab.safety.supervisor.scan.time.monotonic", lambda: now["s"])
    monkeypatch.setattr(guard.scanner, "scan", scan)
    monkeypatch.setattr("lab.safety.supervisor.scan.time.sleep", lambda for_s: now.update(s=now["s"] + for_s))
    guard.scanner.run()
    assert scans == pytest.approx([0.0, 0.0, 0.1, 0.1])


def test_there_is_no_permit_after_the_last_scan(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    guard.ready()
    scan = guard.scanner.scan

    def scan_last(due_s: float) -> None:
        scan(due_s)
        assert guard.scanner.permitted()
        guard.scanner.end()

    monkeypatch.setattr(guard.scanner, "scan", scan_last)
    guard.scanner.run()
    assert not guard.scanner.permitted()
    guard.lab.beat(guard.service, {}, ())
    assert "not complete, or too old" in guard.ask("close", output=F1, actor="ada")["reasons"][0]
    assert guard.hardware["safety-1"].coils[0] is False


def silent(guard: Guard) -> set[str]:
    """Modules that did not count in the last scan."""
    readings = guard.core._readings
    assert readings is not None
    return set(guard.modules) - readings.complete


def active(guard: Guard, key: str) -> bool:
    alarm = guard.core.alarms.get(key)
    return alarm is not None and alarm.active


def holds_within(condition: object, within_s: float = 5.0) -> bool:
    """Whether a condition comes true in time."""
    assert callable(condition)
    deadline_s = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline_s:
        threading.Event().wait(0.002)
    return bool(condition())
