"""Closing, opening, re-arming and resetting."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.safety.audit.chain import AuditError
from lab.safety.judging.scan import BOOT
from lab.safety.supervisor import outputs as supervisor_outputs
from tests.lab.guarded import F1, F2, RUNNING, SHELL, Guard, scanning


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    guard = Guard(tmp_path)
    yield guard
    guard.close()


def test_an_output_closes_when_everything_is_as_it_must_be(guard: Guard) -> None:
    guard.ready()
    with scanning(guard):
        assert guard.ask("close", output=F1, actor="ada", role="operator")["ok"]
    assert guard.hardware["safety-1"].inputs[5] is True
    records = [json.loads(line) for line in guard.audit.path.read_text().splitlines()]
    (record,) = [record for record in records if record["action"] == "close"]
    assert (record["who"], record["role"], record["device"]) == ("ada", "operator", F1)


def test_what_has_tripped_does_not_close(guard: Guard) -> None:
    guard.lab.hello(guard.service, SHELL, ())
    guard.scan()
    answered = guard.ask("close", output=F1, actor="ada")
    assert not answered["ok"]
    assert BOOT in answered["reasons"][0]
    assert (0, True) not in guard.hardware["safety-1"].told


def test_nothing_closes_without_the_lab_service_or_a_permit(guard: Guard) -> None:
    guard.scan()
    guard.ask("reset", actor="ada")
    guard.scanner.scan(0.0)
    assert guard.outputs.close(F1, "ada", None)["reasons"] == [
        "the lab service is gone, and nothing hazardous starts without it"
    ]
    guard.lab.hello(guard.service, SHELL, ())
    guard.lab.beat(guard.service, {}, ())
    guard.scanner.scan(0.0)  # very late
    (reason,) = guard.ask("close", output=F1, actor="ada")["reasons"]
    assert "not complete, or too old" in reason
    assert guard.hardware["safety-1"].coils[0] is False


def test_an_output_that_nobody_declared_is_refused_with_those_that_are(guard: Guard) -> None:
    guard.ready()
    for verb in ("close", "open"):
        (reason,) = guard.ask(verb, output="f9.heater", actor="ada")["reasons"]
        assert "f1.heater, f2.heater" in reason


def test_what_cannot_be_written_down_is_not_closed(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    guard.ready()

    def full(*_: object, **__: object) -> None:
        raise AuditError("audit.jsonl: no space left: make room on the disk")

    monkeypatch.setattr(guard.audit, "write", full)
    assert "no space left" in guard.ask("close", output=F1, actor="ada")["reasons"][0]
    assert guard.hardware["safety-1"].coils[0] is False


def test_a_contactor_that_does_not_close_is_opened_again_and_trips(guard: Guard) -> None:
    guard.ready()
    module = guard.hardware["safety-1"]
    module.loop = False
    with scanning(guard):
        answered = guard.ask("close", output=F1, actor="ada")
    assert not answered["ok"]
    assert "opened again" in answered["reasons"][0]
    assert module.coils[0] is False
    assert guard.causes() == ["command mismatch: f1.heater is told to be closed and is open"]


def test_a_close_whose_answer_is_lost_is_opened_again(guard: Guard) -> None:
    guard.ready()
    module = guard.hardware["safety-1"]

    def be_silent(coil: int, closed: bool) -> None:
        module.on_write = lambda coil, closed: None
        raise_silence()

    module.on_write = be_silent
    answered = guard.ask("close", output=F1, actor="ada")
    assert not answered["ok"]
    guard.scan(2)
    assert module.coils[0] is False


def test_an_open_needs_nothing_and_is_written_down_after(guard: Guard) -> None:
    guard.ready()
    with scanning(guard):
        guard.ask("close", output=F1, actor="ada")
    assert guard.ask("open", output=F1, actor="eve")["ok"]
    assert guard.hardware["safety-1"].inputs[5] is False
    assert guard.scribe.flush(5.0)
    assert '"action":"open"' in guard.audit.path.read_text()


def test_an_open_that_nobody_acknowledges_says_so(guard: Guard) -> None:
    guard.ready()
    guard.hardware["safety-2"].silent = True
    answered = guard.ask("open", output=F2, actor="eve")
    assert "did not acknowledge" in answered["reasons"][0]


def test_an_expired_watchdog_needs_a_person_and_then_a_reset(guard: Guard) -> None:
    guard.ready()
    module = guard.hardware["safety-1"]
    module.expire()
    guard.scan()
    refusal = guard.ask("reset", actor="ada")
    assert refusal["reasons"] == ["watchdog of safety-1 expired: re-arm it first"]
    assert guard.causes() == ["watchdog of safety-1 expired"]
    with scanning(guard):
        assert guard.ask("rearm", module="safety-1", actor="ada", role="operator")["ok"]
    assert module.words[2] == RUNNING
    assert guard.causes() == ["watchdog of safety-1 expired"]
    assert module.coils[0] is False
    assert guard.ask("reset", actor="ada")["ok"]
    assert guard.causes() == []
    assert '"action":"rearm"' in guard.audit.path.read_text()


def test_there_is_nothing_to_rearm_where_nothing_expired(guard: Guard) -> None:
    guard.ready()
    assert "has not expired" in guard.ask("rearm", module="safety-1", actor="ada")["reasons"][0]
    assert "safety-1, safety-2" in guard.ask("rearm", module="safety-9", actor="ada")["reasons"][0]


def test_a_reset_keeps_what_still_has_its_cause_and_clears_the_rest(guard: Guard) -> None:
    guard.ready()
    guard.hardware["safety-1"].analogue[0] = 12000
    guard.scan()
    guard.stopper.stop("ada")
    assert guard.causes() == ["F1-OVER", "STOP by ada"]
    (reason,) = guard.ask("reset", actor="ada")["reasons"]
    assert "F1-OVER" in reason
    assert guard.causes() == ["F1-OVER"]
    guard.hardware["safety-1"].analogue[0] = 250
    guard.scan()
    assert guard.causes() == ["F1-OVER"], "a trip latches"
    assert guard.ask("reset", actor="ada")["ok"]
    assert guard.causes() == []


def test_a_reset_gives_ability_back_and_never_demand(guard: Guard) -> None:
    guard.ready()
    with scanning(guard):
        guard.ask("close", output=F1, actor="ada")
        guard.stopper.stop("ada")
        assert guard.ask("reset", actor="ada")["ok"]
    guard.scan(3)
    assert guard.hardware["safety-1"].coils[0] is False


def test_a_reset_waits_until_what_happened_is_written(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_outputs, "WRITTEN_S", 0.001)
    guard.scan()
    monkeypatch.setattr(guard.scribe, "flush", lambda within_s: False)
    (reason,) = guard.ask("reset", actor="ada")["reasons"]
    assert "not on the disk" in reason
    assert guard.causes() == [BOOT]


def during_flush(guard: Guard, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Have something happen while a reset waits for the disk."""
    flush = guard.scribe.flush

    def wait(within_s: float) -> bool:
        happens()
        return flush(within_s)

    monkeypatch.setattr(guard.scribe, "flush", wait)


