"""Lines of the text mover.

    command   MOVE vials/1 doser-1/1 LF
    reply     JOB 7 LF                  or ERR words of the reason LF
    JOB? 7 -> JOB 7 BUSY | JOB 7 DONE | JOB 7 FAILED words | ERR no such job
    AT? vials/1 -> AT vials/1 V001 | AT vials/1 -
    STOP -> STOPPED                     ID? as of all text machines

One line answers each line. Positions are PLACE/N with N from 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from drivers.errors import CodecError, LimitError, RefusedError

STOP = "STOP"
NO_SUCH_JOB = "no such job"
"""How the mover refuses to tell of a job that it was never given."""

_POSITION = re.compile(r"[A-Za-z0-9_-]+/[1-9]\d*")
_WORD = re.compile(r"[A-Za-z0-9_.-]+")


class JobState(StrEnum):
    """How far a job is."""

    BUSY = "BUSY"
    DONE = "DONE"
    FAILED = "FAILED"


_JOB_STATES = frozenset(state.value for state in JobState)


@dataclass(frozen=True)
class JobReport:
    """What JOB? says."""

    number: int
    state: JobState
    reason: str = ""


def move(from_position: str, to_position: str) -> str:
    """Move what stands at one position to another, free one."""
    return f"MOVE {position(from_position)} {position(to_position)}"


def pour(from_position: str, to_position: str, mass_mg: float | None) -> str:
    """Pour powder from one labware into another; all of it where no mass is given."""
    amount = "ALL" if mass_mg is None else f"{mass_mg:.2f}"
    return f"POUR {position(from_position)} {position(to_position)} {amount}"


def mix(at: str, time_s: float, speed_rpm: float, method: str) -> str:
    """Mix what is in the labware at a position."""
    return f"MIX {position(at)} {time_s:g} {speed_rpm:g} {word(method)}"


def clean(at: str) -> str:
    """Clean the labware at a position."""
    return f"CLEAN {position(at)}"


def head(doser: str, number: int) -> str:
    """Put a dosing head on a doser; 0 takes the one that is there back to the rack."""
    return f"HEAD {word(doser)} {number:d}"


def door(furnace: str, opened: bool) -> str:
    """Open or close a furnace's door."""
    return f"DOOR {word(furnace)} {'OPEN' if opened else 'CLOSE'}"


def ask_job(number: int) -> str:
    """Ask how far a job is."""
    return f"JOB? {number}"


def ask_at(at: str) -> str:
    """Ask what stands at a position."""
    return f"AT? {position(at)}"


def parse_started(line: str) -> int:
    """Give the number of the job that was started.

    Raises:
        RefusedError: With the mover's reason.
        CodecError: Where the line is neither.
    """
    match _words(line):
        case ["JOB", number] if number.isdigit():
            return int(number)
    raise CodecError(f"{line!r} tells of no job")


def parse_job(line: str) -> JobReport:
    """Read the reply to JOB?.

    Raises:
        RefusedError: With the mover's reason.
        CodecError: Where the line is neither.
    """
    match _words(line):
        case ["JOB", number, state, *reason] if number.isdigit() and state in _JOB_STATES:
            return JobReport(int(number), JobState(state), " ".join(reason))
    raise CodecError(f"{line!r} tells of no job")


def parse_at(line: str, at: str | None = None) -> str | None:
    """Give the barcode at a position, or None where it is free; raises as `parse_job`."""
    match _words(line):
        case ["AT", where, barcode] if at in (None, where):
            return None if barcode == "-" else barcode
    raise CodecError(f"{line!r} does not tell of {at or 'a position'}")


def check_stopped(line: str) -> None:
    """Accept the reply to STOP; raises as `parse_job`."""
    if _words(line) != ["STOPPED"]:
        raise CodecError(f"{line!r} does not answer {STOP}")


def position(text: str) -> str:
    """Give a position back.

    Raises:
        LimitError: Where it is none.
    """
    if not _POSITION.fullmatch(text):
        raise LimitError(f"{text!r} is no position: write PLACE/N with N from 1, as vials/3")
    return text


def word(text: str) -> str:
    """Give a name back.

    Raises:
        LimitError: Where it could not stand in a line.
    """
    if not _WORD.fullmatch(text):
        raise LimitError(f"{text!r} is no name: the mover takes letters, digits and . _ -")
    return text


def _words(line: str) -> list[str]:
    words = line.split()
    if words[:1] == ["ERR"]:
        raise RefusedError(f"the mover refused: {' '.join(words[1:])}")
    return words
