"""Bypasses: a rule suspended for a time, for a reason, with something done instead, by one person and another.

Nothing is stored: a restart ends every bypass. Times are those of a monotonic clock, which no time service moves.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from lab.errors import LabError
from lab.safety.interlocks.rules import Rule
from lab.safety.people.roles import Role

LONGEST_S = 4 * 3600.0
LONGEST_TRIP_S = 15 * 60.0
"""A trip protects what heats or flows: it is off for this long at most."""
APPROVE_WITHIN_S = 30 * 60.0
"""A request that nobody approves in this time is void."""
KEPT = 100
"""Bypasses that have ended and that nobody has asked for yet."""


class BypassError(LabError):
    """A bypass that is not given."""


@dataclass(frozen=True)
class Bypass:
    """One rule suspended, or asked to be; times are monotonic seconds."""

    id: str
    rule: str
    reason: str
    requester: str
    approver: str | None
    requested_at_s: float
    approved_at_s: float | None
    expires_s: float | None
    """None until it is approved."""
    measure: str
    """What is done in place of what the rule does."""
    for_s: float
    target: str
    """The device, output or text that the rule is about; only one bypass for each."""


@dataclass(frozen=True)
class Ended:
    """A bypass that is over, and why."""

    bypass: Bypass
    why: str


class BypassBook:
    """All bypasses of a laboratory; any thread may ask."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin without any.

        Args:
            now: Seconds of a monotonic clock.
        """
        self._now = now
        self._lock = threading.RLock()
        self._live: dict[str, Bypass] = {}
        self._ended: list[Ended] = []

    def now(self) -> float:
        """The time to which the bypasses' times belong."""
        return self._now()

    def request(self, rule: Rule | None, rule_id: str, *, reason: str, who: str, for_s: float, measure: str) -> Bypass:
        """Ask for a rule to be suspended.

        Args:
            rule: The rule, None where there is none of that name.
            rule_id: The name that was asked for.
            reason: Why.
            who: Who asks.
            for_s: For how long from the approval on.
            measure: What is done in its place.

        Raises:
            BypassError: Where the rule may not be bypassed, something is missing, or its device has one already.
        """
        with self._lock:
            if rule is None:
                raise BypassError(f"bypass: no rule is named {rule_id!r}: look at the interlock file")
            if not rule.bypassable:
                raise BypassError(f"{rule.id} may not be bypassed: its interlock file does not mark it bypassable")
            _check(rule, reason, who, for_s, measure)
            target = _target(rule)
            for other in self.list():
                if other.target == target:
                    raise BypassError(
                        f"{rule.id}: {other.rule} on {target} is bypassed or asked for already "
                        f"({other.id} by {other.requester}), and one at a time is allowed: end that first"
                    )
            bypass = Bypass(
                secrets.token_hex(4),
                rule.id,
                reason.strip(),
                who,
                None,
                self._now(),
                None,
                None,
                measure.strip(),
                for_s,
                target,
            )
            self._live[bypass.id] = bypass
            return bypass

    def approve(self, bypass_id: str, approver: str, role: str = Role.SAFETY_OFFICER) -> Bypass:
        """Suspend the rule from now on; `approver` has proved to be that person.

        Raises:
            BypassError: Where nothing waits under that id, the person asked for it or has not the role.
        """
        with self._lock:
            bypass = self._get(bypass_id)
            if bypass.approver is not None:
                raise BypassError(f"bypass {bypass_id} of {bypass.rule} was approved by {bypass.approver} already")
            if role != Role.SAFETY_OFFICER:
                raise BypassError(f"{approver} acts as {role}, and a bypass is approved by a {Role.SAFETY_OFFICER}")
            if _same_person(approver, bypass.requester):
                raise BypassError(f"{approver} asked for the bypass of {bypass.rule}: another person must approve it")
            now_s = self._now()
            given = replace(bypass, approver=approver, approved_at_s=now_s, expires_s=now_s + bypass.for_s)
            self._live[bypass_id] = given
            return given

    def end(self, bypass_id: str, why: str = "a person ended it") -> Bypass:
        """Have the rule act again; anybody may.

        Raises:
            BypassError: Where there is no such bypass.
        """
        with self._lock:
            return self._finish(self._get(bypass_id), why)

    def recovered(self, rule_id: str) -> None:
        """The input is good again: what was given for it ends."""
        with self._lock:
            for bypass in self.list():
                if bypass.rule == rule_id and bypass.approver is not None:
                    self._finish(bypass, "the input is good again")

    def active(self) -> frozenset[str]:
        """The rules that are suspended now."""
        with self._lock:
            return frozenset(bypass.rule for bypass in self.list() if bypass.approver is not None)

    def list(self) -> tuple[Bypass, ...]:
        """Given and asked for, oldest first."""
        with self._lock:
            now_s = self._now()
            for bypass in tuple(self._live.values()):
                if bypass.expires_s is not None and now_s >= bypass.expires_s:
                    self._finish(bypass, f"its time of {bypass.for_s / 60:.0f} min is over")
                elif bypass.approver is None and now_s >= bypass.requested_at_s + APPROVE_WITHIN_S:
                    self._finish(bypass, f"nobody approved it within {APPROVE_WITHIN_S / 60:.0f} min")
            return tuple(self._live.values())

    def ended(self) -> tuple[Ended, ...]:
        """What has ended since this was last asked, however it ended: for the audit log and the alarm list."""
        with self._lock:
            self.list()
            ended, self._ended = tuple(self._ended), []
            return ended

    def _get(self, bypass_id: str) -> Bypass:
        with self._lock:
            self.list()
            if bypass_id not in self._live:
                known = ", ".join(self._live) or "none"
                raise BypassError(f"there is no bypass {bypass_id!r}, or it has ended: there are {known}")
            return self._live[bypass_id]

    def _finish(self, bypass: Bypass, why: str) -> Bypass:
        with self._lock:
            del self._live[bypass.id]
            self._ended = [*self._ended, Ended(bypass, why)][-KEPT:]
            return bypass


def _check(rule: Rule, reason: str, who: str, for_s: float, measure: str) -> None:
    for name, text in (("reason", reason), ("compensating measure", measure), ("requester", who)):
        if not text.strip():
            raise BypassError(f"{rule.id}: the bypass has no {name}: say it")
    longest_s = LONGEST_TRIP_S if rule.kind == "trip" else LONGEST_S
    if not (math.isfinite(for_s) and 0 < for_s <= longest_s):
        raise BypassError(
            f"{rule.id}: a bypass of {for_s / 60:g} min was asked for, and a {rule.kind} is bypassed "
            f"for more than 0 and at most {longest_s / 60:g} min"
        )


def _target(rule: Rule) -> str:
    """What a rule is about: the device of a command, the group of an output, or the rule itself."""
    return rule.id if rule.kind == "alarm" else rule.target.split(".")[0]


def _same_person(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()
