"""Lines of the mover."""

from __future__ import annotations

import pytest

from drivers.codecs import text_mover as wire
from drivers.codecs.text_mover import JobReport, JobState
from drivers.errors import CodecError, LimitError, RefusedError


@pytest.mark.parametrize(
    ("line", "written"),
    [
        (wire.move("vials/1", "doser-1/1"), "MOVE vials/1 doser-1/1"),
        (wire.pour("vials/1", "crucibles/12", None), "POUR vials/1 crucibles/12 ALL"),
        (wire.pour("crucibles/1", "holders/2", 80.0), "POUR crucibles/1 holders/2 80.00"),
        (wire.mix("mill-1/1", 600.0, 300.0, "ball-mill"), "MIX mill-1/1 600 300 ball-mill"),
        (wire.clean("vials/1"), "CLEAN vials/1"),
        (wire.head("doser-1", 0), "HEAD doser-1 0"),
        (wire.door("furnace-1", True), "DOOR furnace-1 OPEN"),
        (wire.door("furnace-1", False), "DOOR furnace-1 CLOSE"),
        (wire.ask_job(7), "JOB? 7"),
        (wire.ask_at("xrd-1/2"), "AT? xrd-1/2"),
    ],
)
def test_commands_are_one_line(line: str, written: str) -> None:
    assert line == written


@pytest.mark.parametrize("text", ["vials", "vials/0", "vials/1 x", "vials/1\nSTOP", "/1"])
def test_what_is_no_position_is_never_sent(text: str) -> None:
    with pytest.raises(LimitError, match="write PLACE/N"):
        wire.move(text, "vials/1")


def test_what_is_no_name_is_never_sent() -> None:
    with pytest.raises(LimitError, match="is no name"):
        wire.mix("mill-1/1", 1.0, 1.0, "ball mill")


def test_replies_are_read() -> None:
    assert wire.parse_started("JOB 7") == 7
    assert wire.parse_job("JOB 7 BUSY") == JobReport(7, JobState.BUSY)
    assert wire.parse_job("JOB 7 FAILED gripper lost it") == JobReport(7, JobState.FAILED, "gripper lost it")
    assert wire.parse_at("AT vials/1 V001") == "V001"
    assert wire.parse_at("AT vials/1 -") is None


def test_a_refusal_keeps_its_words() -> None:
    with pytest.raises(RefusedError, match="furnace door closed"):
        wire.parse_started("ERR furnace door closed")


@pytest.mark.parametrize("line", ["", "JOB", "JOB x", "JOB 7 ODD", "AT vials/1", "ID robot 1 X"])
def test_what_means_nothing_is_an_error(line: str) -> None:
    for parse in (wire.parse_started, wire.parse_job, wire.parse_at):
        with pytest.raises(CodecError):
            parse(line)
