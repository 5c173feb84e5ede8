from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.safety.interlocks.expressions import Expression, ExpressionError, Rise, Value
from lab.safety.interlocks.kinds import is_temperature, is_unit
from lab.safety.interlocks.language import is_name, parse_difference, parse_expression, parse_rise
from protocols.quantities import QuantityError
from tests.lab.conditions import conditions

UNITS = {
    "T": "degC",
    "S": "degC",
    "cold": "K",
    "flow": "l/min",
    "o2": "percent",
    "door": None,
    "f1.over": "degC",
    "a": None,
    "b": None,
    "c": None,
}


def read(text: str) -> Expression:
    return parse_expression(text, UNITS)


def truth(text: str, **values: Value) -> bool | None:
    return read(text).evaluate(values)


# ---------------------------------------------------------------- what can be said


@pytest.mark.parametrize("text", ["T > 60 degC", "not (T > 60 degC)", "T <= 60 degC", "not T < 60 degC and door"])
def test_a_temperature_that_is_unknown_never_permits(text: str) -> None:
    assert truth(text, T=None, door=True) is None


def test_and_binds_closer_than_or_and_not_closer_than_and() -> None:
    assert truth("a or b and c", a=True, b=False, c=False) is True
    assert truth("(a or b) and c", a=True, b=False, c=False) is False
    assert truth("not a and b", a=False, b=False) is False
    assert truth("not (a and b)", a=False, b=False) is True


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("T < 333.15 K", "T < 60 degC"),
        ("T > -20 degC", "T > -20 degC"),
        ("T > -20degC", "T > -20 degC"),
        ("60 degC > T", "T < 60 degC"),
        ("60 degC <= T", "T >= 60 degC"),
        ("cold < 60 degC", "cold < 333.15 K"),
        ("flow >= 500 ml/min", "flow >= 0.5 l/min"),
        ("o2 < 19.5 %", "o2 < 19.5 percent"),
        ("T < S-20 K", None),
        ("T < S - 20 K", "T < S - 20 K"),
        ("T < S - 36 delta_degF", "T < S - 20 K"),
        ("T -20 K < S", "T - 20 K < S"),
        ("T + 1e1 K < S", "T + 10 K < S"),
        ("rise(T, 1 min) < 2 K", "rise(T, 60 s) < 2 K"),
        ("rise(flow, 60 s) < 1 l/min", "rise(flow, 60 s) < 1 l/min"),
        ("abs(T - S) < 40 K", "abs(T - S) < 40 K"),
        ("flow + 1 l/min > 2 l/min", "flow + 1 l/min > 2 l/min"),
        ("not not a", "not (not a)"),
        ("known(T)and not known(a)", "known(T) and not known(a)"),
        ("1oo2(a, b or c)", "1oo2(a, b or c)"),
        ("a and (b or c) and not (a and b)", "a and (b or c) and not (a and b)"),
    ],
)
def test_what_is_read_is_said_again_in_the_signals_own_units(text: str, same: str | None) -> None:
    if same is None:
        with pytest.raises(ExpressionError, match="put blanks around -"):
            read(text)
        return
    assert str(read(text)) == same
    assert read(same) == read(text)


@settings(max_examples=100, deadline=None)
@given(condition=conditions)
def test_whatever_is_built_of_readable_parts_is_read_again(condition: Expression) -> None:
    text = str(condition)
    try:
        again = read(text)
    except ExpressionError as error:
        # What the strategy builds without regard to types is refused, and says so.
        assert "difference" in str(error) or "temperature" in str(error)  # noqa: PT017
        return
    assert str(again) == text


def test_temperatures_are_compared_with_temperatures_and_differences_with_differences() -> None:
    assert truth("T < S - 20 K", T=79.9, S=100.0) is True
    assert truth("T - S < 20 K", T=119.9, S=100.0) is True
    assert truth("abs(T - S) < rise(T, 60 s)", T=100.0, S=99.0, **{"rise(T, 60 s)": 2.0}) is True


