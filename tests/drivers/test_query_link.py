"""One connection for each question."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.errors import GrantError, LinkError
from drivers.gate import Command, Granted
from drivers.links import QueryLink
from tests.drivers.fakes import FakeSocket, Noted

ServeSocket = Callable[..., FakeSocket]
GRANT = Granted(Command("xrd-1", "measure"), 0.0)


def link_to(server: FakeSocket, noted: Noted, timeout_s: float = 0.05) -> QueryLink:
    return QueryLink("xrd-1", "127.0.0.1", server.port, noted, timeout_s=timeout_s)


def test_each_question_has_its_own_connection(serve_socket: ServeSocket, noted: Noted) -> None:
    server = serve_socket(lambda _: b"@READY=yes@END", close_after_reply=True)
    link = link_to(server, noted, 1.0)
    assert [link.query("@Q@END"), link.act("@A@END", GRANT)] == ["@READY=yes@END"] * 2
    assert server.connections == 2
    assert noted.frames[:2] == [("xrd-1", "tx", b"@Q@END"), ("xrd-1", "rx", b"@READY=yes@END")]


def test_messages_that_nobody_asked_for_are_passed_over(serve_socket: ServeSocket, noted: Noted) -> None:
    server = serve_socket(lambda _: b"@SAMPLE@MEASURED@END@READY=no@END")
    reply = link_to(server, noted, 1.0).query("@Q@END", accepts=lambda text: "READY" in text)
    assert reply == "@READY=no@END"


def test_a_silent_instrument_is_asked_three_times(serve_socket: ServeSocket, noted: Noted) -> None:
    server = serve_socket(lambda _: b"")
    with pytest.raises(
        LinkError, match=r"xrd-1: nobody answers at socket://127.0.0.1:\d+ \(3 tries of 0.05 s; timed out"
    ):
        link_to(server, noted).query("@Q@END")
    assert noted.sent() == [b"@Q@END"] * 3


def test_a_command_is_sent_once(serve_socket: ServeSocket, noted: Noted) -> None:
    server = serve_socket(lambda _: b"")
    with pytest.raises(LinkError, match="1 try"):
        link_to(server, noted).act("@A@END", GRANT)
    assert noted.sent() == [b"@A@END"]


def test_leave_for_another_device_sends_nothing(serve_socket: ServeSocket, noted: Noted) -> None:
    server = serve_socket(lambda _: b"@OK@END")
    with pytest.raises(GrantError, match="xrd-1: leave to measure was given for xrd-2, and nothing was written"):
        link_to(server, noted).act("@A@END", Granted(Command("xrd-2", "measure"), 0.0))
    assert server.connections == 0


def test_a_reply_that_is_cut_is_no_reply(serve_socket: ServeSocket, noted: Noted) -> None:
    server = serve_socket(lambda _: b"@READY=ye", close_after_reply=True)
    with pytest.raises(LinkError, match="closed after 9 bytes of a reply"):
        link_to(server, noted, 1.0).query("@Q@END")


def test_nobody_listening_is_told(noted: Noted) -> None:
    with pytest.raises(LinkError, match=r"nobody answers at socket://127.0.0.1:1 .*refused"):
        QueryLink("xrd-1", "127.0.0.1", 1, noted).query("@Q@END")
