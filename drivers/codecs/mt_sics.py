"""MT-SICS lines of a balance (instruments.md 2.1).

    command   T CR LF
    reply     ID status [value unit | "text"] CR LF        S S     100.00 g
    refusal   ID I | ID L | ID + | ID -                    or ES, ET, EL without any ID

A reply to SI starts with S; a reply to @ is that of I4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivers.errors import CodecError, RefusedError

MG_PER = {"g": 1000.0, "mg": 1.0, "ug": 1e-3, "µg": 1e-3, "kg": 1e6}

GENERAL_ERRORS = {"ES": "syntax error", "ET": "transmission error", "EL": "logical error"}
REFUSALS = {
    "I": "not executable now, or no stable weight",
    "L": "wrong parameter",
    "+": "overload",
    "-": "underload",
    "E": "error",
}
_TEXT = re.compile(r'"([^"]*)"')


@dataclass(frozen=True)
class Weight:
    """What lies on the pan."""

    mass_mg: float
    stable: bool


def answers(command: str, line: str) -> bool:
    """Whether `line` is the reply to `command`, good or bad.

    >>> answers("SI", "S D      12.30 g"), answers("T", "S S 1.00 g")
    (True, False)
    """
    first = line.split(maxsplit=1)[0] if line.strip() else ""
    return first == reply_id(command) or first in GENERAL_ERRORS


def reply_id(command: str) -> str:
    """Give the word that a reply to `command` starts with."""
    return {"SI": "S", "@": "I4"}.get(command, command)


def parse_weight(command: str, line: str) -> Weight:
    """Read the reply to S, SI or T.

    Raises:
        RefusedError: Where the balance says why not.
        CodecError: Where the line is no such reply.
    """
    match _words(command, line):
        case [_, ("S" | "D") as status, value, unit] if unit in MG_PER:
            # Rounded because 0.59171 g are 591.71 mg, whatever binary fractions say.
            return Weight(round(_number(value, line) * MG_PER[unit], 6), stable=status == "S")
    raise CodecError(f"{line!r} is no weight")


def is_out_of_range(line: str) -> bool:
    """Whether a reply tells of more or less on the pan than can be weighed.

    >>> is_out_of_range("S +"), is_out_of_range("S I")
    (True, False)
    """
    return line.split()[1:] in (["+"], ["-"])


def check_done(command: str, line: str) -> None:
    """Read a reply that carries nothing, as that to Z.

    Raises:
        RefusedError: Where the balance says why not.
        CodecError: Where the line is no such reply.
    """
    match _words(command, line):
        case [_, "A" | "S" | "D", *_]:
            return
    raise CodecError(f"{line!r} does not answer {command}")


def parse_text(command: str, line: str) -> str:
    """Read a reply in quotes, as the serial number that I4 gives.

    Raises:
        RefusedError: Where the balance says why not.
        CodecError: Where the line is no such reply.
    """
    words = _words(command, line)
    text = _TEXT.search(line)
    if len(words) < 2 or words[1] != "A" or text is None:
        raise CodecError(f"{line!r} does not answer {command}")
    return text[1]


def _words(command: str, line: str) -> list[str]:
    words = line.split()
    if words and words[0] in GENERAL_ERRORS:
        raise RefusedError(f"{command} met a {GENERAL_ERRORS[words[0]]} ({words[0]})")
    if not words or words[0] != reply_id(command):
        raise CodecError(f"{line!r} does not answer {command}")
    if len(words) == 2 and words[1] in REFUSALS:
        raise RefusedError(f"{command}: {REFUSALS[words[1]]} ({line.strip()})")
    if words[1:3] == ["S", "Error"]:
        raise RefusedError(f"{command}: weighing error {' '.join(words[3:])}")
    return words


def _number(text: str, line: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise CodecError(f"{line!r} holds no number where the weight should be") from None
