"""What stands against a command, in the order of precedence; nothing is granted or written here.

    trip and permit > interlock and permissive > hold > lock-out > lease by hand > lease of a task

Each reason is a sentence with the live value and the limit. Unknown is unsafe: a signal that cannot be believed
denies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from drivers.gate import Command
from lab.safety.commands.leases import LeaseBook, Mode
from lab.safety.interlocks.expressions import Expression, Value
from lab.safety.interlocks.rules import Interlocks, Rule
from lab.safety.judging.scan import STOP_BY, never_name
from lab.safety.judging.watch import Watch

SAFER = frozenset({"reset-program", "stop", "stop-dosing", "open-contactor", "pet"})
"""Verbs that are granted whatever holds: stopping needs nothing. Closing a door moves an arm, and is none of them."""

HAZARDOUS = frozenset({"run-program", "set-setpoint", "continue-program", "close-contactor"})
"""Verbs that can make something hot: they need a permit, and every latched trip denies them."""

LIMITED = frozenset({"run-program", "set-setpoint", "dose"})
"""Verbs that nobody is granted on a device without a limit for them."""

LEASELESS = frozenset({"start-watchdog", "rearm"})
"""Verbs of the safety layer itself, which nobody drives."""

RESET_FIRST = "reset first: athanor reset"
"""What to do before anything moves again after a STOP."""

MONITOR = "safety monitor"
AUTO = "auto"


@dataclass(frozen=True)
class Limits:
    """The most that one device may be asked for."""

    most: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """Verb -> the most that its value may be, and in which unit; the verbs that have a limit."""
    watched: tuple[str, ...] = ()
    """For a safety module: the furnaces whose contactor it holds."""


@dataclass(frozen=True)
class Condition:
    """One rule that a command must meet, as it stands now."""

    rule: str
    holds: bool | None
    """None: it cannot be known."""
    seen: tuple[str, ...]
    """The signals of the rule with their live values."""
    why_not: tuple[str, ...]
    guidance: str
    bypassed: bool = False

    @property
    def denies(self) -> bool:
        """Whether the command is denied for it."""
        return self.holds is not True and not self.bypassed

    @property
    def reason(self) -> str:
        """What is not met, and what to do."""
        return f"{self.rule}: {', '.join(self.why_not)}: {self.guidance}"


@dataclass(frozen=True)
class Verdict:
    """What the gateway thinks of a command, without granting it."""

    command: Command
    reasons: tuple[str, ...]
    """Why it would be denied; empty: it would be granted."""
    conditions: tuple[Condition, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever acts should know of the grant: rules that are bypassed and not met."""
        return tuple(f"bypassed: {c.reason}" for c in self.conditions if c.bypassed and c.holds is not True)


