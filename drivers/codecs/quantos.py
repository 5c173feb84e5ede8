"""Lines of the Quantos dosing system (instruments.md 2.2), on top of MT-SICS.

    QRA 60 ..   move      QRA 61 ..   do      QRD 1 1 ..   set      QRD 2 ..   ask

    QRA 61 1                  start dosing
    QRA 61 1 B                started
    QRA 61 1 A                done             QRA 61 1 I 7    not done, and why
    QRA 61 L                  wrong parameter: the reply repeats a part of the command only
    QRD 2 3 7  ->  QRD 2 3 7 3 A               a value comes before the A
    QRD 2 4 12 ->  QRD 2 4 12 B, XML, QRD 2 4 12 A

    QRA 60 2 pin of the head    60 7 front door    60 8 autosampler
    QRD 1 1 n: 1 2 tap before, while    3 4 tap intensity, time    5 target mg    6 tolerance %    7 its mode
               8 sample    9 pan is empty    13 user    14 algorithm    15 antistatic
    QRD 2 2 8 autosampler on?    2 2 9 pan loaded?    2 3 7 front door    2 3 8 autosampler    2 4 11 head

The XML is read leniently, because its schema is not published.
"""

from __future__ import annotations

import html
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from drivers.codecs.mt_sics import GENERAL_ERRORS, MG_PER
from drivers.errors import CodecError, LimitError, RefusedError

LEAST_MG = 0.10
MOST_MG = 250_000.0
LEAST_TOLERANCE_PERCENT = 0.1
MOST_TOLERANCE_PERCENT = 40.0
LONGEST_SAMPLE_ID = 20

START_DOSING = "QRA 61 1"
STOP_DOSING = "QRA 61 4"
MOVE_PIN = "QRA 60 2"
MOVE_DOOR = "QRA 60 7"
MOVE_SAMPLER = "QRA 60 8"
SET_TAP_BEFORE = "QRD 1 1 1"
SET_TAP_WHILE = "QRD 1 1 2"
SET_TAP_INTENSITY = "QRD 1 1 3"
SET_TAP_TIME = "QRD 1 1 4"
SET_TARGET = "QRD 1 1 5"
SET_TOLERANCE = "QRD 1 1 6"
SET_TOLERANCE_MODE = "QRD 1 1 7"
SET_SAMPLE = "QRD 1 1 8"
DECLARE_EMPTY = "QRD 1 1 9"
SET_USER = "QRD 1 1 13"
SET_ALGORITHM = "QRD 1 1 14"
SET_ANTISTATIC = "QRD 1 1 15"
ASK_SAMPLER_ON = "QRD 2 2 8"
ASK_PAN = "QRD 2 2 9"
ASK_DOOR = "QRD 2 3 7"
ASK_SAMPLER = "QRD 2 3 8"
ASK_HEAD = "QRD 2 4 11"
ASK_RESULT = "QRD 2 4 12"

UNLOCKED, LOCKED = 3, 4
CLOSED, OPEN = 2, 3
BOTH_WAYS, ABOVE_ONLY = 0, 1
"""The tolerance holds above and below the target, or above it alone."""
LAST_POSITION = 30
"""Of the autosampler; 0 is its home."""
LEAST_INTENSITY_PERCENT, MOST_INTENSITY_PERCENT = 10, 100
LEAST_TAP_S, MOST_TAP_S = 1, 10
BUSY = 2
"""The code of a command that was not begun, because another job is running."""
NOT_MOUNTED = 1

CODES: Mapping[int, str] = {
    1: "not mounted",
    2: "another job is running",
    3: "timeout",
    4: "not selected",
    5: "not allowed now",
    6: "weight not stable",
    7: "powder flow error",
    8: "stopped from outside",
    9: "error of the safe position",
    10: "dosing head not allowed",
    11: "limit of the dosing head reached",
    12: "dosing head expired",
    13: "sampler blocked",
}


class Answer(StrEnum):
    """How a reply line ends."""

    DONE = "A"
    STARTED = "B"
    NOT_DONE = "I"
    WRONG_PARAMETER = "L"


class Door(IntEnum):
    """What QRD 2 3 7 says."""

    CLOSED = 2
    OPEN = 3
    UNKNOWN = 8
    MOVING = 9


DOORS = tuple(int(door) for door in Door)


@dataclass(frozen=True)
class Reply:
    """One line that answers a command."""

    answer: Answer
    value: str | None = None
    """What stands before the letter."""
    code: int | None = None
    """What stands after an I."""

    def describe(self) -> str:
        """Say a refusal in words.

        >>> Reply(Answer.NOT_DONE, code=7).describe()
        'powder flow error (I 7)'
        """
        if self.answer is Answer.NOT_DONE:
            return f"{CODES.get(self.code or 0, 'for a reason that is in no manual')} (I {self.code})"
        return "wrong parameter (L)" if self.answer is Answer.WRONG_PARAMETER else self.answer.name.lower()


