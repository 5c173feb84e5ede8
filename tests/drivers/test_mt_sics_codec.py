"""Lines of balances."""

from __future__ import annotations

import pytest

from drivers.codecs import mt_sics
from drivers.codecs.mt_sics import Weight
from drivers.errors import CodecError, RefusedError


@pytest.mark.parametrize(
    ("command", "line", "weight"),
    [
        ("S", "S S     100.00 g", Weight(100_000.0, stable=True)),
        ("SI", "S D      12.345 g", Weight(12_345.0, stable=False)),
        ("SI", "S S       0.10 mg", Weight(0.1, stable=True)),
        ("T", "T S     -0.5000 g", Weight(-500.0, stable=True)),
        ("S", "S S    0.59171 g", Weight(591.71, stable=True)),
        ("S", "S S  1.5 kg", Weight(1_500_000.0, stable=True)),
    ],
)
def test_weights_are_milligrams(command: str, line: str, weight: Weight) -> None:
    assert mt_sics.parse_weight(command, line) == weight


@pytest.mark.parametrize(
    ("command", "line", "said"),
    [
        ("S", "S I", "no stable weight"),
        ("S", "S +", "overload"),
        ("S", "S -", "underload"),
        ("T", "T I", "not executable"),
        ("T", "T L", "wrong parameter"),
        ("S", "ES", "syntax error"),
        ("S", "ET", "transmission error"),
        ("S", "EL", "logical error"),
        ("S", "S S Error 10b", "weighing error 10b"),
    ],
)
def test_a_refusal_is_said_in_words(command: str, line: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        mt_sics.parse_weight(command, line)


@pytest.mark.parametrize("line", ["", "T S 1.0 g", "S S", "S S 1.0", "S S x g", "S S 1.0 lb", "S S 1.0 g g"])
def test_what_is_no_weight_is_no_number(line: str) -> None:
    with pytest.raises(CodecError):
        mt_sics.parse_weight("S", line)


def test_the_reply_to_a_reset_is_the_serial_number() -> None:
    assert mt_sics.parse_text("@", 'I4 A "B021002593"') == "B021002593"
    assert mt_sics.parse_text("I4", 'I4 A "B021 002593"') == "B021 002593"
    with pytest.raises(CodecError):
        mt_sics.parse_text("I4", "I4 A")


def test_a_reply_that_carries_nothing_is_checked() -> None:
    mt_sics.check_done("Z", "Z A")
    with pytest.raises(RefusedError):
        mt_sics.check_done("Z", "Z I")
    with pytest.raises(CodecError):
        mt_sics.check_done("Z", "T A")


@pytest.mark.parametrize(
    ("command", "line", "is_answer"),
    [("SI", "S D 1 g", True), ("@", 'I4 A "1"', True), ("T", "S S 1 g", False), ("T", "ES", True), ("T", "", False)],
)
def test_a_reply_is_known_by_its_first_word(command: str, line: str, is_answer: bool) -> None:
    assert mt_sics.answers(command, line) is is_answer
