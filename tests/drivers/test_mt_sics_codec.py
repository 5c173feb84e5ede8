"""Lines of balances."""

from __future__ import annotations

import pytest

from drivers.codecs import mt_sics
from drivers.codecs.mt_sics import Nameplate, Weight
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
        ("S", "S M      0.0012 g", Weight(1.2, stable=True, below_minimum=True)),
        ("SI", "S N      0.0012 g", Weight(1.2, stable=False, below_minimum=True)),
        ("T", "T A     21.0040 g", Weight(21_004.0, stable=True)),
        ("TA", "TA A     21.0040 g", Weight(21_004.0, stable=True)),
        ("TI", "TI D     21.0040 g", Weight(21_004.0, stable=False)),
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
        ("S", "S S Error 10b", "weighing error 10b: EEPROM error, of the balance"),
        *(
            (
                ("S", f"S S Error {code}t", f"weighing error {code}t: {what}, of the terminal")
                for code, what in mt_sics.WEIGHING_ERRORS.items()
            )
        ),
        ("S", "S E", "error"),
        ("TA", "TA I", "not executable"),
        ("TA", "TA L", "wrong parameter"),
        ("TI", "TI L", "wrong parameter"),
        ("T", "T +", "overload"),
        ("T", "T -", "underload"),
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
    assert mt_sics.parse_text("@", '@ A "B021002593"') == "B021002593"
    assert mt_sics.parse_text("I4", 'I4 A "B021 002593"') == "B021 002593"
    with pytest.raises(RefusedError, match="I4: not executable now"):
        mt_sics.parse_text("I4", "I4 I")
    with pytest.raises(CodecError):
        mt_sics.parse_text("I4", "I4 A")


def test_a_reply_that_carries_nothing_is_checked() -> None:
    for command, line in (
        ("Z", "Z A"),
        ("ZI", "ZI S"),
        ("ZI", "ZI D"),
        ("TAC", "TAC A"),
        ("M21 0 0", "M21 A"),
        ("WS 0", "WS A"),
        ("T", "T S     100.00 g"),
    ):
        mt_sics.check_done(command, line)
    for line in ("Z +", "Z -", "ZI I"):
        with pytest.raises(RefusedError):
            mt_sics.check_done(line.split()[0], line)
    with pytest.raises(RefusedError):
        mt_sics.check_done("Z", "Z I")
    with pytest.raises(CodecError):
        mt_sics.check_done("Z", "T A")


@pytest.mark.parametrize(
    ("command", "line", "is_answer"),
    [
        ("SI", "S D 1 g", True),
        ("@", 'I4 A "1"', True),
        ("@", '@ A "1"', True),
        ("I4", '@ A "1"', False),
        ("SIR", "S D 1 g", True),
        ("SC 100", "S D 1 g", True),
        ("WS 1", "WS A", True),
        ("M21 0 0", "M21 L", True),
        ("TA", "T S 1 g", False),
        ("T", "S S 1 g", False),
        ("T", "ET", True),
        ("T", "EL", True),
        ("T", "ES", True),
        ("T", "", False),
    ],
)
def test_a_reply_is_known_by_its_first_word(command: str, line: str, is_answer: bool) -> None:
    assert mt_sics.answers(command, line) is is_answer


def test_the_last_digit_tells_how_fine_a_weight_is() -> None:
    assert mt_sics.parse_weight("S", "S S     100.00 g").step_mg == 10.0
    assert mt_sics.parse_weight("S", "S S      0.1234 mg").step_mg == pytest.approx(1e-4)
    assert mt_sics.parse_weight("S", "S S         7 kg").step_mg == 1e6


@pytest.mark.parametrize("line", ["S S 1e3 g", "S S nan g", "S S inf g", "S S 1.2.3 g", "S S -- g", "S S 1,5 g"])
def test_what_no_balance_prints_is_no_number(line: str) -> None:
    with pytest.raises(CodecError):
        mt_sics.parse_weight("S", line)


def test_the_type_and_the_capacity_are_on_the_nameplate() -> None:
    assert mt_sics.parse_nameplate(['I2 A "XS204 Excellence 220.0090 g"']) == Nameplate("XS204 Excellence", 220_009.0)
    assert mt_sics.parse_nameplate(['I2 B "XP6002S"', 'I2 A "6.1 kg"']) == Nameplate("XP6002S", 6_100_000.0)
    assert mt_sics.parse_nameplate(['I2 A "WXS205SDU"']) == Nameplate("WXS205SDU", None)
    with pytest.raises(RefusedError):
        mt_sics.parse_nameplate(["I2 I"])
    with pytest.raises(CodecError):
        mt_sics.parse_nameplate(["I2 A"])


def test_the_commands_come_in_many_lines() -> None:
    lines = ['I0 B 0 "I0"', 'I0 B 0 "I1"', 'I0 B 1 "D"', 'I0 A 1 "T"']
    assert [mt_sics.is_last(line) for line in lines] == [False, False, False, True]
    assert mt_sics.parse_commands(lines) == ("I0", "I1", "D", "T")
    for bad in ([], ["I0 A"], ['I0 B 0 "I0"', "I0 A 1"], ["S S 1.0 g"]):
        with pytest.raises(CodecError):
            mt_sics.parse_commands(bad)


@pytest.mark.parametrize(("line", "code"), [("WS A 0", 0), ("WS A 1", 1), ("WS A 9", 9)])
def test_the_doors_are_where_they_are_said_to_be(line: str, code: int) -> None:
    assert mt_sics.parse_shield(line) == code
    for bad in ("WS A", "WS A 12", "WS A x", "S S 1.0 g"):
        with pytest.raises(CodecError):
            mt_sics.parse_shield(bad)
    with pytest.raises(RefusedError):
        mt_sics.parse_shield("WS I")
