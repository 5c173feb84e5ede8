"""Two steps to every command by hand: arming says what it would do, executing does exactly that, once."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drivers.gate import CommandDeniedError
from lab.safety.commands.gateway import HAZARDOUS, Condition, Verdict
from lab.safety.commands.hands import Arguments, Hands, ManualError
from lab.safety.commands.leases import Lease
from lab.safety.judging.watch import Watch

ARMED_S = 30.0
"""Wall seconds for which an armed command can be executed."""


@dataclass(frozen=True)
class Armed:
    """A command that somebody may execute within `ARMED_S`, once and exactly so."""

    token: str
    user: str
    lease: str
    device: str
    """Where it is carried out: the furnace, or the module that holds its contactor."""
    verb: str
    arguments: Arguments
    text: str
    """The command in words."""
    reasons: tuple[str, ...]
    """Why it would be denied now; empty: it would be granted."""
    conditions: tuple[Condition, ...]
    snapshot: tuple[object, ...]
    """What of the plant it rests on: changed, it must be armed anew."""
    expires_s: float
    """On the clock of the leases."""

    @property
    def hazard(self) -> str:
        """``medium`` for what can make something hot, else ``low``."""
        return "medium" if self.verb in HAZARDOUS else "low"

    def to_json(self) -> dict[str, Any]:
        """For the console and the shell."""
        return {
            "token": self.token,
            "user": self.user,
            "device": self.device,
            "command": self.text,
            "hazard": self.hazard,
            "denied": list(self.reasons),
            "conditions": [
                {"rule": c.rule, "holds": c.holds, "bypassed": c.bypassed, "seen": list(c.seen), "guidance": c.guidance}
                for c in self.conditions
            ],
            "expires_in_s": ARMED_S,
        }


class Arming:
    """What is armed; may be used from several threads."""

    def __init__(self, hands: Hands, watch: Watch, now: Callable[[], float] = time.monotonic) -> None:
        """Make it, with nothing armed.

        Args:
            hands: What carries commands out.
            watch: What the state of the plant is read from.
            now: Wall seconds, those of the leases.
        """
        self._hands, self._watch, self._now = hands, watch, now
        self._lock = threading.Lock()
        self._armed: dict[str, Armed] = {}

    def arm(self, lease: Lease, device: str, verb: str, value: str) -> Armed:
        """Say what a command would do and what stands against it.

        Raises:
            ManualError: For a verb that there is not, or that is not the lease's.
            SpokenError: For a value that cannot be read.
        """
        if device not in lease.devices:
            raise ManualError(f"lease {lease.id} is for {', '.join(sorted(lease.devices))}, not for {device}")
        where, form = self._hands.form(device, verb)
        arguments = form.arguments(value)
        verdict, errors = self._hands.ask(where, verb, arguments, lease)
        armed = Armed(
            token=secrets.token_urlsafe(16),
            user=lease.holder,
            lease=lease.id,
            device=where,
            verb=verb,
            arguments=arguments,
            text=verdict.command.describe(),
            reasons=(*errors, *verdict.reasons),
            conditions=verdict.conditions,
            snapshot=self._snapshot(where, verdict),
            expires_s=self._now() + ARMED_S,
        )
        with self._lock:
            self._drop(lease.id)
            self._armed[armed.token] = armed
        return armed

    def all(self) -> list[Armed]:
        """What is armed now, for everybody to see."""
        with self._lock:
            return [armed for armed in self._armed.values() if armed.expires_s > self._now()]

    def disarm(self, lease_id: str) -> None:
        """Forget what was armed under a lease."""
        with self._lock:
            self._drop(lease_id)

    def take(self, token: str, user: str) -> Armed:
        """Give what was armed under a token, which is void from then on.

        Raises:
            ManualError: Where there is nothing under it, or not for this user, or not any more.
        """
        with self._lock:
            armed = self._armed.pop(token, None)
        if armed is None:
            raise ManualError("this command is not armed, or was executed already: arm it again")
        if armed.user != user:
            raise ManualError(f"{armed.text} was armed by {armed.user}, not by {user}: arm your own")
        if armed.expires_s <= self._now():
            raise ManualError(f"{armed.text} was armed more than {ARMED_S:g} s ago: arm it again")
        return armed

    def execute(self, armed: Armed, lease: Lease, within_s: float) -> dict[str, Any]:
        """Judge again, act, and wait in lab time for the end.

        Raises:
            ManualError: Where the plant has changed, the command is denied, or it failed.
        """
        verdict, errors = self._hands.ask(armed.device, armed.verb, armed.arguments, lease)
        changed = self._snapshot(armed.device, verdict) != armed.snapshot
        if changed and not (errors or verdict.reasons):
            raise ManualError(f"{armed.device}: what {armed.text} was armed on has changed since: arm it again")
        # A denial is the gateway's to say and to write down, so the driver asks it also where one is to come.
        error, done = self._hands.act(armed.device, armed.verb, armed.arguments, lease, within_s)
        if error is not None:
            reasons = error.reasons if isinstance(error, CommandDeniedError) else ()
            raise ManualError(str(error), reasons) from error
        return {"device": armed.device, "command": armed.text, "done": done, "notes": list(verdict.notes)}

    def _snapshot(self, device: str, verdict: Verdict) -> tuple[object, ...]:
        """What a command rests on, without what moves all the time by itself."""
        return (
            self._watch.tripped(),
            frozenset(self._watch.bypassed()),
            tuple((condition.rule, condition.holds) for condition in verdict.conditions),
            self._hands.program(device),
        )

    def _drop(self, lease_id: str) -> None:
        self._armed = {token: armed for token, armed in self._armed.items() if armed.lease != lease_id}
