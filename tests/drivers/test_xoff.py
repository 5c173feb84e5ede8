"""An XOFF that noise made must not hold a line back for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

from drivers.links import LineLink
from tests.drivers.fakes import Answer, FakePty, Noted, by_line

XOFF = b"\x13"


def test_a_stray_xoff_holds_a_question_back_for_a_moment_only(
    serve_pty: Callable[[Answer], FakePty], noted: Noted
) -> None:
    far = serve_pty(by_line(lambda line: [f"{line}!"]))
    link = LineLink("balance-1", far.path, noted, software_flow=True)
    assert link.query("I4") == "I4!"
    far.say(XOFF)
    time.sleep(0.05)
    begun_s = time.monotonic()
    assert link.query("SI") == "SI!"
    assert time.monotonic() - begun_s < 2.0
    link.close()


def test_a_stray_xoff_does_not_outlive_the_port(serve_pty: Callable[[Answer], FakePty], noted: Noted) -> None:
    far = serve_pty(by_line(lambda line: [f"{line}!"]))
    link = LineLink("balance-1", far.path, noted, software_flow=True)
    assert link.query("I4") == "I4!"
    far.say(XOFF)
    time.sleep(0.05)
    link.close()
    begun_s = time.monotonic()
    assert link.query("SI") == "SI!"
    assert time.monotonic() - begun_s < 0.4
    link.close()
