"""Interlocks as JSON: the form in which rules travel to the supervisor, in floats and without units to convert.

condition   ["on", signal]  ["known", signal]  ["not", c]  ["and", c, ...]  ["or", c, ...]  ["vote", k, c, ...]
            ["<", term, term], also <= > >=
term        ["number", value, unit]  ["signal", name, unit]  ["rise", name, window_s, unit]
            ["+", term, term, unit]  ["-", term, term, unit]  ["abs", term]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

from lab.safety.interlocks.expressions import (
    DEEPEST,
    Combined,
    Comparison,
    Expression,
    ExpressionError,
    Junction,
    Known,
    Live,
    Magnitude,
    Not,
    Number,
    Rise,
    Switch,
    Term,
    Vote,
)
from lab.safety.interlocks.rules import Interlocks, Kind, Output, Priority, Rule, Signal

VERSION = 1


def to_json(interlocks: Interlocks) -> dict[str, Any]:
    """Give interlocks as what `json.dumps` takes."""
    return {
        "version": VERSION,
        "sha256": interlocks.sha256,
        "signals": [_signal_to_json(signal) for signal in interlocks.signals.values()],
        "outputs": [
            {"name": o.name, "device": o.device, "channel": o.channel, "continue_for_s": o.continue_for_s}
            for o in interlocks.outputs.values()
        ],
        "rules": [_rule_to_json(rule) for rule in interlocks.rules],
        "never": [expression_to_json(expression) for expression in interlocks.never],
    }


def from_json(form: Mapping[str, Any]) -> Interlocks:
    """Read what `to_json` gave.

    Raises:
        ExpressionError: Where something is missing or is not what it must be: no rule is ever left out.
    """
    try:
        if form["version"] != VERSION:
            raise ExpressionError(f"compiled rules have version {form['version']!r}, and {VERSION} is read here")
        signals = [_signal_from_json(found) for found in form["signals"]]
        outputs = [_output_from_json(found) for found in form["outputs"]]
        return Interlocks(
            {signal.name: signal for signal in signals},
            {output.name: output for output in outputs},
            tuple(_rule_from_json(found) for found in form["rules"]),
            tuple(expression_from_json(found) for found in form["never"]),
            str(form["sha256"]),
        )
    except KeyError as error:
        raise ExpressionError(f"compiled rules lack {error.args[0]!r}: compile the interlock file again") from None
    except (TypeError, AttributeError) as error:
        raise ExpressionError(f"compiled rules are of another form ({error}): compile the file again") from None


def _signal_to_json(signal: Signal) -> dict[str, Any]:
    return {
        "name": signal.name,
        "device": signal.device,
        "channel": signal.channel,
        "unit": signal.unit,
        # JSON has no infinity
        "low": signal.low if math.isfinite(signal.low) else None,
        "high": signal.high if math.isfinite(signal.high) else None,
        "max_age_s": signal.max_age_s,
        "quality": signal.quality,
    }


def _signal_from_json(found: Mapping[str, Any]) -> Signal:
    unit, quality = found["unit"], found["quality"]
    return Signal(
        name=str(found["name"]),
        device=str(found["device"]),
        channel=str(found["channel"]),
        unit=None if unit is None else str(unit),
        low=-math.inf if found["low"] is None else _number(found["low"]),
        high=math.inf if found["high"] is None else _number(found["high"]),
        max_age_s=_number(found["max_age_s"]),
        quality=None if quality is None else str(quality),
    )


def _output_from_json(found: Mapping[str, Any]) -> Output:
    return Output(str(found["name"]), str(found["device"]), str(found["channel"]), _number(found["continue_for_s"]))


def _rule_to_json(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "kind": rule.kind,
        "target": rule.target,
        "when": expression_to_json(rule.when),
        "guidance": rule.guidance,
        "after_s": rule.after_s,
        "bypassable": rule.bypassable,
        "priority": rule.priority,
    }


def _rule_from_json(found: Mapping[str, Any]) -> Rule:
    kind, priority = found["kind"], found["priority"]
    if kind not in get_args(Kind) or priority not in get_args(Priority):
        raise ExpressionError(f"a compiled rule is of kind {kind!r} and priority {priority!r}, which do not exist")
    return Rule(
        id=str(found["id"]),
        kind=kind,
        target=str(found["target"]),
        when=expression_from_json(found["when"]),
        guidance=str(found["guidance"]),
        after_s=_number(found["after_s"]),
        bypassable=found["bypassable"] is True,
        priority=priority,
    )


def _number(found: Any) -> float:
    if isinstance(found, bool) or not isinstance(found, float | int) or math.isnan(found):
        raise ExpressionError(f"compiled rules hold {found!r} where a number must stand")
    return float(found)


# ---------------------------------------------------------------- conditions


def expression_to_json(expression: Expression) -> list[Any]:
    """Give a condition as nested lists."""
    match expression:
        case Switch(signal):
            return ["on", signal]
        case Known(signal):
            return ["known", signal]
        case Not(part):
            return ["not", expression_to_json(part)]
        case Junction(parts, every):
            return ["and" if every else "or", *map(expression_to_json, parts)]
        case Vote(need, parts):
            return ["vote", need, *map(expression_to_json, parts)]
        case Comparison(left, op, right):
            return [op, _term_to_json(left), _term_to_json(right)]
    raise ExpressionError(f"a {type(expression).__name__} has no form in JSON")


def _term_to_json(term: Term) -> list[Any]:
    match term:
        case Number(value, unit):
            return ["number", value, unit]
        case Live(signal, unit):
            return ["signal", signal, unit]
        case Rise(signal, window_s, unit):
            return ["rise", signal, window_s, unit]
        case Combined(left, sign, right, unit):
            return [sign, _term_to_json(left), _term_to_json(right), unit]
        case Magnitude(of):
            return ["abs", _term_to_json(of)]
    raise ExpressionError(f"a {type(term).__name__} has no form in JSON")


def expression_from_json(form: Any, depth: int = 0) -> Expression:
    """Read what `expression_to_json` gave.

    Raises:
        ExpressionError: Naming the form that is none.
    """
    if depth > 4 * DEEPEST:
        raise ExpressionError(f"a condition is nested more than {4 * DEEPEST} levels deep")
    match form:
        case ["on", str(signal)]:
            return Switch(signal)
        case ["known", str(signal)]:
            return Known(signal)
        case ["not", part]:
            return Not(expression_from_json(part, depth + 1))
        case ["and" | "or" as word, _, _, *_]:
            return Junction(tuple(expression_from_json(part, depth + 1) for part in form[1:]), word == "and")
        case ["vote", int(need), *parts] if 1 <= need <= len(parts):
            return Vote(need, tuple(expression_from_json(part, depth + 1) for part in parts))
        case ["<" | "<=" | ">" | ">=" as op, left, right]:
            return Comparison(_term_from_json(left), op, _term_from_json(right))
    raise ExpressionError(f"no condition has the form {str(form)[:60]!r}")


def _term_from_json(form: Any) -> Term:
    match form:
        case ["number", float(value) | int(value), str(unit)]:
            return Number(float(value), unit)
        case ["signal", str(signal), str(unit)]:
            return Live(signal, unit)
        case ["rise", str(signal), float(window_s) | int(window_s), str(unit)]:
            return Rise(signal, float(window_s), unit)
        case ["+" | "-" as sign, left, right, str(unit)]:
            return Combined(_plain(left), sign, _plain(right), unit)
        case ["abs", ["-", left, right, str(unit)]]:
            return Magnitude(Combined(_plain(left), "-", _plain(right), unit))
    raise ExpressionError(f"no number has the form {str(form)[:60]!r}")


def _plain(form: Any) -> Term:
    """A term that is not made of others."""
    if isinstance(form, list) and form[:1] in (["number"], ["signal"]):
        return _term_from_json(form)
    raise ExpressionError(f"only a signal or a number can be added or taken away, found {str(form)[:60]!r}")
