"""Lines of the dashboard server, as its maker prints them."""

from __future__ import annotations

import pytest

from drivers.codecs import ur_dashboard as wire
from drivers.codecs.ur_dashboard import Naming, ProgramState, RobotMode, Running, Safety, Series
from drivers.errors import CodecError, LimitError, RefusedError


@pytest.mark.parametrize(
    ("command", "line", "carries"),
    [
        ("load x.urp", "Loading program: /programs/x.urp", "/programs/x.urp"),
        ("play", "Starting program", "Starting program"),
        ("pause", "Pausing program", "Pausing program"),
        ("stop", "Stopped", "Stopped"),
        ("power on", "Powering on", "Powering on"),
        ("power off", "Powering off", "Powering off"),
        ("brake release", "Brake releasing", "Brake releasing"),
        ("close popup", "closing popup", "closing popup"),
        ("is in remote control", "true", "true"),
        ("get serial number", "20195500841", "20195500841"),
        ("get robot model", "UR5", "UR5"),
        ("PolyscopeVersion", "URSoftware 5.9.4.1031232 (Sep 23 2020)", "URSoftware 5.9.4.1031232 (Sep 23 2020)"),
    ],
)
def test_what_was_done_is_accepted(command: str, line: str, carries: str) -> None:
    assert wire.answers(command, line)
    assert wire.check(command, line) == carries


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("play", "Failed to execute: play"),
        ("load x.urp", "File not found: x.urp"),
        ("load x.urp", "Error while loading program: x.urp"),
        ("get loaded program", "No program loaded"),
        ("is in remote control", "could not understand: 'is in remote control'"),
    ],
)
def test_a_refusal_keeps_its_words(command: str, line: str) -> None:
    assert wire.answers(command, line)
    with pytest.raises(RefusedError, match=line.split(":")[0]):
        wire.check(command, line)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("play", "Connected: Universal Robots Dashboard Server"),
        ("play", "Stopped"),
        ("programState", "Stopped"),
        ("robotmode", "Safetystatus: NORMAL"),
        ("is in remote control", "Program running: true"),
        ("get serial number", "UR5"),
        ("stop", ""),
    ],
)
def test_what_answers_something_else_is_no_answer(command: str, line: str) -> None:
    assert not wire.answers(command, line)
    with pytest.raises(CodecError):
        wire.check(command, line)


def test_states_are_read() -> None:
    assert wire.parse_mode("Robotmode: RUNNING") is RobotMode.RUNNING
    assert wire.parse_safety(Series.E, "Safetystatus: PROTECTIVE_STOP") is Safety.PROTECTIVE_STOP
    assert wire.parse_safety(Series.CB3, "Safetymode: NORMAL") is Safety.NORMAL
    assert wire.parse_remote("false") is False
    assert wire.parse_state("PAUSED a/b.urp") == ProgramState(Running.PAUSED, "b.urp")
    assert wire.parse_state("STOPPED <unnamed>") == ProgramState(Running.STOPPED, "")
    assert wire.parse_loaded("Loaded program: /programs/b.urp") == "b.urp"
    assert wire.parse_loaded("No program loaded") == ""


@pytest.mark.parametrize("line", ["Robotmode: RUNNIMG", "Robotmode: ", "Robotmode RUNNING"])
def test_a_state_that_there_is_not_is_an_error(line: str) -> None:
    with pytest.raises(CodecError):
        wire.parse_mode(line)


@pytest.mark.parametrize("name", ["x", "../x.urp", "x.urp\nplay", "", "x y.urp"])
def test_what_is_no_program_is_never_sent(name: str) -> None:
    with pytest.raises(LimitError, match="is no program"):
        wire.load(name)


def test_programs_are_named_after_their_positions_and_back() -> None:
    naming = Naming("lab/{to}_from_{from}.urp", {"special.urp": ("vials/1", "mill-1/1"), "home.urp": ()})
    assert naming.program("crucibles/1", "furnace-1/2") == "lab/furnace-1-2_from_crucibles-1.urp"
    assert naming.route("lab/furnace-1-2_from_crucibles-1.urp") == ("crucibles/1", "furnace-1/2")
    assert naming.program("vials/1", "mill-1/1") == "special.urp"
    assert naming.route("special.urp") == ("vials/1", "mill-1/1")
    assert naming.route("home.urp") == ()
    assert naming.route("dance.urp") is None


def test_a_name_that_could_mean_two_moves_is_none() -> None:
    with pytest.raises(LimitError, match="could be read as another move"):
        Naming().program("a/1", "b-1_to_c/2")


@pytest.mark.parametrize("pattern", ["{from}.urp", "{from}{to}{to}.urp", "{from}_{to}", "{from} {to}.urp"])
def test_a_pattern_must_tell_both_positions(pattern: str) -> None:
    with pytest.raises(LimitError):
        wire.check_pattern(pattern)
