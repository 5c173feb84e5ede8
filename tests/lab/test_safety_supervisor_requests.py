"""What the supervisor is asked over its socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.safety.interlocks.rules import Rule
from lab.safety.people.users import Costs, UserStore
from lab.safety.supervisor.requests import Requests
from tests.lab.guarded import F1, F2, RULES, FakePeer, Guard, scanning

CHEAP = Costs(passes=1, memory_kib=64, lanes=1)


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    rules = tuple(replace(rule, bypassable=True) for rule in RULES.rules)
    alarm = Rule("HOT", "alarm", "furnace 1 is hot", RULES.rules[1].when, "wait")
    guard = Guard(tmp_path, replace(RULES, rules=(*rules, alarm)))
    yield guard
    guard.close()


def test_the_state_is_that_of_the_newest_scan(guard: Guard) -> None:
    guard.scan(3)
    state = guard.ask("state")["state"]
    assert state["scan"] == 3
    assert state["modules"]["safety-1"]["watchdog"] == "running"
    assert state["modules"]["safety-1"]["outputs"] == {"do1": F1}
    assert state["world"] == "simulated"


def test_what_nobody_knows_is_refused_with_what_there_is(guard: Guard) -> None:
    (reason,) = guard.ask("explode")["reasons"]
    assert "nothing is called 'explode'" in reason
    assert "state, stop" in reason
    nonsense: list[object] = [None, 4, [], {}]
    for verb in nonsense:
        answered = guard.requests.answer(FakePeer(), {"id": 4, "do": verb})
        assert answered is not None
        assert answered["ok"] is False


@pytest.mark.parametrize(
    ("do", "fields", "message"),
    [
        ("close", {"output": 1, "actor": "ada"}, "output 1"),
        ("close", {"output": F1}, "actor None"),
        ("reset", {"actor": " "}, "actor ' '"),
        ("ack", {"key": "x", "actor": []}, "actor []"),
        ("ack", {"actor": "ada"}, "came without key"),
        ("shelve", {"key": "x", "actor": "ada", "for_s": "1", "reason": "r"}, "for_s '1'"),
        ("shelve", {"key": "x", "actor": "ada", "for_s": True, "reason": "r"}, "for_s True"),
        ("hello", {"role": "console"}, "role is 'console'"),
        ("hello", {"role": "lab", "devices": "all"}, "devices 'all'"),
        ("beat", {"values": []}, "values []"),
        ("beat", {"values": {}, "running": [1]}, "running [1]"),
        ("close", {"output": F1, "actor": "ada", "role": 3}, "role 3"),
        ("stop\n", {}, "on one line"),
        ("reset", {"actor": "\ud800"}, "on one line"),
        ("shelve", {"key": "x", "actor": "ada", "for_s": 10**400, "reason": "r"}, "give a number"),
        ("shelve", {"key": "x", "actor": "ada", "for_s": float("nan"), "reason": "r"}, "give a number"),
    ],
)
def test_a_request_that_means_nothing_is_refused_and_changes_nothing(
    guard: Guard, do: str, fields: dict[str, object], message: str
) -> None:
    guard.scan()
    before = guard.core.state
    answered = guard.ask(do, **fields)
    assert answered["ok"] is False
    assert message in answered["reasons"][0]
    assert guard.core.state is before


def test_only_a_connection_that_said_hello_may_beat(guard: Guard) -> None:
    peer = FakePeer(pid=11)
    assert guard.requests.answer(peer, {"do": "beat", "values": {}, "running": []}) is not None
    assert guard.requests.answer(peer, {"id": 1, "do": "hello", "role": "lab", "pid": 11, "lab": "powder-1"}) == {
        "ok": True,
        "id": 1,
    }
    values = {"f1.setpoint": 400, "f1.bad": "hot", "f1.none": None, "f1.huge": 10**400, "f1.nan": float("nan")}
    assert guard.requests.answer(peer, {"do": "beat", "values": values, "running": [F1]}) is None
    known = guard.lab.look()[1]
    assert known == {"f1.setpoint": 400.0, **dict.fromkeys(("f1.bad", "f1.none", "f1.huge", "f1.nan"))}
    guard.requests.gone(peer)
    assert guard.lab.look()[0] is False


def test_a_goodbye_opens_at_the_next_scan_like_a_loss_and_alarms_nobody(guard: Guard) -> None:
    guard.ready()
    with scanning(guard):
        assert guard.ask("close", output=F2, actor="ada")["ok"]
    assert guard.requests.answer(guard.service, {"do": "bye"}) is None
    guard.scanner.scan(time.monotonic())
    guard.modules["safety-2"]._opener.submit(lambda wire: None).result(1.0)
    assert guard.hardware["safety-2"].coils[0] is False
    assert guard.core.state.lab_lost_s is not None
    guard.core.settle()
    assert "lab-lost" not in {alarm.key for alarm in guard.core.alarms.active()}


def test_a_strangers_goodbye_hides_no_loss(guard: Guard) -> None:
    guard.ready()
    refused = guard.requests.answer(FakePeer(), {"id": 2, "do": "bye"})
    assert refused is not None
    assert "nobody has left" in refused["reasons"][0]
    guard.requests.gone(guard.service)
    guard.requests.answer(FakePeer(), {"do": "bye"})
    guard.scanner.scan(time.monotonic())
    guard.core.settle()
    assert "lab-lost" in {alarm.key for alarm in guard.core.alarms.active()}


def test_devices_answer_a_stop_over_the_labs_connection(guard: Guard) -> None:
    peer = FakePeer()
    guard.requests.answer(peer, {"do": "hello", "role": "lab", "devices": ["doser-1", "mover-1"]})
    passed = guard.lab.pass_stop("ada")
    assert passed is not None
    assert guard.requests.answer(peer, {"do": "stopped", "device": "doser-1", "ok": True}) is None
    assert guard.requests.answer(peer, {"do": "stopped", "device": "mover-1", "ok": False}) is None
    assert passed.answers == {"doser-1": None, "mover-1": "it did not say why"}


def test_anybody_may_stop_also_without_a_name(guard: Guard) -> None:
    guard.scan()
    assert guard.ask("stop")["stopped"] is True
    assert guard.causes()[-1] == "STOP by process 7"
    unusable: list[object] = [[], 3, "\ud800", "x" * 10_000]
    for actor in unusable:
        assert guard.ask("stop", actor=actor)["stopped"] is True


def test_a_stop_that_is_followed_tells_each_acknowledgement_before_the_answer(guard: Guard) -> None:
    peer = FakePeer()
    answered = guard.requests.answer(peer, {"id": 9, "do": "stop", "actor": "ada", "follow": True})
    assert answered is not None
    assert answered["lab"] is False
    assert {message["progress"]["output"] for message in peer.sent} == {"f1.heater", "f2.heater"}
    assert all(message["id"] == 9 for message in peer.sent)


def test_alarms_are_raised_listed_and_acknowledged(guard: Guard) -> None:
    given = {"key": "task", "text": "it hangs", "guidance": "look", "priority": "high", "source": "lab"}
    assert guard.ask("raise", **given)["ok"]
    assert guard.ask("ack", key="lab:task", actor="ada")["ok"]
    (alarm,) = [alarm for alarm in guard.ask("alarms")["alarms"] if alarm["key"] == "lab:task"]
    assert alarm["acknowledged_by"] == "ada"
    assert not guard.ask("raise", **{**given, "priority": "dire"})["ok"]


def test_alarms_are_answered_while_the_core_is_locked(guard: Guard) -> None:
    answers: list[bool] = []
    with guard.lock:
        thread = threading.Thread(target=lambda: answers.append(guard.ask("alarms")["ok"]))
        thread.start()
        thread.join(5.0)
    assert answers == [True]


def test_nobody_closes_an_output_past_the_gateway_of_the_lab_service(guard: Guard) -> None:
    guard.ready()
    refusal = guard.ask("close", pid=8, output=F1, actor="mallory")
    assert "process 8 is not this laboratory's service" in refusal["reasons"][0]
    with scanning(guard):
        assert guard.ask("close", output=F1, actor="ada")["ok"]
    assert guard.ask("open", pid=8, output=F1, actor="anybody")["ok"]


def test_a_bypass_needs_another_person_who_is_a_safety_officer(guard: Guard, tmp_path: Path) -> None:
    store = UserStore(tmp_path / "users.json", costs=CHEAP)
    for name, role in (("grace", "safety_officer"), ("eve", "admin")):
        store.add(name, [role])
        store.set_secret(name, "correct horse battery")
    guard.requests = Requests(
        guard.core,
        guard.lock,
        lab=guard.lab,
        outputs=guard.outputs,
        stopper=guard.stopper,
        scanner=guard.scanner,
        users=tmp_path / "users.json",
    )
    guard.ready()
    wanted = {"rule": "F1-DOOR", "reason": "switch", "actor": "ada", "for_s": 60.0, "measure": "guard"}
    bypass = guard.ask("bypass", **wanted)["bypass"]
    assert bypass != 1
    for user, secret in (("eve", "correct horse battery"), ("nobody", "x")):
        refusal = guard.ask("approve", bypass=bypass, user=user, secret=secret)
        assert "no safety officer, or the secret is wrong" in refusal["reasons"][0]
    assert guard.core.bypasses.active() == frozenset()
    assert guard.ask("approve", bypass=bypass, user="grace", secret="correct horse battery")["ok"]
    assert guard.core.bypasses.active() == {"F1-DOOR"}
    assert guard.ask("end-bypass", bypass=bypass, actor="ada")["ok"]
    assert guard.core.bypasses.active() == frozenset()
    assert not guard.ask("approve", bypass=bypass, user="grace", secret="wrong")["ok"]
    tried_again = guard.ask("approve", bypass=bypass, user="grace", secret="guessed")
    assert "was tried too often" in tried_again["reasons"][0]


def test_a_file_of_users_that_cannot_be_read_refuses_and_nothing_dies(guard: Guard, tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text("{", encoding="utf-8")
    (tmp_path / "users.json").chmod(0o600)
    guard.requests = Requests(
        guard.core,
        guard.lock,
        lab=guard.lab,
        outputs=guard.outputs,
        stopper=guard.stopper,
        scanner=guard.scanner,
        users=tmp_path / "users.json",
    )
    refusal = guard.ask("approve", bypass="b1", user="grace", secret="x")
    assert not refusal["ok"]
    assert "users.json" in refusal["reasons"][0]


def test_without_users_nobody_approves(guard: Guard) -> None:
    assert "no users" in guard.ask("approve", bypass="x", user="grace", secret="s")["reasons"][0]


def test_a_watcher_is_marked_as_one(guard: Guard) -> None:
    peer = FakePeer()
    guard.requests.answer(peer, {"id": 1, "do": "watch"})
    assert peer.watching


def test_it_tells_what_it_has_loaded(guard: Guard) -> None:
    assert "lab.safety.judging.core" in guard.ask("modules")["modules"]
