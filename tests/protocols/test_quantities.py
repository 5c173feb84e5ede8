from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.quantities import QuantityError, format_quantity, parse_quantity, parse_range


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("5 degC/min", "degC/min", 5.0),
        ("5 K/min", "degC/min", 5.0),
        ("5 degC/min", "K/min", 5.0),
        ("300 degC/h", "degC/min", 5.0),
        ("9 delta_degF/min", "degC/min", 5.0),
    ],
)
def test_a_rate_is_a_difference_of_temperatures_and_never_moved_by_the_offset(
    text: str, unit: str, value: float
) -> None:
    assert parse_quantity(text, unit) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("650 degC", 650.0), ("923.15 K", 650.0), ("0 degC", 0.0), ("-20 degC", -20.0), ("32 degF", 0.0)],
)
def test_a_temperature_is_moved_by_the_offset_of_its_unit(text: str, value: float) -> None:
    assert parse_quantity(text, "degC") == value


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("2 h", "s", 7200.0),
        ("10 min", "s", 600.0),
        ("1e-3 s", "s", 0.001),
        ("0.592 g", "mg", 592.0),
        ("2g", "mg", 2000.0),
        (".5 mg", "mg", 0.5),
        ("+5. mg", "mg", 5.0),
        ("  300   rpm ", "rpm", 300.0),
        ("20 um", "um", 20.0),
        ("5 turn/s", "rpm", 300.0),
        ("180 deg/s", "rpm", 30.0),
        ("0.5 turn", "deg", 180.0),
        ("120 1/min", "Hz", 2.0),
    ],
)
def test_units_convert_to_the_wanted_one(text: str, unit: str, value: float) -> None:
    assert parse_quantity(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit"), [("20 Hz", "rpm"), ("20 1/s", "rpm"), ("300 rpm", "Hz"), ("5 dimensionless", "deg")]
)
def test_how_often_is_not_taken_for_how_fast_it_turns(text: str, unit: str) -> None:
    with pytest.raises(QuantityError, match="only one of the two counts turns or angles; write it in " + unit):
        parse_quantity(text, unit)


@pytest.mark.parametrize("text", ["5 degC", "5 min", "5 degC*min", "5 degC**2/min", "5 mg/min"])
def test_another_kind_of_value_is_refused_where_a_rate_is_wanted(text: str) -> None:
    with pytest.raises(QuantityError, match="has not the unit of a value in degC/min"):
        parse_quantity(text, "degC/min")


@pytest.mark.parametrize("text", ["5 degC/min", "650 degrees Celsius or so", "650 C", "6 h"])
def test_another_kind_of_value_is_refused_where_a_temperature_is_wanted(text: str) -> None:
    with pytest.raises(QuantityError, match="write it in degC or a unit that converts"):
        parse_quantity(text, "degC")


@pytest.mark.parametrize(
    "text", ["", "650", "degC", "1,5 mg", "nan degC", "inf degC", "1 2 .. mg", 650, 6.5, None, True, ["5 mg"]]
)
def test_what_is_not_a_number_and_a_unit_says_how_to_write_it(text: object) -> None:
    with pytest.raises(QuantityError, match=r"write a|has not the unit"):
        parse_quantity(text, "mg")


@pytest.mark.parametrize("text", ["5 (", "5 min)", "1 {", "5 **", "5 %%", '5 "', "5 min /", "1 e", "3 \\"])
def test_a_unit_that_is_no_unit_is_a_sentence_and_no_trace(text: str) -> None:
    with pytest.raises(QuantityError, match="has not the unit of a value in s"):
        parse_quantity(text, "s")


@pytest.mark.parametrize(("text", "unit"), [("1e400 mg", "mg"), ("1e308 kg", "mg")])
def test_a_number_too_large_to_count_with_is_refused(text: str, unit: str) -> None:
    with pytest.raises(QuantityError, match="is not finite in mg"):
        parse_quantity(text, unit)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["degC", "degC/min", "s", "mg", "deg", "rpm"]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_float_survives_being_written_and_read(value: float, unit: str) -> None:
    assert parse_quantity(format_quantity(value, unit), unit) == value


def test_whole_numbers_are_written_without_a_fraction() -> None:
    assert format_quantity(592.0, "mg") == "592 mg"
    assert format_quantity(0.25, "degC/min") == "0.25 degC/min"


def test_a_range_gives_both_ends_in_the_wanted_unit() -> None:
    assert parse_range("700 degC .. 1373.15 K", "degC") == (700.0, 1100.0)
    assert parse_range("1 h..12 h", "s") == (3600.0, 43200.0)
    assert parse_range("1 h .. 1 h", "s") == (3600.0, 3600.0)


@pytest.mark.parametrize("text", ["700 degC", "1 degC .. 2 degC .. 3 degC", 700, None])
def test_what_is_no_range_says_how_to_write_one(text: object) -> None:
    with pytest.raises(QuantityError, match=r"is no range: write two quantities with '\.\.' between"):
        parse_range(text, "degC")


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(QuantityError, match=r"'1100 degC \.\. 700 degC' runs backwards"):
        parse_range("1100 degC .. 700 degC", "degC")


def test_both_ends_of_a_range_need_a_unit() -> None:
    with pytest.raises(QuantityError, match="'700 ' is no quantity"):
        parse_range("700 .. 1100 degC", "degC")