@dataclass(frozen=True)
class Head:
    """What the chip of a dosing head says."""

    substance: str
    lot: str
    remaining_mg: float | None
    remaining_dosages: int | None
    head_id: str = ""


@dataclass(frozen=True)
class DosingResult:
    """What the instrument says about its last dosing."""

    content_mg: float
    validity: str
    substance: str
    sample_id: str
    lot: str = ""
    target_mg: float | None = None
    """What it was told to dose; None where it does not say."""


def parse_reply(command: str, line: str) -> Reply | None:
    """Read a line as the reply to `command`, a name as `START_DOSING`; None where it answers something else.

    >>> parse_reply("QRA 61 1", "QRA 61 1 I 7")
    Reply(answer=<Answer.NOT_DONE: 'I'>, value=None, code=7)
    >>> parse_reply("QRA 61 1", "QRA 61 4 A") is None
    True

    Raises:
        RefusedError: At ES, ET or EL, which name no command.
    """
    sent, words = command.split(), line.split()
    if words and words[0] in GENERAL_ERRORS:
        raise RefusedError(f"{command} met a {GENERAL_ERRORS[words[0]]} ({words[0]})")
    shared = 0
    while shared < min(len(sent), len(words)) and sent[shared] == words[shared]:
        shared += 1
    rest = words[shared:]
    if shared < 2 or not rest:
        return None
    if shared < len(sent) and rest not in (["L"], ["A"]):
        return None
    return _reply(rest)


def encode_setting(name: str, value: object) -> tuple[str, str]:
    """Give the command and the value for a setting of the lab file.

    >>> encode_setting("tap_before", True), encode_setting("tap_intensity", 40)
    (('QRD 1 1 1', '1'), ('QRD 1 1 3', '40'))

    Raises:
        LimitError: Where the value is outside what Quantos takes.
    """
    command, values, allowed = SETTINGS[name]
    text = str(int(value)) if isinstance(value, bool) else str(value)
    number = text.removesuffix(".0")
    if name == "user_id":
        return command, encode_id("user id", text)
    if number not in values:
        raise LimitError(f"{name} is {text}, Quantos takes {allowed}")
    return command, number


def encode_position(position: int) -> str:
    """Give a position of the autosampler.

    Raises:
        LimitError: Where there is none.
    """
    if position not in range(LAST_POSITION + 1):
        raise LimitError(f"position {position} of the autosampler requested, it has 0 (home) to {LAST_POSITION}")
    return str(position)


def encode_mass(mass_mg: float) -> str:
    """Give a target as Quantos takes it: milligrams with two decimals.

    Raises:
        LimitError: Outside what Quantos can dose.
    """
    if not LEAST_MG <= mass_mg <= MOST_MG:
        raise LimitError(f"{mass_mg:g} mg requested, Quantos takes {LEAST_MG:g} to {MOST_MG:g} mg")
    return f"{mass_mg:.2f}"


def encode_tolerance(tolerance_mg: float, mass_mg: float) -> str:
    """Give a tolerance as Quantos takes it: percent of the target, rounded down to one decimal.

    >>> encode_tolerance(1.0, 592.0)
    '0.1'

    Raises:
        LimitError: Outside what Quantos can hold.
    """
    tenths = int(1000.0 * tolerance_mg / mass_mg + 1e-9)
    if not 10 * LEAST_TOLERANCE_PERCENT <= tenths <= 10 * MOST_TOLERANCE_PERCENT:
        least_mg, most_mg = (mass_mg * limit / 100.0 for limit in (LEAST_TOLERANCE_PERCENT, MOST_TOLERANCE_PERCENT))
        raise LimitError(
            f"a tolerance of {tolerance_mg:g} mg requested for {mass_mg:g} mg, "
            f"Quantos holds {least_mg:.3g} to {most_mg:.3g} mg (0.1 to 40 %)"
        )
    return f"{tenths / 10:.1f}"


def encode_sample_id(sample_id: str) -> str:
    """Give a sample's name as Quantos takes it.

    Raises:
        LimitError: Where it is empty, longer than 20 characters, or more than one word of plain letters.
    """
    return encode_id("sample id", sample_id)


def encode_id(what: str, text: str) -> str:
    """Give a name as Quantos takes it; raises as `encode_sample_id`."""
    plain = text.isascii() and text.isprintable() and " " not in text
    if not plain or not 1 <= len(text) <= LONGEST_SAMPLE_ID:
        raise LimitError(f"{what} {text!r}: Quantos takes one plain word of 1 to {LONGEST_SAMPLE_ID} characters")
    return text


