"""What all grippers have in common: they are woken, open, close on something, and say whether they hold it.

A pick counts only where the gripper itself says that it holds something; closing on nothing is a failure. What was
held and is held no more, without anybody having opened the fingers, was dropped.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from ophyd import Component

from drivers.bus import Job, Waits
from drivers.errors import ActionFailedError, BusyError, CodecError, LimitError, LinkError
from drivers.gate import Granted
from drivers.instrument import Leave
from drivers.pace import CLOSE_S, STEADY_S
from drivers.parts.stopping import TRIES, Stoppable
from drivers.signals import Reading
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

WAKE_S, MOVE_S = 30.0, 15.0
"""Lab seconds in which a gripper has found its ends, and in which its fingers have arrived."""
HOLDING_S = 10.0
"""Lab seconds between looks while something is held."""
OPENED_PERCENT = 85.0
"""As far open as this fingers are that were opened."""


class Hold(StrEnum):
    """What the fingers do."""

    MOVING = "moving"
    NO = "no"
    YES = "yes"
    DROPPED = "dropped"


class Waking(StrEnum):
    """Whether a gripper knows the ends of its fingers' way."""

    ASLEEP = "asleep"
    WAKING = "waking"
    READY = "ready"


@dataclass(frozen=True)
class GripperReport:
    """One look at a gripper."""

    waking: Waking
    hold: Hold
    opening_percent: float
    """0 closed to 100 open."""
    fault: str = ""


