"""Lines of the machines that a laboratory builds around a small controller: mills, shakers, doors (docs/wires.md).

    ID?            ID text-mill 1 SN-mill-2
    Status         State: RUNNING; Job: 8 running; Time: 60 s; Set: 300 rpm; Speed: 299 rpm; Left: 42 s
    Start 60 300   Job: 9                       Stop   Stopped
    Status         State: STOP; Furnace A: Open; Furnace B: Closed
    Open A         Opening A                    Close A   Closing A
    refusal        Error: words of the reason

One line answers each line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from drivers.errors import CodecError, LimitError, RefusedError

ASK_IDENTITY, STATUS, STOP = "ID?", "Status", "Stop"
LONGEST_S, FASTEST_RPM = 1e7, 1e5
"""What no machine of this kind does: numbers beyond are noise."""

E = TypeVar("E", bound=StrEnum)

_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_DOOR = "Furnace "


class State(StrEnum):
    """What the machine does."""

    STOP = "STOP"
    RUNNING = "RUNNING"
    ERROR = "ERROR"


class JobState(StrEnum):
    """How its last job went."""

    NONE = "none"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class DoorState(StrEnum):
    """Where one door is."""

    OPEN = "Open"
    CLOSED = "Closed"
    MOVING = "Moving"
    AJAR = "Ajar"
    """Stopped halfway."""


@dataclass(frozen=True)
class MotorStatus:
    """What a mill or a shaker says."""

    state: State
    job: int
    """Number of the last job, 0 where there was none since it was switched on."""
    job_state: JobState
    time_s: float
    """What the last job was told."""
    set_rpm: float
    speed_rpm: float
    left_s: float
    error: str = ""

    def agrees(self, other: MotorStatus) -> bool:
        """Whether another look, right after this one, could be of the same machine."""
        alike = (self.state, self.job, self.job_state, self.time_s, self.set_rpm, self.error) == (
            other.state,
            other.job,
            other.job_state,
            other.time_s,
            other.set_rpm,
            other.error,
        )
        return (
            alike
            and abs(self.speed_rpm - other.speed_rpm) <= 0.1 * max(self.set_rpm, self.speed_rpm)
            and 0.0 <= self.left_s - other.left_s <= max(2.0, 0.1 * self.left_s)
        )


@dataclass(frozen=True)
class DoorsStatus:
    """What a door controller says."""

    state: State
    doors: Mapping[str, DoorState]
    """By the controller's own names."""
    error: str = ""


def start(time_s: float, speed_rpm: float) -> str:
    """Have the motor turn."""
    return f"Start {time_s:g} {speed_rpm:g}"


def door(name: str, opened: bool) -> str:
    """Open or close a door."""
    return f"{'Open' if opened else 'Close'} {word(name)}"


def parse_identity(kind: str, line: str) -> str:
    """Give the serial number of a machine of a kind.

    >>> parse_identity("text-mill", "ID text-mill 1 SN-mill-2")
    'SN-mill-2'

    Raises:
        CodecError: Where something else answers.
    """
    match line.split():
        case ["ID", found, "1", serial] if found == kind:
            return serial
    raise CodecError(f"{line!r} is no identity of a {kind}")


def parse_started(line: str) -> int:
    """Give the number of the job that was started.

    Raises:
        RefusedError: With the machine's reason.
        CodecError: Where the line is neither.
    """
    found = re.fullmatch(r"Job: (\d{1,9})", _accepted(line))
    if found is None:
        raise CodecError(f"{line!r} tells of no job")
    return int(found[1])


def check_stopped(line: str) -> None:
    """Accept the reply to `STOP`; raises as `parse_started`."""
    if _accepted(line) != "Stopped":
        raise CodecError(f"{line!r} does not answer {STOP}")


def check_door(name: str, opened: bool, line: str) -> None:
    """Accept the reply to `door`; raises as `parse_started`."""
    if _accepted(line) != f"{'Opening' if opened else 'Closing'} {name}":
        raise CodecError(f"{line!r} does not answer {door(name, opened)}")


def parse_motor(line: str) -> MotorStatus:
    """Read the status of a mill or shaker; raises as `parse_started`."""
    fields = _fields(line)
    number, _, state = _field(fields, "Job", line).partition(" ")
    if not number.isdecimal():
        raise CodecError(f"{line!r} has no number of a job")
    status = MotorStatus(
        _member(State, _field(fields, "State", line)),
        int(number),
        _member(JobState, state or JobState.NONE),
        _number(_field(fields, "Time", line), "s", LONGEST_S),
        _number(_field(fields, "Set", line), "rpm", FASTEST_RPM),
        _number(_field(fields, "Speed", line), "rpm", FASTEST_RPM),
        _number(_field(fields, "Left", line), "s", LONGEST_S),
        fields.get("Error", ""),
    )
    if (status.state is State.RUNNING) is not (status.job_state is JobState.RUNNING):
        raise CodecError(f"{line!r} contradicts itself")
    return status


def parse_doors(line: str) -> DoorsStatus:
    """Read the status of a door controller; raises as `parse_started`."""
    fields = _fields(line)
    doors = {
        name.removeprefix(_DOOR): _member(DoorState, where) for name, where in fields.items() if name.startswith(_DOOR)
    }
    if not doors:
        raise CodecError(f"{line!r} tells of no door")
    return DoorsStatus(_member(State, _field(fields, "State", line)), doors, fields.get("Error", ""))


def word(text: str) -> str:
    """Give a name back.

    Raises:
        LimitError: Where it could not stand in a line.
    """
    if not _WORD.fullmatch(text):
        raise LimitError(f"{text!r} is no name: letters, digits and . _ - may stand there")
    return text


def _accepted(line: str) -> str:
    if line.startswith("Error:"):
        raise RefusedError(f"the machine refused: {line.removeprefix('Error:').strip()}")
    return line.strip()


def _fields(line: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in _accepted(line).split(";"):
        name, colon, value = part.strip().partition(": ")
        if not colon or name in found:
            raise CodecError(f"{line!r} is no status")
        found[name] = value.strip()
    return found


def _field(fields: Mapping[str, str], name: str, line: str) -> str:
    if name not in fields:
        raise CodecError(f"{line!r} has no {name}")
    return fields[name]


def _number(text: str, unit: str, most: float) -> float:
    found = re.fullmatch(rf"(\d+(?:\.\d+)?) {unit}", text)
    if found is None or float(found[1]) > most:
        raise CodecError(f"{text!r} is no number of {unit}")
    return float(found[1])


def _member(kind: type[E], text: str) -> E:
    try:
        return kind(text)
    except ValueError:
        raise CodecError(f"{text!r} is no {kind.__name__}") from None
