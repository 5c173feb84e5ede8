"""A bench of devices that do what they are told after some lab time, for tests of tasks and samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from drivers.clock import JumpClock
from drivers.gate import _requester
from drivers.status import ActionStatus


@dataclass
class Told:
    """One verb that a device was given."""

    t_s: float
    device: str
    verb: str
    arguments: dict[str, Any]
    actor: str
    lease: str | None


class Signal:
    """A value that can be read at any time."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self) -> Any:
        return self.value


@dataclass(eq=False)
class Device:
    """Ends each action after `takes_s` of its verb (1 s), or fails there where `fails` has the verb."""

    name: str
    clock: JumpClock
    told: list[Told]
    takes_s: dict[str, float] = field(default_factory=dict)
    fails: dict[str, Exception] = field(default_factory=dict)
    refuses: dict[str, Exception] = field(default_factory=dict)
    """Verb to what is raised at once, once."""
    on_done: Callable[[str, dict[str, Any]], None] = lambda verb, arguments: None
    parent: None = None
    hints: dict[str, list[str]] = field(default_factory=lambda: {"fields": []})
    stops: list[bool] = field(default_factory=list)

    def set(self, verb: str, /, **arguments: Any) -> ActionStatus:
        who = _requester.get()
        self.told.append(Told(self.clock.now(), self.name, verb, arguments, who.actor, who.lease))
        if verb in self.refuses:
            raise self.refuses.pop(verb)
        status = ActionStatus(self.name, verb)

        def end() -> None:
            if verb in self.fails:
                status.set_exception(self.fails.pop(verb))
            else:
                self.on_done(verb, arguments)
                status.set_finished()

        self.clock.call_at(self.clock.now() + self.takes_s.get(verb, 1.0), end, self.name)
        return status

    def stop(self, *, success: bool = False) -> None:
        self.stops.append(success)

    def read(self) -> dict[str, Any]:
        return {f"{self.name}_reading": {"value": 1.0, "timestamp": self.clock.now()}}

    def describe(self) -> dict[str, Any]:
        return {f"{self.name}_reading": {"source": "test", "dtype": "number", "shape": []}}

    def read_configuration(self) -> dict[str, Any]:
        return {}

    def describe_configuration(self) -> dict[str, Any]:
        return {}
