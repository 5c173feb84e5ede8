from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.safety.interlocks.expressions import Comparison, Expression, Known, Value
from lab.safety.interlocks.language import parse_expression
from lab.safety.interlocks.reach import acts, constant, covers, only_known, settled
from lab.safety.interlocks.rules import Interlocks, Rule, Signal
from tests.lab.conditions import NAMES, conditions, draw_readings, interlocks_over

UNITS = {"T": "degC", "S": "degC", "wide": "percent", "a": None, "b": None}
INTERLOCKS = Interlocks(
    {
        **interlocks_over(low=0.0, high=100.0).signals,
        "wide": Signal("wide", "safety-1", "ai3", "percent", -float("inf"), float("inf"), 1.0),
    },
    {},
    (),
    (),
)


def read(text: str) -> Expression:
    return parse_expression(text, UNITS)


def rule(when: str | Expression, kind: str = "trip", after_s: float = 0.0, target: str = "heater") -> Rule:
    condition = read(when) if isinstance(when, str) else when
    return Rule("R", kind, target, condition, "look", after_s)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("T < 0 degC", False),
        ("T <= 0 degC", None),
        ("T <= -0.1 degC", False),
        ("T < 100 degC", None),
        ("T <= 100 degC", True),
        ("T < 100.1 degC", True),
        ("T > 100 degC", False),
        ("T >= 100 degC", None),
        ("T >= 0 degC", True),
        ("T > -1 degC", True),
        ("T > 0 degC", None),
        ("wide < 1e9 percent", None),
        ("T - S <= 100 K", True),
        ("T - S < 100 K", None),
        ("abs(T - S) < 0 K", False),
        ("abs(T - S) >= 0 K", True),
        ("abs(T - S) > 99 K", None),
        ("T + 1 K > S - 101 K", True),
        ("T - 101 K > S", False),
        ("rise(T, 60 s) > 100 K", False),
        ("rise(T, 60 s) < -100 K", False),
        ("rise(T, 60 s) > 99 K", None),
        ("T < S", None),
    ],
)
def test_a_comparison_is_settled_where_the_ranges_leave_no_choice(text: str, truth: bool | None) -> None:
    comparison = read(text)
    assert isinstance(comparison, Comparison)
    assert settled(comparison, INTERLOCKS) is truth


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("a and not a", False),
        ("a or not a", True),
        ("a and b", None),
        ("T < 10 degC and T > 20 degC", False),
        ("T < 20 degC or T > 10 degC", True),
        ("T < 20 degC and T > 10 degC", None),
        ("T < 10 degC or T >= 10 degC", True),
        ("T < 10 degC or T > 10 degC", None),
        ("wide < 10 percent and wide > 20 percent", False),
        ("wide < 10 percent or wide > 20 percent", None),
        ("T > S or not T > S", True),
        ("T > S and T < S", None),
        ("rise(T, 60 s) > 5 K and rise(T, 60 s) < 2 K", False),
        ("rise(T, 60 s) > 5 K and rise(T, 30 s) < 2 K", None),
        ("known(a)", True),
        ("not known(T)", False),
        ("known(a) and b", None),
        ("2oo3(a, not a, b)", None),
        ("2oo2(a, not a)", False),
    ],
)
def test_a_condition_that_is_the_same_whatever_is_read(text: str, truth: bool | None) -> None:
    assert constant(read(text), INTERLOCKS) is truth


def test_a_condition_that_is_too_big_to_look_at_counts_as_one_that_can_change() -> None:
    names = [f"s{i}" for i in range(20)]
    text = " and ".join(["s0 and not s0", *names])
    assert constant(parse_expression(text, dict.fromkeys(names, None)), INTERLOCKS) is None


@settings(max_examples=150, deadline=None)
@given(condition=conditions, seed=st.integers(0, 2**32))
def test_what_is_called_constant_never_reads_otherwise(condition: Expression, seed: int) -> None:
    interlocks = interlocks_over()
    always = constant(condition, interlocks)
    chance = random.Random(seed)
    for _ in range(30 if always is not None else 0):
        values = {name: value for name, value in draw_readings(chance).items() if value is not None}
        assert condition.evaluate(values) in (always, None)


@settings(max_examples=150, deadline=None)
@given(one=conditions, part=conditions, seed=st.integers(0, 2**32))
def test_a_rule_that_covers_another_acts_whenever_that_one_does(one: Expression, part: Expression, seed: int) -> None:
    first, second = rule(one), rule(part)
    chance = random.Random(seed)
    for _ in range(30 if covers(first, second, interlocks_over()) else 0):
        values = draw_readings(chance)
        assert acts("trip", one, values) or not acts("trip", part, values)


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (rule("a"), rule("a"), True),
        (rule("a or b"), rule("a"), True),
        (rule("a"), rule("a and b"), True),  # also while b is unknown
        (rule("a and b"), rule("a"), False),
        (rule("T > 50 degC"), rule("T > 60 degC"), True),
        (rule("T > 60 degC"), rule("T > 50 degC"), False),
        (rule("T > 50 degC", after_s=5.0), rule("T > 60 degC"), False),
        (rule("T > 50 degC"), rule("T > 60 degC", after_s=5.0), True),
        (rule("T > 50 degC", target="valve"), rule("T > 60 degC"), False),
        (rule("T < 50 degC", kind="interlock"), rule("T < 60 degC", kind="interlock"), True),
        (rule("T < 50 degC", kind="interlock"), rule("T < 60 degC", kind="permissive"), False),
        (rule("T > 50 degC"), rule("S > 50 degC"), False),
        (rule("T > S"), rule("T > S and T > 3 degC"), True),
        (rule("T > S or T > 3 degC"), rule("T > S"), True),
        (rule("T > S"), rule("T > S + 10 K"), False),  # it does, but live values are not reckoned with
        (rule("not known(T)"), rule("T > 50 degC"), False),
        (rule("T > 50 degC"), rule("not known(T)"), True),
    ],
)
def test_covering(one: Rule, other: Rule, found: bool) -> None:
    assert covers(one, other, INTERLOCKS) is found


@pytest.mark.parametrize(
    ("kind", "truths"),
    [
        ("permissive", {True: False, False: True, None: True}),
        ("interlock", {True: False, False: True, None: True}),
        ("trip", {True: True, False: False, None: True}),
        ("alarm", {True: True, False: False, None: True}),
        ("hold", {True: True, False: False, None: True}),
    ],
)
def test_unknown_acts_whatever_the_kind(kind: str, truths: dict[Value, bool]) -> None:
    assert {value: acts(kind, read("a"), {"a": value}) for value in truths} == truths


def test_asking_for_nothing_but_knowledge() -> None:
    assert only_known(Known("a"))
    assert only_known(read("not (known(a) and known(T))"))
    assert not only_known(read("known(a) and a"))
    assert set(NAMES) >= {"T", "S", "a", "b"}