def test_two_of_three() -> None:
    text = "2oo3(o2 < 19.5 percent, a, b)"
    assert truth(text, o2=21.0, a=True, b=True) is True
    assert truth(text, o2=None, a=True, b=False) is None
    assert truth(text, o2=21.0, a=True, b=False) is False


def test_a_rise_alone_is_read_for_tests() -> None:
    assert parse_rise("rise(f1.over, 2 min)", UNITS) == Rise("f1.over", 120.0)
    for text in ("T", "60 s", "abs(T - S)", "rise(T, 60 s) < 2 K"):
        with pytest.raises(ExpressionError, match=r"no change over time|follows a change"):
            parse_rise(text, UNITS)


def test_a_difference_is_read_as_one() -> None:
    assert parse_difference("41 K", "degC") == 41.0
    assert parse_difference("-41 K", "K") == -41.0
    assert parse_difference("18 delta_degF", "degC") == pytest.approx(10.0)
    assert parse_difference("5 %", "percent") == 5.0
    for text in ("41 degC", "41", "much", 41, "41 mg"):
        with pytest.raises(QuantityError):
            parse_difference(text, "degC")


# ---------------------------------------------------------------- what cannot


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("T < 60", "60 has no unit: a number needs its unit, as in 60 degC"),
        ("T < 60 and door", "60 has no unit"),
        ("T == 60 degC", "cannot read '== 60 degC': == and != are not allowed, use < <= > >="),
        ("T != 60 degC", "cannot read '!= 60 degC'"),
        ("T", "T is a value in degC: compare it, as in 'T < 60 degC'"),
        ("T - S", "T - S is a value in K: compare it, as in 'T - S < 60 K'"),
        ("door < 1 degC", "door is a switch and cannot be compared"),
        ("door - 1 K < T", "door is a switch and cannot be compared"),
        ("T < door", "door is a switch, and a number is needed there"),
        ("T < 60 l/min", "'60 l/min' has not the unit of a value in degC"),
        ("flow > 5 degC", "'5 degC' has not the unit of a value in l/min"),
        ("T < 60 foo", "'60 foo' has not the unit of a value in degC"),
        ("T < 1e999 degC", "not finite"),
        ("T < flow", "T is a temperature in degC and flow is a value in l/min: compare what is of one kind"),
        ("T < cold", "T is a temperature in degC and cold is a temperature in K"),
        ("T - cold < 5 K", "cold is a temperature in K: give both signals one unit"),
        ("T < T - S", "T is a temperature in degC and T - S is a difference of temperatures"),
        ("rise(T, 60 s) < 2 degC", "2 degC is a temperature where a difference is meant: write 2 K"),
        ("T - S < 20 degC", "20 degC is a temperature where a difference is meant: write 20 K"),
        ("abs(T - S) < 20 degC", "20 degC is a temperature where a difference is meant: write 20 K"),
        ("T + 20 degC < S", "20 degC is a temperature where a difference is meant: write 20 K"),
        ("T + S < 30 degC", "two live values can only be taken from each other"),
        ("T - rise(T, 60 s) < 30 degC", "two live values can only be taken from each other"),
        ("T - 5 K - 5 K < S", "adds twice"),
        ("5 K + T < S", "'\\+' follows 5 K: only to a signal can something be added"),
        ("rise(T, 60 s) + 5 K < 7 K", "only to a signal can something be added"),
        ("abs(T) < 5 K", "abs takes a difference of two signals"),
        ("abs(T - 5 K) < 5 K", "abs takes a difference of two signals"),
        ("abs(T - S < 5 K", "'<' stands in abs"),
        ("abs T < 5 K", "no signal is named 'abs'"),
        ("rise(T) < 2 K", "'\\)' stands after the signal of rise, where ',' was expected"),
        ("rise(T, 0 s) < 2 K", "a time greater than 0"),
        ("rise(T, 5 K) < 2 K", "has not the unit of a value in s"),
        ("rise(T, S) < 2 K", "a time greater than 0"),
        ("rise(T - S, 60 s) < 2 K", "rise takes a signal and a time"),
        ("max(T, S) < 2 K", "'max' is called: only abs"),
        ("known(T - S)", "'-' stands in known"),
        ("known(nobody)", "no signal is named 'nobody'"),
        ("1 K < 2 K", "compares two fixed numbers"),
        ("20 degC", "20 degC is compared with nothing"),
        ("T < 5 degC < S", "compares twice"),
        ("T < -S", "'-' stands before what is no number"),
        ("T < --5 degC", "'-' stands before what is no number"),
        ("pressure > 5 degC", "no signal is named 'pressure': there are T, S, cold"),
        ("T < < 5 degC", "no signal is named '<'"),
        ("door and", "ends where a signal was expected"),
        ("", "ends where a signal was expected"),
        ("not", "ends where a signal was expected"),
        ("T <", "ends where a signal or a number was expected"),
        ("T < -", "ends where a number was expected"),
        ("(door", r"ends where '\)' was expected"),
        ("(door and a b", r"'b' stands at the end of a bracket, where '\)' was expected"),
        ("door a", "'a' follows a complete condition: join conditions with and, or"),
        ("door)", r"'\)' follows a complete condition"),
        ("door & a", "cannot read '& a'"),
        ("2oo3(a, b)", "2oo3 with 2 conditions: write K of N"),
        ("0oo2(a, b)", "0oo2 with 2 conditions"),
        ("3oo2(a, b)", "3oo2 with 2 conditions"),
        ("2oo3 a, b, c", r"'a' stands after 2oo3, where '\(' was expected"),
        ("2oo3(a, b, c", r"ends where '\)' was expected"),
        ("__import__('os')", "cannot read"),
        ("T.__class__ < 5 degC", "no signal is named 'T.__class__'"),
        ("[a for a in b]", "cannot read"),
    ],
)
def test_what_cannot_be_read_says_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        read(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bomb", ["(", "not ", "abs(", "rise(", "2oo3(", "a and (", "T < -", "known(", "not (a or "])
def test_a_bomb_is_an_error_and_no_crash(bomb: str) -> None:
    with pytest.raises(ExpressionError):
        read(bomb * (1999 // len(bomb)))
    with pytest.raises(ExpressionError, match="characters, 2000 are allowed"):
        read(bomb * 2001)


def test_brackets_may_be_nested_as_deep_as_a_person_would() -> None:
    assert read("(" * 15 + "a" + ")" * 15) == read("a")
    with pytest.raises(ExpressionError, match="nested more than 16 levels deep"):
        read("(" * 16 + "a" + ")" * 16)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abTS()<>=+-, .0123koorisandt", max_size=40))
def test_any_text_is_read_or_refused_in_one_sentence(text: str) -> None:
    try:
        found = read(text)
    except ExpressionError as error:
        assert str(error)  # noqa: PT017
        return
    assert found.signals <= UNITS.keys()


# ---------------------------------------------------------------- names and units


@pytest.mark.parametrize("name", ["f1.over", "mill-1.x", "_x", "a1"])
def test_names_that_a_condition_can_say(name: str) -> None:
    assert is_name(name)
    assert parse_expression(f"not {name}", {name: None}).signals == {name}


@pytest.mark.parametrize(
    "name", ["and", "or", "not", "abs", "rise", "known", "2x", "a b", "", "a,", "2oo3", "-a", ".a"]
)
def test_names_that_a_condition_cannot_say(name: str) -> None:
    assert not is_name(name)


def test_units_are_told_from_nonsense_and_temperatures_from_the_rest() -> None:
    assert all(is_unit(unit) for unit in ("degC", "K", "percent", "%", "l/min", "delta_degC"))
    assert not any(is_unit(unit) for unit in ("foo", "degc/", "", "()"))
    assert all(is_temperature(unit) for unit in ("degC", "K", "degF"))
    assert not any(is_temperature(unit) for unit in ("percent", "delta_degC", "l/min", None))