@dataclass(frozen=True)
class Judge:
    """Knows everything that can stand against a command."""

    limits: Mapping[str, Limits]
    """Every device of the laboratory."""
    interlocks: Interlocks
    watch: Watch
    leases: LeaseBook

    def __call__(self, command: Command, lease: str | None, actor: str) -> Verdict:
        """Say what stands against a command of `actor` under a lease."""
        if command.verb in SAFER:
            return Verdict(command, (), ())
        values = self.watch.values()
        conditions = tuple(self._conditions(command, values))
        reasons = [
            *self._who(command, actor),
            *self._over_limit(command),
            *self._tripped(command),
            *(condition.reason for condition in conditions if condition.denies),
            *self._held(command, actor, values),
            *(lock.describe() for device in sorted(self._touched(command)) for lock in self.leases.lock_outs(device)),
            *self._not_theirs(command, lease, actor),
        ]
        return Verdict(command, tuple(dict.fromkeys(reasons)), conditions)

    # -- reasons, in the order of precedence

    def _who(self, command: Command, actor: str) -> Iterator[str]:
        if actor == "nobody":
            yield "nobody said who asks: name the actor with drivers.gate.acting_as"
        if command.verb == "rearm" and actor == AUTO:
            yield "a watchdog that expired is armed again by a person only"
        if command.verb == "start-watchdog" and actor != MONITOR:
            yield "a watchdog is started by the safety layer only: set its time in the lab file"

    def _over_limit(self, command: Command) -> Iterator[str]:
        limits = self.limits.get(command.device)
        if limits is None:
            yield f"no device is named {command.device!r} in this laboratory"
            return
        if command.verb not in limits.most:
            if command.verb in LIMITED:
                yield f"{command.verb} needs a limit, and {command.device} has none: give it one (lab file)"
            return
        limit, unit = limits.most[command.verb]
        value = command.value
        if not isinstance(value, float) or command.unit != unit:
            seen = f"{value!r} {command.unit or 'without a unit'}"
            yield f"{command.verb} came with {seen}, and needs a value in {unit}"
        elif not value <= limit:
            yield f"{value:g} {unit} requested, limit {limit:g} {unit} (lab file)"

    def _tripped(self, command: Command) -> Iterator[str]:
        """What has tripped stands against heat behind its outputs, a STOP against everything that moves."""
        if command.verb not in LEASELESS:
            yield from (f"{cause} has tripped and was not reset: {RESET_FIRST}" for cause in stopped_by(self.watch))
        if command.verb not in HAZARDOUS:
            return
        causes = [cause for cause in self.watch.tripped() if not cause.startswith(STOP_BY)]
        if not causes:
            return
        latched = {latch["cause"]: latch for latch in self.watch.snapshot().get("tripped", ())}
        fed = self._outputs_of(command.device)
        for cause in causes:
            latch = latched.get(cause)
            if latch is None:
                yield f"nothing hazardous may start: {cause}"
            elif not fed or not latch["targets"] or fed & set(latch["targets"]):
                guidance = self._guidance(cause)
                yield f"{cause} has tripped and was not reset" + (f": {guidance}" if guidance else "")

    def _conditions(self, command: Command, values: Mapping[str, Value]) -> Iterator[Condition]:
        bypassed = self.watch.bypassed()
        outputs = self._outputs_of(command.device) if command.verb in HAZARDOUS else frozenset()
        rules = [rule for rule in self.interlocks.of_kind("interlock") if rule.target in outputs]
        acting = frozenset(self.watch.snapshot().get("acting", ())) if rules else frozenset()
        # An interlock that waits acts on what has lasted: a setpoint that was just changed by hand has not.
        rules = [rule for rule in rules if not self._is_patient(rule, acting, values)]
        for target in self.targets(command):
            rules += self.interlocks.permissives(target)
        for rule in rules:
            skipped = rule.bypassable and rule.id in bypassed
            yield self._condition(rule.id, rule.when, values, True, rule.guidance, bypassed=skipped)
        if command.verb == "close-contactor":
            yield from self._never(outputs, values)

    @staticmethod
    def _is_patient(rule: Rule, acting: frozenset[str], values: Mapping[str, Value]) -> bool:
        """Whether a rule waits for its condition to last, and does not act yet; what is unknown denies at once."""
        return rule.after_s > 0 and rule.id not in acting and rule.when.evaluate(values) is not None

    def _never(self, outputs: frozenset[str], values: Mapping[str, Value]) -> Iterator[Condition]:
        """What must never be, judged as if the contactor were closed already."""
        closed = {**values, **dict.fromkeys(outputs, True)}
        for i, never in enumerate(self.interlocks.never):
            if never.signals & outputs:
                guidance = "with the contactor closed this would be what must never be"
                yield self._condition(never_name(i), never, closed, False, guidance)

    def _condition(
        self,
        name: str,
        when: Expression,
        values: Mapping[str, Value],
        must: bool,
        guidance: str,
        *,
        bypassed: bool = False,
    ) -> Condition:
        truth = when.evaluate(values)
        holds = None if truth is None else truth is must
        seen = tuple(self._seen(signal, values.get(signal)) for signal in sorted(when.signals))
        why_not = () if holds else tuple(when.explain(values, must))
        return Condition(name, holds, seen, why_not, guidance, bypassed)

    def _held(self, command: Command, actor: str, values: Mapping[str, Value]) -> Iterator[str]:
        if actor != AUTO:
            return
        held = self.watch.held() & self._touched(command)
        for device in sorted(held):
            rules = [rule for rule in self.interlocks.of_kind("hold") if rule.target == device]
            yield f"recipes on {device} wait: {'; '.join(_why_held(rule, values) for rule in rules)}"

    def _not_theirs(self, command: Command, lease: str | None, actor: str) -> Iterator[str]:
        if command.verb in LEASELESS or command.device not in self.limits:
            return
        owned = self._owned(command.device)
        stale = [why for device in owned if (why := self.leases.why_stale(lease, device)) is not None]
        if len(stale) == len(owned):
            yield from stale
        for device in sorted(self._touched(command)):
            other = self.leases.current(device)
            if other is not None and other.id != lease and (device not in owned or other.mode is not Mode.AUTO):
                yield self.leases.why_stale(lease, device) or ""
        held = None if lease is None else self.leases.find(lease)
        if held is not None and ((held.mode is Mode.AUTO) != (actor == AUTO) or actor not in (AUTO, held.holder)):
            yield f"lease {held.id} is for {held.holder} ({held.mode}), and {actor} asks: take a lease of your own"

    # -- what a command is about

    def targets(self, command: Command) -> list[str]:
        """What permissives may call this command.

        ``furnace-1.heat`` for all that can make it hot, ``furnace-1.door.open`` for its door, ``furnace-1.load``
        and ``furnace-1.unload`` for what is carried in and out, and DEVICE.VERB for every command.
        """
        found = [f"{command.device}.{command.verb}"]
        if command.verb == "close-contactor":
            found += [f"{furnace}.heat" for furnace in self._watched(command.device)]
        elif command.verb in HAZARDOUS:
            found.append(f"{command.device}.heat")
        elif command.verb == "door-open":
            found.append(f"{command.subject}.open")
        elif command.verb in {"move", "pour"}:
            found += [f"{_place(command.value)}.load", f"{_place(command.subject)}.unload"]
        return found

    def _touched(self, command: Command) -> frozenset[str]:
        """Every device that a command has to do with: its own, those that it names, those behind its contactor."""
        named = {_place(command.value), _place(command.subject)} & self.limits.keys()
        return frozenset({command.device, *named, *self._watched(command.device)})

    def _owned(self, device: str) -> tuple[str, ...]:
        """Whose lease a device needs: a contactor belongs to the furnaces behind it."""
        return self._watched(device) or (device,)

    def _watched(self, device: str) -> tuple[str, ...]:
        return self.limits.get(device, Limits()).watched

    def _outputs_of(self, device: str) -> frozenset[str]:
        """The contactors of a safety module, or of the module that watches a furnace."""
        modules = {device} | {name for name, limits in self.limits.items() if device in limits.watched}
        outputs = self.interlocks.outputs.items()
        return frozenset(name for name, output in outputs if output.device in modules and output.channel == "do1")

    def _guidance(self, rule_id: str) -> str | None:
        rule = self.interlocks.rule(rule_id)
        return None if rule is None else rule.guidance

    def _seen(self, signal: str, value: Value) -> str:
        declared = self.interlocks.signals.get(signal)
        if value is None:
            return f"{signal} unknown"
        if isinstance(value, bool):
            return f"{signal} {'on' if value else 'off'}"
        return f"{signal} {value:.4g} {declared.unit if declared is not None and declared.unit else ''}".rstrip()


def stopped_by(watch: Watch) -> tuple[str, ...]:
    """The causes of every STOP that is latched; empty where there is none."""
    latched = (str(latch["cause"]) for latch in watch.snapshot().get("tripped", ()))
    return tuple(dict.fromkeys(cause for cause in (*watch.tripped(), *latched) if cause.startswith(STOP_BY)))


def _place(text: object) -> str:
    """The device or rack that a position, a door or a name belongs to.

    >>> _place("furnace-1/3"), _place("furnace-1.door"), _place(400.0)
    ('furnace-1', 'furnace-1', '')
    """
    return re.split(r"[./]", text, maxsplit=1)[0] if isinstance(text, str) else ""


def _why_held(rule: Rule, values: Mapping[str, Value]) -> str:
    return f"{rule.id}: {', '.join(rule.when.explain(values, must=False)) or 'has been so'}: {rule.guidance}"
