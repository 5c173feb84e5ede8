"""The diffractometer, against messages on a socket and files in a folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.devices.aeris import Aeris
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CommandDeniedError,
    GrantError,
    LimitError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.gate import GRANT_LIFE_S
from drivers.registry import build
from tests.drivers.fakes import FakeGate, FakeSocket, Noted, end_of, look_at

SCAN = {"sample_id": "S001", "slot": 3, "program": "10-80deg-8min"}
WHOLE = b"<xrdMeasurements><scan/></xrdMeasurements>\n"


class Diffractometer:
    """An Aeris that writes a file some time after it was told to measure."""

    def __init__(self, clock: JumpClock, results: Path) -> None:
        self.clock, self.results = clock, results
        self.messages: list[str] = []
        self.system, self.ready, self.slot = "remote", "yes", "occupied"
        self.refused: str | None = None
        self.lost: str | None = None
        self.after_s: float | None = 510.0
        self.content = WHOLE

    def write(self, path: Path) -> None:
        path.write_bytes(self.content)

    def answer(self, data: bytes) -> bytes:
        message = data.decode()
        reply = self.reply(message)
        return b"" if self.lost and self.lost in message else reply

    def reply(self, message: str) -> bytes:
        self.messages.append(message)
        if "LOCATION" in message:
            return f"@STATUS_REPORT@LOCATION=0,3@STATE={self.slot}@END".encode()
        if "fatal-program" in message:
            return b"@SAMPLE@ADD@STATUS=fatal@TEXT=unknown application@END"
        if "SYSTEM" in message:
            return f"@STATUS_REPORT@SYSTEM={self.system}@END".encode()
        if "UNIT=xrd" in message:
            return f"@SAMPLE@MEASURED@SAMPLE_ID=S000@END@STATUS_REPORT@READY={self.ready}@END".encode()
        measured = re.search(r"@MEASURE@SAMPLE_ID=(\w+)", message)
        if measured and self.after_s is not None:
            path = self.results / f"{measured[1]}.xrdml"
            self.clock.call_at(self.clock.now() + self.after_s, lambda: self.write(path), "x")
            self.ready = "no" if self.after_s > 600.0 else "yes"
        return b"@STATUS=normal@END"


@pytest.fixture
def instrument(clock: JumpClock, tmp_path: Path) -> Diffractometer:
    (tmp_path / "results").mkdir()
    return Diffractometer(clock, tmp_path / "results")


@pytest.fixture
def aeris(
    instrument: Diffractometer,
    serve_socket: Callable[..., FakeSocket],
    gate: FakeGate,
    clock: JumpClock,
    noted: Noted,
    bus: Bus,
) -> Aeris:
    server = serve_socket(instrument.answer, close_after_reply=True)
    options = {"results": f"dir:{instrument.results}", "programs": {"slow": 3600.0}, "timeout": 0.5}
    aeris = build("xrd-1", "aeris", f"socket://127.0.0.1:{server.port}", options, gate, clock, noted, bus)
    assert isinstance(aeris, Aeris)
    return aeris


def test_a_sample_is_added_measured_and_its_file_found(
    aeris: Aeris, instrument: Diffractometer, clock: JumpClock, gate: FakeGate, noted: Noted
) -> None:
    assert end_of(clock, aeris.set("measure", **SCAN)) is None
    assert [message for message in instrument.messages if "@SAMPLE@" in message] == [
        "@SAMPLE@ADD@APPLICATION=10-80deg-8min@SAMPLE_ID=S001@AT=0,3@END",
        "@SAMPLE@MEASURE@SAMPLE_ID=S001@APPLICATION=10-80deg-8min@END",
    ]
    assert aeris.result_path.get() == str(instrument.results / "S001.xrdml")
    assert aeris.result_sample.get() == "S001"
    assert noted.files == [("xrd-1", "S001.xrdml", WHOLE)]
    assert gate.asked[0].describe() == "measure S001 10-80deg-8min"
    assert 510 <= clock.now() - JUMP_EPOCH_S <= 512


def test_readiness_is_published_past_messages_that_nobody_asked_for(aeris: Aeris) -> None:
    look_at(aeris)
    assert aeris.ready.get() == "yes"


def test_a_file_that_is_still_being_written_is_waited_for(
    aeris: Aeris, instrument: Diffractometer, clock: JumpClock
) -> None:
    def finish() -> None:
        (instrument.results / "S001.xrdml").write_bytes(WHOLE)

    instrument.content = WHOLE[:20]
    clock.call_at(clock.now() + 600, finish, "rest")
    assert end_of(clock, aeris.set("measure", **SCAN)) is None
    assert 600 <= clock.now() - JUMP_EPOCH_S <= 603


@pytest.mark.parametrize(("after_s", "word"), [(None, "missing"), (500.0, "cut")])
def test_a_file_that_never_comes_fails_the_measurement(
    aeris: Aeris, instrument: Diffractometer, clock: JumpClock, after_s: float | None, word: str
) -> None:
    instrument.after_s, instrument.content = after_s, WHOLE[:20]
    error = end_of(clock, aeris.set("measure", **SCAN))
    assert isinstance(error, ActionFailedError)
    assert f"S001.xrdml is {word} 900 s after the programme was to end" in str(error)
    assert aeris.result_path.get() == ""
    assert sum("@SAMPLE@MEASURE" in message for message in instrument.messages) == 1


def test_a_file_of_an_earlier_measurement_is_never_taken_for_the_result(
    aeris: Aeris, instrument: Diffractometer, gate: FakeGate
) -> None:
    (instrument.results / "S001.xrdml").write_bytes(WHOLE)
    with pytest.raises(BusyError, match=r"S001.xrdml exists: measure under a new sample id"):
        aeris.set("measure", **SCAN)
    assert gate.asked == []


def test_one_sample_is_measured_at_a_time(aeris: Aeris, clock: JumpClock) -> None:
    status = aeris.set("measure", **SCAN)
    with pytest.raises(BusyError, match="is measuring S001"):
        aeris.set("measure", **{**SCAN, "sample_id": "S002"})
    assert end_of(clock, status) is None
    assert end_of(clock, aeris.set("measure", **{**SCAN, "sample_id": "S002"})) is None


def test_an_instrument_under_local_control_is_left_alone(
    aeris: Aeris, instrument: Diffractometer, clock: JumpClock
) -> None:
    instrument.system = "local"
    error = end_of(clock, aeris.set("measure", **SCAN))
    assert "under 'local' control: switch it to remote" in str(error)
    assert not any("@SAMPLE" in message for message in instrument.messages)


def test_a_refused_sample_is_not_measured(aeris: Aeris, instrument: Diffractometer, clock: JumpClock) -> None:
    error = end_of(clock, aeris.set("measure", sample_id="S001", slot=2, program="fatal-program-1min"))
    assert isinstance(error, RefusedError)
    assert "unknown application" in str(error)
    assert not any("MEASURE" in message for message in instrument.messages)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"slot": 1}, "slot 1 requested, the belt has 2 to 6"),
        ({"sample_id": "../S"}, "sample id '../S'"),
        ({"program": "unknown"}, r"how long programme 'unknown' takes is not known.*there: slow"),
    ],
)
def test_what_cannot_be_reaches_neither_gate_nor_wire(
    aeris: Aeris, gate: FakeGate, changed: dict[str, object], said: str
) -> None:
    with pytest.raises(LimitError, match=f"xrd-1: .*{said}"):
        aeris.set("measure", **{**SCAN, **changed})
    assert gate.asked == []


def test_a_denied_measurement_leaves_the_instrument_free(aeris: Aeris, clock: JumpClock, gate: FakeGate) -> None:
    gate.denied["measure"] = "no lease"
    with pytest.raises(CommandDeniedError):
        aeris.set("measure", **SCAN)
    gate.denied.clear()
    assert end_of(clock, aeris.set("measure", **SCAN)) is None


def test_a_measurement_whose_leave_is_void_leaves_the_instrument_free(
    aeris: Aeris, instrument: Diffractometer, clock: JumpClock, gate: FakeGate
) -> None:
    gate.granted_ago_s = GRANT_LIFE_S + 1.0
    assert isinstance(end_of(clock, aeris.set("measure", **SCAN)), GrantError)
    assert not any("SAMPLE" in message for message in instrument.messages)
    gate.granted_ago_s = 0.0
    assert end_of(clock, aeris.set("measure", **SCAN)) is None


def test_a_slot_that_is_empty_is_not_measured(aeris: Aeris, instrument: Diffractometer, clock: JumpClock) -> None:
    instrument.slot = "free"
    assert str(end_of(clock, aeris.set("measure", **SCAN))) == "xrd-1: nothing lies in slot 3"
    assert not any("@SAMPLE@" in message for message in instrument.messages)


def test_an_instrument_that_measures_already_is_left_alone(
    aeris: Aeris, instrument: Diffractometer, clock: JumpClock
) -> None:
    instrument.ready = "no"
    error = end_of(clock, aeris.set("measure", **SCAN))
    assert isinstance(error, BusyError)
    assert not any("@SAMPLE@" in message for message in instrument.messages)


def test_a_file_of_another_sample_is_no_result(aeris: Aeris, instrument: Diffractometer, clock: JumpClock) -> None:
    instrument.content = b"<xrdMeasurements><sample><id>S009</id></sample></xrdMeasurements>"
    error = end_of(clock, aeris.set("measure", **SCAN))
    assert "S001.xrdml says that it is of S009, not of S001" in str(error)
    assert aeris.result_sample.get() == ""


def test_a_start_whose_reply_was_lost_is_settled_by_asking_and_never_repeated(
    aeris: Aeris, instrument: Diffractometer, clock: JumpClock
) -> None:
    instrument.lost, instrument.after_s = "@SAMPLE@MEASURE", 700.0
    assert end_of(clock, aeris.set("measure", **SCAN)) is None
    assert sum("@SAMPLE@MEASURE" in message for message in instrument.messages) == 1


def test_a_start_that_was_lost_and_cannot_be_settled_says_that_it_is_unknown(
    aeris: Aeris, instrument: Diffractometer, clock: JumpClock
) -> None:
    instrument.lost, instrument.after_s = "@SAMPLE@MEASURE", None
    error = end_of(clock, aeris.set("measure", **SCAN))
    assert "whether it was measured is unknown" in str(error)
    assert sum("@SAMPLE@MEASURE" in message for message in instrument.messages) == 1


def test_its_own_arm_moves_a_sample_to_a_free_slot(
    aeris: Aeris, instrument: Diffractometer, clock: JumpClock, gate: FakeGate
) -> None:
    states = iter(["occupied", "occupied", "free", "free"])
    honest = instrument.reply
    instrument.reply = lambda message: (  # type: ignore[method-assign]
        f"@STATE={next(states)}@END".encode() if "LOCATION" in message else honest(message)
    )
    assert end_of(clock, aeris.set("move-sample", from_slot=3, to_slot=5)) is None
    assert gate.asked[-1].describe() == "move xrd-1/3 xrd-1/5"
    assert "@SAMPLE@MOVE@SAMPLE_ID@AT=0,3@TO=0,5@END" in instrument.messages


def test_who_commands_it_is_published(aeris: Aeris, instrument: Diffractometer) -> None:
    instrument.system = "local"
    look_at(aeris)
    assert aeris.system.get() == "local"


def test_a_sample_can_be_forgotten(aeris: Aeris, instrument: Diffractometer, clock: JumpClock) -> None:
    assert end_of(clock, aeris.set("remove", sample_id="S001")) is None
    assert "@SAMPLE@REMOVE@SAMPLE_ID=S001@END" in instrument.messages


def test_it_says_who_it_is_when_instrument_and_folder_are_there(aeris: Aeris, instrument: Diffractometer) -> None:
    assert aeris.identify() == "Aeris, remote"
    instrument.results.rmdir()
    with pytest.raises(WrongInstrumentError, match=r"xrd-1: its results folder .* does not exist"):
        aeris.identify()
