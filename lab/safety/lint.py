"""Whether an interlock file fits the laboratory that it is to protect."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from lab.config.lab_file import LabConfig
from lab.safety.expressions import Value
from lab.safety.interlock_file import Interlocks, Rule, Signal, load_interlocks
from protocols.documents import DocumentError, Fault, line_of, load_yaml
from protocols.quantities import QuantityError, parse_quantity
from protocols.recipe import SAFE_TO_HANDLE_DEGC

DOOR = "{}.door.open"
HEAT = "{}.heat"

TOO_HOT_DEGC = (SAFE_TO_HANDLE_DEGC, 200.0, 1000.0)
"""Temperatures at which no rule may let a furnace's door open."""

Note = Callable[[tuple[object, ...], str], None]


def interlocks_of(lab: LabConfig) -> Interlocks:
    """Read the interlock file of a lab and make sure that it fits.

    Raises:
        DocumentError: With every fault and its line.
    """
    interlocks = load_interlocks(lab.interlocks_path)
    furnaces = {name: furnace.watched_by or "" for name, furnace in lab.furnaces.items()}
    lint(interlocks, lab.interlocks_path, furnaces=furnaces, modules=lab.safety_modules)
    return interlocks


def lint(interlocks: Interlocks, path: Path, *, furnaces: Mapping[str, str], modules: Collection[str]) -> None:
    """Refuse rules that would never be applied, and furnaces that the rules watch weakly or not at all.

    Args:
        interlocks: What the file says.
        path: The file, to name places in it.
        furnaces: Names of the furnaces of the lab, each with the safety module that watches it.
        modules: Names of its safety modules.

    Raises:
        DocumentError: With every fault and its line.
    """
    data = load_yaml(path)
    faults: list[Fault] = []

    def note(keys: tuple[object, ...], message: str) -> None:
        faults.append(Fault(str(path), line_of(data, keys), message))

    _check_sources(interlocks, modules, note)
    _check_targets(interlocks, furnaces, note)
    if not faults:
        # With a misspelt module or target, what it is then missing from would be told as a fault of its own.
        for furnace, module in furnaces.items():
            _check_door(interlocks, furnace, module, note)
            _check_heat(interlocks, furnace, module, note)
    if faults:
        raise DocumentError(faults)


def _check_sources(interlocks: Interlocks, modules: Collection[str], note: Note) -> None:
    for name, signal in interlocks.signals.items():
        if signal.device not in modules:
            note(("signals", name), f"{name}: the lab has no safety module {signal.device!r}: {_there_are(modules)}")
    for name, (device, _) in interlocks.outputs.items():
        if device not in modules:
            note(("outputs", name), f"{name}: the lab has no safety module {device!r}: {_there_are(modules)}")


def _check_targets(interlocks: Interlocks, furnaces: Collection[str], note: Note) -> None:
    targets = [form.format(furnace) for furnace in furnaces for form in (DOOR, HEAT)]
    for i, rule in enumerate(interlocks.rules):
        if rule.kind == "permissive" and rule.target not in targets:
            note(("rules", i, "for"), f"{rule.id}: nothing asks for {rule.target!r}: {_there_are(targets)}")
        if rule.id in [other.id for other in interlocks.rules[:i]]:
            note(("rules", i, "id"), f"{rule.id}: is the id of two rules: give each its own")


def _check_door(interlocks: Interlocks, furnace: str, module: str, note: Note) -> None:
    rules = interlocks.permissives(DOOR.format(furnace))
    if not rules:
        note(("rules",), f"no permissive for {DOOR.format(furnace)}: add one that asks for a cold furnace")
    elif _uses_module(interlocks, rules, furnace, module, note) and _opens_hot(interlocks, rules, module):
        note(
            ("rules", interlocks.rules.index(rules[0]), "when"),
            f"{rules[0].id}: {furnace} would open at {SAFE_TO_HANDLE_DEGC:g} degC: "
            f"ask for less than {SAFE_TO_HANDLE_DEGC:g} degC",
        )


def _check_heat(interlocks: Interlocks, furnace: str, module: str, note: Note) -> None:
    contactors = [name for name, output in interlocks.outputs.items() if output == (module, "do1")]
    rules = [
        rule
        for rule in interlocks.rules
        if rule.target in (contactors if rule.kind != "permissive" else [HEAT.format(furnace)])
    ]
    if not rules:
        note(
            ("rules",),
            f"nothing guards the heat of {furnace}: add a permissive for {HEAT.format(furnace)}, "
            f"or an interlock or trip for its contactor {module}.do1",
        )
    _uses_module(interlocks, rules, furnace, module, note)


def _uses_module(interlocks: Interlocks, rules: list[Rule], furnace: str, module: str, note: Note) -> bool:
    """Whether each rule reads at least one input of the module that watches the furnace."""
    own = {name for name, signal in interlocks.signals.items() if signal.device == module}
    strangers = [rule for rule in rules if not rule.when.signals & own]
    for rule in strangers:
        note(
            ("rules", interlocks.rules.index(rule), "when"),
            f"{rule.id}: reads no input of {module}, which watches {furnace}: {_there_are(own)}",
        )
    return not strangers


def _opens_hot(interlocks: Interlocks, rules: list[Rule], module: str) -> bool:
    """Whether all rules can hold together while every temperature of the module is too hot."""
    names = sorted(frozenset().union(*(rule.when.signals for rule in rules)))
    signals = [interlocks.signals.get(name) for name in names]
    return any(
        all(rule.when.evaluate(dict(zip(names, values, strict=True))) is True for rule in rules)
        for hot_degc in TOO_HOT_DEGC
        for values in itertools.product(*(_readings(signal, module, hot_degc) for signal in signals))
    )


def _readings(signal: Signal | None, module: str, hot_degc: float) -> tuple[Value, ...]:
    """What an input may read while the furnace is hot; an output and a switch may read both."""
    if signal is None or signal.unit is None:
        return (True, False)
    if signal.device == module:
        try:
            return (parse_quantity(f"{hot_degc} degC", signal.unit),)
        except QuantityError:
            pass  # no temperature: it may read anything, like those of other modules
    return (-math.inf, 25.0, math.inf)


def _there_are(names: Collection[str]) -> str:
    return f"there are {', '.join(sorted(names))}" if names else "there are none"
