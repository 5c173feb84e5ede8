"""Who may make something happen, and what is said to who may not."""

from __future__ import annotations

import threading
from contextvars import copy_context

import pytest

from drivers.gate import (
    Command,
    CommandDeniedError,
    Denied,
    Granted,
    Requester,
    act_as,
    acting_as,
    authorize,
    requester,
)


class Recorder:
    def __init__(self, answer: type[Granted] | tuple[str, ...] = Granted) -> None:
        self.answer = answer
        self.asked: list[tuple[str | None, str]] = []

    def request(self, command: Command, lease: str | None, actor: str) -> Granted | Denied:
        self.asked.append((lease, actor))
        return Denied(command, self.answer) if isinstance(self.answer, tuple) else Granted(command, 7.0)


OPEN = Command("mover-1", "door-open", subject="furnace-1.door")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (OPEN, "door-open furnace-1.door"),
        (Command("f", "run-program", 950.0, "degC"), "run-program 950 degC"),
        (Command("m", "move", "furnace-1/1", subject="crucibles/1"), "move crucibles/1 furnace-1/1"),
        (Command("f", "reset-program"), "reset-program"),
    ],
)
def test_a_command_is_said_as_a_person_would(command: Command, said: str) -> None:
    assert command.describe() == said


def test_who_asks_travels_with_the_context() -> None:
    gate = Recorder()
    with acting_as("anna", lease="L1"):
        authorize(gate, OPEN)
        with acting_as("campaign"):
            authorize(gate, OPEN)
        authorize(gate, OPEN)
    authorize(gate, OPEN)
    assert gate.asked == [("L1", "anna"), (None, "campaign"), ("L1", "anna"), (None, "nobody")]


def test_another_thread_does_not_inherit_who_asks() -> None:
    gate = Recorder()
    with acting_as("anna"):
        thread = threading.Thread(target=authorize, args=(gate, OPEN))
        thread.start()
        thread.join()
    assert gate.asked == [(None, "nobody")]


def test_a_grant_names_its_command() -> None:
    assert authorize(Recorder(), OPEN) == Granted(OPEN, 7.0)


def test_a_refusal_gives_device_command_and_every_reason() -> None:
    gate = Recorder(("f1.over is 612 degC, limit 60 degC", "nobody holds the lease"))
    with pytest.raises(CommandDeniedError) as caught:
        authorize(gate, OPEN)
    assert str(caught.value) == (
        "mover-1: door-open furnace-1.door was denied: f1.over is 612 degC, limit 60 degC; nobody holds the lease"
    )
    assert caught.value.reasons == gate.answer


def test_whoever_asks_can_change_for_the_rest_of_a_context() -> None:
    def task() -> Requester:
        act_as("auto", "sample-001#3")
        return requester()

    with acting_as("auto", "sample-001#1"):
        assert copy_context().run(task) == Requester("auto", "sample-001#3")
        assert requester() == Requester("auto", "sample-001#1")
