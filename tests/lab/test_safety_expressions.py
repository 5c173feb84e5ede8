from __future__ import annotations

import itertools
import math

import pytest

from lab.safety.expressions import Expression, ExpressionError, Value, parse_expression
from protocols.quantities import QuantityError

UNITS = {"T": "degC", "flow": "l/min", "door": None, "f1.over": "degC", "a": None, "b": None, "c": None}

UNKNOWN: list[Value] = [None, math.nan]
THREE = (True, False, None)


def read(text: str) -> Expression:
    return parse_expression(text, UNITS)


def truth(text: str, **values: Value) -> bool | None:
    return read(text).evaluate(values)


@pytest.mark.parametrize(("a", "result"), [(True, False), (False, True), (None, None)])
def test_not(a: bool | None, result: bool | None) -> None:
    assert truth("not a", a=a) is result


@pytest.mark.parametrize(
    ("a", "b", "both", "either"),
    [
        (True, True, True, True),
        (True, False, False, True),
        (True, None, None, True),
        (False, True, False, True),
        (False, False, False, False),
        (False, None, False, None),
        (None, True, None, True),
        (None, False, False, None),
        (None, None, None, None),
    ],
)
def test_and_and_or_follow_kleene(a: bool | None, b: bool | None, both: bool | None, either: bool | None) -> None:
    assert truth("a and b", a=a, b=b) is both
    assert truth("a or b", a=a, b=b) is either


@pytest.mark.parametrize("text", ["T > 60 degC", "not (T > 60 degC)", "T <= 60 degC", "not T < 60 degC and door"])
@pytest.mark.parametrize("value", UNKNOWN)
def test_a_temperature_that_is_unknown_never_permits(text: str, value: Value) -> None:
    assert truth(text, T=value, door=True) is None


def test_a_missing_signal_is_unknown() -> None:
    assert truth("T > 60 degC") is None
    assert truth("door") is None


@pytest.mark.parametrize("value", [1.0, 0.0, 25.0, math.nan])
def test_a_number_is_no_switch(value: float) -> None:
    assert truth("door", door=value) is None


@pytest.mark.parametrize(
    "text",
    [
        "a and not b or c",
        "not (a or b) and not c",
        "not not a and (b or c)",
        "a or b and c",
        "(a or b) and (not a or c)",
    ],
)
def test_making_an_input_unknown_never_turns_an_answer_round(text: str) -> None:
    expression = read(text)
    for values in itertools.product((True, False), repeat=3):
        known = dict(zip("abc", values, strict=True))
        answer = expression.evaluate(known)
        assert answer is not None
        for name in known:
            assert expression.evaluate({**known, name: None}) in {answer, None}


@pytest.mark.parametrize(
    ("value", "results"),
    [(59.9, (True, True, False, False)), (60.0, (False, True, False, True)), (60.1, (False, False, True, True))],
)
def test_comparisons_at_their_limit(value: float, results: tuple[bool, ...]) -> None:
    found = tuple(truth(f"T {op} 60 degC", T=value) for op in ("<", "<=", ">", ">="))
    assert found == results


def test_limits_convert_to_the_signals_unit_when_they_are_read() -> None:
    assert truth("T < 333.15 K", T=59.9) is True
    assert truth("T < 333.15 K", T=60.1) is False
    assert truth("flow >= 0.5 l/min", flow=0.5) is True
    assert truth("T > -20 degC", T=-19.0) is True


def test_and_binds_closer_than_or_and_not_closer_than_and() -> None:
    assert truth("a or b and c", a=True, b=False, c=False) is True
    assert truth("(a or b) and c", a=True, b=False, c=False) is False
    assert truth("not a and b", a=False, b=False) is False
    assert truth("not (a and b)", a=False, b=False) is True


def test_the_signals_of_an_expression_are_all_that_it_reads() -> None:
    assert read("not (door and f1.over < 60 degC) or flow > 1 l/min").signals == {"door", "f1.over", "flow"}


def test_an_explanation_has_the_live_value_and_the_limit() -> None:
    expression = read("f1.over < 60 degC and door")
    assert expression.explain({"f1.over": 412.0, "door": False}) == [
        "f1.over is 412.0 degC, and must be < 60 degC",
        "door is off, and must be on",
    ]
    assert expression.explain({"f1.over": 25.0, "door": True}) == []


@pytest.mark.parametrize("value", UNKNOWN)
def test_an_explanation_says_unknown_for_what_cannot_be_believed(value: Value) -> None:
    assert read("T < 60 degC and door").explain({"T": value}) == [
        "T is unknown, and must be < 60 degC",
        "door is unknown, and must be on",
    ]
    assert read("not (T > 60 degC)").explain({"T": value}) == ["a condition on T is unknown, and must not be"]


def test_an_or_that_holds_has_nothing_to_explain() -> None:
    assert read("a or b").explain({"a": True, "b": False}) == []
    assert read("a or b").explain({"a": False, "b": False}) == ["a is off, and must be on", "b is off, and must be on"]


@pytest.mark.parametrize("values", list(itertools.product(THREE, repeat=3)))
def test_what_is_not_true_always_has_a_reason(values: tuple[bool | None, ...]) -> None:
    for text in ("a and (b or not c)", "not (a or b) and c", "not not a or b and not c"):
        expression = read(text)
        named = dict(zip("abc", values, strict=True))
        assert bool(expression.explain(named)) is (expression.evaluate(named) is not True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("T < 60", "a number needs its unit"),
        ("T == 60 degC", "== is not allowed"),
        ("T", "T is a value in degC: compare it, as in 'T < 60 degC'"),
        ("door < 1 degC", "door is a switch and cannot be compared"),
        ("T < door", "T is compared with 'door': write a number and a unit"),
        ("pressure > 5 degC", "no signal is named 'pressure': there are T, flow, door"),
        ("60 degC < T", "no signal is named '60 degC'"),
        ("door and", "ends where a signal was expected"),
        ("", "ends where a signal was expected"),
        ("not", "ends where a signal was expected"),
        ("(door", "ends where a signal was expected"),
        ("(door and a b", "has a bracket that is not closed"),
        ("door a", "'a' follows a complete condition"),
        ("door)", r"'\)' follows a complete condition"),
        ("door & a", "cannot read '& a'"),
        ("__import__('os')", "cannot read|no signal"),
        ("T < < 5 degC", "is compared with '<'"),
    ],
)
def test_what_cannot_be_read_says_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        read(text)


@pytest.mark.parametrize("text", ["T < 60 l/min", "flow > 5 degC", "T < 60 and door"])
def test_a_limit_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(QuantityError, match="has not the unit"):
        read(text)
