from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers.clock import JumpClock
from drivers.devices.safety_io import ANALOGUE_SIGNALS, COIL_SIGNALS, INPUT_SIGNALS
from drivers.gate import DriverError
from drivers.status import ActionStatus
from lab.records.journal import Journal, JournalError, read_journal
from lab.safety.alarms.book import AlarmBook
from lab.safety.audit.log import AuditLog
from lab.safety.interlocks.language import parse_expression
from lab.safety.interlocks.rules import Interlocks, Output, Rule, Signal
from lab.safety.judging.bypass import BypassBook
from lab.safety.judging.core import SafetyCore
from lab.safety.judging.monitor import SafetyMonitor
from lab.safety.judging.pace import JUMP_SCAN_S, fitted

UNITS: dict[str, str | None] = {"over": "degC", "door": None, "heater": None}
INTERLOCKS = Interlocks(
    {
        "over": Signal("over", "safety-1", "ai1", "degC", -20.0, 1350.0, 1.0),
        "door": Signal("door", "safety-1", "di1", None, -math.inf, math.inf, 1.0),
    },
    {"heater": Output("heater", "safety-1", "do1")},
    (
        Rule("OVER", "trip", "heater", parse_expression("over > 1150 degC", UNITS), "check"),
        Rule("HEAT", "interlock", "heater", parse_expression("door", UNITS), "close the door"),
    ),
    (),
)


class Value:
    def __init__(self, value: float) -> None:
        self.value = value

    def get(self) -> float:
        return self.value


@dataclass
class Module:
    """A safety module that does at once what it is told."""

    ai1_degc: Value = field(default_factory=lambda: Value(25.0))
    door_closed: Value = field(default_factory=lambda: Value(1.0))
    contactor_closed: Value = field(default_factory=lambda: Value(0.0))
    contactor_permit: Value = field(default_factory=lambda: Value(0.0))
    age_s: Value = field(default_factory=lambda: Value(0.0))
    comm_ok: Value = field(default_factory=lambda: Value(1.0))
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    error: DriverError | None = None
    refuses: DriverError | None = None
    hangs: bool = False

    def __post_init__(self) -> None:
        for name in (*INPUT_SIGNALS, *ANALOGUE_SIGNALS, *COIL_SIGNALS):
            if not hasattr(self, name):
                setattr(self, name, Value(math.nan))
        self.watchdog = Value(math.nan)

    def set(self, verb: str, /, **arguments: Any) -> ActionStatus:
        if self.refuses is not None:
            raise self.refuses
        self.told.append((verb, arguments))
        if verb == "open-contactor":
            self.contactor_closed.value = self.contactor_permit.value = 0.0
        status = ActionStatus("safety-1", verb)
        if self.hangs:
            return status
        if self.error is None:
            status.set_finished()
        else:
            status.set_exception(self.error)
        return status

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.told]


@dataclass
class Lab:
    """A monitor over one module, and its journal."""

    folder: Path

    def __post_init__(self) -> None:
        self.clock = JumpClock(0.0)
        self.module = Module()
        self.journal = Journal(self.folder / "journal.jsonl", self.clock, "simulated")
        rules, _ = fitted(INTERLOCKS, JUMP_SCAN_S)
        self.audit = AuditLog(self.folder / "audit.jsonl", version="test", rules="")
        core = SafetyCore(
            rules,
            alarms=AlarmBook(self.clock.now, None),
            audit=self.audit,
            bypasses=BypassBook(self.clock.now),
            now=self.clock.now,
        )
        self.monitor = SafetyMonitor(core, self.clock, self.journal, dict)

    def start(self) -> None:
        self.monitor.start({"safety-1": self.module}, {"safety-1": 1.0}, "operator")

    def pass_scans(self, count: int = 1) -> None:
        self.clock.sleep_until(self.clock.now() + count * JUMP_SCAN_S)

    def entries(self, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in read_journal(self.journal.path) if entry["kind"] == kind]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.module.error, lab.module.hangs = None, False
    lab.monitor.close()
    lab.journal.close()
    lab.audit.close()


def test_it_boots_tripped_and_blind(lab: Lab) -> None:
    assert lab.monitor.tripped() == ("start-up",)
    assert lab.monitor.values() == {"over": None, "door": None, "heater": None}


def test_starting_looks_first_then_starts_the_watchdog_and_resets(lab: Lab) -> None:
    lab.start()
    assert lab.module.verbs == ["scan", "start-watchdog", "pet"]
    assert lab.monitor.tripped() == ()
    assert lab.monitor.values() == {"over": 25.0, "door": True, "heater": False}
    (entry,) = lab.entries("reset")
    assert (entry["actor"], entry["after"]) == ("operator", [])


