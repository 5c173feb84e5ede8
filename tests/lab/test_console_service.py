from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.clock import JumpClock
from lab.console import service as service_module
from lab.console.errors import NotAllowedError, NotThereError, RefusedError, UnavailableError
from lab.console.service import LabService
from lab.errors import LabError
from lab.safety.commands.leases import LeaseError, Mode
from tests.lab.front import Front, opened, person

VERA, OTTO, OLGA, ADAM = (person(name) for name in ("vera", "otto", "olga", "adam"))


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with opened(tmp_path) as front:
        yield front


# ---------------------------------------------------------------- looking


def test_the_state_shows_each_device_with_readings_ages_and_who_has_it(front: Front) -> None:
    front.leases.take("otto", Mode.MANUAL, {"furnace-1"})
    front.furnace.at_s = front.service._parts.clock.now() - 2.0
    state = front.service.snapshot(VERA)
    device = state["devices"]["furnace-1"]
    reading = device["readings"]["reading_degc"]
    assert (reading["value"], reading["unit"]) == (412.5, "degC")
    assert reading["age_s"] == pytest.approx(2.0, abs=0.5)
    assert (device["lease"]["holder"], device["lease"]["mode"]) == ("otto", "manual")
    assert (state["lab"], state["world"], state["safety"]["scan"]) == ("powder-1", "simulated", 1)


def test_a_reading_that_is_no_number_is_unknown(front: Front) -> None:
    front.furnace.reading_degc = math.nan
    assert front.service.look()["devices"]["furnace-1"]["readings"]["reading_degc"]["value"] is None


def test_the_live_state_has_no_ages_for_they_change_by_themselves(front: Front) -> None:
    readings = front.service.look()["devices"]["furnace-1"]["readings"]
    assert readings.keys() == {"reading_degc", "comm_ok"}
    assert readings["reading_degc"].keys() == {"value", "unit", "at"}


def test_everybody_sees_what_is_armed_but_not_how_to_execute_it(front: Front) -> None:
    lease = front.service.take(OTTO, "furnace-1")["id"]
    armed = front.service.arm(OTTO, lease, "furnace-1", "set-setpoint", "400 degC")
    shown = front.service.look()["armed"]
    assert [entry["command"] for entry in shown] == ["set-setpoint 400 degC"]
    assert armed["token"] not in str(shown)


def test_what_is_held_and_locked_out_is_shown_at_its_device(front: Front) -> None:
    front.holds.hold("furnace-1", "held by otto: lunch")
    front.service.lock_out(OTTO, "furnace-1", "new thermocouple")
    device = front.service.look()["devices"]["furnace-1"]
    assert device["held"] == "held by otto: lunch"
    assert [(lock["who"], lock["reason"]) for lock in device["locked_out"]] == [("otto", "new thermocouple")]
    assert front.service.lock_outs(VERA)["lock_outs"] == device["locked_out"]


# ---------------------------------------------------------------- driving by hand


def test_a_person_takes_arms_executes_and_releases(front: Front) -> None:
    lease = front.service.take(OTTO, "furnace-1")["id"]
    assert front.service.leases(VERA)["leases"]["furnace-1"]["holder"] == "otto"
    armed = front.service.arm(OTTO, lease, "furnace-1", "set-setpoint", "400 degC")
    given = front.service.execute(OTTO, armed["token"])
    assert (given["what"], given["person"]) == ("furnace-1 set-setpoint 400 degC", "otto")
    ended = _ended(front, given["command"])
    assert (ended["phase"], ended["result"]["done"]) == ("done", True)
    assert front.service.release(OTTO, lease)["notes"] == ["furnace-1 goes to its safe state"]
    assert [did[0] for did in front.hands.did] == ["take", "arm", "execute", "release"]


def _ended(front: Front, command: str) -> dict[str, Any]:
    while (found := front.service.command(VERA, command))["phase"] == "running":
        pass
    return found


def test_executing_does_not_wait_for_the_device(front: Front) -> None:
    front.hands.waits = threading.Event()
    command = front.service.execute(OTTO, "t1")
    assert front.service.command(VERA, command["command"])["phase"] == "running"
    front.hands.waits.set()
    assert _ended(front, command["command"])["phase"] == "failed"


def test_what_was_not_armed_fails_with_a_sentence(front: Front) -> None:
    ended = _ended(front, front.service.execute(OTTO, "nothing")["command"])
    assert ended["error"] == "this command is not armed, or was executed already: arm it again"


