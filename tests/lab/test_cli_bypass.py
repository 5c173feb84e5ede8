from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.cli.asked import Request
from lab.cli.bypass import approve_bypass, end_bypass, list_bypasses, request_bypass
from lab.safety.alarms.book import AlarmBook
from lab.safety.audit.log import AuditLog
from lab.safety.interlocks.expressions import Switch
from lab.safety.interlocks.rules import Interlocks, Rule
from lab.safety.judging.bypass import BypassBook
from lab.safety.judging.core import SafetyCore
from lab.safety.judging.desk import answer
from lab.safety.people.users import Costs, UserStore

SECRET = "correct horse battery"
WATER = Rule("F1-WATER", "interlock", "f1.heater", Switch("f1.water"), "open the tap", bypassable=True)
OVER = Rule("F1-OVER", "trip", "f1.heater", Switch("f1.over"), "check the thermocouple")


@pytest.fixture
def core(tmp_path: Path) -> SafetyCore:
    return SafetyCore(
        Interlocks({}, {}, (WATER, OVER), ()),
        alarms=AlarmBook(time.monotonic),
        audit=AuditLog(tmp_path / "audit.jsonl", version="0", rules="r"),
        bypasses=BypassBook(time.monotonic),
        now=time.time,
    )


@pytest.fixture
def users(tmp_path: Path) -> UserStore:
    users = UserStore(tmp_path / "users.json", costs=Costs(1, 8, 1))
    for name, role in {"olga": "safety_officer", "ada": "safety_officer", "ben": "operator"}.items():
        users.add(name, [role])
        users.set_secret(name, SECRET)
    users.add("newcomer", ["safety_officer"])
    return users


@pytest.fixture
def request_(core: SafetyCore, users: UserStore) -> Request:
    """Asks a real core as the supervisor does: with a number in ``id``, and the wires' own fields added."""

    def ask(message: dict[str, Any]) -> dict[str, Any]:
        answered = json.loads(json.dumps(answer(core, message, users)))
        if "state" in answered:
            answered["state"]["monotonic"] = time.monotonic()
        if "id" in answered:
            answered["bypass"] = answered["id"]
        return {**answered, "id": 7}

    return ask


def ask_for(request: Request, capsys: pytest.CaptureFixture[str], rule: str = "F1-WATER") -> str:
    request_bypass(request, rule, reason="sensor", for_s=900.0, measure="ben watches", actor="ada", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["rule"], found["for_s"], found["approved"]) == (rule, 900.0, False)
    return str(found["bypass"])


def typed(name: str, secret: str = SECRET) -> dict[str, Callable[[str], str]]:
    return {"ask_name": lambda prompt: name, "ask_secret": lambda prompt: secret}


def test_a_bypass_is_asked_for_approved_by_another_person_shown_and_ended(
    request_: Request, core: SafetyCore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    bypass_id = ask_for(request_, capsys)
    list_bypasses(request_, as_json=False)
    assert "waits for approval" in capsys.readouterr().out
    approve_bypass(request_, bypass_id, as_json=False, **typed("olga"))
    said = capsys.readouterr()
    assert said.out == "F1-WATER is bypassed for 15 min, approved by olga\n"
    assert said.err == "F1-WATER: sensor (asked by ada)\nin its place: ben watches\n"
    assert core.bypasses.active() == {"F1-WATER"}
    list_bypasses(request_, as_json=False)
    (row,) = [line for line in capsys.readouterr().out.splitlines() if bypass_id in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        *(bypass_id, "F1-WATER", "BYPASSED, 14 min left", "sensor", "ben watches", "ada", "olga"),
    ]
    end_bypass(request_, bypass_id, actor="ben", as_json=False)
    assert capsys.readouterr().out == f"bypass {bypass_id} has ended: its rule acts\n"
    assert core.bypasses.active() == frozenset()
    list_bypasses(request_, as_json=False)
    assert capsys.readouterr().out == "nothing is bypassed\n"


def test_who_asks_is_told_what_comes_next(request_: Request, capsys: pytest.CaptureFixture[str]) -> None:
    request_bypass(
        request_, "F1-WATER", reason="sensor", for_s=900.0, measure="ben watches", actor="ada", as_json=False
    )
    said = capsys.readouterr().out
    assert "of F1-WATER for 15 min waits for a safety officer other than ada: `athanor bypass approve " in said


def test_json_is_the_list(request_: Request, capsys: pytest.CaptureFixture[str]) -> None:
    bypass_id = ask_for(request_, capsys)
    list_bypasses(request_, as_json=True)
    (bypass,) = json.loads(capsys.readouterr().out)
    assert (bypass["id"], bypass["rule"], bypass["approver"]) == (bypass_id, "F1-WATER", None)
    approve_bypass(request_, bypass_id, as_json=True, **typed("olga"))
    assert json.loads(capsys.readouterr().out) == {"bypass": bypass_id, "rule": "F1-WATER", "approved": True}


@pytest.mark.parametrize(
    ("who", "told"),
    [
        (typed("ada"), "another person must approve it"),
        (typed("ben"), "is no safety officer"),
        (typed("olga", "wrong"), "or the secret is wrong"),
        (typed("nobody"), "or the secret is wrong"),
    ],
)
def test_who_may_not_approve_does_not(
    request_: Request,
    core: SafetyCore,
    capsys: pytest.CaptureFixture[str],
    who: dict[str, Callable[[str], str]],
    told: str,
) -> None:
    bypass_id = ask_for(request_, capsys)
    with pytest.raises(SystemExit) as ended:
        approve_bypass(request_, bypass_id, as_json=False, **who)
    assert ended.value.code == 1
    assert told in capsys.readouterr().err
    assert core.bypasses.active() == frozenset()


def test_a_one_time_secret_approves_nothing(
    request_: Request, core: SafetyCore, users: UserStore, capsys: pytest.CaptureFixture[str]
) -> None:
    bypass_id = ask_for(request_, capsys)
    with pytest.raises(SystemExit):
        approve_bypass(request_, bypass_id, as_json=False, **typed("newcomer", users.renew("newcomer")))
    assert core.bypasses.active() == frozenset()


@pytest.mark.parametrize(
    ("fields", "code", "told"),
    [
        ({"rule": "F1-OVER"}, 1, "F1-OVER may not be bypassed"),
        ({"rule": "F9"}, 1, "no rule is named 'F9'"),
        ({"for_s": 1e6}, 1, "at most 240 min"),
        ({"reason": " "}, 2, "--reason is empty"),
        ({"measure": ""}, 2, "--measure is empty"),
    ],
)
def test_what_is_not_given_is_told_in_a_sentence(
    request_: Request, capsys: pytest.CaptureFixture[str], fields: dict[str, Any], code: int, told: str
) -> None:
    given = {"rule": "F1-WATER", "reason": "x", "for_s": 60.0, "measure": "y", "actor": "ada", **fields}
    with pytest.raises(SystemExit) as ended:
        request_bypass(request_, as_json=False, **given)
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (code, "", 1)
    assert told in said.err


def test_nobody_is_asked_for_a_secret_where_there_is_nothing_to_approve(
    request_: Request, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(prompt: str) -> str:
        raise AssertionError(prompt)

    with pytest.raises(SystemExit) as ended:
        approve_bypass(request_, "x", as_json=False, ask_name=never, ask_secret=never)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "athanor: there is no bypass 'x': there are none\n"
