"""The text that a Robotiq gripper speaks through its URCap, TCP port 63352 (instruments.md 6.3).

    GET POS LF -> POS 3 LF        SET POS 255 LF -> ack, which has no end of line

    ACT 1 activate | GTO 1 go to POS | POS 0 open .. 255 closed | SPE, FOR 0..255          may be set
    STA 0 reset, 1 waking, 3 active | PRE the POS that it was told | OBJ | FLT 0 none       are read

The meaning of OBJ is from memory, not from a manual: 0 moving, 1 stopped by something while opening, 2 while closing,
3 where it was told to be.
"""

from __future__ import annotations

import re

from drivers.errors import CodecError

CLOSED = 255
FULL = 255
RESET, WAKING, UNUSED, ACTIVE = range(4)
MOVING, STOPPED_OPENING, STOPPED_CLOSING, AT_GOAL = range(4)
FAULTS = {
    5: "it must be activated before it moves",
    7: "it must be activated first",
    8: "it is too hot",
    9: "nobody spoke to it for a second",
    10: "its voltage is too low",
    11: "it releases by itself",
    12: "an internal fault",
    13: "it could not be activated",
    14: "its current is too high",
    15: "it has released by itself",
}
"""FLT, from the maker's list of gFLT."""

_REPLY = re.compile(r"(?:ack)*(?P<name>[A-Z]{3}) (?P<value>\d{1,3})")


def get(name: str) -> str:
    """Ask for a variable."""
    return f"GET {name}"


def put(name: str, value: int) -> str:
    """Set a variable."""
    return f"SET {name} {value}"


def answers(name: str, line: str) -> bool:
    """Whether a line tells of a variable; what was set before is confirmed without an end of line.

    >>> answers("POS", "ackackPOS 3"), answers("POS", "OBJ 3")
    (True, False)
    """
    found = _REPLY.fullmatch(line)
    return found is not None and found["name"] == name


def parse(name: str, line: str) -> int:
    """Give the value of a variable, 0 to 255.

    Raises:
        CodecError: Where the line tells of none.
    """
    found = _REPLY.fullmatch(line)
    if found is None or found["name"] != name or int(found["value"]) > 255:
        raise CodecError(f"{line!r} does not answer GET {name}")
    return int(found["value"])


def position(opening_percent: float) -> int:
    """Give POS for an opening.

    >>> position(100.0), position(0.0)
    (0, 255)
    """
    return round(CLOSED * (1.0 - opening_percent / 100.0))


def opening_percent(position: int) -> float:
    """Give the opening for a POS."""
    return 100.0 * (1.0 - position / CLOSED)


def share(percent: float) -> int:
    """Give SPE or FOR for a part of the most."""
    return round(FULL * percent / 100.0)
