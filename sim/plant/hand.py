"""A gripper's two fingers: where they are at any time, and whether they hold what stands between them.

    opening   0 closed .. 1 open; what stands between the fingers keeps them `WIDTH` open

The state at t follows from what it was told last and when, so it does not depend on when it was asked for. Guarded
by `Plant.heat`: a gripper on Modbus answers at once.
"""

from __future__ import annotations

import math
from enum import Enum, auto

WIDTH = 0.4
"""How far labware keeps the fingers open, as part of their stroke."""
STROKE_S = 1.0
"""From open to closed."""
WAKING_S = 3.0
"""To find its ends after it was told to."""


class Hold(Enum):
    """What the fingers do."""

    MOVING = auto()
    ARRIVED = auto()
    GRASPED = auto()
    DROPPED = auto()
    """It held something, and that is gone."""


class Hand:
    """The fingers of one gripper, asleep until they are woken."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._awake_s = math.inf
        self._from = self._target = 1.0
        self._from_s = -math.inf
        self._between = False
        self._dropped = False

    # -- what it is told

    def wake(self, now_s: float) -> None:
        """Have it find its ends, which leaves it open."""
        self._awake_s = now_s + WAKING_S
        self._set_off(1.0, now_s)

    def sleep(self) -> None:
        """Have it forget its ends."""
        self._awake_s = math.inf

    def go(self, opening: float, now_s: float) -> None:
        """Have the fingers go as far as they can towards an opening; asleep they stay."""
        if self.is_awake(now_s):
            self._set_off(opening, now_s)

    def halt(self, now_s: float) -> None:
        """Have them stand where they are; a grip stays one."""
        if self.hold(now_s) is Hold.MOVING:
            self._set_off(self.opening(now_s), now_s)

    # -- what happens to it

    def surround(self, now_s: float) -> bool:
        """Have something stand between the fingers from now on; give whether they were open enough for it."""
        if self.opening(now_s) < WIDTH:
            return False
        self._settle(now_s)
        self._between = True
        return True

    def leave(self, now_s: float) -> None:
        """Have what stood between the fingers be there no more; where they held it, it has slipped out."""
        held = self.hold(now_s) is Hold.GRASPED
        self._settle(now_s)
        self._between, self._dropped = False, held

    # -- what it is like

    def is_awake(self, now_s: float) -> bool:
        """Whether it knows its ends."""
        return now_s >= self._awake_s

    def is_waking(self, now_s: float) -> bool:
        """Whether it looks for its ends."""
        return now_s < self._awake_s < math.inf

    def opening(self, now_s: float) -> float:
        """How far the fingers are open."""
        way = self._stop - self._from
        gone = (now_s - self._from_s) / STROKE_S
        return self._stop if gone >= abs(way) else self._from + math.copysign(gone, way)

    def hold(self, now_s: float) -> Hold:
        """What the fingers do."""
        if (now_s - self._from_s) / STROKE_S < abs(self._stop - self._from):
            return Hold.MOVING
        if self._blocked:
            return Hold.GRASPED
        return Hold.DROPPED if self._dropped else Hold.ARRIVED

    @property
    def _blocked(self) -> bool:
        return self._between and self._from >= WIDTH > self._target

    @property
    def _stop(self) -> float:
        return WIDTH if self._blocked else self._target

    def _settle(self, now_s: float) -> None:
        """Go on from where they are now, towards the same end."""
        self._from, self._from_s = self.opening(now_s), now_s

    def _set_off(self, target: float, now_s: float) -> None:
        self._settle(now_s)
        self._target, self._dropped = target, False
