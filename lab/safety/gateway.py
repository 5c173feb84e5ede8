"""The one gateway that every command to every device passes, whoever gives it.

A command is denied for every reason that holds, each a sentence with the live value and the limit. Commands
that make things safer are always granted. Unknown is unsafe: a signal that cannot be believed denies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from drivers.clock import Clock
from drivers.gate import Command, Denied, Granted
from lab.records.journal import JournalError
from lab.safety.expressions import Value
from lab.safety.interlock_file import Interlocks

SAFER = frozenset({"reset-program", "stop", "stop-dosing", "open-contactor", "pet", "door-close"})
"""Verbs that are granted whatever holds: stopping needs nothing."""

UNLOGGED = frozenset({"pet"})
"""Signs of life, several a second: they would bury what happened."""

HEATING = frozenset({"run-program", "set-setpoint", "close-contactor"})
"""Verbs that can make something hot."""


class Log(Protocol):
    """Where grants and denials are written before anything moves."""

    def write(self, kind: str, /, *, durable: bool = False, **fields: object) -> None:
        """Append one entry; with `durable` it is on the disk when this returns."""


@dataclass(frozen=True)
class Limits:
    """The most that one device may be asked for; None where the device has no such value."""

    setpoint_degc: float | None = None
    mass_mg: float | None = None
    watched: tuple[str, ...] = ()
    """For a safety module: the furnaces whose contactor it holds."""


@dataclass
class Gateway:
    """Grants or denies; satisfies `drivers.gate.Gate`."""

    limits: Mapping[str, Limits]
    interlocks: Interlocks
    values: Callable[[], Mapping[str, Value]]
    """The signals as they can be believed now."""
    tripped: Callable[[], tuple[str, ...]]
    """Why heating is locked out, first cause first; empty when it is not."""
    clock: Clock
    log: Log
    denials: list[Denied] = field(default_factory=list)
    unlogged: list[str] = field(default_factory=list)
    """Grants of stops that the log did not take, and why."""

    def request(self, command: Command, lease: str | None, actor: str) -> Granted | Denied:
        """Decide about one command; a grant that can make something hot or move powder is logged first."""
        entry: dict[str, Any] = {"device": command.device, "command": command.describe(), "actor": actor}
        entry["lease"] = lease
        if command.verb in SAFER:
            return self._grant_safer(command, entry)
        reasons = tuple(self._reasons(command, actor))
        if reasons:
            denied = Denied(command, reasons)
            self.denials.append(denied)
            self.log.write("denied", **entry, reasons=list(reasons))
            return denied
        self.log.write("granted", durable=command.verb in HEATING, **entry)
        return Granted(command, self.clock.now())

    def _grant_safer(self, command: Command, entry: dict[str, Any]) -> Granted:
        """Grant without asking anybody: a log that does not take the entry must not keep a heater on."""
        if command.verb in UNLOGGED:
            return Granted(command, self.clock.now())
        try:
            self.log.write("granted", **entry)
        except JournalError as error:
            self.unlogged.append(f"{command.device} {command.describe()}: {error}")
        return Granted(command, self.clock.now())

    def _reasons(self, command: Command, actor: str) -> list[str]:
        reasons = []
        if actor == "nobody":
            reasons.append("nobody said who asks: name the actor with drivers.gate.acting_as")
        if command.verb == "rearm" and actor == "auto":
            reasons.append("a watchdog that expired is armed again by a person only")
        reasons += self._over_limit(command)
        if command.verb in HEATING:
            reasons += [f"{cause} has tripped and was not reset" for cause in self.tripped()]
        values = self.values()
        for target in self._targets(command):
            for rule in self.interlocks.permissives(target):
                why = rule.when.explain(values)
                if why:
                    reasons.append(f"{rule.id}: {', '.join(why)}: {rule.guidance}")
        return reasons

    def _over_limit(self, command: Command) -> list[str]:
        limits = self.limits.get(command.device)
        if limits is None:
            return [f"no device is named {command.device!r} in this laboratory"]
        if command.verb not in {"run-program", "set-setpoint", "dose"}:
            return []
        limit, unit = (limits.mass_mg, "mg") if command.verb == "dose" else (limits.setpoint_degc, "degC")
        value = command.value
        if not isinstance(value, float) or command.unit != unit or limit is None:
            seen = f"{value!r} {command.unit or 'without a unit'}"
            return [f"{command.verb} came with {seen}, and needs a value in {unit} and a limit for it (lab file)"]
        if not value <= limit:
            return [f"{value:g} {unit} requested, limit {limit:g} {unit} (lab file)"]
        return []

    def _targets(self, command: Command) -> list[str]:
        if command.verb == "close-contactor":
            return [f"{furnace}.heat" for furnace in self.limits.get(command.device, Limits()).watched]
        if command.verb in HEATING:
            return [f"{command.device}.heat"]
        if command.verb == "door-open":
            return [f"{command.subject}.open"]
        return []
