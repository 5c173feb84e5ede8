"""What an arm does while a program plays: step after step, each after its time; paused, blocked, stopped or ended.

    a move        to the source, grip, to the goal, let go
    a pick        to the source, open fingers around what stands there; the goal is the arm's own hand, ``NAME/1``
    a place       to the goal with what the fingers hold; they stay closed around it there

Labware moves only if the fingers hold it, where the arm carries a gripper that the lab knows. In a move the program
itself closes and opens them, as a gripper's node in a program does; after a pick and a place somebody else does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from drivers.clock import Timer
from sim.plant import Impossible, Plant
from sim.plant.hand import STROKE_S, Hand, Hold
from sim.plant.places import split_position

Step = tuple[float, Callable[[], None]]
"""Seconds, and what happens after them."""

FLOOR = "waste/1"
"""Where what was dropped ends up."""


class Mishap(Enum):
    """What a program cannot go on from by itself."""

    COLLISION = auto()
    NOTHING_GRIPPED = auto()


@dataclass(frozen=True)
class Route:
    """What a program carries: from where and to where, both empty where it carries nothing."""

    source: str
    goal: str


class Arm:
    """One arm and the program that it is at."""

    def __init__(self, name: str, plant: Plant, hand: Hand | None, move_s: float) -> None:
        self.state = "STOPPED"
        self.on_mishap: Callable[[Mishap, str], None] = lambda mishap, why: None
        self._name, self._plant, self._hand, self._move_s = name, plant, hand, move_s
        self._own = f"{name}/1"
        self._at = ""
        """Where the fingers are, as far as that matters: at what they surround."""
        self._steps: list[Step] = []
        self._timer: Timer | None = None
        self._due_s = 0.0
        self._left_s = 0.0
        self._blocked = False

    def play(self, route: Route) -> None:
        """Begin a program, or go on with the one that is paused."""
        if self.state == "STOPPED":
            self._go_away()
            self._steps = self._program(route)
            self._left_s = self._steps[0][0]
        self.state = "PLAYING"
        self._wait()

    def pause(self) -> None:
        """Stand still, and know how to go on."""
        if self.state == "PLAYING":
            self._hold_time()
            self.state = "PAUSED"

    def block(self, blocked: bool) -> None:
        """Have the program wait for somebody who closes a message, or wait no longer."""
        if blocked and not self._blocked:
            self._hold_time()
        self._blocked = blocked
        if not blocked and self.state == "PLAYING":
            self._go_on()

    def stop(self) -> None:
        """Stand still, and forget the program."""
        self._hold_time()
        self._steps = []
        self.state = "STOPPED"

    # -- time

    def _wait(self) -> None:
        if not self._blocked and self._timer is None:
            self._due_s = self._plant.now() + self._left_s
            self._timer = self._plant.at(self._due_s, f"{self._name} arm", self._next)

    def _hold_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._left_s = max(0.0, self._due_s - self._plant.now())

    def _next(self) -> None:
        self._timer = None
        _, act = self._steps.pop(0)
        try:
            act()
        except Impossible as reason:
            # It stands where it is, with the step still to be done.
            self._steps.insert(0, (0.0, act))
            self._left_s = 0.0
            self.on_mishap(Mishap.COLLISION, str(reason))
            return
        if self.state == "PLAYING" and self._steps:
            self._left_s = self._steps[0][0]
        if self.state == "PLAYING" and not self._blocked:
            self._go_on()

    def _go_on(self) -> None:
        if self._steps:
            self._wait()
        else:
            self.state = "STOPPED"

    # -- programs

    def _program(self, route: Route) -> list[Step]:
        if not route.source:
            return [(self._move_s / 2, lambda: None)]
        if route.goal == self._own:
            return [(self._move_s / 2, lambda: self._reach(route.source, alone=True))]
        if route.source == self._own:
            return [
                (0.0, self._lift),
                (self._move_s / 2, lambda: self._set_down(route.goal)),
            ]
        return [
            (0.4 * self._move_s, lambda: self._reach(route.source, alone=False)),
            (max(0.1 * self._move_s, 2 * STROKE_S), self._grip),
            (0.4 * self._move_s, lambda: self._set_down(route.goal)),
            (0.1 * self._move_s, self._let_go),
        ]

    def _go_away(self) -> None:
        """Leave what the fingers surround and do not hold."""
        if self._hand is not None and not self._holds():
            self._at = ""
            with self._plant.heat:
                self._hand.leave(self._plant.now())

    def _reach(self, source: str, *, alone: bool) -> None:
        """Come to what is to be taken; alone, nothing else of this program closes the fingers."""
        now_s = self._plant.now()
        if self._hand is not None and self._holds():
            raise Impossible(f"the hand is full at {source}")
        self._at = source
        place, number = split_position(source)
        reason = self._plant.places[place].blocked(number)
        if reason:
            raise Impossible(reason)
        if self._hand is None:
            if alone:
                self._take(source)
            return
        with self._plant.heat:
            if self._plant.standing_at(source) is not None and not self._hand.surround(now_s):
                raise Impossible(f"the fingers are closed at {source}")
            if not alone:
                self._hand.go(0.0, now_s)

    def _grip(self) -> None:
        if not self._holds():
            self._steps = []
            self.on_mishap(Mishap.NOTHING_GRIPPED, f"nothing gripped at {self._at}")
            return
        self._take(self._at)

    def _take(self, source: str) -> None:
        """Have what stands somewhere in the hand; a hand that finds nothing goes on with nothing."""
        if self._plant.standing_at(source) is not None:
            self._plant.move(source, self._own)

    def _lift(self) -> None:
        if self._at and self._holds() and self._plant.standing_at(self._own) is None:
            self._take(self._at)

    def _set_down(self, goal: str) -> None:
        if self._plant.standing_at(self._own) is None:
            self._plant.note(f"{self._name} carries nothing to {goal}")
        elif self._holds():
            self._plant.move(self._own, goal)
        else:
            self._plant.move(self._own, FLOOR)
            self._plant.note(f"{self._name} dropped what it carried")
        self._at = goal

    def _let_go(self) -> None:
        self._at = ""
        if self._hand is not None:
            with self._plant.heat:
                self._hand.go(1.0, self._plant.now())
                self._hand.leave(self._plant.now())

    def _holds(self) -> bool:
        if self._hand is None:
            return True
        with self._plant.heat:
            return self._hand.hold(self._plant.now()) is Hold.GRASPED
