"""The interlock file: signals with their quality, outputs with their safe state, rules with guidance, tests."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from lab.safety.interlocks.expressions import Expression, ExpressionError
from lab.safety.interlocks.kinds import is_unit
from lab.safety.interlocks.language import Units, is_name, parse_expression
from lab.safety.interlocks.rules import OWN_CHANNEL, Interlocks, Kind, Output, Priority, Rule, Signal
from protocols.documents import DocumentError, Fault, FileModel, Seconds, line_of, load_model, load_yaml
from protocols.quantities import QuantityError, parse_range

Note = Callable[[tuple[object, ...], str], None]
"""Takes a fault: the keys under which it stands in the file, and a sentence."""


def _input(source: str) -> str:
    device, _, channel = source.partition(".")
    own_like = re.fullmatch(r"(ai|di|do)\d+", channel)
    if (
        not re.fullmatch(r"[\w-]+", device)
        or not re.fullmatch(r"[A-Za-z_][\w.-]*", channel)
        or (own_like and not OWN_CHANNEL.fullmatch(channel))
    ):
        raise ValueError(
            f"is {source!r}, and must be DEVICE.ai1 to DEVICE.ai8, DEVICE.di1 to DEVICE.di8 or DEVICE.do1 to "
            "DEVICE.do4 of a safety module, or DEVICE.NAME of the lab service"
        )
    return source


def _output(source: str) -> str:
    if not re.fullmatch(r"[\w-]+\.do[1-4]", source):
        raise ValueError(f"is {source!r}, and must be DEVICE.do1 (the contactor) to DEVICE.do4 of a safety module")
    return source


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty, and must say in a few words what a person has to do or know")
    return text


class SignalFile(FileModel):
    """One input: where it comes from and when it can be believed."""

    source: Annotated[str, AfterValidator(_input)]
    unit: str | None = None
    range: str | None = None
    max_age: Seconds = 1.0
    quality: str | None = None


class OnLabLossFile(FileModel):
    """What an output does when the lab service is gone."""

    continue_for: Annotated[Seconds, Field(gt=0)]


class OutputFile(FileModel):
    """One output of a safety module."""

    source: Annotated[str, AfterValidator(_output)]
    safe: Literal["open"]
    power_up: Literal["open", "closed"] = "open"
    on_lab_loss: OnLabLossFile | Literal["safe"] = "safe"
    reason: str | None = None


class RuleFile(FileModel):
    """One rule."""

    id: Annotated[str, AfterValidator(_said)]
    kind: Kind
    for_: Annotated[str, AfterValidator(_said)] = Field(alias="for")
    when: str
    guidance: Annotated[str, AfterValidator(_said)]
    after: Annotated[Seconds, Field(ge=0)] = 0.0
    bypassable: bool = False
    priority: Priority = "high"


class TestFile(FileModel):
    """One test of one rule: what is given beside `normal`, how long it has gone on, and what must come of it."""

    __test__ = False  # no test of ours, whatever its name begins with

    rule: str
    given: dict[str, Any] = Field(default_factory=dict)
    after: Annotated[Seconds, Field(ge=0)] | None = None
    expect: Literal["granted", "denied", "closed", "open", "quiet", "fires", "raised", "held"]


class InterlockFile(FileModel):
    """An interlock file as it stands."""

    version: Literal[1]
    signals: dict[str, SignalFile]
    outputs: dict[str, OutputFile] = Field(default_factory=dict)
    rules: list[RuleFile]
    never: list[str] = Field(default_factory=list)
    normal: dict[str, Any] = Field(default_factory=dict)
    """What signals read in normal work: the starting point of every test."""
    tests: list[TestFile] = Field(default_factory=list)


@dataclass(frozen=True)
class LoadedFile:
    """An interlock file, what it means, and where things stand in it."""

    path: Path
    file: InterlockFile
    interlocks: Interlocks
    data: Any
    """As `load_yaml` gave it."""

    def fault(self, keys: tuple[object, ...], message: str) -> Fault:
        """A fault at a place in this file."""
        return Fault(str(self.path), line_of(self.data, keys), message)


def load_interlock_file(path: Path) -> LoadedFile:
    """Read and check an interlock file, and keep it as it stands beside what it means.

    Raises:
        DocumentError: With every fault and its line.
    """
    data = load_yaml(path)
    try:
        file = InterlockFile.model_validate(data)
    except ValidationError:
        # Reads it once more, and raises with lines.
        file = load_model(path, InterlockFile)
    faults: list[Fault] = []
    interlocks = _Reader(file, lambda keys, text: faults.append(Fault(str(path), line_of(data, keys), text))).read()
    if faults:
        raise DocumentError(faults)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return LoadedFile(path, file, _with_hash(interlocks, sha256), data)


def units_of(interlocks: Interlocks) -> Units:
    """Names that an expression may use, each with its unit; None for switches and outputs."""
    signals = {name: signal.unit for name, signal in interlocks.signals.items()}
    return signals | dict.fromkeys(interlocks.outputs, None)


def _with_hash(interlocks: Interlocks, sha256: str) -> Interlocks:
    return Interlocks(interlocks.signals, interlocks.outputs, interlocks.rules, interlocks.never, sha256)


class _Reader:
    """Turns the file's text into interlocks, and notes what cannot be."""

    def __init__(self, file: InterlockFile, note: Note) -> None:
        self._file = file
        self._note = note
        self._units = {name: spec.unit for name, spec in file.signals.items()} | dict.fromkeys(file.outputs, None)

    def read(self) -> Interlocks:
        for room, names in (("signals", self._file.signals), ("outputs", self._file.outputs)):
            for name in names:
                if not is_name(name):
                    self._note((room, name), f"{name!r} cannot be a name: use letters, digits, _ . and -, no keyword")
        signals = {name: self._signal(name, spec) for name, spec in self._file.signals.items()}
        outputs = {name: self._output(name, spec) for name, spec in self._file.outputs.items()}
        rules = [self._rule(i, spec) for i, spec in enumerate(self._file.rules)]
        never = [self._expression(text, ("never", i)) for i, text in enumerate(self._file.never)]
        return Interlocks(
            signals,
            outputs,
            tuple(rule for rule in rules if rule is not None),
            tuple(expression for expression in never if expression is not None),
        )

    def _signal(self, name: str, spec: SignalFile) -> Signal:
        at = ("signals", name)
        device, _, channel = spec.source.partition(".")
        if name in self._file.outputs:
            self._note(at, f"{name}: is the name of a signal and of an output: give each its own")
        if spec.unit is not None and not is_unit(spec.unit):
            self._note(
                (*at, "unit"), f"{name}: there is no unit {spec.unit!r}: write one such as degC, percent or l/min"
            )
        low, high = self._range(name, spec)
        return Signal(name, device, channel, spec.unit, low, high, spec.max_age, self._quality(name, spec))

    def _range(self, name: str, spec: SignalFile) -> tuple[float, float]:
        at = ("signals", name, "range")
        if spec.range is None:
            return -math.inf, math.inf
        if spec.unit is None:
            self._note(at, f"{name}: {spec.range!r} is a range of a signal without a unit, a switch: add the unit")
            return -math.inf, math.inf
        try:
            return parse_range(spec.range, spec.unit)
        except QuantityError as error:
            self._note(at, f"{name}: {error}")
            return -math.inf, math.inf

    def _quality(self, name: str, spec: SignalFile) -> str | None:
        if spec.quality is None:
            return None
        switch = self._file.signals.get(spec.quality)
        if switch is None or switch.unit is not None or switch.quality is not None:
            self._note(
                ("signals", name, "quality"),
                f"{name}: its quality is {spec.quality!r}, and must be a signal without a unit and without a quality "
                "of its own",
            )
        return spec.quality

    def _output(self, name: str, spec: OutputFile) -> Output:
        device, _, channel = spec.source.partition(".")
        at = ("outputs", name)
        if spec.power_up != spec.safe:
            self._note(
                (*at, "power_up"),
                f"{name}: powers up {spec.power_up}, and its safe state is {spec.safe}: wire it to power up safe",
            )
        continue_for_s = 0.0 if spec.on_lab_loss == "safe" else spec.on_lab_loss.continue_for
        if continue_for_s and not (spec.reason or "").strip():
            self._note(
                (*at, "on_lab_loss"),
                f"{name}: may stay closed without the lab service, and nobody says why: add a reason",
            )
        return Output(name, device, channel, continue_for_s)

    def _rule(self, i: int, spec: RuleFile) -> Rule | None:
        when = self._expression(spec.when, ("rules", i, "when"), spec.id)
        if spec.kind in ("interlock", "trip") and spec.for_ not in self._file.outputs:
            known = ", ".join(self._file.outputs) or "none"
            self._note(("rules", i, "for"), f"{spec.id}: no output is named {spec.for_!r}: there are {known}")
        if when is None:
            return None
        return Rule(spec.id, spec.kind, spec.for_, when, spec.guidance, spec.after, spec.bypassable, spec.priority)

    def _expression(self, text: str, keys: tuple[object, ...], rule: str | None = None) -> Expression | None:
        try:
            return parse_expression(text, self._units)
        except ExpressionError as error:
            self._note(keys, f"{rule}: {error}" if rule else str(error))
            return None
