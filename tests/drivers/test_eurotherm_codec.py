"""Registers that Eurotherms have in common, against the numbers printed in their manual."""

from __future__ import annotations

import math

import pytest

from drivers.codecs import eurotherm as wire
from drivers.codecs.eurotherm import Flags, Summary, Values
from drivers.errors import CodecError


@pytest.mark.parametrize(("register", "value"), [(65521, -15), (0, 0), (32767, 32767), (0x8001, -32767)])
def test_registers_hold_signed_numbers(register: int, value: int) -> None:
    assert wire.to_signed(register) == value
    assert wire.to_register(value) == register


@pytest.mark.parametrize("value", [32768, -32768])
def test_what_fits_no_register_is_an_error(value: int) -> None:
    with pytest.raises(CodecError, match="does not fit"):
        wire.to_register(value)


@pytest.mark.parametrize(("degc", "decimals", "register"), [(949.6, 0, 950), (949.6, 1, 9496), (-15.0, 0, 65521)])
def test_temperatures_have_the_decimals_that_are_configured(degc: float, decimals: int, register: int) -> None:
    assert wire.encode_degc(degc, decimals) == register
    assert wire.decode_degc(register, decimals) == pytest.approx(degc, abs=0.5)


# ---------------------------------------------------------------- the area of 32-bit numbers, as HA026230 prints it


def test_the_target_setpoint_is_at_32772_there() -> None:
    assert wire.ieee_address(wire.TARGET_SETPOINT) == 32772


def test_a_number_is_two_words_high_word_first() -> None:
    assert wire.encode_float(1.001) == (0x3F80, 0x20C5)
    assert wire.decode_float((0x3F80, 0x20C5)) == pytest.approx(1.001, abs=1e-7)


# ---------------------------------------------------------------- a look


def test_the_status_byte_of_the_manual_is_manual_and_sensor_break() -> None:
    assert Summary(0x30) == Summary.MANUAL | Summary.SENSOR_BREAK


def test_a_look_gives_reading_target_output_and_setpoint() -> None:
    assert wire.decode_values((850, 900, 0, 65, 860), 0) == Values(850.0, 900.0, 65.0, 860.0)
    assert wire.decode_values((8505, 9000, 0, 655, 8600), 1, 1) == Values(850.5, 900.0, 65.5, 860.0)


def test_32_bits_give_the_same_with_more_digits() -> None:
    words = [word for value in (850.25, 900.0, 0.0, 65.5, 860.125) for word in wire.encode_float(value)]
    assert wire.decode_ieee_values(words) == Values(850.25, 900.0, 65.5, 860.125)


def test_an_output_that_cannot_be_is_no_number() -> None:
    assert math.isnan(wire.decode_values((850, 900, 0, 655, 860), 0).output_percent)


def test_only_a_one_counts_where_a_register_may_not_be_there() -> None:
    assert wire.decode_flags((0x5A5A, 0, 0x1234)) == Flags(frozen=False, sensor_break=False, power_failed=False)
    assert wire.decode_flags((1, 1, 1)) == Flags(frozen=True, sensor_break=True, power_failed=True)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (Values(6552.1, 0.0, 0.0, 0.0), "a reading of 6552.1 degC cannot be"),
        (Values(-60.0, 0.0, 0.0, 0.0), "a reading of -60 degC cannot be, -50 to 1422 degC can"),
        (Values(20.0, 9000.0, 0.0, 0.0), "a target setpoint of 9000 degC"),
        (Values(20.0, 0.0, 0.0, math.nan), "a working setpoint of nan degC"),
    ],
)
def test_what_cannot_be_is_no_reading(values: Values, said: str) -> None:
    with pytest.raises(CodecError, match=said):
        wire.check_values(values, wire.sane_range_degc(0.0, 1372.0), sensor_ok=True)


def test_a_reading_that_means_nothing_is_not_judged() -> None:
    wire.check_values(Values(math.nan, 0.0, 0.0, 0.0), (-50.0, 1422.0), sensor_ok=False)


def test_an_instrument_that_says_no_range_may_read_what_furnaces_can() -> None:
    assert wire.sane_range_degc(0.0, 0.0) == wire.SANE_DEGC
