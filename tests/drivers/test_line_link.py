"""Lines over pseudo-terminals and sockets."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.address import SerialAddress, parse_address
from drivers.errors import GrantError, LinkError
from drivers.gate import Command, Granted
from drivers.links import LineLink
from drivers.links.stream import StreamPort
from tests.drivers.fakes import Answer, FakePty, FakeSocket, Noted, by_line

ServePty = Callable[[Answer], FakePty]
ServeSocket = Callable[..., FakeSocket]
GRANT = Granted(Command("scale", "tare"), 0.0)


@pytest.fixture
def links(noted: Noted) -> Iterator[Callable[..., LineLink]]:
    opened: list[LineLink] = []

    def make(url: str, **settings: object) -> LineLink:
        timing = {"timeout_s": 0.05, "act_timeout_s": 0.05}
        port = StreamPort(parse_address(url), noted, quiet_s=0.01)  # type: ignore[arg-type]
        opened.append(LineLink("scale", url, noted, **{**timing, "port": port, **settings}))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for link in opened:
        link.close()


def echo(line: str) -> list[str]:
    return [f"got {line}"]


def test_a_question_is_answered_over_a_pseudo_terminal(
    serve_pty: ServePty, links: Callable[..., LineLink], noted: Noted
) -> None:
    link = links(serve_pty(by_line(echo)).path)
    assert link.query("I4") == "got I4"
    assert noted.frames == [("scale", "tx", b"I4\r\n"), ("scale", "rx", b"got I4\r\n")]


def test_a_question_is_answered_over_a_socket(serve_socket: ServeSocket, links: Callable[..., LineLink]) -> None:
    server = serve_socket(by_line(echo, end=b"\n"))
    link = links(f"socket://127.0.0.1:{server.port}", terminator=b"\n")
    assert [link.query("a"), link.query("b")] == ["got a", "got b"]
    assert server.connections == 1


def test_a_line_in_two_pieces_is_one_line(serve_pty: ServePty, links: Callable[..., LineLink]) -> None:
    far = serve_pty(lambda _: b"")
    link = links(far.path)
    link.send("S", GRANT)
    far.say(b"S S   10")
    assert link.read_line(0.0) is None
    far.say(b"0.00 g\r\n")
    assert link.read_line(1.0) == "S S   100.00 g"


def test_what_came_unasked_is_read_off_before_a_question_and_kept_in_the_transcript(
    serve_pty: ServePty, links: Callable[..., LineLink], noted: Noted
) -> None:
    far = serve_pty(by_line(echo))
    link = links(far.path)
    link.query("a")
    far.say(b"S D 1.0 g\r\n")
    assert link.query("b") == "got b"
    assert ("scale", "rx", b"S D 1.0 g\r\n") in noted.frames


def test_lines_that_answer_something_else_are_passed_over(serve_pty: ServePty, links: Callable[..., LineLink]) -> None:
    link = links(serve_pty(by_line(lambda _: ["noise", "", "T S 1 g"])).path)
    assert link.query("T", accepts=lambda line: line.startswith("T")) == "T S 1 g"


def test_a_line_that_came_already_is_given_and_none_is_waited_for(
    serve_pty: ServePty, links: Callable[..., LineLink]
) -> None:
    far = serve_pty(lambda _: b"")
    link = links(far.path, timeout_s=1.0)
    link.send("QRA 61 1", GRANT)
    began_s = time.monotonic()
    assert link.read_line_if_any() is None
    assert time.monotonic() - began_s < 0.5
    far.say(b"QRA 61 1 A\r\nnext\r\n")
    assert [link.read_line_if_any(), link.read_line_if_any(), link.read_line_if_any()] == ["QRA 61 1 A", "next", None]


def test_a_question_is_repeated_and_then_nobody_is_there(
    serve_pty: ServePty, links: Callable[..., LineLink], noted: Noted
) -> None:
    far = serve_pty(lambda _: b"")
    with pytest.raises(LinkError) as caught:
        links(far.path).query("I4")
    assert str(caught.value) == (
        f"scale: nobody answers at {far.path} (3 tries of 0.05 s): "
        "is the instrument on and the address right in the lab file?"
    )
    assert noted.sent() == [b"I4\r\n"] * 3


def test_a_command_is_sent_once_whatever_happens(
    serve_pty: ServePty, links: Callable[..., LineLink], noted: Noted
) -> None:
    with pytest.raises(LinkError, match=r"\(1 try of 0.05 s\)"):
        links(serve_pty(lambda _: b"").path).act("T", GRANT)
    assert noted.sent() == [b"T\r\n"]


def test_a_reply_that_is_cut_is_no_reply(serve_pty: ServePty, links: Callable[..., LineLink]) -> None:
    with pytest.raises(LinkError, match="nobody answers"):
        links(serve_pty(lambda _: b"S S  10").path).query("S")


def test_a_missing_port_is_told_with_its_path(tmp_path: Path, links: Callable[..., LineLink]) -> None:
    with pytest.raises(LinkError, match=r"scale: .*/nothing cannot be opened: there is no such port: is the adapter"):
        links(str(tmp_path / "nothing")).query("I4")


def test_nobody_listening_is_told(links: Callable[..., LineLink]) -> None:
    with pytest.raises(LinkError, match=r"nobody answers at socket://127.0.0.1:1 \(connection refused\): is the inst"):
        links("socket://127.0.0.1:1").query("I4")


def test_a_port_in_use_is_told(serve_pty: ServePty, links: Callable[..., LineLink]) -> None:
    far = serve_pty(by_line(echo))
    links(far.path).query("a")
    with pytest.raises(LinkError, match=r"/tty0 cannot be opened: it is in use: end the other program that has it"):
        links(far.path).query("b")


def test_a_pulled_cable_is_an_error_and_the_same_path_works_again(
    tmp_path: Path, links: Callable[..., LineLink]
) -> None:
    first = FakePty(by_line(echo), tmp_path / "tty")
    link = links(first.path)
    link.query("a")
    first.close()
    with pytest.raises(LinkError):
        link.query("b")
    os.unlink(tmp_path / "tty")
    second = FakePty(by_line(echo), tmp_path / "tty")
    assert link.query("c") == "got c"
    second.close()


def test_a_socket_that_was_closed_is_opened_again(serve_socket: ServeSocket, links: Callable[..., LineLink]) -> None:
    server = serve_socket(by_line(echo), close_after_reply=True)
    link = links(f"socket://127.0.0.1:{server.port}")
    assert [link.query("a"), link.query("b")] == ["got a", "got b"]
    assert server.connections == 2


def test_a_flood_without_a_line_end_is_no_line_protocol(
    serve_socket: ServeSocket, links: Callable[..., LineLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.links.line.LONGEST", 100)
    server = serve_socket(lambda _: b"x" * 200)
    with pytest.raises(LinkError, match="without a line end"):
        links(f"socket://127.0.0.1:{server.port}", timeout_s=1.0).query("a")


def test_lines_may_end_with_a_carriage_return_alone_and_be_padded(
    serve_pty: ServePty, links: Callable[..., LineLink], noted: Noted
) -> None:
    link = links(serve_pty(lambda _: b"\0A +014.62     N2\b\b\rA M00 x\r").path, terminator=b"\r")
    assert link.query("A") == "A +014.62     N2"
    assert link.read_line_if_any() == "A M00 x"
    assert noted.sent() == [b"A\r"]


def test_a_late_line_does_not_answer_the_next_question(serve_pty: ServePty, links: Callable[..., LineLink]) -> None:
    late: list[threading.Timer] = []

    def answer(data: bytes) -> bytes:
        if late:
            return b"got " + data
        late.append(threading.Timer(0.1, lambda: os.write(far.near, b"got " + data)))
        late[0].start()
        return b""

    far = serve_pty(answer)
    link = links(far.path, port=StreamPort(SerialAddress(far.path), Noted(), quiet_s=0.15), tries=1)
    with pytest.raises(LinkError):
        link.query("a")
    assert link.query("b") == "got b"
    late[0].join()


def test_lines_that_never_answer_end_at_the_deadline(serve_socket: ServeSocket, links: Callable[..., LineLink]) -> None:
    server = serve_socket(lambda _: b"noise\n" * 1000)
    link = links(f"socket://127.0.0.1:{server.port}", tries=1)
    began_s = time.monotonic()
    with pytest.raises(LinkError, match="nobody answers"):
        link.query("a", accepts=lambda line: line == "signal")
    assert time.monotonic() - began_s < 1.0


def test_a_stream_on_which_nobody_answers_is_replaced(
    serve_socket: ServeSocket, links: Callable[..., LineLink]
) -> None:
    server = serve_socket(lambda _: b"")
    with pytest.raises(LinkError, match="nobody answers"):
        links(f"socket://127.0.0.1:{server.port}").query("a")
    assert server.connections == 3


def test_leave_for_another_device_sends_nothing(
    serve_pty: ServePty, links: Callable[..., LineLink], noted: Noted
) -> None:
    link = links(serve_pty(by_line(echo)).path)
    foreign = Granted(Command("mover-1", "move", "vials/2", subject="vials/1"), 0.0)
    for command in (link.act, link.send):
        with pytest.raises(GrantError, match="scale: leave to move vials/1 vials/2 was given for mover-1"):
            command("T", foreign)
    assert noted.frames == []
