"""Registers of a DH-Robotics gripper, Modbus RTU at 115200 baud, unit 1 (instruments.md 6.3).

    0x0100  write 0xA5: find both ends of its way      0x0200  0 asleep, 1 ready, 2 waking
    0x0101  force, 20..100 percent                     0x0201  0 moving, 1 arrived, 2 grasped, 3 dropped
    0x0103  goal, 0..1000                              0x0202  where its fingers are, 0..1000
    0x0104  speed, 1..100 percent

All are holding registers. That 1000 is open, and the addresses from 0x0201 on, are not in a manual that we have read:
the lab file may say otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from drivers.errors import CodecError

WAKE, FORCE, GOAL, SPEED = 0x0100, 0x0101, 0x0103, 0x0104
WAKING = 0x0200
FULLY = 0xA5
LEAST_FORCE_PERCENT = 20.0
FULL = 1000
OVERSHOOT = 50
"""By how much fingers may be beyond an end, in their own units."""


class Woken(IntEnum):
    """Register 0x0200."""

    NO = 0
    YES = 1
    UNDER_WAY = 2


class State(IntEnum):
    """The register of what the fingers do."""

    MOVING = 0
    ARRIVED = 1
    GRASPED = 2
    DROPPED = 3


@dataclass(frozen=True)
class Layout:
    """What may differ between models."""

    state: int = 0x0201
    position: int = 0x0202
    open_at: int = FULL
    closed_at: int = 0

    @property
    def together(self) -> bool:
        """Whether all that is read lies in one block from `WAKING`."""
        return (self.state, self.position) == (WAKING + 1, WAKING + 2)

    def goal(self, opening_percent: float) -> int:
        """Give the register's value for an opening.

        >>> Layout().goal(100.0), Layout(open_at=0, closed_at=1000).goal(100.0)
        (1000, 0)
        """
        return round(self.closed_at + (self.open_at - self.closed_at) * opening_percent / 100.0)

    def opening_percent(self, position: int) -> float:
        """Give the opening for a register's value, which is signed.

        Raises:
            CodecError: Where no fingers can be there.
        """
        value = position - 0x10000 if position & 0x8000 else position
        if not -OVERSHOOT <= value <= FULL + OVERSHOOT:
            raise CodecError(f"its fingers cannot be at {value} of {FULL}")
        opening = 100.0 * (value - self.closed_at) / (self.open_at - self.closed_at)
        return min(100.0, max(0.0, opening))


def parse(words: Sequence[int], layout: Layout) -> tuple[Woken, State, float]:
    """Read (waking, state, position) as they come from the wire.

    Raises:
        CodecError: Where one of them means nothing.
    """
    try:
        return Woken(words[0]), State(words[1]), layout.opening_percent(words[2])
    except ValueError as error:
        raise CodecError(f"registers {tuple(words)} mean nothing: {error}") from error
