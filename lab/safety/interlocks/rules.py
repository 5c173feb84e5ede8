"""What an interlock file means, in floats: the form in which rules reach the supervisor.

Imports nothing that a small process should not carry: no pint, no YAML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from lab.safety.interlocks.expressions import Expression, Rise, Value

Kind = Literal["permissive", "interlock", "trip", "alarm", "hold"]
Priority = Literal["low", "medium", "high", "critical"]

NEVER_AFTER_S = 0.3
"""Three scans: an interlock that has just acted needs them until its contactor is seen open."""

OWN_CHANNEL = re.compile(r"(ai[1-8]|di[1-8]|do[1-4])")
"""Channels of a safety module: what the supervisor reads itself. Every other source is the lab service's."""


@dataclass(frozen=True)
class Signal:
    """A checked input."""

    name: str
    device: str
    channel: str
    """``ai1``, ``di1`` or ``do1`` of a safety module, counted from 1; else a signal of the device."""
    unit: str | None
    """None for a switch."""
    low: float
    high: float
    max_age_s: float
    quality: str | None = None
    """Name of the switch that must be known and on for this one to be believed; None where there is none."""

    @property
    def own(self) -> bool:
        """Whether the supervisor reads it itself."""
        return OWN_CHANNEL.fullmatch(self.channel) is not None

    def value(self, reading: Value, age_s: float) -> Value:
        """The reading if it can be believed, else None: not missing, finite, in range and fresh."""
        if reading is None or not math.isfinite(reading) or not age_s <= self.max_age_s:
            return None
        if self.unit is None:
            return bool(reading)
        return float(reading) if self.low <= float(reading) <= self.high else None


@dataclass(frozen=True)
class Output:
    """An output of a safety module; its safe state is open, which is also how the module powers up."""

    name: str
    device: str
    channel: str
    """``do1`` (the contactor, read back by its auxiliary contact) to ``do4``."""
    continue_for_s: float = 0.0
    """How long it may stay closed for a controller that is running a programme when the lab service is gone."""


@dataclass(frozen=True)
class Rule:
    """A checked rule."""

    id: str
    kind: Kind
    target: str
    """A command (``furnace-1.door.open``, ``furnace-1.heat``, ``mover-1.mix``) for a permissive, a device for a
    hold, an output's name for an interlock or a trip; free text for an alarm."""
    when: Expression
    guidance: str
    after_s: float = 0.0
    """How long the condition must have gone on before the rule acts."""
    bypassable: bool = False
    priority: Priority = "high"


@dataclass(frozen=True)
class Interlocks:
    """All that an interlock file says."""

    signals: Mapping[str, Signal]
    outputs: Mapping[str, Output]
    rules: tuple[Rule, ...]
    never: tuple[Expression, ...]
    sha256: str = field(default="", compare=False)
    """Hash of the file, which every audit record carries."""
    never_after_s: float = NEVER_AFTER_S
    """How long what must never be may last before it latches."""

    def permissives(self, target: str) -> list[Rule]:
        """The rules that must all hold before the command `target`."""
        return [rule for rule in self.rules if rule.kind == "permissive" and rule.target == target]

    def of_kind(self, kind: Kind) -> list[Rule]:
        """The rules of one kind, in the order of the file."""
        return [rule for rule in self.rules if rule.kind == kind]

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of that name."""
        return self._by_id.get(rule_id)

    @cached_property
    def _by_id(self) -> Mapping[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def rises(self) -> frozenset[Rise]:
        """Every change over time that any rule looks at."""
        return frozenset().union(*(rule.when.rises for rule in self.rules), *(e.rises for e in self.never))


NO_INTERLOCKS = Interlocks({}, {}, (), ())