def test_a_reset_clears_no_stop_that_comes_while_it_waits(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    guard.scan()
    during_flush(guard, monkeypatch, lambda: guard.stopper.stop("eve"))
    answered = guard.ask("reset", actor="ada")
    assert answered["reasons"] == ["STOP by eve came after the reset was asked for: look at it, then reset again"]
    assert guard.causes() == ["STOP by eve"]


def test_a_second_stop_while_a_reset_waits_keeps_the_latch_that_they_share(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard.scan()
    guard.stopper.stop("bob")
    during_flush(guard, monkeypatch, lambda: guard.stopper.stop("eve"))
    assert not guard.ask("reset", actor="ada")["ok"]
    assert guard.causes() == ["STOP by bob"]
    monkeypatch.undo()
    assert guard.ask("reset", actor="ada")["ok"]


def test_a_reset_clears_only_what_its_request_says_was_seen(guard: Guard) -> None:
    guard.scan()
    (boot,) = guard.core.state.tripped
    guard.stopper.stop("eve")
    (reason,) = guard.ask("reset", actor="ada", seen=[[boot.cause, boot.at_s]])["reasons"]
    assert reason.startswith("STOP by eve came after")
    assert guard.causes() == ["STOP by eve"]


@pytest.mark.parametrize("seen", [5, "all", [5], [["STOP by eve"]], [[1, 2.0]], [["STOP by eve", None]]])
def test_a_reset_that_names_no_latches_is_refused(guard: Guard, monkeypatch: pytest.MonkeyPatch, seen: object) -> None:
    guard.scan()
    during_flush(guard, monkeypatch, lambda: guard.stopper.stop("eve"))
    assert "give a list of latches" in guard.ask("reset", actor="ada", seen=seen)["reasons"][0]
    assert guard.causes() == [BOOT, "STOP by eve"]


def raise_silence() -> None:
    from drivers.errors import LinkError

    raise LinkError("safety-1: nobody answers")
