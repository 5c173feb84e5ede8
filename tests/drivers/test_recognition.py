"""Nobody is asked or told anything before it was recognized, each time that a wire was opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from drivers.bus import Bus, Job
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.errors import LinkError, NotThereError, RefusedError, WrongInstrumentError
from drivers.instrument import Instrument
from drivers.links import LineLink, open_line
from drivers.recognition import Recognition
from drivers.status import ActionStatus
from tests.drivers.fakes import Answer, FakeGate, FakePty, FakeSocket, Noted, by_line, end_of, look_at


class Scale(Instrument):
    """A balance that can be tared."""

    VERBS: ClassVar[Mapping[str, str]] = {"tare": "tare"}

    def __init__(self, gate: FakeGate, clock: JumpClock, bus: Bus, link: LineLink) -> None:
        super().__init__("scale", gate=gate, clock=clock, bus=bus)
        self.link = link

    def tare(self, after_s: float = 0.0) -> ActionStatus:
        grant = self._authorize("tare")

        def job() -> Job:
            yield self.clock.now() + after_s
            self.link.act("T", grant)

        return self._begin("tare", job(), grant)

    def _check_identity(self) -> str:
        found = self.link.query("I4")
        if found != "scale 1":
            raise WrongInstrumentError(f"scale: {found!r} answers at {self.link.url}")
        return found

    def _look(self) -> float:
        self.link.query("S")
        return self.clock.now() + 60.0


class Far:
    """Something that says who it is, and counts what it was asked."""

    def __init__(self) -> None:
        self.name = "scale 1"
        self.asked: list[str] = []

    def respond(self, line: str) -> list[str]:
        self.asked.append(line)
        return [self.name if line == "I4" else "ok"]


@pytest.fixture
def far() -> Far:
    return Far()


@pytest.fixture
def plugged(tmp_path: Path, far: Far) -> Iterator[Callable[[], FakePty]]:
    """Plug the instrument in, at the same path each time."""
    ptys: list[FakePty] = []

    def plug() -> FakePty:
        ptys.append(FakePty(by_line(far.respond), tmp_path / "tty"))
        return ptys[-1]

    yield plug
    ptys[-1].close()


@pytest.fixture
def make(gate: FakeGate, clock: JumpClock, bus: Bus, noted: Noted) -> Callable[[str], Scale]:
    def make(address: str) -> Scale:
        link = open_line("scale", address, noted, bus, timeout_s=0.05, quiet_s=0.01)
        scale = Scale(gate, clock, bus, link)
        bus.add(scale)
        return scale

    return make


def replug(old: FakePty, path: Path, plug: Callable[[], FakePty]) -> FakePty:
    old.close()
    path.unlink()
    return plug()


def test_the_first_thing_that_is_asked_is_who_answers(
    plugged: Callable[[], FakePty], make: Callable[[str], Scale], far: Far
) -> None:
    scale = make(plugged().path)
    look_at(scale)
    assert far.asked[:2] == ["I4", "S"]
    assert far.asked.count("I4") == 1


def test_it_is_asked_again_whenever_the_wire_was_opened_again(
    tmp_path: Path, plugged: Callable[[], FakePty], make: Callable[[str], Scale], far: Far, clock: JumpClock
) -> None:
    pty = plugged()
    scale = make(pty.path)
    look_at(scale)
    replug(pty, tmp_path / "tty", plugged)
    far.asked.clear()
    look_at(scale)
    assert far.asked == ["I4", "S"]
    assert scale.comm_ok.get() == 1


def test_a_job_commands_nothing_before_whoever_was_plugged_in_was_recognized(
    tmp_path: Path, plugged: Callable[[], FakePty], make: Callable[[str], Scale], far: Far, clock: JumpClock
) -> None:
    pty = plugged()
    scale = make(pty.path)
    look_at(scale)
    status = scale.set("tare", after_s=5.0)
    clock.sleep_until(JUMP_EPOCH_S + 1.0)
    far.name = "scale 2"
    far.asked.clear()
    replug(pty, tmp_path / "tty", plugged)
    error = end_of(clock, status)
    assert isinstance(error, WrongInstrumentError)
    assert "T" not in far.asked
    error = end_of(clock, scale.set("tare"))
    assert isinstance(error, WrongInstrumentError)
    far.name = "scale 1"
    assert end_of(clock, scale.set("tare")) is None
    assert far.asked[-2:] == ["I4", "T"]


def test_another_instrument_is_no_instrument_until_the_right_one_is_back(
    tmp_path: Path, plugged: Callable[[], FakePty], make: Callable[[str], Scale], far: Far, clock: JumpClock
) -> None:
    pty = plugged()
    scale = make(pty.path)
    look_at(scale)
    far.name = "scale 2"
    pty = replug(pty, tmp_path / "tty", plugged)
    look_at(scale)
    assert scale.comm_ok.get() == 0
    assert isinstance(scale.last_error, WrongInstrumentError)
    far.name = "scale 1"
    replug(pty, tmp_path / "tty", plugged)
    clock.sleep_until(clock.now() + 61.0)
    assert scale.comm_ok.get() == 1


def test_a_stream_that_was_closed_at_the_other_end_is_opened_again_before_a_command_is_sent(
    serve_socket: Callable[..., FakeSocket], make: Callable[[str], Scale], far: Far, clock: JumpClock
) -> None:
    server = serve_socket(by_line(far.respond))
    scale = make(f"socket://127.0.0.1:{server.port}")
    look_at(scale)
    server.drop()
    far.asked.clear()
    assert end_of(clock, scale.set("tare")) is None
    assert far.asked == ["I4", "T"]


def test_silence_has_the_instrument_be_recognized_again(
    serve_pty: Callable[[Answer], FakePty], make: Callable[[str], Scale], far: Far, clock: JumpClock
) -> None:
    mute = False
    respond = by_line(far.respond)
    scale = make(serve_pty(lambda data: b"" if mute else respond(data)).path)
    look_at(scale)
    mute = True
    look_at(scale)
    assert scale.comm_ok.get() == 0
    mute = False
    far.asked.clear()
    assert end_of(clock, scale.set("tare")) is None
    assert far.asked[0] == "I4"


# ---------------------------------------------------------------- by itself


def test_a_check_that_spans_two_openings_is_made_again() -> None:
    openings = iter([1, 2, 2, 2])
    recognition = Recognition("scale")

    def check() -> str:
        recognition.before_exchange(next(openings))
        recognition.before_exchange(next(openings))
        return "it"

    recognition.check_with(check)
    recognition.before_exchange(1)
    assert next(openings, None) is None
    recognition.before_exchange(2)


def test_a_wire_that_breaks_again_and_again_is_told() -> None:
    openings = iter(range(100))
    recognition = Recognition("scale")

    def check() -> str:
        recognition.before_exchange(next(openings))
        recognition.before_exchange(next(openings))
        return "it"

    recognition.check_with(check)
    with pytest.raises(LinkError, match="scale: the connection broke 3 times while the instrument was asked who"):
        recognition.meet()


def test_an_instrument_that_was_not_recognized_is_asked_each_time() -> None:
    asked: list[int] = []
    recognition = Recognition("scale")

    def check() -> str:
        asked.append(1)
        recognition.before_exchange(1)
        raise WrongInstrumentError("scale: this is a heater")

    recognition.check_with(check)
    for _ in range(3):
        with pytest.raises(WrongInstrumentError):
            recognition.before_exchange(1)
    assert len(asked) == 3


def test_who_has_not_what_it_was_asked_for_is_another_instrument() -> None:
    known = Recognition("scale")

    def check() -> str:
        raise NotThereError("scale: modbus-tcp://far:502/1 refused register 9 (function 3)")

    known.check_with(check)
    with pytest.raises(WrongInstrumentError, match=r"refused register 9 .*: is the address right in the lab file\?$"):
        known.meet()


def test_who_refuses_for_another_reason_is_the_same_instrument() -> None:
    known = Recognition("scale")

    def check() -> str:
        raise RefusedError("scale: overloaded")

    known.check_with(check)
    with pytest.raises(RefusedError, match=r"^scale: overloaded$"):
        known.meet()
