"""Messages of the diffractometer."""

from __future__ import annotations

import pytest

from drivers.codecs import aeris as wire
from drivers.errors import CodecError, LimitError, RefusedError


@pytest.mark.parametrize(
    ("message", "printed"),
    [
        (wire.ASK_SYSTEM, "@STATUS_REQUEST@SYSTEM@END"),
        (wire.ASK_READY, "@STATUS_REQUEST@UNIT=xrd@END"),
        (wire.ask_location(3), "@STATUS_REQUEST@LOCATION=0,3@END"),
        (wire.add_sample("S1", 3, "p"), "@SAMPLE@ADD@APPLICATION=p@SAMPLE_ID=S1@AT=0,3@END"),
        (wire.measure_sample("S1", "p"), "@SAMPLE@MEASURE@SAMPLE_ID=S1@APPLICATION=p@END"),
        (wire.remove_sample("S1"), "@SAMPLE@REMOVE@SAMPLE_ID=S1@END"),
    ],
)
def test_messages_are_those_that_are_known_to_work(message: str, printed: str) -> None:
    assert message == printed


@pytest.mark.parametrize(
    ("key", "reply", "value"),
    [
        ("SYSTEM", "@STATUS_REPORT@SYSTEM=remote@END", "remote"),
        ("READY", "@TIME_STAMP=12:00@READY= YES @STATUS=normal@END", "yes"),
        ("STATE", "STATE=free@END", "free"),
    ],
)
def test_a_key_is_found_wherever_it_stands(key: str, reply: str, value: str) -> None:
    assert wire.value(key, reply) == value


def test_a_key_is_not_found_within_another() -> None:
    with pytest.raises(CodecError, match="no STATE="):
        wire.value("STATE", "@OTHERSTATE=free@END")


def test_fatal_is_a_refusal() -> None:
    with pytest.raises(RefusedError, match="unknown application"):
        wire.check("@STATUS=Fatal@TEXT=unknown application@END")


@pytest.mark.parametrize("name", ["", "a b", "a@b", "../x", ".hidden", "a/b", "é"])
def test_a_name_that_breaks_messages_or_folders_is_refused(name: str) -> None:
    with pytest.raises(LimitError, match="Aeris takes letters, digits and"):
        wire.check_name("sample id", name)


@pytest.mark.parametrize(("program", "seconds"), [("10-80deg-8min", 480.0), ("fast-0.5min", 30.0), ("standard", None)])
def test_a_programme_may_say_how_long_it_takes(program: str, seconds: float | None) -> None:
    assert wire.program_s(program) == seconds


@pytest.mark.parametrize(
    ("content", "complete"),
    [
        (b"<xrdMeasurements><a/></xrdMeasurements>", True),
        (b"<xrdMeasurements></xrdMeasurements >\r\n", True),
        (b"<x:xrdMeasurements></x:xrdMeasurements>", True),
        (b"<xrdMeasurements><a/></xrdMeas", False),
        (b"", False),
    ],
)
def test_a_file_is_complete_when_its_root_is_closed(content: bytes, complete: bool) -> None:
    assert wire.is_complete(content) is complete
