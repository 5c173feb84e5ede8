"""The interlock file: signals with their quality, outputs with their safe state, rules with guidance."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lab.safety.expressions import Expression, ExpressionError, Value, parse_expression
from protocols.documents import DocumentError, Fault, FileModel, Seconds, line_of, load_model, load_yaml
from protocols.quantities import QuantityError, parse_range

Kind = Literal["permissive", "interlock", "trip"]


def _input(source: str) -> str:
    if not re.fullmatch(r"[\w-]+\.(ai1|di[1-8]|do1)", source):
        raise ValueError(f"is {source!r}, and must be DEVICE.ai1, DEVICE.di1 to DEVICE.di8, or DEVICE.do1")
    return source


def _output(source: str) -> str:
    if not re.fullmatch(r"[\w-]+\.do1", source):
        raise ValueError(f"is {source!r}, and must be DEVICE.do1, the contactor")
    return source


class SignalFile(FileModel):
    """One input: where it comes from and when it can be believed."""

    source: Annotated[str, AfterValidator(_input)]
    unit: str | None = None
    range: str | None = None
    max_age: Seconds = 1.0


class OnLabLossFile(FileModel):
    """What an output does when the lab service is gone."""

    continue_for: Seconds


class OutputFile(FileModel):
    """One output of a safety module."""

    source: Annotated[str, AfterValidator(_output)]
    safe: Literal["open"]
    on_lab_loss: OnLabLossFile | Literal["safe"] = "safe"
    reason: str | None = None


class RuleFile(FileModel):
    """One rule."""

    id: str
    kind: Kind
    for_: str = Field(alias="for")
    when: str
    guidance: Annotated[str, Field(min_length=1)]
    bypassable: bool = False


class InterlockFile(FileModel):
    """An interlock file as it stands."""

    version: Literal[1]
    signals: dict[str, SignalFile]
    outputs: dict[str, OutputFile] = Field(default_factory=dict)
    rules: list[RuleFile]
    never: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class Signal:
    """A checked input in floats."""

    name: str
    device: str
    channel: str
    """``ai1``, ``di1`` or ``do1``; channels count from 1."""
    unit: str | None
    low: float
    high: float
    max_age_s: float

    def value(self, reading: Value, age_s: float) -> Value:
        """The reading if it can be believed, else None: not missing, finite, in range and fresh."""
        if reading is None or not math.isfinite(reading) or not age_s <= self.max_age_s:
            return None
        if self.unit is None:
            return bool(reading)
        return float(reading) if self.low <= float(reading) <= self.high else None


@dataclass(frozen=True)
class Rule:
    """A checked rule."""

    id: str
    kind: Kind
    target: str
    """A command (``furnace-1.door.open``, ``furnace-1.heat``) for a permissive, else an output's name."""
    when: Expression
    guidance: str


@dataclass(frozen=True)
class Interlocks:
    """All that an interlock file says."""

    signals: dict[str, Signal]
    outputs: dict[str, tuple[str, str]]
    """Output name to (device, channel)."""
    rules: tuple[Rule, ...]
    never: tuple[Expression, ...]

    def permissives(self, target: str) -> list[Rule]:
        """The rules that must all hold before the command `target`."""
        return [rule for rule in self.rules if rule.kind == "permissive" and rule.target == target]


NO_INTERLOCKS = Interlocks({}, {}, (), ())


def load_interlocks(path: Path) -> Interlocks:
    """Read and check an interlock file.

    Raises:
        DocumentError: With every fault and its line.
    """
    file = load_model(path, InterlockFile)
    data = load_yaml(path)
    faults: list[Fault] = []
    signals: dict[str, Signal] = {}
    for name, declared in file.signals.items():
        try:
            signals[name] = _signal(name, declared)
        except QuantityError as error:
            faults.append(Fault(str(path), line_of(data, ("signals", name, "range")), f"{name}: {error}"))
    units = {name: spec.unit for name, spec in file.signals.items()} | dict.fromkeys(file.outputs, None)

    def parse(text: str, keys: tuple[object, ...]) -> Expression | None:
        try:
            return parse_expression(text, units)
        except (ExpressionError, QuantityError) as error:
            faults.append(Fault(str(path), line_of(data, keys), str(error)))
            return None

    rules = []
    for i, spec in enumerate(file.rules):
        when = parse(spec.when, ("rules", i, "when"))
        if spec.kind != "permissive" and spec.for_ not in file.outputs:
            known = ", ".join(file.outputs) or "none"
            faults.append(
                Fault(
                    str(path),
                    line_of(data, ("rules", i, "for")),
                    f"{spec.id}: no output is named {spec.for_!r}: there are {known}",
                )
            )
        if when is not None:
            rules.append(Rule(spec.id, spec.kind, spec.for_, when, spec.guidance))
    never = [parse(text, ("never", i)) for i, text in enumerate(file.never)]
    if faults:
        raise DocumentError(faults)
    outputs = {name: _channel(spec.source) for name, spec in file.outputs.items()}
    return Interlocks(signals, outputs, tuple(rules), tuple(e for e in never if e is not None))


def _channel(source: str) -> tuple[str, str]:
    device, _, channel = source.rpartition(".")
    return device, channel


def _signal(name: str, spec: SignalFile) -> Signal:
    device, channel = _channel(spec.source)
    if spec.range is not None and spec.unit is None:
        raise QuantityError(f"{spec.range!r} is a range of a signal without a unit, a switch: add the unit")
    low, high = parse_range(spec.range, spec.unit) if spec.range and spec.unit else (-math.inf, math.inf)
    return Signal(name, device, channel, spec.unit, low, high, spec.max_age)
