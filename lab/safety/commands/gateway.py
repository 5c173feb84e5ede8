"""The one gateway that every command to every device passes, whoever gives it.

A command is denied for every reason that stands against it (`lab.safety.commands.judgement`). What makes things
safer is granted to anybody, whatever holds, and written down after it was granted; what starts something is on the
disk before.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from drivers.clock import Clock, ClockStalledError
from drivers.gate import Command, Denied, Granted
from lab.errors import LabError
from lab.safety.commands.judgement import AUTO, HAZARDOUS, SAFER, Condition, Judge, Limits, Verdict
from lab.safety.commands.leases import LeaseBook
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Interlocks
from lab.safety.judging.watch import Watch

__all__ = ["HAZARDOUS", "SAFER", "UNLOGGED", "Audit", "Condition", "Gateway", "Limits", "Log", "Verdict"]

UNLOGGED = frozenset({"pet"})
"""Signs of life, several a second: they would bury what happened."""


class Log(Protocol):
    """Where grants and denials are written before anything moves."""

    def write(self, kind: str, /, *, durable: bool = False, **fields: object) -> object:
        """Append one entry; with `durable` it is on the disk when this returns."""


class Audit(Protocol):
    """Where it is written who did what, such as `lab.safety.audit.log.AuditLog`."""

    def write(self, action: str, *, who: str, **fields: Any) -> None:
        """Append one record; it is on the disk when this returns."""

    def try_write(self, action: str, *, who: str, **fields: Any) -> str | None:
        """Append one record; never raises, and gives why it was not written."""


_asking: ContextVar[list[Verdict] | None] = ContextVar("asking", default=None)


@dataclass
class Gateway:
    """Grants or denies; satisfies `drivers.gate.Gate`."""

    limits: Mapping[str, Limits]
    """Every device of the laboratory."""
    interlocks: Interlocks
    watch: Watch
    leases: LeaseBook
    clock: Clock
    log: Log
    audit: Audit | None = None
    live: Callable[[str], Mapping[str, Value]] = lambda device: {}
    """What a device was last seen at, for the audit record of what is about to change it."""
    denials: list[Denied] = field(default_factory=list)
    unlogged: list[str] = field(default_factory=list)
    """Grants of stops and denials that the log did not take, and why."""
    _stops: deque[dict[str, Any]] = field(default_factory=deque, repr=False)
    _noting: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def judge(self) -> Judge:
        """Says what stands against a command, and grants nothing."""
        return Judge(self.limits, self.interlocks, self.watch, self.leases)

    def request(self, command: Command, lease: str | None, actor: str) -> Granted | Denied:
        """Decide about one command; whatever starts something is written down first."""
        asking = _asking.get()
        if asking is not None:
            asking.append(self.judge(command, lease, actor))
            return Denied(command, ("this was only a question",))
        if command.verb in SAFER:
            return self._grant_safer(command, lease, actor)
        self.settle()
        verdict = self.judge(command, lease, actor)
        if not verdict.reasons:
            try:
                return self._grant(verdict, lease, actor)
            except LabError as error:
                why = f"it cannot be written down, and nothing starts that is not: {error}"
                verdict = replace(verdict, reasons=(why,))
        return self._deny(verdict, lease, actor)

    @contextmanager
    def only_asking(self) -> Iterator[list[Verdict]]:
        """Have every command in this context be judged and none be granted; gives the verdicts.

        What a driver makes of a verb and its arguments is asked of the driver itself in this way.
        """
        verdicts: list[Verdict] = []
        token = _asking.set(verdicts)
        try:
            yield verdicts
        finally:
            _asking.reset(token)

    def settle(self) -> None:
        """Write down the stops that were granted since the last time."""
        with self._noting:
            while self._stops:
                entry = self._stops.popleft()
                self._note_stop(entry)

    # -- granting

    def _deny(self, verdict: Verdict, lease: str | None, actor: str) -> Denied:
        command = verdict.command
        denied = Denied(command, verdict.reasons)
        self.denials.append(denied)
        try:
            self.log.write("denied", **_entry(command, lease, actor), reasons=list(verdict.reasons))
        except LabError as error:
            self.unlogged.append(f"denied {command.device} {command.describe()}: {error}")
        if self.audit is not None and (actor != AUTO or command.verb in HAZARDOUS):
            record = self._record(command, lease)
            self.audit.try_write("denied", who=actor, **record, reason="; ".join(verdict.reasons))
        return denied

    def _grant(self, verdict: Verdict, lease: str | None, actor: str) -> Granted:
        command = verdict.command
        if self.audit is not None and (actor != AUTO or command.verb in HAZARDOUS):
            record = self._record(command, lease)
            self.audit.write("granted", who=actor, **record, reason="; ".join(verdict.notes) or None)
        entry = _entry(command, lease, actor)
        if verdict.notes:
            entry["notes"] = list(verdict.notes)
        self.log.write("granted", durable=command.verb in HAZARDOUS, **entry)
        return Granted(command, self.clock.now(), verdict.notes)

    def _grant_safer(self, command: Command, lease: str | None, actor: str) -> Granted:
        """Grant without asking anybody and without waiting for a disk: it must not keep a heater on."""
        granted = Granted(command, self.clock.now())
        if command.verb in UNLOGGED:
            return granted
        self._stops.append({**_entry(command, lease, actor), "granted_at_s": granted.granted_at_s})
        try:
            self.clock.start("stops are written down", self.settle)
        except ClockStalledError:
            # Nothing runs in lab time any more, so nothing is kept waiting either.
            self.settle()
        return granted

    def _note_stop(self, entry: dict[str, Any]) -> None:
        what = f"{entry['device']} {entry['command']}"
        try:
            self.log.write("granted", **entry)
        except LabError as error:
            self.unlogged.append(f"{what}: {error}")
        if self.audit is not None:
            why = self.audit.try_write(
                "granted", who=entry["actor"], device=entry["device"], lease=entry["lease"], after=entry["command"]
            )
            if why is not None:
                self.unlogged.append(f"{what}: {why}")

    def _record(self, command: Command, lease: str | None) -> dict[str, Any]:
        held = None if lease is None else self.leases.find(lease)
        return {
            "role": None if held is None else held.role,
            "lease": lease,
            "device": command.device,
            "before": dict(self.live(command.device)),
            "after": command.describe(),
        }


def _entry(command: Command, lease: str | None, actor: str) -> dict[str, Any]:
    return {"device": command.device, "command": command.describe(), "actor": actor, "lease": lease}