def parse_number(reply: Reply, allowed: Container[int]) -> int:
    """Read the number that stands before the A.

    >>> parse_number(Reply(Answer.DONE, value="1"), range(2))
    1

    Raises:
        CodecError: Where it is none of those that there are.
    """
    text = reply.value or ""
    if not text.isdecimal() or int(text) not in allowed:
        raise CodecError(f"{reply.value!r} is none of the numbers that were to be expected")
    return int(text)


def parse_head(xml: str) -> Head:
    """Read what QRD 2 4 11 gave.

    Raises:
        CodecError: Where substance or lot is missing.
    """
    leaves = _leaves(xml)
    missing = [name for name in ("Substance", "Lot_ID") if name.lower() not in leaves]
    if missing:
        raise CodecError(f"the dosing head's data have no {' and no '.join(missing)}")
    dosages = leaves.get("rem._dosages", ("", ""))[0]
    return Head(
        substance=leaves["substance"][0],
        lot=leaves["lot_id"][0],
        remaining_mg=_mass_mg(leaves, "rem._quantity"),
        remaining_dosages=int(dosages) if dosages.isdigit() else None,
        head_id=leaves.get("head_id", ("", ""))[0],
    )


def parse_result(xml: str) -> DosingResult:
    """Read what QRD 2 4 12 gave.

    Raises:
        CodecError: Where the content is missing.
    """
    leaves = _leaves(xml)
    content_mg = _mass_mg(leaves, "content")
    if content_mg is None:
        raise CodecError("the dosing result has no Content")
    return DosingResult(
        content_mg=content_mg,
        validity=leaves.get("validity", ("", ""))[0],
        substance=leaves.get("substance", ("", ""))[0],
        sample_id=leaves.get("sample_id", ("", ""))[0],
        lot=leaves.get("lot_id", ("", ""))[0],
        target_mg=_mass_mg(leaves, "target_quantity"),
    )


def _numbers(least: int, most: int) -> tuple[frozenset[str], str]:
    return frozenset(str(number) for number in range(least, most + 1)), f"{least} to {most}"


SETTINGS: Mapping[str, tuple[str, frozenset[str], str]] = {
    "tap_before": (SET_TAP_BEFORE, *_numbers(0, 1)),
    "tap_while": (SET_TAP_WHILE, *_numbers(0, 1)),
    "tap_intensity": (SET_TAP_INTENSITY, *_numbers(LEAST_INTENSITY_PERCENT, MOST_INTENSITY_PERCENT)),
    "tap_time": (SET_TAP_TIME, *_numbers(LEAST_TAP_S, MOST_TAP_S)),
    "tolerance_mode": (SET_TOLERANCE_MODE, *_numbers(BOTH_WAYS, ABOVE_ONLY)),
    "algorithm": (SET_ALGORITHM, *_numbers(0, 1)),
    "antistatic": (SET_ANTISTATIC, *_numbers(0, 1)),
    "user_id": (SET_USER, frozenset(), ""),
}
"""What a lab file may set for every dosing: name -> command, the values that it takes, and those in words."""

_LETTERS = frozenset(answer.value for answer in Answer)
_LEAF = re.compile(r"<([A-Za-z_][\w.\-]*)([^<>]*)>([^<]*)</\1\s*>")
_UNIT = re.compile(r"""[Uu]nit\s*=\s*["']([^"']*)["']""")


def _reply(rest: list[str]) -> Reply | None:
    for place, word in enumerate(rest):
        if word in _LETTERS:
            before, after = rest[:place], rest[place + 1 :]
            code = int(after[0]) if after and after[0].isdigit() else None
            return Reply(Answer(word), before[-1] if before else None, code)
    return None


def _leaves(xml: str) -> dict[str, tuple[str, str]]:
    """Give lower-case name -> (text, unit) of the elements without children; the first of a name counts."""
    leaves: dict[str, tuple[str, str]] = {}
    for name, attributes, text in _LEAF.findall(xml):
        unit = _UNIT.search(attributes)
        leaves.setdefault(name.lower(), (html.unescape(text).strip(), unit[1] if unit else ""))
    return leaves


def _mass_mg(leaves: Mapping[str, tuple[str, str]], name: str) -> float | None:
    if name not in leaves:
        return None
    text, unit = leaves[name]
    try:
        return float(text) * MG_PER[unit or "mg"]
    except (ValueError, KeyError):
        raise CodecError(f"{text!r} {unit!r} is no mass ({name} in the data of Quantos)") from None
