"""Binary frames over pseudo-terminals and sockets, and wires that misbehave."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from drivers.address import SerialAddress, parse_address
from drivers.bus import Bus
from drivers.errors import BadAddressError, CodecError, GrantError, LinkError
from drivers.gate import Command, Granted
from drivers.links import FramesLink, open_frames
from drivers.links.stream import StreamPort
from tests.drivers.fakes import Answer, FakePty, FakeSocket, Noted

ServePty = Callable[[Answer], FakePty]
MakeLink = Callable[..., FramesLink]
GRANT = Granted(Command("furnace-1", "set-setpoint", 400.0, "degC"), 0.0)
SIZE = 3


def sealed(*data: int) -> bytes:
    """Bytes with their sum behind them."""
    return bytes([*data, sum(data) & 0xFF])


def check(reply: bytes) -> None:
    if sealed(*reply[:-1]) != reply:
        raise CodecError(f"the sum is {reply[-1]}, not {sum(reply[:-1]) & 0xFF}")


class Meter:
    """Answers a request for a parameter (R, number, sum) with two bytes and their sum: its value, and 7."""

    def __init__(self) -> None:
        self.values = {0: 20, 1: 99}
        self.requests: list[bytes] = []
        self.spoil: Callable[[bytes], bytes] = lambda reply: reply

    def answer(self, data: bytes) -> bytes:
        self.requests.append(data)
        return self.spoil(sealed(self.values[data[1]], 7))


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def link_to(noted: Noted) -> Iterator[MakeLink]:
    links: list[FramesLink] = []

    def make(url: str, device: str = "furnace-1", **settings: float) -> FramesLink:
        where = parse_address(url)
        assert not hasattr(where, "unit")
        port = StreamPort(where, noted, quiet_s=settings.pop("quiet_s", 0.03), mistakable=True)  # type: ignore[arg-type]
        links.append(FramesLink(device, url, noted, port=port, **{"timeout_s": 0.05, **settings}))  # type: ignore[arg-type]
        return links[-1]

    yield make
    for link in links:
        link.close()


def ask(link: FramesLink, parameter: int = 0) -> int:
    return link.query(sealed(ord("R"), parameter), SIZE, check=check)[0]


def test_a_question_is_answered_over_a_pseudo_terminal(
    serve_pty: ServePty, link_to: MakeLink, noted: Noted, meter: Meter
) -> None:
    assert ask(link_to(serve_pty(meter.answer).path)) == 20
    assert noted.frames == [("furnace-1", "tx", b"R\x00R"), ("furnace-1", "rx", b"\x14\x07\x1b")]


def test_a_question_is_answered_over_a_socket(
    serve_socket: Callable[..., FakeSocket], link_to: MakeLink, meter: Meter
) -> None:
    server = serve_socket(meter.answer)
    link = link_to(f"socket://127.0.0.1:{server.port}")
    assert [ask(link, 0), ask(link, 1)] == [20, 99]
    assert server.connections == 1


def test_a_reply_may_tell_its_own_length(serve_pty: ServePty, link_to: MakeLink) -> None:
    link = link_to(serve_pty(lambda _: bytes([4, 1, 2, 3])).path)
    reply = link.query(b"?", lambda so_far: so_far[0] if so_far else 1, check=lambda _: None)
    assert reply == bytes([4, 1, 2, 3])


def test_bytes_that_drip_are_put_together_by_the_deadline_and_no_longer(
    serve_pty: ServePty, link_to: MakeLink, meter: Meter
) -> None:
    pause_s = 0.005

    def drip(data: bytes) -> bytes:
        for byte in meter.answer(data):
            os.write(far.near, bytes([byte]))
            time.sleep(pause_s)
        return b""

    far = serve_pty(drip)
    link = link_to(far.path, tries=1)
    assert ask(link) == 20
    pause_s = 0.06
    with pytest.raises(LinkError, match=r"1 try of 0.05 s; 1 of 3 bytes came"):
        ask(link)


def test_silence_is_told_and_a_question_is_asked_three_times(
    serve_pty: ServePty, link_to: MakeLink, noted: Noted
) -> None:
    far = serve_pty(lambda _: b"")
    with pytest.raises(LinkError) as caught:
        ask(link_to(far.path))
    assert str(caught.value) == (
        f"furnace-1: nobody answers at {far.path} (3 tries of 0.05 s): "
        "is the instrument on and the address right in the lab file?"
    )
    assert len(noted.sent()) == 3


def test_a_command_is_sent_once_whatever_happens(serve_pty: ServePty, link_to: MakeLink, noted: Noted) -> None:
    link = link_to(serve_pty(lambda _: b"").path)
    with pytest.raises(LinkError, match="1 try of"):
        link.act(b"W", GRANT, SIZE, check=check)
    assert noted.sent() == [b"W"]


def test_leave_for_another_device_of_the_line_sends_nothing(
    serve_pty: ServePty, link_to: MakeLink, noted: Noted
) -> None:
    link = link_to(serve_pty(lambda _: b"").path, "furnace-2")
    with pytest.raises(GrantError, match="furnace-2: leave to set-setpoint 400 degC was given for furnace-1"):
        link.act(b"W", GRANT, SIZE, check=check)
    assert noted.frames == []


def test_a_reply_with_a_wrong_sum_is_asked_for_again(serve_pty: ServePty, link_to: MakeLink, meter: Meter) -> None:
    def spoil(reply: bytes) -> bytes:
        return reply[:-1] + b"\x00" if len(meter.requests) == 1 else reply

    meter.spoil = spoil
    assert ask(link_to(serve_pty(meter.answer).path)) == 20
    assert len(meter.requests) == 2


def test_what_never_makes_sense_is_told_with_what_to_look_at(
    serve_pty: ServePty, link_to: MakeLink, meter: Meter
) -> None:
    meter.spoil = lambda reply: reply[:-1] + b"\x00"
    with pytest.raises(LinkError, match=r"makes no sense \(3 tries; the sum is 0, not 27\): are baud, parity"):
        ask(link_to(serve_pty(meter.answer).path))


def test_a_late_reply_does_not_answer_the_next_question(serve_pty: ServePty, link_to: MakeLink, meter: Meter) -> None:
    late: list[threading.Timer] = []

    def answer(data: bytes) -> bytes:
        reply = meter.answer(data)
        if late:
            return reply
        late.append(threading.Timer(0.08, lambda: os.write(far.near, reply)))
        late[0].start()
        return b""

    far = serve_pty(answer)
    link = link_to(far.path, tries=1, quiet_s=0.08)
    with pytest.raises(LinkError, match="nobody answers"):
        ask(link, 0)
    assert ask(link, 1) == 99
    late[0].join()


def test_two_replies_at_once_answer_nothing(serve_pty: ServePty, link_to: MakeLink, meter: Meter) -> None:
    def spoil(reply: bytes) -> bytes:
        return reply * 2 if len(meter.requests) == 1 else reply

    meter.spoil = spoil
    assert ask(link_to(serve_pty(meter.answer).path)) == 20
    assert len(meter.requests) == 2


class Repeating:
    """A line on which every reply comes again a little later."""

    def __init__(self, meter: Meter, after_s: float, times: int) -> None:
        self._meter, self._after_s, self._left = meter, after_s, times
        self.far: FakePty | None = None
        self.timers: list[threading.Timer] = []

    def answer(self, data: bytes) -> bytes:
        reply = self._meter.answer(data)
        if self._left:
            self._left -= 1
            self.timers.append(threading.Timer(self._after_s, self._again, [reply]))
            self.timers[-1].start()
            time.sleep(0.002)
        return reply

    def _again(self, reply: bytes) -> None:
        assert self.far is not None
        os.write(self.far.near, reply)

    def join(self) -> None:
        for timer in self.timers:
            timer.join()


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.004, 0.01])
def test_a_line_that_repeats_replies_gives_no_wrong_values_where_a_canary_is_read(
    serve_pty: ServePty, link_to: MakeLink, meter: Meter, after_s: float
) -> None:
    repeating = Repeating(meter, after_s, times=5)
    far = repeating.far = serve_pty(repeating.answer)
    link = link_to(far.path, tries=8)

    def canary() -> None:
        if ask(link, 1) != 99:
            raise CodecError("parameter 1 is not 99")

    for value in range(30, 40):
        meter.values[0] = value
        assert link.guarded(lambda: (ask(link, 0), ask(link, 0)), canary) == (value, value)
    repeating.join()


def test_what_is_known_and_comes_otherwise_is_an_error(serve_pty: ServePty, link_to: MakeLink, meter: Meter) -> None:
    def canary() -> None:
        raise CodecError("parameter 1 is 98 instead of 99")

    link = link_to(serve_pty(meter.answer).path)
    with pytest.raises(LinkError, match=r"3 times in a row \(parameter 1 is 98 instead of 99\): is another program"):
        link.guarded(lambda: ask(link), canary)


def test_a_unit_has_its_pause_between_reply_and_request(serve_pty: ServePty, link_to: MakeLink, meter: Meter) -> None:
    link = link_to(serve_pty(meter.answer).path, pause_s=0.03)
    ask(link)
    began_s = time.monotonic()
    ask(link)
    assert time.monotonic() - began_s >= 0.03


def test_devices_of_one_line_share_its_port_and_keep_their_names(
    serve_pty: ServePty, bus: Bus, noted: Noted, meter: Meter
) -> None:
    path = serve_pty(meter.answer).path
    one = open_frames("furnace-1", path, noted, bus, timeout_s=0.05, quiet_s=0.02)
    two = open_frames("furnace-2", path, noted, bus, timeout_s=0.05, quiet_s=0.02)
    assert [ask(one), ask(two)] == [20, 20]
    assert [name for name, _, _ in noted.frames] == ["furnace-1", "furnace-1", "furnace-2", "furnace-2"]
    with pytest.raises(GrantError, match=r"furnace-2: leave .* was given for furnace-1"):
        two.act(b"W", GRANT, SIZE, check=check)
    meter.spoil = lambda _: b""
    with pytest.raises(LinkError, match="furnace-2: nobody answers"):
        ask(two)


def test_an_address_of_another_kind_is_told(noted: Noted) -> None:
    with pytest.raises(BadAddressError, match="furnace-1: 'dir:/tmp' is no serial port"):
        FramesLink("furnace-1", "dir:/tmp", noted)
    assert isinstance(parse_address("/dev/ttyS0"), SerialAddress)
