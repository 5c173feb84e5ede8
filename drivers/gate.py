"""The gate that every driver asks before it writes a frame that makes something happen.

A driver never decides whether an action is safe: it asks `Gate.request`, and hands the grant to its link,
which writes actuating frames with a grant only. Who asks travels in a context variable, so that a plan, a
faceplate and a shell use the same verbs of the same driver.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

GRANT_LIFE_S = 600.0
"""Lab seconds after which leave is void where the work has not begun: what it rested on may have changed."""


class DriverError(Exception):
    """Something a driver cannot do; the text is one sentence for the operator."""


class CommandDeniedError(DriverError):
    """The gate refused a command."""

    def __init__(self, command: Command, reasons: tuple[str, ...]) -> None:
        super().__init__(f"{command.device}: {command.describe()} was denied: {'; '.join(reasons)}")
        self.command = command
        self.reasons = reasons


@dataclass(frozen=True)
class Command:
    """One actuating verb of one device with its value."""

    device: str
    verb: str
    """Lower case with hyphens, as a person would type it: ``set-setpoint``, ``door-open``."""
    value: float | str | None = None
    unit: str | None = None
    subject: str | None = None
    """What the verb acts on where that is not the device itself: ``furnace-1.door`` for a mover."""

    def describe(self) -> str:
        """The command as a person would say it.

        >>> Command("furnace-1", "set-setpoint", 400.0, "degC").describe()
        'set-setpoint 400 degC'
        """
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return " ".join(str(part) for part in (self.verb, self.subject, value, self.unit) if part is not None)


@dataclass(frozen=True)
class Requester:
    """Who asks, and under which lease."""

    actor: str
    lease: str | None = None


@dataclass(frozen=True)
class Granted:
    """Leave to write the frames of one command, to its device, begun within `GRANT_LIFE_S`."""

    command: Command
    granted_at_s: float
    """Lab time in POSIX seconds."""
    notes: tuple[str, ...] = ()
    """What whoever acts should know of it, such as a rule that was bypassed."""


@dataclass(frozen=True)
class Denied:
    """A refusal with every reason, each a sentence with the live value and the limit."""

    command: Command
    reasons: tuple[str, ...]


class Gate(Protocol):
    """The one place where commands to devices are granted."""

    def request(self, command: Command, lease: str | None, actor: str) -> Granted | Denied:
        """Decide about one command; never raises for a refusal."""


NOBODY = Requester(actor="nobody")

_requester: ContextVar[Requester] = ContextVar("requester", default=NOBODY)


@contextmanager
def acting_as(actor: str, lease: str | None = None) -> Iterator[None]:
    """Name who asks for all commands issued inside the block, in this context."""
    token = _requester.set(Requester(actor, lease))
    try:
        yield
    finally:
        _requester.reset(token)


def act_as(actor: str, lease: str | None) -> None:
    """Name who asks from here on in this context; for a plan whose lease changes while it runs."""
    _requester.set(Requester(actor, lease))


def requester() -> Requester:
    """Who asks in this context."""
    return _requester.get()


def authorize(gate: Gate, command: Command) -> Granted:
    """Ask the gate on behalf of the current requester.

    Raises:
        CommandDeniedError: With the reasons of the gate.
    """
    who = requester()
    answer = gate.request(command, who.lease, who.actor)
    if isinstance(answer, Denied):
        raise CommandDeniedError(command, answer.reasons)
    return answer
