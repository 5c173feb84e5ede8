from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from lab.safety.interlocks.compiled import expression_from_json, expression_to_json, from_json, to_json
from lab.safety.interlocks.expressions import Comparison, Expression, ExpressionError, Live
from lab.safety.interlocks.file import load_interlock_file
from lab.safety.interlocks.language import parse_expression
from lab.safety.interlocks.rules import NO_INTERLOCKS, Interlocks, Output, Rule, Signal
from tests.lab.conditions import conditions
from tests.lab.conftest import LabFolder

UNITS = {"T": "degC", "o2": "percent", "door": None}


@pytest.fixture
def interlocks() -> Interlocks:
    signals = {
        "T": Signal("T", "safety-1", "ai1", "degC", -20.0, 1350.0, 1.0),
        "o2": Signal("o2", "safety-1", "ai2", "percent", -math.inf, math.inf, 0.5, quality="door"),
        "door": Signal("door", "safety-1", "di1", None, -math.inf, math.inf, 1.0),
    }
    rules = (
        Rule("R1", "trip", "heater", parse_expression("rise(T, 60 s) > 5 K", UNITS), "look", 2.5),
        Rule(
            "R2", "alarm", "the air", parse_expression("o2 < 18 percent", UNITS), "go", bypassable=True, priority="low"
        ),
    )
    outputs = {"heater": Output("heater", "safety-1", "do1", 3600.0)}
    return Interlocks(signals, outputs, rules, (parse_expression("not door", UNITS),), "abc")


def compiled(interlocks: Interlocks) -> Any:
    return json.loads(json.dumps(to_json(interlocks), allow_nan=False))


def test_nothing_is_lost_on_the_way_to_the_supervisor(interlocks: Interlocks) -> None:
    again = from_json(compiled(interlocks))
    assert again == interlocks
    assert again.sha256 == "abc"
    assert [rise.unit for rise in again.rises] == ["K"]
    assert list(again.signals) == list(interlocks.signals)


def test_the_packaged_rules_and_no_rules_survive_too(lab_folder: LabFolder) -> None:
    for found in (load_interlock_file(lab_folder.path("interlocks.yaml")).interlocks, NO_INTERLOCKS):
        assert from_json(compiled(found)) == found


def test_signals_without_a_range_have_none_after(interlocks: Interlocks) -> None:
    assert compiled(interlocks)["signals"][1]["low"] is None
    assert from_json(compiled(interlocks)).signals["o2"].high == math.inf


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("version",), 2, "compiled rules have version 2, and 1 is read here"),
        (("rules",), None, "of another form"),
        (("rules", 0), "R1", "of another form"),
        (("rules", 0, "kind"), "warning", "of kind 'warning'"),
        (("rules", 0, "priority"), "urgent", "priority 'urgent'"),
        (("rules", 0, "after_s"), "2 s", "hold '2 s' where a number must stand"),
        (("rules", 0, "after_s"), True, "hold True where a number must stand"),
        (("rules", 0, "when"), ["off", "door"], "no condition has the form"),
        (("never", 0), [], "no condition has the form"),
        (("signals", 0, "max_age_s"), None, "hold None where a number must stand"),
        (("outputs", 0, "continue_for_s"), math.nan, "hold nan where a number must stand"),
    ],
)
def test_what_is_not_as_it_must_be_is_refused_as_a_whole(
    interlocks: Interlocks, keys: tuple[str | int, ...], value: object, message: str
) -> None:
    form = compiled(interlocks)
    place = form
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    with pytest.raises(ExpressionError, match=message):
        from_json(form)


@pytest.mark.parametrize("room", ["signals", "outputs", "rules"])
def test_every_key_is_needed(interlocks: Interlocks, room: str) -> None:
    for key in compiled(interlocks)[room][0]:
        form = compiled(interlocks)
        del form[room][0][key]
        with pytest.raises(ExpressionError, match=f"compiled rules lack '{key}'"):
            from_json(form)
    form = compiled(interlocks)
    del form[room]
    with pytest.raises(ExpressionError, match=f"compiled rules lack '{room}'"):
        from_json(form)


def test_only_true_makes_a_rule_bypassable(interlocks: Interlocks) -> None:
    form = compiled(interlocks)
    form["rules"][1]["bypassable"] = "yes"
    assert from_json(form).rules[1] == replace(interlocks.rules[1], bypassable=False)


# ---------------------------------------------------------------- conditions


@settings(max_examples=100, deadline=None)
@given(condition=conditions)
def test_a_condition_survives_json(condition: Expression) -> None:
    again = expression_from_json(json.loads(json.dumps(expression_to_json(condition))))
    assert again == condition
    assert str(again) == str(condition)
    assert [rise.unit for rise in again.rises] == [rise.unit for rise in condition.rises]


@pytest.mark.parametrize(
    "form",
    [
        [],
        None,
        "on",
        ["on"],
        ["on", 5],
        ["off", "a"],
        ["and", ["on", "a"]],
        ["vote", 3, ["on", "a"], ["on", "b"]],
        ["vote", 0, ["on", "a"]],
        ["not", ["on", "a"], ["on", "b"]],
        ["==", ["signal", "T", "degC"], ["number", 5.0, "degC"]],
        ["<", ["signal", "T", "degC"]],
        ["<", ["signal", "T", "degC"], 5.0],
        ["<", ["signal", "T", "degC"], ["number", "5", "degC"]],
        ["<", ["*", ["signal", "T", "degC"], ["number", 5.0, "K"], "degC"], ["number", 5.0, "degC"]],
        ["<", ["+", ["abs", ["signal", "T", "degC"]], ["number", 5.0, "K"], "degC"], ["number", 5.0, "degC"]],
        ["<", ["abs", ["signal", "T", "degC"]], ["number", 5.0, "degC"]],
    ],
)
def test_a_form_that_is_none_is_refused(form: Any) -> None:
    with pytest.raises(ExpressionError, match=r"has the form|be added or taken away"):
        expression_from_json(form)


def test_a_form_that_is_nested_without_end_is_an_error_and_no_crash() -> None:
    form: list[Any] = ["on", "a"]
    for _ in range(5000):
        form = ["not", form]
    with pytest.raises(ExpressionError, match="nested more than"):
        expression_from_json(form)


def test_what_is_no_condition_has_no_form() -> None:
    with pytest.raises(ExpressionError, match="a str has no form in JSON"):
        expression_to_json("a")  # type: ignore[arg-type]
    with pytest.raises(ExpressionError, match="a str has no form in JSON"):
        expression_to_json(Comparison("T", "<", Live("T", "degC")))  # type: ignore[arg-type]
