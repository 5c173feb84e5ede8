from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from drivers.gate import Command, CommandDeniedError
from lab.console import commands
from lab.console.commands import Commands, Phase, Replies, settle
from lab.console.errors import BadRequestError, NotThereError, RefusedError, UnavailableError
from lab.errors import LabError


class Later:
    """Starts nothing by itself."""

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []

    def __call__(self, name: str, target: Callable[[], None]) -> None:
        self.work.append(target)


def at_once(name: str, target: Callable[[], None]) -> None:
    target()


def refuse() -> dict[str, object]:
    raise LabError("furnace-1: 1200 degC requested, limit 1100 degC (lab file)")


def test_a_command_is_running_until_its_work_has_ended() -> None:
    later = Later()
    known = Commands(later)
    command = known.begin("otto", "furnace-1 set-setpoint 400 degC", lambda: {"done": True})
    assert known.find(command.id).phase is Phase.RUNNING
    later.work[0]()
    assert known.find(command.id).to_json() == {
        "command": command.id,
        "person": "otto",
        "what": "furnace-1 set-setpoint 400 degC",
        "phase": "done",
        "result": {"done": True},
        "error": None,
    }


def test_a_command_that_is_refused_says_why() -> None:
    command = Commands(at_once).begin("otto", "heat", refuse)
    assert (command.phase, command.error) == (
        Phase.FAILED,
        "furnace-1: 1200 degC requested, limit 1100 degC (lab file)",
    )


def test_a_command_that_the_gate_denies_says_why() -> None:
    def denied() -> dict[str, object]:
        raise CommandDeniedError(Command("furnace-1", "set-setpoint", 400.0, "degC"), ("F1-DOOR: close the door",))

    command = Commands(at_once).begin("otto", "heat", denied)
    assert command.error == "furnace-1: set-setpoint 400 degC was denied: F1-DOOR: close the door"


def test_a_defect_fails_the_command_and_goes_on_to_whoever_looks_for_defects() -> None:
    def defect() -> dict[str, object]:
        raise ZeroDivisionError

    later = Later()
    command = Commands(later).begin("otto", "heat", defect)
    with pytest.raises(ZeroDivisionError):
        later.work[0]()
    assert (command.phase, command.error) == (Phase.FAILED, "that failed inside: the lab service's log has the trace")


def test_a_command_that_nobody_gave_is_not_there() -> None:
    with pytest.raises(NotThereError, match="no command 'c1' is known"):
        Commands(at_once).find("c1")


def test_the_oldest_commands_are_forgotten_but_never_one_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "KEPT", 3)
    later = Later()
    known = Commands(later)
    given = [known.begin("otto", f"command {i}", dict) for i in range(4)]
    for work in later.work[1:]:
        work()
    given.append(known.begin("otto", "command 4", dict))
    assert known.find(given[0].id).phase is Phase.RUNNING
    with pytest.raises(NotThereError):
        known.find(given[1].id)
    assert known.find(given[4].id) is given[4]


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> dict[str, int]:
        self.count += 1
        return {"count": self.count}


def test_a_request_that_comes_again_gets_the_answer_that_it_had() -> None:
    replies, work = Replies(), Counter()
    answers = [replies.once("otto", "k1", "/api/execute t1", work) for _ in range(3)]
    assert (answers, work.count) == ([{"count": 1}] * 3, 1)


def test_without_a_key_everything_is_done_each_time() -> None:
    replies, work = Replies(), Counter()
    assert [replies.once("otto", None, "/api/execute t1", work)["count"] for _ in range(2)] == [1, 2]


def test_a_refusal_is_an_answer_too() -> None:
    replies, calls = Replies(), Counter()

    def work() -> dict[str, int]:
        calls()
        raise RefusedError("reset was refused", ["f1.over is 1200 degC"])

    for _ in range(2):
        with pytest.raises(RefusedError, match="reset was refused"):
            replies.once("otto", "k1", "/api/reset", work)
    assert calls.count == 1


def test_a_key_is_for_one_request_and_one_person() -> None:
    replies, work = Replies(), Counter()
    replies.once("otto", "k1", "/api/reset", work)
    with pytest.raises(BadRequestError, match="was used for another request"):
        replies.once("otto", "k1", "/api/rearm", work)
    assert replies.once("olga", "k1", "/api/reset", work) == {"count": 2}


def test_keys_have_an_end() -> None:
    with pytest.raises(BadRequestError, match="is 201 characters long: give at most 200"):
        Replies().once("otto", "k" * 201, "/api/reset", dict)


def test_an_answer_is_forgotten_after_a_while() -> None:
    now_s = [0.0]
    replies, work = Replies(lambda: now_s[0], life_s=600.0), Counter()
    for now_s[0], count in ((0.0, 1), (599.0, 1), (601.0, 2)):
        assert replies.once("otto", "k1", "/api/reset", work) == {"count": count}


def test_a_request_that_comes_again_before_the_answer_waits_for_it() -> None:
    replies, go = Replies(), threading.Event()
    answers: list[dict[str, bool]] = []

    def work() -> dict[str, bool]:
        return {"waited": go.wait(5.0)}

    threads = [
        threading.Thread(target=lambda: answers.append(replies.once("otto", "k1", "/api/execute", work)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert answers == [{"waited": True}] * 2


def test_a_request_that_is_not_answered_in_time_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "ANSWER_S", 0.0)
    replies, go = Replies(), threading.Event()
    first = threading.Thread(target=lambda: replies.once("otto", "k1", "/api/execute", lambda: {"went": go.wait(5.0)}))
    first.start()
    while not replies._given:
        pass
    with pytest.raises(UnavailableError, match="still being worked on"):
        replies.once("otto", "k1", "/api/execute", dict)
    go.set()
    first.join()


def test_a_defect_reaches_whoever_asked_and_whoever_waits() -> None:
    answer: Future[int] = Future()
    with pytest.raises(ZeroDivisionError):
        settle(answer, lambda: 1 // 0)
    with pytest.raises(UnavailableError, match="failed inside"):
        answer.result(0.0)
