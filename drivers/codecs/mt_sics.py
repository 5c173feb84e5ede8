"""MT-SICS lines of a balance, levels 0 and 1 and what a draught shield adds (instruments.md 2.1).

    command   T CR LF
    reply     ID status [value unit | "text"] CR LF        S S     100.00 g
    refusal   ID I | ID L | ID + | ID -                    or ES, ET, EL without any ID
    list      ID B ..., ID B ..., ID A ...                 I0 and some I2 come in several lines

A reply to SI, SIR, SR, SNR or SC starts with S; a reply to @ is that of I4, or of some models ``@ A "serial"``.
Nothing here has a checksum: whoever reads a weight reads it twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from drivers.errors import CodecError, RefusedError

CANCEL = "@"
ASK_COMMANDS = "I0"
ASK_BALANCE = "I2"
ASK_SOFTWARE = "I3"
ASK_SERIAL = "I4"
WEIGH_STABLE = "S"
WEIGH_NOW = "SI"
TARE = "T"
ZERO = "Z"
ASK_TARE = "TA"
CLEAR_TARE = "TAC"
GRAMS = "M21 0 0"
"""Have weights sent in grams."""
SHIELD = "WS"
"""Alone it asks where the doors are; with a number it moves them."""

MG_PER = {"g": 1000.0, "mg": 1.0, "ug": 1e-3, "µg": 1e-3, "kg": 1e6}

GENERAL_ERRORS = {"ES": "syntax error", "ET": "transmission error", "EL": "logical error"}
REFUSALS = {
    "I": "not executable now, or no stable weight",
    "L": "wrong parameter",
    "+": "overload",
    "-": "underload",
    "E": "error",
}
WEIGHING_ERRORS: Mapping[str, str] = {
    "1": "boot error",
    "2": "brand error",
    "3": "checksum error",
    "9": "option fails",
    "10": "EEPROM error",
    "11": "device mismatch",
    "12": "unplugged while it was on",
    "14": "weigh module and electronics do not match",
    "15": "adjustment needed",
}
"""What stands between ``S S Error`` and the b of the balance or the t of its terminal."""

_STABLE, _DYNAMIC = frozenset("SMA"), frozenset("DN")
_BELOW_MINIMUM = frozenset("MN")
_TEXT = re.compile(r'"([^"]*)"')
_CAPACITY = re.compile(r"(\d+(?:\.\d+)?)\s*(kg|mg|g)\b")
_VALUE = re.compile(r"[+-]?\d+(?:\.(?P<decimals>\d+))?")


class Shield(IntEnum):
    """Where the doors are, as WS says it; 1 to 7 name which of them are open."""

    CLOSED = 0
    ERROR = 8
    MOVING = 9


@dataclass(frozen=True)
class Weight:
    """What lies on the pan."""

    mass_mg: float
    stable: bool
    below_minimum: bool = False
    """Whether it is less than the balance was set up to weigh well (M and N)."""
    step_mg: float = field(default=0.0, compare=False)
    """What one of the last digit is worth."""
    unit: str = field(default="g", compare=False)
    """As the balance sent it."""


@dataclass(frozen=True)
class Nameplate:
    """What a balance says of itself in answer to I2."""

    model: str
    capacity_mg: float | None


def answers(command: str, line: str) -> bool:
    """Whether `line` is the reply to `command`, good or bad.

    >>> answers("SI", "S D      12.30 g"), answers("T", "S S 1.00 g")
    (True, False)
    """
    first = line.split(maxsplit=1)[0] if line.strip() else ""
    known = (reply_id(command), CANCEL) if command == CANCEL else (reply_id(command),)
    return first in known or first in GENERAL_ERRORS


def is_weight(line: str) -> bool:
    """Whether a line tells of a weight, as those that a balance sends by itself.

    >>> is_weight("S D      12.30 g"), is_weight("ES")
    (True, False)
    """
    return line.split(maxsplit=1)[:1] == ["S"]


def reply_id(command: str) -> str:
    """Give the word that a reply to `command` starts with.

    >>> reply_id("SI"), reply_id("WS 1"), reply_id("@")
    ('S', 'WS', 'I4')
    """
    word = command.split(maxsplit=1)[0]
    return "S" if word in ("SI", "SIR", "SR", "SNR", "SC") else "I4" if word == CANCEL else word


def parse_weight(command: str, line: str) -> Weight:
    """Read the reply to S, SI, T or TA.

    Raises:
        RefusedError: Where the balance says why not.
        CodecError: Where the line is no such reply.
    """
    match _words(command, line):
        case [_, status, value, unit] if status in _STABLE | _DYNAMIC and unit in MG_PER:
            number, step = _number(value, line)
            # Rounded because 0.59171 g are 591.71 mg, whatever binary fractions say.
            return Weight(
                round(number * MG_PER[unit], 6),
                stable=status in _STABLE,
                below_minimum=status in _BELOW_MINIMUM,
                step_mg=round(step * MG_PER[unit], 9),
                unit=unit,
            )
    raise CodecError(f"{line!r} is no weight")


def parse_current(line: str) -> Weight:
    """Read the reply to SI, which says the same of a refusal as that to S.

    >>> parse_current("S D      12.30 g")
    Weight(mass_mg=12300.0, stable=False, below_minimum=False, step_mg=10.0, unit='g')

    Raises:
        RefusedError: Where the balance says why not.
        CodecError: Where the line is no such reply.
    """
    return parse_weight(WEIGH_STABLE, line)


def foreign_unit(line: str) -> str | None:
    """Give the unit of a weight that is in none of ours; None for every other line.

    >>> foreign_unit("S S     62.50 ct"), foreign_unit("S S     12.50 g")
    ('ct', None)
    """
    match line.split():
        case ["S", status, value, unit] if status in _STABLE | _DYNAMIC and _VALUE.fullmatch(value):
            return None if unit in MG_PER else unit
    return None


def is_busy(line: str) -> bool:
    """Whether a reply says that the balance is at something else, or not at rest.

    >>> is_busy("T I"), is_busy("T L")
    (True, False)
    """
    return line.split()[1:] == ["I"]


def is_out_of_range(line: str) -> bool:
    """Whether a reply tells of more or less on the pan than can be weighed.

    >>> is_out_of_range("S +"), is_out_of_range("S I")
    (True, False)
    """
    return line.split()[1:] in (["+"], ["-"])


def is_wrong_parameter(line: str) -> bool:
    """Whether a reply says that the command is known, and what came with it is not.

    >>> is_wrong_parameter("WS L"), is_wrong_parameter("WS I")
    (True, False)
    """
    return line.split()[1:] == ["L"]


def is_unknown_command(line: str) -> bool:
    """Whether the balance does not have what it was asked for.

    >>> is_unknown_command("ES"), is_unknown_command("TA I")
    (True, False)
    """
    return line.split()[:1] in (["ES"], ["EL"])


def is_general_error(line: str) -> bool:
    """Whether a reply says that the command was not understood, and names none.

    >>> is_general_error("ET"), is_general_error("S I")
    (True, False)
    """
    return line.split()[:1] in ([error] for error in GENERAL_ERRORS)


def is_last(line: str) -> bool:
    """Whether nothing follows a line of a list: every other one has a B.

    >>> is_last('I0 B 0 "I1"'), is_last('I0 A 1 "TI"'), is_last("ES")
    (False, True, True)
    """
    return line.split()[1:2] != ["B"]


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


def parse_nameplate(lines: Iterable[str]) -> Nameplate:
    """Read the reply to I2, which names the type and the capacity.

    >>> parse_nameplate(['I2 A "XS204 Excellence 220.0090 g"'])
    Nameplate(model='XS204 Excellence', capacity_mg=220009.0)

    Raises:
        RefusedError: Where the balance says why not.
        CodecError: Where there is no text.
    """
    texts = [text for line in lines for text in _TEXT.findall(_checked(ASK_BALANCE, line))]
    if not texts:
        raise CodecError(f"no text answers {ASK_BALANCE}")
    whole = " ".join(texts)
    found = list(_CAPACITY.finditer(whole))
    if not found:
        return Nameplate(whole.strip(), None)
    last = found[-1]
    return Nameplate(whole[: last.start()].strip(), round(float(last[1]) * MG_PER[last[2]], 6))


def parse_commands(lines: Iterable[str]) -> tuple[str, ...]:
    """Read the reply to I0: every command that the balance has, in its order.

    >>> parse_commands(['I0 B 0 "I0"', 'I0 A 1 "T"'])
    ('I0', 'T')

    Raises:
        RefusedError: Where the balance says why not.
        CodecError: Where a line names none.
    """
    named = [_TEXT.search(_checked(ASK_COMMANDS, line)) for line in lines]
    if not named or None in named:
        raise CodecError(f"a line that answers {ASK_COMMANDS} names no command")
    return tuple(name[1] for name in named if name is not None)


def move_shield(code: int) -> str:
    """Give the line that moves the doors; 0 closes them, what opens which is the model's own.

    >>> move_shield(0)
    'WS 0'
    """
    return f"{SHIELD} {code}"


def parse_shield(line: str) -> int:
    """Read where the doors are, in the codes of `Shield`.

    >>> parse_shield("WS A 1")
    1

    Raises:
        RefusedError: Where the balance says why not.
        CodecError: Where the line is no such reply.
    """
    match _words(SHIELD, line):
        case [_, "A", digit] if len(digit) == 1 and digit.isdecimal():
            return int(digit)
    raise CodecError(f"{line!r} does not say where the doors are")


def _checked(command: str, line: str) -> str:
    _words(command, line)
    return line


def _words(command: str, line: str) -> list[str]:
    words = line.split()
    if words and words[0] in GENERAL_ERRORS:
        raise RefusedError(f"{command} met a {GENERAL_ERRORS[words[0]]} ({words[0]})")
    if not words or not answers(command, line):
        raise CodecError(f"{line!r} does not answer {command}")
    if len(words) == 2 and words[1] in REFUSALS:
        raise RefusedError(f"{command}: {REFUSALS[words[1]]} ({line.strip()})")
    if words[1:3] == ["S", "Error"]:
        raise RefusedError(f"{command}: weighing error {_error(' '.join(words[3:]))}")
    return words


def _error(code: str) -> str:
    """Say a weighing error in words.

    >>> _error("10b"), _error("99t"), _error("?")
    ('10b: EEPROM error, of the balance', '99t, of the terminal', '?')
    """
    where = {"b": ", of the balance", "t": ", of the terminal"}.get(code[-1:], "")
    what = WEIGHING_ERRORS.get(code[:-1])
    return f"{code}{f': {what}' if what else ''}{where}"


def _number(text: str, line: str) -> tuple[float, float]:
    """Give a value and what one of its last digit is worth."""
    found = _VALUE.fullmatch(text)
    if found is None:
        raise CodecError(f"{line!r} holds no number where the weight should be")
    return float(text), 10.0 ** -len(found["decimals"] or "")
