"""Alarms as objects: raised, acknowledged, cleared, in any order; none leaves the list before both have happened.

    state            raise             acknowledge       clear
    normal           unacknowledged    normal            normal
    unacknowledged   unacknowledged    acknowledged      returned
    acknowledged     acknowledged *    acknowledged      normal
    returned         unacknowledged    normal            returned

    * at a higher priority than before: unacknowledged

Priority only rises until an alarm is normal again. Shelving (for a time) and taking out of service (until somebody
puts it back) hide an alarm from counts and notices, never from the list; its life goes on below.
Vocabulary after ISA-18.2 and OPC UA part 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from lab.errors import LabError


class AlarmError(LabError):
    """Something that cannot be done to an alarm."""


class Priority(StrEnum):
    """How soon somebody must do something; the order is the rank."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 is the least."""
        return _RANKS.index(self)


_RANKS = tuple(Priority)


class State(StrEnum):
    """Where an alarm is in its life."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    """Its cause is gone; nobody has acknowledged it yet."""


class Change(StrEnum):
    """What subscribers are told."""

    RAISED = "raised"
    """It needs somebody now: it is new, it came back, or it became worse."""
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    OUT_OF_SERVICE = "out-of-service"
    IN_SERVICE = "in-service"
    KEPT = "kept"
    """Carried over into a new file; nothing changed."""


NEXT: Mapping[tuple[State, str], State] = MappingProxyType(
    {
        (State.NORMAL, "raise"): State.UNACKNOWLEDGED,
        (State.UNACKNOWLEDGED, "raise"): State.UNACKNOWLEDGED,
        (State.ACKNOWLEDGED, "raise"): State.ACKNOWLEDGED,
        (State.RETURNED, "raise"): State.UNACKNOWLEDGED,
        (State.NORMAL, "acknowledge"): State.NORMAL,
        (State.UNACKNOWLEDGED, "acknowledge"): State.ACKNOWLEDGED,
        (State.ACKNOWLEDGED, "acknowledge"): State.ACKNOWLEDGED,
        (State.RETURNED, "acknowledge"): State.NORMAL,
        (State.NORMAL, "clear"): State.NORMAL,
        (State.UNACKNOWLEDGED, "clear"): State.RETURNED,
        (State.ACKNOWLEDGED, "clear"): State.NORMAL,
        (State.RETURNED, "clear"): State.RETURNED,
    }
)
"""The table above, all of it."""


@dataclass(frozen=True)
class Alarm:
    """One alarm as it stands; times are those of the book's clock, in seconds."""

    key: str
    text: str
    guidance: str
    priority: Priority
    source: str
    state: State = State.NORMAL
    latched: bool = False
    """It stays raised over a restart until it is cleared; others must be raised again."""
    first_out: bool = False
    """It was the first of the latched alarms that stand now."""
    raises: int = 0
    chattering: bool = False
    raised_at_s: float = 0.0
    acknowledged_by: str | None = None
    acknowledged_at_s: float | None = None
    cleared_at_s: float | None = None
    shelved_by: str | None = None
    shelved_at_s: float | None = None
    shelved_until_s: float | None = None
    shelved_reason: str | None = None
    out_by: str | None = None
    out_reason: str | None = None

    @property
    def active(self) -> bool:
        """Whether its cause is there now."""
        return self.state in {State.UNACKNOWLEDGED, State.ACKNOWLEDGED}

    @property
    def unacknowledged(self) -> bool:
        """Whether somebody must still take note of it."""
        return self.state in {State.UNACKNOWLEDGED, State.RETURNED}

    @property
    def hidden(self) -> bool:
        """Whether it is shelved or out of service."""
        return self.shelved_by is not None or self.out_by is not None

    @property
    def shown(self) -> str:
        """What a list says of it: ``out-of-service``, ``shelved`` or its state."""
        if self.out_by is not None:
            return "out-of-service"
        return "shelved" if self.shelved_by is not None else self.state.value

    @property
    def listed(self) -> bool:
        """Whether people must see it: it is not normal, or it is hidden and may come back."""
        return self.state is not State.NORMAL or self.hidden

    def to_json(self) -> dict[str, Any]:
        """All fields, and ``shown``."""
        return {**asdict(self), "shown": self.shown}


def from_json(fields: Mapping[str, Any]) -> Alarm:
    """The alarm that `Alarm.to_json` wrote.

    Raises:
        ValueError, TypeError, KeyError: Where it is none.
    """
    known = {name: value for name, value in fields.items() if name != "shown"}
    return Alarm(**{**known, "priority": Priority(fields["priority"]), "state": State(fields["state"])})
