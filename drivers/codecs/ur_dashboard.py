"""Lines of the dashboard server of a Universal Robot (instruments.md 6.1).

    on connect    Connected: Universal Robots Dashboard Server LF
    command       load crucibles-1_to_furnace-1-1.urp LF
    reply         Loading program: /programs/crucibles-1_to_furnace-1-1.urp LF
    programState  STOPPED|PLAYING|PAUSED file.urp         robotmode     Robotmode: RUNNING
    safetystatus  Safetystatus: NORMAL (e-Series 5.4)     safetymode    Safetymode: NORMAL (CB3)
    refusal       Failed to execute: play | File not found: x.urp | could not understand: 'x'

A reply does not say which command it answers, so each is known by its first words; what begins otherwise came by
itself. Words are compared without regard to case, which differs between versions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from drivers.errors import CodecError, LimitError, RefusedError

E = TypeVar("E", bound=StrEnum)

REFUSALS = ("failed to execute", "file not found", "error while loading", "could not understand", "no program loaded")

ASK_REMOTE = "is in remote control"
ASK_MODE = "robotmode"
ASK_STATE = "programState"
ASK_LOADED = "get loaded program"
ASK_SERIAL = "get serial number"
ASK_MODEL = "get robot model"
ASK_VERSION = "PolyscopeVersion"
PLAY, PAUSE, STOP = "play", "pause", "stop"
POWER_ON, POWER_OFF, RELEASE_BRAKES, CLOSE_POPUP = "power on", "power off", "brake release", "close popup"

_ANSWERS: Mapping[str, str] = {
    ASK_REMOTE: r"true|false",
    ASK_MODE: r"robotmode: *(\w+)",
    "safetystatus": r"safetystatus: *(\w+)",
    "safetymode": r"safetymode: *(\w+)",
    # In capitals: "Stopped" is the reply to `STOP`.
    ASK_STATE: r"((?-i:STOPPED|PLAYING|PAUSED))\b *(.*)",
    ASK_LOADED: r"loaded program: *(.*)",
    ASK_SERIAL: r"20\d+",
    ASK_MODEL: r"ur\d+\w*",
    ASK_VERSION: r"ursoftware\b.*",
    "load": r"loading program: *(.*)",
    PLAY: r"starting program",
    PAUSE: r"pausing program",
    STOP: r"stopped",
    POWER_ON: r"powering on",
    POWER_OFF: r"powering off",
    RELEASE_BRAKES: r"brake releasing",
    CLOSE_POPUP: r"closing popup",
}
"""Command -> what its reply looks like where it is carried out."""

_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+/-]*\.urp")
_POSITION = re.compile(r"[A-Za-z0-9_-]+/[1-9]\d*")


class Series(StrEnum):
    """Generations of robots, which speak a little differently."""

    E = "e"
    CB3 = "CB3"

    @property
    def ask_safety(self) -> str:
        """The question for the safety status."""
        return "safetystatus" if self is Series.E else "safetymode"


class RobotMode(StrEnum):
    """What the arm is ready for."""

    NO_CONTROLLER = "NO_CONTROLLER"
    DISCONNECTED = "DISCONNECTED"
    CONFIRM_SAFETY = "CONFIRM_SAFETY"
    BOOTING = "BOOTING"
    POWER_OFF = "POWER_OFF"
    POWER_ON = "POWER_ON"
    IDLE = "IDLE"
    BACKDRIVE = "BACKDRIVE"
    RUNNING = "RUNNING"


class Safety(StrEnum):
    """What the safety controller says."""

    NORMAL = "NORMAL"
    REDUCED = "REDUCED"
    PROTECTIVE_STOP = "PROTECTIVE_STOP"
    RECOVERY = "RECOVERY"
    SAFEGUARD_STOP = "SAFEGUARD_STOP"
    SYSTEM_EMERGENCY_STOP = "SYSTEM_EMERGENCY_STOP"
    ROBOT_EMERGENCY_STOP = "ROBOT_EMERGENCY_STOP"
    VIOLATION = "VIOLATION"
    FAULT = "FAULT"
    AUTOMATIC_MODE_SAFEGUARD_STOP = "AUTOMATIC_MODE_SAFEGUARD_STOP"
    SYSTEM_THREE_POSITION_ENABLING_STOP = "SYSTEM_THREE_POSITION_ENABLING_STOP"


MOVES = frozenset({Safety.NORMAL, Safety.REDUCED})
"""Where the arm may move."""


class Running(StrEnum):
    """What the loaded program does."""

    STOPPED = "STOPPED"
    PLAYING = "PLAYING"
    PAUSED = "PAUSED"


@dataclass(frozen=True)
class ProgramState:
    """What `ASK_STATE` says."""

    state: Running
    program: str
    """Its file name without folders, empty where none is loaded."""


def load(program: str) -> str:
    """Load a program.

    Raises:
        LimitError: Where that is no name of one.
    """
    if not _PROGRAM.fullmatch(program) or ".." in program:
        raise LimitError(f"{program!r} is no program: write a name of letters, digits and _ . + - that ends in .urp")
    return f"load {program}"


def answers(command: str, line: str) -> bool:
    """Whether a line is the reply to a command, carried out or refused.

    >>> answers("play", "Starting program"), answers("play", "Connected: Universal Robots Dashboard Server")
    (True, False)
    """
    return _found(command, line) is not None or line.strip().lower().startswith(REFUSALS)


def is_greeting(line: str) -> bool:
    """Whether a line is what the server says to whoever connects.

    >>> is_greeting("Connected: Universal Robots Dashboard Server")
    True
    """
    return line.startswith("Connected: Universal Robots")


def check(command: str, line: str) -> str:
    """Give what a reply carries, in the words of the robot; empty where it carries nothing.

    Raises:
        RefusedError: With the robot's words.
        CodecError: Where the line answers something else.
    """
    found = _found(command, line)
    if found is not None:
        return (found[found.lastindex] if found.lastindex else found[0]).strip()
    if line.strip().lower().startswith(REFUSALS):
        raise RefusedError(f"the robot refused: {line.strip()}")
    raise CodecError(f"{line!r} does not answer {command!r}")


def parse_mode(line: str) -> RobotMode:
    """Read the reply to `ASK_MODE`; raises as `check`."""
    return _member(RobotMode, check(ASK_MODE, line))


def parse_safety(series: Series, line: str) -> Safety:
    """Read the reply to `Series.ask_safety`; raises as `check`."""
    return _member(Safety, check(series.ask_safety, line))


def parse_remote(line: str) -> bool:
    """Read the reply to `ASK_REMOTE`; raises as `check`."""
    return check(ASK_REMOTE, line).lower() == "true"


def parse_state(line: str) -> ProgramState:
    """Read the reply to `ASK_STATE`; raises as `check`.

    >>> parse_state("PLAYING /programs/home.urp")
    ProgramState(state=<Running.PLAYING: 'PLAYING'>, program='home.urp')
    """
    found = _found(ASK_STATE, line)
    if found is None:
        check(ASK_STATE, line)
        raise CodecError(f"{line!r} tells of no program")
    return ProgramState(_member(Running, found[1]), file_name(found[2]))


def parse_loaded(line: str) -> str:
    """Read the reply to `ASK_LOADED`: a file name, empty where no program is loaded; raises as `check`."""
    if line.strip().lower().startswith("no program loaded"):
        return ""
    return file_name(check(ASK_LOADED, line))


def file_name(path: str) -> str:
    """Give the last part of a path on the controller; a name without an ending that means nothing is none.

    >>> file_name("/programs/lab/home.urp"), file_name("<unnamed>")
    ('home.urp', '')
    """
    name = path.strip().replace("\\", "/").rpartition("/")[2]
    return name if name.lower().endswith(".urp") else ""


# -- programs that carry labware


@dataclass(frozen=True)
class Naming:
    """How the programs that carry labware are called on the controller."""

    pattern: str = "{from}_to_{to}.urp"
    special: Mapping[str, tuple[str, ...]] | None = None
    """Program -> (from, to) for those with names of their own, or () for one that carries and reaches nothing."""

    def program(self, from_position: str, to_position: str) -> str:
        """Give the program that carries labware from one position to another.

        Raises:
            LimitError: Where one of them is no position.
        """
        for text in (from_position, to_position):
            if not _POSITION.fullmatch(text):
                raise LimitError(f"{text!r} is no position: write PLACE/N with N from 1, as crucibles/3")
        ends = (from_position, to_position)
        named = [name for name, route in (self.special or {}).items() if tuple(route) == ends]
        if named:
            return named[0]
        name = self.pattern.replace("{from}", _flat(from_position)).replace("{to}", _flat(to_position))
        if self.route(name) != ends:
            raise LimitError(f"{name} could be read as another move: give it a name of its own under programs")
        return name

    def route(self, program: str) -> tuple[str, ...] | None:
        """Give what a program carries: (from, to), () for nothing, or None where that is not known.

        >>> Naming().route("crucibles-1_to_furnace-1-2.urp")
        ('crucibles/1', 'furnace-1/2')
        """
        if program in (self.special or {}):
            return tuple((self.special or {})[program])
        parts = re.escape(self.pattern).replace(r"\{from\}", r"(?P<a>.+-\d+)").replace(r"\{to\}", r"(?P<b>.+-\d+)")
        found = re.fullmatch(parts, program)
        return None if found is None else (_position(found["a"]), _position(found["b"]))


def check_pattern(pattern: str) -> str:
    """Give a pattern of program names back.

    Raises:
        LimitError: Where the two positions cannot be told from it, or it makes no name of a program.
    """
    if pattern.count("{from}") != 1 or pattern.count("{to}") != 1 or not pattern.endswith(".urp"):
        raise LimitError(f"program is {pattern!r}: write {{from}} and {{to}} once each and end in .urp")
    load(pattern.replace("{from}", "a-1").replace("{to}", "b-1"))
    return pattern


def _flat(position: str) -> str:
    return position.replace("/", "-")


def _position(flat: str) -> str:
    place, _, number = flat.rpartition("-")
    return f"{place}/{number}"


def _found(command: str, line: str) -> re.Match[str] | None:
    pattern = _ANSWERS["load" if command.startswith("load ") else command]
    return re.fullmatch(pattern, line.strip(), re.IGNORECASE)


def _member(kind: type[E], text: str) -> E:
    try:
        return kind(text.upper())
    except ValueError:
        raise CodecError(f"{text!r} is no {kind.__name__}") from None