def test_a_lease_of_somebody_else_gives_no_right(front: Front) -> None:
    lease = front.leases.take("olaf", Mode.MANUAL, {"furnace-1"}).id
    attempts: list[Callable[[], object]] = [
        lambda: front.service.renew(OTTO, lease),
        lambda: front.service.release(OTTO, lease),
        lambda: front.service.arm(OTTO, lease, "furnace-1", "set-setpoint", "400 degC"),
    ]
    for attempt in attempts:
        with pytest.raises(NotAllowedError, match=r"lease olaf#1 is olaf's, not otto's"):
            attempt()
    assert front.hands.did == []


def test_a_lease_that_has_ended_is_told_by_the_book(front: Front) -> None:
    with pytest.raises(LeaseError, match="there is no lease otto#9"):
        front.service.renew(OTTO, "otto#9")


def test_a_device_that_somebody_else_drives_cannot_be_taken(front: Front) -> None:
    front.leases.take("olaf", Mode.MANUAL, {"furnace-1"})
    with pytest.raises(LeaseError, match="driven by olaf"):
        front.service.take(OTTO, "furnace-1")


# ---------------------------------------------------------------- who may


def test_a_viewer_can_do_nothing_but_look_and_stop(front: Front) -> None:
    service = front.service
    attempts: list[Callable[[], object]] = [
        lambda: service.take(VERA, "furnace-1"),
        lambda: service.renew(VERA, "l1"),
        lambda: service.release(VERA, "l1"),
        lambda: service.arm(VERA, "l1", "furnace-1", "stop"),
        lambda: service.execute(VERA, "t1"),
        lambda: service.hold(VERA, "campaign", "why"),
        lambda: service.resume(VERA, "campaign"),
        lambda: service.lock_out(VERA, "furnace-1", "why"),
        lambda: service.remove_lock_out(VERA, "furnace-1"),
        lambda: service.acknowledge(VERA, "a"),
        lambda: service.shelve(VERA, "a", 60.0, "why"),
        lambda: service.unshelve(VERA, "a"),
        lambda: service.out_of_service(VERA, "a", "why"),
        lambda: service.in_service(VERA, "a"),
        lambda: service.request_bypass(VERA, "F1", "why", 60.0, "guard"),
        lambda: service.reset(VERA),
        lambda: service.rearm(VERA, "safety-1"),
    ]
    for attempt in attempts:
        with pytest.raises(NotAllowedError, match=r"vera \(viewer\) may not"):
            attempt()
    assert (front.hands.did, front.supervisor.asked) == ([], [])
    assert service.stop("vera")["stopped"] is True


def test_an_admin_does_not_drive_and_a_safety_officer_does_not_either(front: Front) -> None:
    for somebody in (ADAM, OLGA):
        with pytest.raises(NotAllowedError, match="that needs the scope manual:low"):
            front.service.take(somebody, "furnace-1")


# ---------------------------------------------------------------- recipes and lock-outs


def test_holding_and_resuming_name_the_person_and_the_role(front: Front) -> None:
    front.service.hold(OTTO, "campaign", "lunch")
    front.service.resume(OTTO, "furnace-1")
    assert front.hands.did == [("hold", "campaign", "otto", "lunch"), ("resume", "furnace-1", "otto", "operator")]


def test_a_lock_is_taken_off_by_its_owner_or_by_a_safety_officer(front: Front) -> None:
    front.service.lock_out(OTTO, "furnace-1", "new thermocouple")
    olaf = type(OTTO)("olaf", OTTO.roles)
    with pytest.raises(NotAllowedError, match=r"the lock on furnace-1 is otto's: otto or a safety officer"):
        front.service.remove_lock_out(olaf, "furnace-1", of="otto")
    with pytest.raises(LeaseError, match="furnace-1 has no lock of olaf"):
        front.service.remove_lock_out(olaf, "furnace-1")
    assert front.service.remove_lock_out(OLGA, "furnace-1", of="otto") == {"removed": "furnace-1", "left": []}
    front.service.lock_out(OTTO, "furnace-1", "again")
    front.service.lock_out(olaf, "furnace-1", "me too")
    left = front.service.remove_lock_out(OTTO, "furnace-1")["left"]
    assert len(left) == 1
    assert "locked out by olaf" in left[0]
    assert front.notes.records[:2] == [
        {
            "action": "lock-out",
            "who": "otto",
            "role": "operator",
            "session": "session 0",
            "device": "furnace-1",
            "reason": "new thermocouple",
        },
        {
            "action": "lock-out-removed",
            "who": "olga",
            "role": "safety_officer",
            "session": "session 0",
            "device": "furnace-1",
            "before": "otto",
        },
    ]


