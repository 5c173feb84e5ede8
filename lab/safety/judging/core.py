"""The safety state of one laboratory with its memory: latches, alarms, bypasses, audit.

`scan` decides and changes nothing but the state; whoever calls it acts, and calls `settle` after that: what makes
things safer is done first and written down after. The same core runs in the supervisor's process and, under a jump
clock, inside the laboratory's.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lab.safety.alarms.book import AlarmBook
from lab.safety.audit.log import AuditLog
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Interlocks, Priority
from lab.safety.judging.bypass import BypassBook
from lab.safety.judging.scan import (
    BOOT,
    STOP_BY,
    Action,
    Latch,
    Readings,
    SafetyState,
    boot,
    reset,
    step,
    with_rises,
)

UNREADABLE = "kept latches cannot be read"
"""Latched where nobody knows what had tripped before: a person must look."""
KEEP_AGAIN_S = 1.0
"""Lab seconds after which latches that could not be written are written again."""
LAB_LOST, LAB_LEFT = "lab-lost", "lab-left"
"""What is written down when the lab service is gone: without a word, which is an alarm too, or with one."""
SUPERVISOR = "safety supervisor"


class SafetyCore:
    """Judges scans and answers people; not thread-safe, its owner serialises the calls."""

    def __init__(
        self,
        interlocks: Interlocks,
        *,
        alarms: AlarmBook,
        audit: AuditLog,
        bypasses: BypassBook,
        now: Callable[[], float],
        store: Path | None = None,
    ) -> None:
        """Boot: tripped by what `store` kept, and by the start itself.

        Args:
            interlocks: The rules.
            alarms: Where alarms are raised.
            audit: Where everything is written down.
            bypasses: Which rules are suspended.
            now: Lab time.
            store: File that keeps the latches over restarts; None keeps nothing.
        """
        self.interlocks = interlocks
        self.alarms, self.audit, self.bypasses = alarms, audit, bypasses
        self._now = now
        self._store = store
        self._keeping = threading.Lock()
        """Two threads keep latches, in one file."""
        self._keep_again_s: float | None = None
        """Lab time at which latches that could not be written are tried again; None where all are."""
        self.state = boot(interlocks, now(), _stored(store, interlocks, now()))
        self._settled = SafetyState()
        self._values: Mapping[str, Value] = {}
        self._readings: Readings | None = None

    # -- scanning

    def scan(self, readings: Readings) -> tuple[Action, ...]:
        """Judge one scan; the caller acts on what comes back, then calls `settle`."""
        for rule_id in tuple(self.bypasses.active()):
            if self._has_recovered(rule_id, with_rises(self.interlocks, readings.values, self.state.history)):
                self.bypasses.recovered(rule_id)
        self.state, actions = step(self.interlocks, self.state, self._with_bypasses(readings))
        self.observe(readings)
        return actions

    def observe(self, readings: Readings) -> None:
        """Take note of readings without judging them, so that a person's request rests on this moment."""
        self._readings = self._with_bypasses(readings)
        self._values = with_rises(self.interlocks, readings.values, self.state.history)

    def _with_bypasses(self, readings: Readings) -> Readings:
        return replace(readings, bypassed=frozenset(self.bypasses.active()))

    def _has_recovered(self, rule_id: str, values: Mapping[str, Value]) -> bool:
        """Whether a bypassed rule would let everything go on by itself: then its bypass is over."""
        rule = self.interlocks.rule(rule_id)
        good = rule is not None and rule.kind in ("interlock", "permissive")
        return rule is not None and rule.when.evaluate(values) is good

    def settle(self) -> None:
        """Write down what the last scan changed: latches to the disk, alarms, audit."""
        self._settle_bypasses()
        if self._keep_again_s is not None and self._now() >= self._keep_again_s:
            self._keep()
        before, after = self._settled, self.state
        if _same(before, after):
            return
        self._settled = after
        new = [latch for latch in after.tripped if latch not in before.tripped]
        if after.tripped != before.tripped:
            self._keep()
        for latch in new:
            if latch.cause != BOOT:  # every start is tripped, and whoever starts it knows
                self._raise_trip(latch, first_out=latch is after.tripped[0])
            self._note("trip", after=latch.cause, reason=self._guidance(latch.cause), targets=latch.targets)
        for rule_id in sorted(after.acting - before.acting):
            self._raise_rule(rule_id)
        for rule_id in sorted(before.acting - after.acting):
            self._clear_rule(rule_id)
        for name in sorted(after.interlocked ^ before.interlocked):
            self._note("interlock", device=name, after="open" if name in after.interlocked else "released")
        self._settle_lab(before, after)

    @property
    def values(self) -> Mapping[str, Value]:
        """Every signal, output and rise of the last scan; None is unknown."""
        return self._values

    # -- people

    def why_not_close(self, output: str) -> tuple[str, ...]:
        """Why an output may not be closed, one sentence each; empty where it may."""
        if output not in self.interlocks.outputs:
            known = ", ".join(self.interlocks.outputs) or "none"
            return (f"no output is named {output!r}: there are {known}",)
        reasons = [
            f"{latch.cause} has tripped and was not reset: {self._guidance(latch.cause)}"
            for latch in self.state.tripped
            if output in latch.targets
        ]
        for rule in self.interlocks.of_kind("interlock"):
            if rule.target == output and rule.id in self.state.acting:
                reasons += [f"{rule.id}: {why}: {rule.guidance}" for why in rule.when.explain(self._values)]
        readings = self._readings
        if readings is None or self.interlocks.outputs[output].device not in readings.complete:
            reasons.append(f"{self.interlocks.outputs[output].device} did not answer the last scan")
        elif not readings.lab_alive:
            reasons.append("the lab service is gone, and nothing hazardous starts without it")
        return tuple(reasons)

    def closed(self, output: str, actor: str, role: str | None = None) -> None:
        """Write down that an output is about to be closed; on the disk when this returns.

        Raises:
            AuditError: Where it cannot be written: then it must not be closed.
        """
        self.audit.write("close", who=actor, role=role, device=output, before="open", after="closed")

    def reset(
        self, actor: str, role: str | None = None, *, seen: Collection[tuple[str, float]] | None = None
    ) -> tuple[str, ...]:
        """Clear what is latched and has no cause any more.

        Args:
            actor: Who resets.
            role: As what.
            seen: Cause and lab time of the latches that this person knows of, the only ones to be cleared; None: all.

        Returns:
            Why something stays latched, one sentence each; empty where nothing does.

        Raises:
            AuditError: Where it cannot be written: then nothing is reset.
        """
        if self._readings is None:
            return ("no scan was made yet: wait for the first one",)
        before = self.state
        after, reasons = reset(self.interlocks, before, self._readings, seen)
        self.audit.write(
            "reset",
            who=actor,
            role=role,
            before=[latch.cause for latch in before.tripped],
            after=[latch.cause for latch in after.tripped],
            reason="; ".join(reasons) or None,
        )
        self.state = after
        self._keep()
        for latch in before.tripped:
            # Reset before the next scan settled it, a trip has no alarm yet.
            if latch not in after.tripped and self.alarms.get(_trip_key(latch.cause)) is not None:
                self.alarms.acknowledge(_trip_key(latch.cause), actor)
                self.alarms.clear(_trip_key(latch.cause))
        return reasons

    def stop(self, actor: str) -> None:
        """Latch a STOP; the outputs have been opened already."""
        self.trip(STOP_BY + actor)

    def trip(self, cause: str, targets: tuple[str, ...] | None = None) -> None:
        """Latch a cause that is no rule's, such as a contactor that does not do what it is told."""
        if cause in (latch.cause for latch in self.state.tripped):
            return
        latch = Latch(cause, self.state.scan, self._now(), targets or tuple(self.interlocks.outputs))
        self.state = replace(self.state, tripped=(*self.state.tripped, latch))

    # -- bypasses

    def request_bypass(self, rule_id: str, *, reason: str, who: str, for_s: float, measure: str) -> str:
        """Ask for a rule to be suspended; another person must approve.

        Raises:
            BypassError: Where the rule is unknown or may not be bypassed, or something is missing.
        """
        bypass = self.bypasses.request(
            self.interlocks.rule(rule_id), rule_id, reason=reason, who=who, for_s=for_s, measure=measure
        )
        self.audit.write("bypass-requested", who=who, device=rule_id, reason=reason, bypass=bypass.id, measure=measure)
        return bypass.id

    def approve_bypass(self, bypass_id: str, who: str, role: str | None = None) -> None:
        """Suspend the rule; `who` has proved to be that person.

        Raises:
            BypassError: Where nothing waits under that id, or the person asked for it.
        """
        bypass = self.bypasses.approve(bypass_id, who)
        self.audit.write("bypass-approved", who=who, role=role, device=bypass.rule, bypass=bypass.id)
        self.alarms.raise_(
            f"bypass:{bypass.rule}",
            text=f"{bypass.rule} is bypassed: {bypass.reason} (asked by {bypass.requester}, approved by {who})",
            guidance=bypass.measure,
            priority="high",
            source=SUPERVISOR,
        )

    def end_bypass(self, bypass_id: str, who: str) -> None:
        """Have a rule act again.

        Raises:
            BypassError: Where there is no such bypass.
        """
        bypass = self.bypasses.end(bypass_id)
        self.audit.try_write("bypass-ended", who=who, device=bypass.rule, bypass=bypass.id)

    # -- what others see

    def snapshot(self) -> dict[str, Any]:
        """The safety state as JSON, without what only the owner of the wires knows."""
        state, now_s = self.state, self._now()
        lost_s = state.lab_lost_s
        return {
            "t": now_s,
            "scan": state.scan,
            "tripped": [{**asdict(latch), "guidance": self._guidance(latch.cause)} for latch in state.tripped],
            "interlocked": sorted(state.interlocked),
            "acting": sorted(state.acting),
            "held": sorted(state.held),
            "values": dict(self._values),
            "alarms": self.alarms.summary(),
            "bypasses": [
                {
                    **asdict(bypass),
                    "left_s": None if bypass.expires_s is None else bypass.expires_s - self.bypasses.now(),
                }
                for bypass in self.bypasses.list()
            ],
            "lab": {
                "alive": lost_s is None,
                "lost_for_s": None if lost_s is None else now_s - lost_s,
                "continuing": {name: max(0.0, until - now_s) for name, until in state.continuing.items()},
            },
            "rules": self.interlocks.sha256,
        }

    # -- writing down

    def _guidance(self, cause: str) -> str:
        rule = self.interlocks.rule(cause)
        return "find out why, then reset" if rule is None else rule.guidance

    def _note(self, action: str, **fields: Any) -> None:
        """Write to the audit log what has been done already: a log that fails must not undo it."""
        why = self.audit.try_write(action, who=SUPERVISOR, **fields)
        if why is not None:
            self._raise("audit", f"the audit log does not take entries: {why}", "make room on the disk", "high")

    def _raise(self, key: str, text: str, guidance: str, priority: Priority) -> None:
        self.alarms.raise_(key, text=text, guidance=guidance, priority=priority, source=SUPERVISOR)

    def _raise_trip(self, latch: Latch, *, first_out: bool) -> None:
        self.alarms.raise_(
            _trip_key(latch.cause),
            text=f"{latch.cause} tripped {', '.join(latch.targets)}" + (" (first)" if first_out else ""),
            guidance=self._guidance(latch.cause),
            priority="critical",
            source=SUPERVISOR,
            latched=True,
        )

    def _raise_rule(self, rule_id: str) -> None:
        rule = self.interlocks.rule(rule_id)
        if rule is None or rule.kind == "trip":
            return
        # An interlock that finds its output open already has done nothing that a person must know: every door that
        # is opened to load a cold furnace would be an alarm.
        if rule.kind != "interlock" or self._values.get(rule.target) is not False:
            why = "; ".join(rule.when.explain(self._values)) if rule.kind == "interlock" else ""
            what = f"{rule.kind} on {rule.target}" if rule.kind != "alarm" else rule.target
            self._raise(f"rule:{rule.id}", f"{rule.id}: {what} {why}".rstrip(), rule.guidance, rule.priority)

    def _clear_rule(self, rule_id: str) -> None:
        rule = self.interlocks.rule(rule_id)
        if rule is not None and rule.kind != "trip":
            self.alarms.clear(f"rule:{rule.id}")

    def _settle_bypasses(self) -> None:
        """Tell that a bypass is over, however it ended."""
        for ended in self.bypasses.ended():
            if ended.bypass.approver is not None:
                self.alarms.clear(f"bypass:{ended.bypass.rule}")
            self._note("bypass-over", device=ended.bypass.rule, reason=ended.why, bypass=ended.bypass.id)

    def _settle_lab(self, before: SafetyState, after: SafetyState) -> None:
        was, now = _absence(before), _absence(after)
        # At the first scan nobody can have lost a lab service yet.
        if was == now or (now is not None and before.scan == 0):
            return
        if now == LAB_LOST:
            self._raise(LAB_LOST, "the lab service is gone", "start it again; running programmes go on", "high")
        elif was == LAB_LOST:
            self.alarms.clear(LAB_LOST)
        if now is None or after.lab_lost_s is None:
            self._note("lab-back")
        else:
            self._note(now, after={name: round(until - after.lab_lost_s) for name, until in after.continuing.items()})

    def _keep(self) -> None:
        """Bring the latches to the disk."""
        if self._store is None:
            return
        with self._keeping:
            tripped = self.state.tripped
            try:
                _write(self._store, tripped)
            except OSError as error:
                self._not_kept(self._store, tripped, error)
                return
            was_missing, self._keep_again_s = self._keep_again_s is not None, None
        if was_missing:
            self.alarms.clear("latches")

    def _not_kept(self, store: Path, tripped: tuple[Latch, ...], error: OSError) -> None:
        if self._keep_again_s is None:
            self._raise("latches", f"{store}: latches are not kept ({error.strerror})", "make room", "medium")
        self._keep_again_s = self._now() + KEEP_AGAIN_S
        if any(latch.cause != BOOT for latch in tripped):
            # What stands there is older than this trip. An empty file, for which a full disk has room, makes a restart
            # wait for a person.
            with suppress(OSError):
                store.write_bytes(b"")


def _trip_key(cause: str) -> str:
    return f"trip:{cause}"


def _absence(state: SafetyState) -> str | None:
    """In which way the lab service is gone; None where it is there."""
    if state.lab_lost_s is None:
        return None
    return LAB_LEFT if state.lab_left else LAB_LOST


def _same(before: SafetyState, after: SafetyState) -> bool:
    """Whether nothing changed that anybody must be told."""
    watched = ("tripped", "interlocked", "acting", "lab_lost_s", "lab_left")
    return before.scan > 0 and all(getattr(before, name) == getattr(after, name) for name in watched)


def _write(store: Path, latches: tuple[Latch, ...]) -> None:
    temporary = store.with_suffix(".new")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump([asdict(latch) for latch in latches], file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(store)


def _stored(store: Path | None, interlocks: Interlocks, now_s: float) -> list[Latch]:
    """The latches that were kept; where they cannot be read, one that says so and holds every output."""
    if store is None:
        return []
    try:
        found = json.loads(store.read_text(encoding="utf-8"))
        if isinstance(found, list):
            return [Latch(entry["cause"], entry["scan"], entry["at_s"], tuple(entry["targets"])) for entry in found]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return [Latch(UNREADABLE, 0, now_s, tuple(interlocks.outputs))]
