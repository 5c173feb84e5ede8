"""Lines of mills, shakers and doors, as docs/wires.md has them."""

from __future__ import annotations

import pytest

from drivers.codecs import text_machine as wire
from drivers.codecs.text_machine import DoorsStatus, DoorState, JobState, MotorStatus, State
from drivers.errors import CodecError, LimitError, RefusedError

RUNNING = "State: RUNNING; Job: 8 running; Time: 60 s; Set: 300 rpm; Speed: 299 rpm; Left: 42 s"


def test_commands_are_one_line() -> None:
    assert wire.start(60.0, 300.0) == "Start 60 300"
    assert (wire.door("A", True), wire.door("A", False)) == ("Open A", "Close A")
    with pytest.raises(LimitError, match="is no name"):
        wire.door("A\nStop", True)


def test_replies_are_read() -> None:
    assert wire.parse_identity("text-mill", "ID text-mill 1 SN-mill-2") == "SN-mill-2"
    assert wire.parse_started("Job: 9") == 9
    assert wire.parse_motor(RUNNING) == MotorStatus(State.RUNNING, 8, JobState.RUNNING, 60.0, 300.0, 299.0, 42.0)
    broken = "State: ERROR; Job: 8 failed; Time: 60 s; Set: 300 rpm; Speed: 0 rpm; Left: 0 s; Error: lid open"
    assert wire.parse_motor(broken).error == "lid open"
    assert wire.parse_doors("State: STOP; Furnace A: Open; Furnace B: Closed") == DoorsStatus(
        State.STOP, {"A": DoorState.OPEN, "B": DoorState.CLOSED}
    )
    wire.check_stopped("Stopped")
    wire.check_door("A", True, "Opening A")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "State: RUNNING",
        RUNNING.replace("RUNNING", "RUNNIMG"),
        RUNNING.replace("; Left: 42 s", ""),
        RUNNING.replace("299 rpm", "299"),
        RUNNING.replace("299 rpm", "-299 rpm"),
        RUNNING.replace("299 rpm", "999999999 rpm"),
        RUNNING.replace("8 running", "running"),
        RUNNING.replace("8 running", "8 done"),
        RUNNING + "; Job: 9 running",
        RUNNING[:-4],
    ],
)
def test_a_status_that_means_nothing_is_an_error(line: str) -> None:
    with pytest.raises(CodecError):
        wire.parse_motor(line)


@pytest.mark.parametrize("line", ["State: STOP", "State: STOP; Furnace A: Opne", "Furnace A: Open", "State: STOP; A"])
def test_doors_that_mean_nothing_are_an_error(line: str) -> None:
    with pytest.raises(CodecError):
        wire.parse_doors(line)


def test_a_refusal_keeps_its_words() -> None:
    for parse in (wire.parse_started, wire.parse_motor, wire.parse_doors, wire.check_stopped):
        with pytest.raises(RefusedError, match="busy"):
            parse("Error: busy")


def test_two_looks_agree_when_they_could_be_of_one_machine() -> None:
    first = wire.parse_motor(RUNNING)
    assert first.agrees(wire.parse_motor(RUNNING.replace("299", "301").replace("42", "41")))
    for changed in (("299", "199"), ("42 s", "12 s"), ("Set: 300", "Set: 800"), ("Job: 8", "Job: 9")):
        assert not first.agrees(wire.parse_motor(RUNNING.replace(*changed)))


@pytest.mark.parametrize("line", ["ID text-shaker 1 SN-x", "ID text-mill 2 SN-x", "", "Job: 8"])
def test_what_is_no_mill_is_an_error(line: str) -> None:
    with pytest.raises(CodecError, match="is no identity of a text-mill"):
        wire.parse_identity("text-mill", line)