class Gripper(Stoppable):
    """A gripper with two fingers; its stop has them stand where they are and keep what they hold."""

    VERBS: ClassVar[Mapping[str, str]] = {"activate": "activate", "open": "open", "close": "close", "stop": "halt"}
    MEASURED = ("opening_percent", "holding", "state")
    READS: ClassVar[Mapping[str, str]] = {"opening": "opening_percent"}

    opening_percent = Component(Reading, value=math.nan, units="percent", precision=1, kind="hinted")
    """How far the fingers are open."""
    holding = Component(Reading, value="unknown", kind="normal")
    """``yes``, ``no``, ``moving``, or ``dropped`` until the fingers are moved again."""
    state = Component(Reading, value="unknown", kind="normal")
    """``ready``, ``waking``, or ``asleep``: then it does nothing until it is activated."""
    fault = Component(Reading, value="", kind="normal")
    """What is wrong with it, empty where nothing is."""

    def __init__(self, name: str, *, limits: Mapping[str, float], least_force_percent: float, **base: Any) -> None:
        super().__init__(name, **base)
        self.limits = {"force": limits["force"]}
        self._least_force_percent = least_force_percent
        self._holds = False
        """Whether it took hold of something and was not told to let go."""
        self._moving = False
        self.opening_percent.limit(0.0, 100.0)

    # -- what subclasses know

    def _report(self) -> GripperReport:
        """Look at the gripper."""
        raise NotImplementedError

    def _wake(self, grant: Granted) -> None:
        """Have it find the ends of its way; this moves its fingers."""
        raise NotImplementedError

    def _send_goal(self, opening_percent: float, force_percent: float, grant: Granted) -> None:
        """Tell the fingers where to go, and with which force; the same again does no harm."""
        raise NotImplementedError

    def _has_goal(self, opening_percent: float, force_percent: float) -> bool:
        """Read back whether that is what it was told."""
        raise NotImplementedError

    # -- verbs

    def activate(self) -> ActionStatus:
        """Have a gripper that is asleep find the ends of its way, which moves its fingers; awake it does nothing."""
        leave = self._authorize_until_stopped("activate")
        return self._begin("activate", self._activate(leave), leave[0])

    def open(self) -> ActionStatus:
        """Open the fingers, and let go of what they hold."""
        leave = self._authorize_until_stopped("open")
        return self._begin("open", self._move(100.0, self._gentlest_percent, leave), leave[0])

    def close(self, force_percent: float) -> ActionStatus:
        """Close the fingers on something; closing on nothing is a failure.

        Raises:
            LimitError: For a force above the limit, or below what the gripper can do.
        """
        least, most = self._least_force_percent, self.limits["force"]
        if not least <= force_percent <= min(most, 100.0):
            raise LimitError(
                f"{self.name}: force {force_percent:g} percent requested, allowed {least:g} to {min(most, 100.0):g} "
                "percent (limits.force in the lab file)"
            )
        leave = self._authorize_until_stopped("close", float(force_percent), "percent")
        return self._begin("close", self._move(0.0, force_percent, leave), leave[0])

    def _is_acting(self) -> bool:
        return self._moving

    @property
    def _gentlest_percent(self) -> float:
        return max(self._least_force_percent, min(self.limits["force"], 100.0))

    # -- jobs

    def _activate(self, leave: Leave) -> Job:
        if (yield from self._patiently(self._observe)).waking is Waking.READY:
            return
        grant, heed_stops = leave
        heed_stops()
        give_up_s = self.clock.now() + WAKE_S
        try:
            self._wake(grant)
        except (LinkError, CodecError) as error:
            log.warning("%s: activate was not answered (%s): its state will tell", self.name, error)
        while (found := (yield from self._patiently(self._observe))).waking is not Waking.READY:
            if self.clock.now() >= give_up_s:
                raise ActionFailedError(
                    f"{self.name}: is {found.waking} {WAKE_S:g} s after it was activated{_because(found)}"
                )
            yield self.clock.now() + CLOSE_S
        self._holds = False

    def _move(self, opening_percent: float, force_percent: float, leave: Leave) -> Job:
        before = yield from self._patiently(self._observe)
        if before.waking is not Waking.READY or before.fault:
            raise BusyError(f"{self.name}: is {before.waking}{_because(before)}: activate it first")
        stops = self._stops
        self._moving = True
        try:
            yield from self._set_off(opening_percent, force_percent, leave)
            found = yield from self._await_arrival(stops)
        finally:
            self._moving = False
            # What is held is looked at more often.
            self.bus.poll_now(self.name)
        self._judge(found, closing=opening_percent == 0.0)

    def _set_off(self, opening_percent: float, force_percent: float, leave: Leave) -> Job:
        grant, heed_stops = leave
        # The goal is the same each time.
        for attempt in range(TRIES):
            heed_stops()
            self._holds = False
            try:
                self._send_goal(opening_percent, force_percent, grant)
            except (LinkError, CodecError) as error:
                log.warning("%s: its goal was not confirmed (%s): it is read back", self.name, error)
            if (yield from self._patiently(lambda: self._has_goal(opening_percent, force_percent))):
                return
            if attempt < TRIES - 1:
                yield self.clock.now() + CLOSE_S
        raise ActionFailedError(
            f"{self.name}: was told {opening_percent:g} percent at {force_percent:g} percent force {TRIES} times and "
            "holds another goal: who else commands it?"
        )

    def _await_arrival(self, stops: int) -> Waits[GripperReport]:
        """Wait until the fingers stand, seen twice alike."""
        give_up_s = self.clock.now() + MOVE_S
        while True:
            yield self.clock.now() + CLOSE_S
            found = yield from self._patiently(self._observe)
            if self._stops != stops:
                raise ActionFailedError(f"{self.name}: was stopped under way: look what it holds")
            if found.hold is not Hold.MOVING and found.hold is (yield from self._patiently(self._observe)).hold:
                return found
            if self.clock.now() >= give_up_s:
                raise ActionFailedError(
                    f"{self.name}: its fingers still move after {MOVE_S:g} s{_because(found)}: what is in the way?"
                )

    def _judge(self, found: GripperReport, *, closing: bool) -> None:
        at = f"at {found.opening_percent:.0f} percent open{_because(found)}"
        if found.fault:
            raise ActionFailedError(f"{self.name}: did not end well, {at}")
        if closing and found.hold is not Hold.YES:
            raise ActionFailedError(f"{self.name}: closed and holds nothing, {at}: look where the labware is")
        if not closing and found.hold is Hold.YES:
            raise ActionFailedError(f"{self.name}: does not open, something holds its fingers, {at}")
        if not closing and found.opening_percent < OPENED_PERCENT:
            raise ActionFailedError(f"{self.name}: says that it has opened, and is still {at}: is it stuck?")
        self._holds = closing

    # -- looking

    def _observe(self) -> GripperReport:
        found = self._report()
        awake = found.waking is Waking.READY
        dropped = found.hold is Hold.DROPPED or (self._holds and found.hold is Hold.NO)
        self._publish(
            opening_percent=found.opening_percent,
            holding=str(Hold.DROPPED if dropped else found.hold) if awake else "unknown",
            state=str(found.waking),
            fault=found.fault,
        )
        return found

    def _look(self) -> float:
        found = self._observe()
        if found.hold is Hold.MOVING and found.waking is not Waking.ASLEEP:
            return self.clock.now() + CLOSE_S
        return self.clock.now() + (HOLDING_S if found.hold is Hold.YES else STEADY_S)


def _because(found: GripperReport) -> str:
    return f" ({found.fault})" if found.fault else ""
