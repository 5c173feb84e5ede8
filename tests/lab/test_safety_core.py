from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.safety.alarms.book import AlarmBook
from lab.safety.audit.log import AuditError, AuditLog
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.language import parse_expression
from lab.safety.interlocks.rules import Interlocks, Output, Rule, Signal
from lab.safety.judging.bypass import BypassBook, BypassError
from lab.safety.judging.core import KEEP_AGAIN_S, UNREADABLE, SafetyCore
from lab.safety.judging.desk import answer
from lab.safety.judging.scan import BOOT, ActionKind, Readings

UNITS: dict[str, str | None] = {"over": "degC", "door": None, "water": None, "heater": None}


def rule(name: str, kind: str, when: str, **more: Any) -> Rule:
    return Rule(name, kind, "heater", parse_expression(when, UNITS), f"look at {name}", **more)  # type: ignore[arg-type]


def switch(name: str, channel: str) -> Signal:
    return Signal(name, "safety-1", channel, None, -math.inf, math.inf, 1.0)


INTERLOCKS = Interlocks(
    {
        "over": Signal("over", "safety-1", "ai1", "degC", -20.0, 1350.0, 1.0),
        "door": switch("door", "di1"),
        "water": switch("water", "di2"),
    },
    {"heater": Output("heater", "safety-1", "do1", 3600.0)},
    (
        rule("OVER", "trip", "over > 1150 degC"),
        rule("DOOR", "interlock", "door"),
        rule("WATER", "interlock", "water", bypassable=True),
    ),
    (),
    sha256="abc",
)
GOOD: dict[str, Value] = {"over": 25.0, "door": True, "water": True, "heater": False}