def test_what_is_no_device_cannot_be_locked_out(front: Front) -> None:
    with pytest.raises(NotThereError, match="no device is named 'furnace-9': there are furnace-1"):
        front.service.lock_out(OTTO, "furnace-9", "why")


# ---------------------------------------------------------------- what the supervisor is asked


def test_the_supervisor_is_told_who_asks(front: Front) -> None:
    service = front.service
    service.acknowledge(OTTO, "a")
    service.shelve(OTTO, "a", 60.0, "known")
    service.unshelve(OTTO, "a")
    service.out_of_service(OLGA, "a", "broken")
    service.in_service(OLGA, "a")
    service.request_bypass(OTTO, "F1-DOOR", "test", 60.0, "a guard")
    service.end_bypass(VERA, "b1")
    service.reset(OLGA)
    service.rearm(OTTO, "safety-1")
    assert front.supervisor.asked == [
        {"do": "ack", "actor": "otto", "key": "a"},
        {"do": "shelve", "actor": "otto", "key": "a", "for_s": 60.0, "reason": "known"},
        {"do": "unshelve", "actor": "otto", "key": "a"},
        {"do": "out-of-service", "actor": "olga", "key": "a", "reason": "broken"},
        {"do": "in-service", "actor": "olga", "key": "a"},
        {
            "do": "bypass",
            "actor": "otto",
            "rule": "F1-DOOR",
            "reason": "test",
            "for_s": 60.0,
            "measure": "a guard",
        },
        {"do": "end-bypass", "actor": "vera", "bypass": "b1"},
        {"do": "reset", "actor": "olga", "role": "safety_officer"},
        {"do": "rearm", "actor": "otto", "module": "safety-1", "role": "operator"},
    ]


def test_a_refusal_carries_every_reason(front: Front) -> None:
    front.supervisor.answers["reset"] = {"ok": False, "reasons": ["f1.over is 1200 degC", "f2.door is open"]}
    with pytest.raises(RefusedError, match=r"^reset was refused: f1.over is 1200 degC; f2.door is open$") as caught:
        front.service.reset(OTTO)
    assert caught.value.reasons == ("f1.over is 1200 degC", "f2.door is open")


def test_an_answer_that_says_nothing_is_no_consent(front: Front) -> None:
    front.supervisor.answers["reset"] = {"ok": None}
    with pytest.raises(RefusedError, match="gave no reason"):
        front.service.reset(OTTO)


def test_stop_is_passed_on_with_what_acknowledged(front: Front) -> None:
    front.supervisor.answers["stop"] = {"acknowledged": {"f1.heater": 12.5, "f2.heater": None}}
    assert front.service.stop("somebody") == {
        "stopped": True,
        "acknowledged": {"f1.heater": 12.5, "f2.heater": None},
    }
    assert front.supervisor.asked == [{"do": "stop", "actor": "somebody"}]


def test_alarms_bypasses_and_the_audit_head_are_for_everybody_known(front: Front) -> None:
    front.supervisor.answers["alarms"] = {"alarms": [{"key": "a"}]}
    front.supervisor.state["bypasses"] = [{"id": "b1"}]
    assert front.service.alarms(VERA, history=True) == {"alarms": [{"key": "a"}]}
    assert front.supervisor.asked == [{"do": "alarms", "history": True}]
    assert front.service.bypasses(VERA) == {"bypasses": [{"id": "b1"}]}
    assert front.service.audit_head(VERA) == {"n": 0, "hash": "5afe", "file": "audit.jsonl"}


def test_a_laboratory_that_does_not_answer_in_time_is_no_refusal(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "ACT_WITHIN_S", 0.01)
    front.supervisor.hangs = threading.Event()
    with pytest.raises(UnavailableError, match=r"reset was not done within 0\.01 s and may be done yet"):
        front.service.reset(OTTO)
    front.supervisor.hangs.set()


# ---------------------------------------------------------------- time that jumps


def test_requests_are_done_in_a_turn_of_the_clock_also_where_time_jumps(front: Front) -> None:
    clock = JumpClock()
    jumping = LabService(replace(front.service._parts, clock=clock))
    front.hands.refuses["take"] = LabError("time jumps in this run")

    def ask() -> None:
        with pytest.raises(LabError, match="time jumps"):
            jumping.take(OTTO, "furnace-1")
        jumping.reset(OTTO)
        over.set()

    over = clock.event()
    asking = threading.Thread(target=ask)
    asking.start()
    while not over.is_set():
        clock.sleep_until(clock.now() + 60.0)
    asking.join()
    assert front.supervisor.asked == [{"do": "reset", "actor": "otto", "role": "operator"}]