def test_a_watchdog_shorter_than_three_scans_is_made_longer_and_that_is_logged(lab: Lab) -> None:
    lab.start()
    assert lab.module.told[1] == ("start-watchdog", {"timeout_s": 180.0})
    (entry,) = lab.entries("timeout-raised")
    assert (entry["device"], entry["asked_s"], entry["used_s"]) == ("safety-1", 1.0, 180.0)


def test_it_stays_tripped_when_the_start_finds_a_cause(lab: Lab) -> None:
    lab.module.ai1_degc.value = 1200.0
    lab.start()
    assert lab.monitor.tripped() == ("OVER",)


def test_a_trip_opens_the_contactor_latches_and_is_written(lab: Lab) -> None:
    lab.start()
    lab.pass_scans()
    lab.module.contactor_closed.value = 1.0
    lab.module.ai1_degc.value = 1151.0
    lab.pass_scans()
    assert lab.module.contactor_closed.value == 0.0
    lab.module.ai1_degc.value = 25.0
    lab.pass_scans()
    assert lab.monitor.tripped() == ("OVER",)
    assert [entry["tripped"] for entry in lab.entries("safety")] == [["OVER"]]


def test_a_reset_works_only_when_the_cause_is_gone_and_says_who_did_it(lab: Lab) -> None:
    lab.start()
    lab.module.ai1_degc.value = 1151.0
    lab.pass_scans()
    assert lab.monitor.reset("ada") == ("OVER: its condition goes on: check",)
    assert lab.monitor.tripped() == ("OVER",)
    lab.module.ai1_degc.value = 25.0
    assert lab.monitor.reset("ada") == ()
    lab.pass_scans()
    assert lab.monitor.tripped() == ()
    assert [(entry["actor"], entry["after"]) for entry in lab.entries("reset")][1:] == [("ada", ["OVER"]), ("ada", [])]


def test_a_reset_never_closes_a_contactor(lab: Lab) -> None:
    lab.start()
    lab.pass_scans()
    assert "close-contactor" not in lab.module.verbs


def test_an_open_door_opens_the_contactor_and_clears_by_itself(lab: Lab) -> None:
    lab.start()
    lab.module.contactor_closed.value = 1.0
    lab.module.door_closed.value = 0.0
    lab.pass_scans()
    assert lab.module.contactor_closed.value == 0.0
    lab.module.door_closed.value = 1.0
    lab.pass_scans()
    assert lab.monitor.tripped() == ()
    assert [entry["interlocked"] for entry in lab.entries("safety")] == [["heater"], []]


def make_stale(module: Module) -> None:
    module.age_s.value = 10_000.0


def make_broken(module: Module) -> None:
    module.ai1_degc.value = math.nan


def make_impossible(module: Module) -> None:
    module.ai1_degc.value = 1400.0


@pytest.mark.parametrize("spoil", [make_stale, make_broken, make_impossible])
def test_a_reading_that_cannot_be_believed_trips(lab: Lab, spoil: Callable[[Module], None]) -> None:
    lab.start()
    spoil(lab.module)
    assert lab.monitor.values()["over"] is None
    lab.pass_scans()
    assert lab.monitor.tripped() == ("OVER",)


def test_an_unknown_contactor_is_opened_like_a_closed_one(lab: Lab) -> None:
    lab.start()
    lab.module.contactor_closed.value = math.nan
    lab.module.ai1_degc.value = 1200.0
    lab.pass_scans()
    assert "open-contactor" in lab.module.verbs


def test_the_watchdog_is_petted_at_each_scan_only_while_the_module_answers(lab: Lab) -> None:
    lab.start()
    lab.pass_scans(3)
    petted = lab.module.verbs.count("pet")
    assert petted >= 3
    lab.module.comm_ok.value = 0.0
    lab.pass_scans(3)
    assert lab.module.verbs.count("pet") == petted


def test_a_monitor_that_scans_no_more_locks_heating_out(lab: Lab) -> None:
    lab.start()
    lab.pass_scans(2)
    assert lab.monitor.tripped() == ()
    lab.monitor._wake.wait = lambda deadline_s=None: lab.clock.event().wait(lab.clock.now() + 1e6)  # type: ignore[method-assign]
    lab.pass_scans(5)
    (cause,) = lab.monitor.tripped()
    assert cause.startswith("the safety monitor (silent for ")
    lab.clock.sleep_until(lab.clock.now() + 1e6)


def test_closing_opens_every_contactor(lab: Lab) -> None:
    lab.start()
    lab.module.contactor_closed.value = 1.0
    lab.monitor.close()
    assert lab.module.verbs[-1] == "open-contactor"


