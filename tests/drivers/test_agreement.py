"""Answers on a wire without a checksum."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.errors import CodecError, LinkError
from drivers.parts.agreement import agreed


def asking(*answers: object) -> Callable[[], object]:
    left = iter(answers)

    def ask() -> object:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


@pytest.mark.parametrize(
    "answers", [("a", "a"), ("b", "a", "a"), (CodecError("?"), "a", "a"), ("a", CodecError("?"), "a", "a")]
)
def test_two_in_a_row_are_believed(answers: tuple[object, ...]) -> None:
    assert agreed(asking(*answers), "x") == "a"


def test_none_that_agree_are_an_error() -> None:
    with pytest.raises(CodecError, match="x is answered in another way each time, at last with 4"):
        agreed(asking(1, 2, 3, 4), "x")


def test_nothing_that_means_anything_is_that_error() -> None:
    with pytest.raises(CodecError, match="noise"):
        agreed(asking(1, CodecError("noise"), 1, CodecError("noise")), "x")


def test_silence_is_not_asked_again_here() -> None:
    with pytest.raises(LinkError):
        agreed(asking(LinkError("nobody"), 1, 1), "x")


def test_what_moves_may_differ_a_little() -> None:
    assert agreed(asking(1.0, 1.1), "x", lambda before, now: abs(float(str(now)) - float(str(before))) < 0.2) == 1.1
