from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.cli.alarms import acknowledge, put_back, shelve, show_alarms, take_out, unshelve
from lab.cli.asked import Request
from lab.safety.alarms.book import AlarmBook
from lab.safety.audit.log import AuditLog
from lab.safety.interlocks.rules import NO_INTERLOCKS
from lab.safety.judging.bypass import BypassBook
from lab.safety.judging.core import SafetyCore
from lab.safety.judging.desk import answer


class Time:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture
def book(now: Time) -> AlarmBook:
    return AlarmBook(now)


@pytest.fixture
def request_(book: AlarmBook, now: Time, tmp_path: Path) -> Request:
    """Asks a real safety core, without a wire in between but with JSON both ways."""
    audit = AuditLog(tmp_path / "audit.jsonl", version="0", rules="r")
    core = SafetyCore(NO_INTERLOCKS, alarms=book, audit=audit, bypasses=BypassBook(now), now=now)
    return lambda message: json.loads(json.dumps(answer(core, json.loads(json.dumps(message)))))


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def raised(book: AlarmBook, key: str, priority: str = "high", latched: bool = False) -> None:
    book.raise_(
        key, text=f"{key} is low", guidance="open the tap", priority=priority, source="supervisor", latched=latched
    )


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_without_alarms_it_says_so(request_: Request, capsys: pytest.CaptureFixture[str]) -> None:
    show_alarms(request_, as_json=False)
    assert lines(capsys) == ["no alarms"]


@pytest.mark.usefixtures("wide")
def test_people_see_state_priority_as_shape_and_letter_age_and_what_to_do(
    book: AlarmBook, request_: Request, now: Time, capsys: pytest.CaptureFixture[str]
) -> None:
    raised(book, "disk", "low")
    raised(book, "trip:F1", "critical", latched=True)
    raised(book, "gas", "medium")
    book.acknowledge("disk", "ada")
    book.clear("gas")
    now.s += 95.0
    show_alarms(request_, as_json=False)
    shown = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines(capsys) if line.startswith("│")]
    assert shown == [
        ["▶", "UNACK", "■ C", "1 min", "trip:F1: trip:F1 is low", "open the tap", ""],
        ["", "RTN-UNACK", "◆ M", "1 min", "gas: gas is low", "open the tap", ""],
        ["", "ACK", "● L", "1 min", "disk: disk is low", "open the tap", "ada"],
    ]


@pytest.mark.usefixtures("wide")
def test_counts_stand_below_and_a_flood_above(
    book: AlarmBook, request_: Request, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(12):
        raised(book, f"a{i}")
    show_alarms(request_, as_json=False)
    printed = lines(capsys)
    assert printed[0].startswith("12 new alarms in 10 minutes; the first: a0 is low")
    assert printed[-1] == "12 active, 12 unacknowledged"


@pytest.mark.usefixtures("wide")
def test_who_hides_an_alarm_and_why_is_shown(
    book: AlarmBook, request_: Request, now: Time, capsys: pytest.CaptureFixture[str]
) -> None:
    raised(book, "a")
    raised(book, "b")
    book.shelve("a", "ada", 7200.0, "pump [red]is exchanged")
    book.take_out("b", "ben", "broken")
    show_alarms(request_, as_json=False)
    printed = "\n".join(lines(capsys))
    assert "ada, 2 h left: pump [red]is exchanged" in printed
    assert "ben: broken" in printed


def test_json_is_the_list(book: AlarmBook, request_: Request, capsys: pytest.CaptureFixture[str]) -> None:
    raised(book, "a")
    raised(book, "b")
    book.clear("b")
    book.acknowledge("b", "ada")
    show_alarms(request_, as_json=True)
    assert [alarm["key"] for alarm in json.loads(capsys.readouterr().out)] == ["a"]
    show_alarms(request_, as_json=True, history=True)
    assert [(alarm["key"], alarm["shown"]) for alarm in json.loads(capsys.readouterr().out)] == [
        ("a", "unacknowledged"),
        ("b", "normal"),
    ]


def test_one_alarm_is_acknowledged(book: AlarmBook, request_: Request, capsys: pytest.CaptureFixture[str]) -> None:
    raised(book, "a")
    raised(book, "b")
    acknowledge(request_, "a", "ada", as_json=False)
    assert lines(capsys) == ["acknowledged by ada: a"]
    assert {alarm.key: alarm.shown for alarm in book.list()} == {"a": "acknowledged", "b": "unacknowledged"}


def test_all_that_are_shown_are_acknowledged_and_nothing_that_is_hidden(
    book: AlarmBook, request_: Request, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("a", "b", "hidden"):
        raised(book, key)
    book.clear("b")
    book.shelve("hidden", "ada", 60.0, "known")
    acknowledge(request_, "all", "ada", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"acknowledged": ["a", "b"], "actor": "ada"}
    book.unshelve("hidden", "ada")
    assert {alarm.key: alarm.shown for alarm in book.list()} == {"hidden": "unacknowledged", "a": "acknowledged"}
    acknowledge(request_, "all", "ada", as_json=False)
    acknowledge(request_, "all", "ada", as_json=False)
    assert lines(capsys)[-1] == "there was nothing to acknowledge"


def test_an_alarm_is_shelved_and_taken_off_the_shelf(
    book: AlarmBook, request_: Request, capsys: pytest.CaptureFixture[str]
) -> None:
    raised(book, "a")
    shelve(request_, "a", 5400.0, "pump", "ada", as_json=False)
    assert [alarm.shown for alarm in book.list()] == ["shelved"]
    unshelve(request_, "a", "ada", as_json=False)
    assert [alarm.shown for alarm in book.list()] == ["unacknowledged"]
    assert lines(capsys) == ["a is shelved for 1 h by ada: pump", "a is back on the list"]


def test_an_alarm_is_taken_out_of_service_and_put_back(
    book: AlarmBook, request_: Request, capsys: pytest.CaptureFixture[str]
) -> None:
    raised(book, "a")
    take_out(request_, "a", "broken", "ada", as_json=False)
    assert [alarm.shown for alarm in book.list()] == ["out-of-service"]
    put_back(request_, "a", "ada", as_json=False)
    assert [alarm.shown for alarm in book.list()] == ["unacknowledged"]
    assert lines(capsys) == ["a is out of service by ada: broken", "a is in service again"]


@pytest.mark.parametrize(
    ("act", "code", "told"),
    [
        (lambda ask: acknowledge(ask, "b", "ada", as_json=False), 1, "no alarm is named 'b': there are a"),
        (lambda ask: shelve(ask, "a", 1e6, "pump", "ada", as_json=False), 1, "at most 8 h are allowed"),
        (lambda ask: shelve(ask, "a", 60.0, " ", "ada", as_json=False), 2, "--reason is empty"),
        (lambda ask: take_out(ask, "a", "", "ada", as_json=True), 2, "--reason is empty"),
    ],
)
def test_a_refusal_is_one_sentence(
    book: AlarmBook,
    request_: Request,
    capsys: pytest.CaptureFixture[str],
    act: Callable[[Request], None],
    code: int,
    told: str,
) -> None:
    raised(book, "a")
    with pytest.raises(SystemExit) as ended:
        act(request_)
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (code, "", 1)
    assert told in said.err
    assert [alarm.shown for alarm in book.list()] == ["unacknowledged"]


def test_a_refusal_without_a_reason_says_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    def silent(message: dict[str, Any]) -> dict[str, Any]:
        return {"ok": False}

    with pytest.raises(SystemExit):
        show_alarms(silent, as_json=False)
    assert "alarms was refused without a reason: look at the supervisor's log" in capsys.readouterr().err