@dataclass
class Desk:
    """A core with everything that it writes to, and a clock to turn."""

    folder: Path
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.audit = AuditLog(self.folder / "audit.jsonl", version="test", rules="abc")
        self.boot()

    def boot(self) -> None:
        self.alarms = AlarmBook(lambda: self.now_s)
        self.core = SafetyCore(
            INTERLOCKS,
            alarms=self.alarms,
            audit=self.audit,
            bypasses=BypassBook(lambda: self.now_s),
            now=lambda: self.now_s,
            store=self.folder / "latches.json",
        )

    def scan(self, *, alive: bool = True, left: bool = False, running: bool = False, **changed: Value) -> set[str]:
        self.now_s += 0.1
        found = Readings(
            self.now_s,
            {**GOOD, **changed},
            frozenset({"safety-1"}),
            lab_alive=alive,
            lab_left=left,
            running=frozenset({"heater"} if running else ()),
        )
        actions = self.core.scan(found)
        self.core.settle()
        return {action.target for action in actions if action.kind is ActionKind.OPEN}

    def ready(self) -> None:
        self.scan()
        assert self.core.reset("ana") == ()

    def ask(self, **request: Any) -> dict[str, Any]:
        return answer(self.core, request)

    @property
    def causes(self) -> list[str]:
        return [latch.cause for latch in self.core.state.tripped]

    def written(self, action: str) -> list[dict[str, Any]]:
        lines = (self.folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()
        return [entry for entry in map(json.loads, lines) if entry["action"] == action]

    def shown(self) -> set[str]:
        return {alarm.key for alarm in self.alarms.active()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.audit.close()


def test_a_trip_survives_a_restart_as_the_first_cause(desk: Desk) -> None:
    desk.ready()
    desk.scan(over=1200.0)
    desk.boot()
    assert desk.causes == ["OVER", BOOT]
    desk.scan()
    assert desk.core.reset("ana") == ()
    desk.boot()
    assert desk.causes == [BOOT]


@pytest.mark.parametrize("text", ["", "{", "{}", "[5]", '[{"cause": "OVER"}]'])
def test_latches_that_cannot_be_read_are_a_latch_that_a_person_must_reset(desk: Desk, text: str) -> None:
    (desk.folder / "latches.json").write_text(text, encoding="utf-8")
    desk.boot()
    assert desk.causes == [UNREADABLE, BOOT]
    assert desk.core.state.tripped[0].targets == ("heater",)
    desk.scan()
    assert f"trip:{UNREADABLE}" in desk.shown()
    desk.boot()
    assert desk.causes == [UNREADABLE, BOOT], "a second start forgets it as little as the first"
    desk.ready()
    assert desk.causes == []


def test_a_lab_that_never_kept_latches_has_only_its_start_up(desk: Desk) -> None:
    assert desk.causes == [BOOT]


def test_latches_that_could_not_be_written_make_the_next_start_wait_for_a_person(desk: Desk) -> None:
    desk.ready()
    (desk.folder / "latches.new").mkdir()
    desk.scan(over=1200.0)
    assert "latches" in desk.shown()
    desk.boot()
    assert desk.causes == [UNREADABLE, BOOT]


def test_latches_are_written_again_until_they_are_kept(desk: Desk) -> None:
    desk.ready()
    (desk.folder / "latches.new").mkdir()
    desk.scan(over=1200.0)
    (desk.folder / "latches.new").rmdir()
    desk.scan()
    assert "latches" in desk.shown(), "not ten times a second"
    desk.now_s += KEEP_AGAIN_S
    desk.scan()
    assert "latches" not in desk.shown()
    desk.boot()
    assert desk.causes == ["OVER", BOOT]


def test_two_threads_that_keep_latches_wait_for_each_other_and_the_newest_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ready()
    writing, go_on = threading.Event(), threading.Event()

    def slow(_: int) -> None:
        writing.set()
        assert go_on.wait(5.0)

    monkeypatch.setattr("lab.safety.judging.core.os.fsync", slow)
    first = threading.Thread(target=desk.core._keep)
    first.start()
    assert writing.wait(5.0)
    desk.core.stop("ana")
    second = threading.Thread(target=desk.core._keep)
    second.start()
    go_on.set()
    first.join()
    second.join()
    kept = json.loads((desk.folder / "latches.json").read_text(encoding="utf-8"))
    assert [latch["cause"] for latch in kept] == ["STOP by ana"]
    assert "latches" not in desk.shown()


def test_a_trip_is_an_alarm_with_what_to_do_until_its_reset(desk: Desk) -> None:
    desk.ready()
    desk.scan(over=1200.0)
    alarm = desk.alarms.get("trip:OVER")
    assert alarm is not None
    assert (alarm.priority, alarm.guidance) == ("critical", "look at OVER")
    desk.scan()
    assert "trip:OVER" in desk.shown()
    desk.core.reset("ana")
    assert "trip:OVER" not in desk.shown()


def test_a_trip_is_in_the_audit_log_with_its_outputs_and_the_rules_hash(desk: Desk) -> None:
    desk.ready()
    desk.scan(over=1200.0)
    entry = desk.written("trip")[-1]
    assert (entry["after"], entry["more"]["targets"], entry["rules"]) == ("OVER", ["heater"], "abc")


def test_a_reset_is_written_before_it_happens_and_does_not_happen_where_it_cannot_be(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.scan()

    def refuse(*_: object, **__: object) -> None:
        raise AuditError("no room on the disk")

    monkeypatch.setattr(desk.audit, "write", refuse)
    with pytest.raises(AuditError):
        desk.core.reset("ana")
    assert desk.causes == [BOOT]


def test_nothing_is_reset_before_the_first_scan(desk: Desk) -> None:
    assert desk.core.reset("ana") == ("no scan was made yet: wait for the first one",)


def test_a_stop_latches_and_a_second_one_changes_nothing(desk: Desk) -> None:
    desk.ready()
    desk.core.stop("ana")
    desk.core.stop("ana")
    assert desk.causes == ["STOP by ana"]
    assert desk.scan(heater=True) == {"heater"}
    assert "trip:STOP by ana" in desk.shown()


def test_an_interlock_that_finds_its_output_open_tells_nobody(desk: Desk) -> None:
    desk.ready()
    desk.scan(door=False)
    assert "rule:DOOR" not in desk.shown()


def test_an_interlock_that_opens_an_output_is_an_alarm_that_goes_away_by_itself(desk: Desk) -> None:
    desk.ready()
    desk.scan(door=False, heater=True)
    alarm = desk.alarms.get("rule:DOOR")
    assert alarm is not None
    assert "door is off, and must be on" in alarm.text
    desk.scan()
    assert not alarm.first_out
    assert "rule:DOOR" not in {found.key for found in desk.alarms.active()}


def test_why_an_output_may_not_be_closed_names_every_reason(desk: Desk) -> None:
    assert any("did not answer" in why for why in desk.core.why_not_close("heater"))
    desk.scan(door=False)
    reasons = desk.core.why_not_close("heater")
    assert any(why.startswith("start-up has tripped") for why in reasons)
    assert any(why.startswith("DOOR: door is off, and must be on") for why in reasons)
    desk.ready()
    assert desk.core.why_not_close("heater") == ()
    assert desk.core.why_not_close("hater") == ("no output is named 'hater': there are heater",)


def test_nothing_is_closed_without_the_lab_service(desk: Desk) -> None:
    desk.ready()
    desk.scan(alive=False)
    assert any("lab service is gone" in why for why in desk.core.why_not_close("heater"))


def test_a_lost_lab_service_is_an_alarm_and_its_programmes_go_on(desk: Desk) -> None:
    desk.ready()
    desk.scan(heater=True, running=True)
    assert desk.scan(heater=True, alive=False, running=True) == set()
    assert "lab-lost" in desk.shown()
    assert desk.core.snapshot()["lab"]["continuing"]["heater"] == pytest.approx(3600.0)
    desk.scan(heater=True)
    assert "lab-lost" not in desk.shown()


def test_a_lab_service_that_has_left_is_no_alarm_and_its_outputs_do_what_is_declared(desk: Desk) -> None:
    desk.ready()
    desk.scan(heater=True, running=True)
    assert desk.scan(heater=True, alive=False, left=True, running=True) == set()
    assert desk.core.snapshot()["lab"]["alive"] is False
    desk.now_s += 3600.0
    assert desk.scan(heater=True, alive=False, left=True, running=True) == {"heater"}
    assert "lab-lost" not in desk.shown()
    assert len(desk.written("lab-left")) == 1
    assert desk.written("lab-lost") == []
    desk.scan()
    assert len(desk.written("lab-back")) == 1


def test_a_goodbye_after_the_loss_takes_the_alarm_from_nobody(desk: Desk) -> None:
    desk.ready()
    desk.scan(alive=False)
    desk.scan(alive=False, left=True)
    assert "lab-lost" in desk.shown()
    assert desk.written("lab-left") == []


def test_one_that_is_lost_after_another_has_left_is_an_alarm_also_when_no_scan_saw_it_alive(desk: Desk) -> None:
    desk.ready()
    desk.scan(alive=False, left=True)
    desk.scan(alive=False)
    assert "lab-lost" in desk.shown()


def test_a_lab_service_that_was_never_there_is_no_loss(desk: Desk) -> None:
    desk.scan(alive=False)
    assert "lab-lost" not in desk.shown()


# ---------------------------------------------------------------- bypasses


def bypassed(desk: Desk) -> str:
    asked = desk.core.request_bypass("WATER", reason="new pump", who="ana", for_s=600.0, measure="watch it")
    desk.core.approve_bypass(asked, "bo")
    return asked


def test_a_bypass_suspends_its_rule_until_it_expires(desk: Desk) -> None:
    desk.ready()
    desk.scan(water=False)
    bypassed(desk)
    assert desk.scan(water=False, heater=True) == set()
    assert "bypass:WATER" in desk.shown()
    desk.now_s += 601.0
    assert desk.scan(water=False, heater=True) == {"heater"}
    assert "bypass:WATER" not in desk.shown()


def test_a_bypass_is_over_when_its_input_is_good_again(desk: Desk) -> None:
    desk.ready()
    desk.scan(water=False)
    bypassed(desk)
    desk.scan(water=True)
    assert desk.scan(water=False, heater=True) == {"heater"}


def test_a_bypass_is_over_after_a_restart(desk: Desk) -> None:
    desk.ready()
    desk.scan(water=False)
    bypassed(desk)
    desk.boot()
    assert desk.core.bypasses.active() == frozenset()


def test_a_rule_that_may_not_be_bypassed_is_not(desk: Desk) -> None:
    with pytest.raises(BypassError, match="OVER"):
        desk.core.request_bypass("OVER", reason="hot", who="ana", for_s=60.0, measure="none")


# ---------------------------------------------------------------- the desk


def test_the_desk_answers_with_the_state(desk: Desk) -> None:
    desk.scan()
    state = desk.ask(do="state")["state"]
    assert state["tripped"][0]["cause"] == BOOT
    assert (state["values"]["door"], state["rules"]) == (True, "abc")
    json.dumps(state, allow_nan=False)


def test_the_desk_refuses_what_it_does_not_know_or_what_lacks_something(desk: Desk) -> None:
    assert "nothing is called 'open sesame'" in desk.ask(do="open sesame")["reasons"][0]
    assert desk.ask(do="reset")["reasons"] == ["reset came without actor: add it"]


def test_the_desk_resets_and_says_why_not(desk: Desk) -> None:
    desk.scan(over=1200.0)
    assert desk.ask(do="reset", actor="ana") == {
        "ok": False,
        "reasons": ["OVER: its condition goes on: look at OVER"],
    }
    desk.scan()
    assert desk.ask(do="reset", actor="ana")["ok"]


def test_the_desk_acknowledges_alarms_and_lists_them(desk: Desk) -> None:
    desk.ready()
    desk.scan(over=1200.0)
    assert desk.ask(do="ack", key="trip:OVER", actor="ana")["ok"]
    (alarm,) = [found for found in desk.ask(do="alarms")["alarms"] if found["key"] == "trip:OVER"]
    assert alarm["acknowledged_by"] == "ana"
    assert not desk.ask(do="ack", key="nothing", actor="ana")["ok"]


def test_the_lab_service_can_clear_no_alarm_but_its_own(desk: Desk) -> None:
    desk.ready()
    desk.scan(over=1200.0)
    told = {"text": "sample-001 hangs", "guidance": "look at it", "priority": "high", "source": "lab service"}
    assert desk.ask(do="raise", key="hang", **told)["ok"]
    assert desk.shown() == {"trip:OVER", "lab:hang"}
    desk.ask(do="clear", key="trip:OVER")
    desk.ask(do="clear", key="hang")
    assert "trip:OVER" in desk.shown()
    assert "lab:hang" not in {alarm.key for alarm in desk.alarms.active()}


def test_a_start_is_tripped_and_no_alarm(desk: Desk) -> None:
    desk.scan()
    assert desk.causes == [BOOT]
    assert desk.shown() == set()


def test_a_trip_can_be_reset_before_its_alarm_was_raised(desk: Desk) -> None:
    desk.ready()
    desk.core.stop("ana")
    assert desk.core.reset("bo") == ()
    assert desk.causes == []


def test_a_bypass_needs_an_approver_who_proves_to_be_one(desk: Desk) -> None:
    asked = desk.ask(do="bypass", rule="WATER", reason="new pump", actor="ana", for_s=60, measure="watch it")
    refusal = desk.ask(do="approve", bypass=asked["bypass"], user="bo", secret="guess")
    assert refusal["reasons"][0].startswith("bo is no safety officer")
    assert desk.core.bypasses.active() == frozenset()


def test_a_reset_clears_only_what_was_seen_and_says_so(desk: Desk) -> None:
    desk.scan()
    (boot,) = desk.core.state.tripped
    desk.core.stop("bo")
    assert desk.ask(do="reset", actor="ana", seen=[[boot.cause, boot.at_s]])["reasons"] == [
        "STOP by bo came after the reset was asked for: look at it, then reset again"
    ]
    assert desk.causes == ["STOP by bo"]
    stop = desk.core.state.tripped[0]
    assert not desk.ask(do="reset", actor="ana", seen=[[stop.cause, stop.at_s - 1.0]])["ok"], (
        "an older one of that name"
    )
    assert desk.ask(do="reset", actor="ana", seen=[[stop.cause, stop.at_s]])["ok"]
