"""Somebody else at an address is quoted; noise, late answers, echoes and greetings are nobody else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from drivers.bus import Bus
from drivers.errors import CodecError, LinkError, WrongInstrumentError
from drivers.links import open_frames, open_line, open_query
from drivers.links.strangers import quoted
from tests.drivers.fakes import Answer, FakePty, FakeSocket, Noted

ServePty = Callable[[Answer], FakePty]
ServeSocket = Callable[..., FakeSocket]
TIMEOUT_S, QUIET_S, LATE_S = 0.06, 0.15, 0.1
SIZE = 3


def is_serial_number(line: str) -> bool:
    return line.startswith("I4 ")


def meet_by_line(bus: Bus, noted: Noted, url: str, unasked: Callable[[str], bool] | None = None) -> str:
    """Ask a balance for its serial number, as at start-up."""
    link = open_line("scale", url, noted, bus, timeout_s=TIMEOUT_S, quiet_s=QUIET_S, unasked=unasked)
    recognition = bus.recognition("scale")
    recognition.check_with(lambda: link.query("I4", accepts=is_serial_number))
    return recognition.meet()


def check(reply: bytes) -> None:
    if len(reply) != SIZE or sum(reply[:-1]) != reply[-1]:
        raise CodecError("no sound reply")


def meet_by_frames(bus: Bus, noted: Noted, url: str) -> str:
    link = open_frames("kiln", url, noted, bus, timeout_s=TIMEOUT_S, quiet_s=QUIET_S)
    recognition = bus.recognition("kiln")
    recognition.check_with(lambda: link.query(b"R0", SIZE, check=check).hex())
    return recognition.meet()


def always(reply: bytes, after_s: float = 0.0) -> Answer:
    def answer(_: bytes) -> bytes:
        time.sleep(after_s)
        return reply

    return answer


@pytest.fixture
def differing() -> Iterator[bytes]:
    return (bytes([65 + n]) * 3 + b"\r\n" for n in count())


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        (b"ES\r\n", "'ES'"),
        (b"Hello\nES\n", "'ES'"),
        (b"no end of line", "'no end of line'"),
        (b"\x01\x83\x02\xc0\xf1", "01 83 02 c0 f1"),
        (b"x" * 100 + b"\n", f"'{'x' * 60}...'"),
    ],
)
def test_what_somebody_else_says_is_quoted(
    serve_pty: ServePty, bus: Bus, noted: Noted, reply: bytes, shown: str
) -> None:
    path = serve_pty(always(reply)).path
    with pytest.raises(WrongInstrumentError) as wrong:
        meet_by_line(bus, noted, path)
    assert str(wrong.value) == (
        f"scale: what answers at {path} is another instrument, it says {shown} each time that it is asked who it is: "
        "is the address right in the lab file, and are baud, parity and stop_bits?"
    )


def test_a_network_has_no_baud(serve_socket: ServeSocket, bus: Bus, noted: Noted) -> None:
    url = f"socket://127.0.0.1:{serve_socket(always(b'ES' + bytes([10]))).port}"
    with pytest.raises(WrongInstrumentError, match=r"it says 'ES' .*: is the address right in the lab file\?$"):
        meet_by_line(bus, noted, url)


def test_half_a_request_that_somebody_left_behind_hides_nobody(serve_pty: ServePty, bus: Bus, noted: Noted) -> None:
    replies = iter([b"what is 'A?I4'\r\n"])
    path = serve_pty(lambda _: next(replies, b"what is 'I4'\r\n")).path
    with pytest.raises(WrongInstrumentError, match="it says \"what is 'I4'\" each time"):
        meet_by_line(bus, noted, path)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(always(b'I4 A "123"\r\n', LATE_S), id="an answer that is late"),
        pytest.param(always(b"I4\r\n"), id="our own line back"),
        pytest.param(always(b"\r\n"), id="nothing"),
        pytest.param(always(b"Connected\r\n"), id="a greeting"),
    ],
)
def test_who_is_slow_or_greets_is_silent(serve_pty: ServePty, bus: Bus, noted: Noted, answer: Answer) -> None:
    path = serve_pty(answer).path
    with pytest.raises(LinkError, match=r"scale: nobody answers at .* \(3 tries of 0.06 s\)"):
        meet_by_line(bus, noted, path, unasked=lambda line: line == "Connected")


def test_noise_is_nobody(serve_pty: ServePty, bus: Bus, noted: Noted, differing: Iterator[bytes]) -> None:
    path = serve_pty(lambda _: next(differing)).path
    with pytest.raises(LinkError, match="scale: nobody answers at"):
        meet_by_line(bus, noted, path)


def test_who_was_recognized_is_no_stranger_when_it_talks_of_something_else(
    serve_pty: ServePty, bus: Bus, noted: Noted
) -> None:
    link = open_line("scale", serve_pty(always(b"D 5\r\n")).path, noted, bus, timeout_s=TIMEOUT_S, quiet_s=QUIET_S)
    with pytest.raises(LinkError, match="scale: nobody answers at"):
        link.query("I4", accepts=is_serial_number)


def test_a_stranger_on_a_line_of_frames_is_quoted(serve_pty: ServePty, bus: Bus, noted: Noted) -> None:
    path = serve_pty(always(bytes([1, 2, 9]))).path
    with pytest.raises(
        WrongInstrumentError, match=rf"kiln: what answers at {path} is another .*, it says 01 02 09 each"
    ):
        meet_by_frames(bus, noted, path)


@pytest.mark.parametrize(
    "answer",
    [pytest.param(always(bytes([1, 2, 3]), LATE_S), id="late"), pytest.param(always(b"R0"), id="our own back")],
)
def test_a_frame_that_is_late_is_silence(serve_pty: ServePty, bus: Bus, noted: Noted, answer: Answer) -> None:
    path = serve_pty(answer).path
    with pytest.raises(LinkError, match=r"kiln: nobody answers at"):
        meet_by_frames(bus, noted, path)


@pytest.mark.parametrize("reply", [b"220 ready\r\n", b"@ERROR=1@END"])
def test_a_stranger_that_is_asked_over_one_connection_each_is_quoted(
    serve_socket: ServeSocket, bus: Bus, noted: Noted, reply: bytes
) -> None:
    server = serve_socket(always(reply))
    link = open_query("xrd-1", f"socket://127.0.0.1:{server.port}", noted, timeout_s=TIMEOUT_S, bus=bus)
    recognition = bus.recognition("xrd-1")
    recognition.check_with(lambda: link.query("@Q@END", accepts=lambda text: "READY" in text))
    said = rf"xrd-1: what answers at {link.address} is another instrument, it says '{reply.decode().strip()}' each time"
    with pytest.raises(WrongInstrumentError, match=said):
        recognition.meet()
    assert ("xrd-1", "rx", reply) in noted.frames


def test_bytes_are_shown_in_hex_where_they_are_no_text() -> None:
    assert quoted(bytes(range(200, 230))) == " ".join(f"{n:02x}" for n in range(200, 220)) + " ..."