def test_a_contactor_that_is_not_confirmed_open_at_the_end_is_an_alarm(lab: Lab) -> None:
    lab.start()
    lab.module.error = DriverError("safety-1: no answer")
    lab.monitor.close()
    (alarm,) = lab.entries("alarm")
    assert alarm["device"] == "safety-1"
    assert "contactor not confirmed open: safety-1: no answer" in alarm["text"]


def test_closing_locks_heating_out_before_anybody_else_gets_a_turn(lab: Lab) -> None:
    lab.start()
    lab.monitor.close()
    assert lab.monitor.tripped()[0] == "closing"


def test_a_module_that_cannot_be_told_anything_does_not_keep_the_monitor_from_scanning(lab: Lab) -> None:
    lab.start()
    lab.module.refuses = DriverError("safety-1: its bus has ended")
    lab.pass_scans(3)
    assert lab.monitor.tripped() == ()
    assert {entry["device"] for entry in lab.entries("alarm")} == {"safety-1"}
    lab.module.refuses = None


def test_a_module_that_does_not_answer_at_the_start_keeps_the_lab_shut(lab: Lab) -> None:
    lab.module.error = DriverError("safety-1: no answer")
    with pytest.raises(DriverError, match="no answer"):
        lab.start()
    assert lab.monitor.tripped() == ("start-up",)


def test_a_module_that_never_ends_a_verb_is_given_up_after_a_minute(lab: Lab) -> None:
    lab.module.hangs = True
    with pytest.raises(DriverError, match=r"safety-1: scan did not end within 60 s: look at the module"):
        lab.start()
    assert lab.clock.now() == pytest.approx(60.0)
    assert lab.monitor.tripped() == ("start-up",)


def test_a_contactor_that_never_answers_at_the_end_is_an_alarm(lab: Lab) -> None:
    lab.start()
    lab.module.hangs = True
    lab.monitor.close()
    (alarm,) = lab.entries("alarm")
    assert "safety-1: open-contactor did not end within 60 s" in alarm["text"]


def fail_to_write(*_: object, **__: object) -> None:
    raise JournalError("journal.jsonl: entry 9 was not written (No space left on device): make room and start again")


def test_a_full_disk_keeps_no_module_from_being_told_and_the_monitor_scanning(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.start()
    lab.pass_scans()
    lab.module.contactor_closed.value = 1.0
    with monkeypatch.context() as patch:
        patch.setattr(lab.journal, "write", fail_to_write)
        lab.module.door_closed.value = 0.0
        lab.pass_scans()
        assert lab.module.contactor_closed.value == 0.0
        alarm = lab.monitor.core.alarms.get("journal")
        assert alarm is not None
        assert "No space left" in alarm.text
        petted = lab.module.verbs.count("pet")
        lab.pass_scans(2)
        assert lab.module.verbs.count("pet") > petted


def test_a_module_that_cannot_be_told_is_an_alarm_also_on_a_full_disk_and_the_others_are_told(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf, other = lab.module, Module()
    lab.monitor.start({"safety-1": deaf, "safety-2": other}, {"safety-1": 1.0, "safety-2": 1.0}, "operator")
    deaf.refuses = DriverError("safety-1: its bus has ended")
    with monkeypatch.context() as patch:
        patch.setattr(lab.journal, "write", fail_to_write)
        lab.monitor.shut("the end of the test")
    assert other.verbs[-1] == "open-contactor"
    alarm = lab.monitor.core.alarms.get("module:safety-1")
    assert alarm is not None
    assert "open-contactor was not sent" in alarm.text
    deaf.refuses = None


def test_a_contactor_that_only_the_stop_loop_holds_open_loses_its_permit_too(lab: Lab) -> None:
    lab.start()
    lab.module.contactor_permit.value = 1.0
    lab.module.door_closed.value = 0.0
    lab.pass_scans()
    assert lab.module.contactor_permit.value == 0.0


def test_a_stop_from_another_thread_opens_at_the_next_turn_before_time_goes_on(lab: Lab) -> None:
    lab.start()
    lab.pass_scans()
    lab.module.contactor_closed.value = 1.0
    before_s = lab.clock.now()
    asked = threading.Thread(target=lambda: lab.monitor.request({"do": "stop", "actor": "ana"}))
    asked.start()
    asked.join()
    lab.clock.sleep_until(before_s + 0.001)
    assert lab.module.contactor_closed.value == 0.0
    assert lab.monitor.tripped() == ("STOP by ana",)


def test_what_tripped_is_in_the_snapshot_with_what_to_do(lab: Lab) -> None:
    lab.start()
    lab.module.ai1_degc.value = 1151.0
    lab.pass_scans()
    (latch,) = lab.monitor.snapshot()["tripped"]
    assert (latch["cause"], latch["targets"], latch["guidance"]) == ("OVER", ("heater",), "check")
