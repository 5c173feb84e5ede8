"""A Robotiq two-finger gripper on a Universal Robot, through the server of its URCap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.codecs import robotiq as wire
from drivers.errors import CodecError, LinkError, WrongInstrumentError
from drivers.gate import Granted
from drivers.kinds import Kind
from drivers.links import LineLink
from drivers.parts.agreement import agreed
from drivers.parts.gripper import Gripper, GripperReport, Hold, Waking
from drivers.spec import DriverSpec, Option, Parts

SPEED_PERCENT = 50.0
STEP = 13
"""By how much the position may change from one question to the next, of 255."""
_HOLD = {
    wire.MOVING: Hold.MOVING,
    wire.STOPPED_OPENING: Hold.YES,
    wire.STOPPED_CLOSING: Hold.YES,
    wire.AT_GOAL: Hold.NO,
}
_WAKING = {wire.RESET: Waking.ASLEEP, wire.WAKING: Waking.WAKING, wire.ACTIVE: Waking.READY}


class RobotiqGripper(Gripper):
    """A gripper whose fingers go from 0 (open) to 255 (closed)."""

    def __init__(
        self, name: str, *, link: LineLink, limits: Mapping[str, float], speed_percent: float, **base: Any
    ) -> None:
        super().__init__(name, limits=limits, least_force_percent=0.0, **base)
        self.link = link
        self._speed = wire.share(speed_percent)

    def _report(self) -> GripperReport:
        status, contact, fault = self._get("STA"), self._get("OBJ"), self._get("FLT")
        if status not in _WAKING or contact not in _HOLD:
            raise CodecError(f"{self.name}: STA {status}, OBJ {contact} mean nothing")
        return GripperReport(
            _WAKING[status],
            _HOLD[contact],
            wire.opening_percent(self._get("POS")),
            "" if fault == 0 else wire.FAULTS.get(fault, f"fault {fault}"),
        )

    def _wake(self, grant: Granted) -> None:
        # A fault is cleared by the fall of ACT, and its rise wakes the gripper.
        self._put("ACT", 0, grant)
        self._put("ACT", 1, grant)

    def _send_goal(self, opening_percent: float, force_percent: float, grant: Granted) -> None:
        self._put("SPE", self._speed, grant)
        self._put("FOR", wire.share(force_percent), grant)
        self._put("POS", wire.position(opening_percent), grant)
        self._put("GTO", 1, grant)

    def _has_goal(self, opening_percent: float, force_percent: float) -> bool:
        goal = (wire.position(opening_percent), wire.share(force_percent), 1)
        return (self._get("PRE"), self._get("FOR"), self._get("GTO")) == goal

    def _tell_stop(self, grant: Granted) -> None:
        self._put("GTO", 0, grant)
        if self._get("GTO") != 0:
            raise LinkError(f"{self.name}: was told to stand and still goes")

    # -- the wire

    def _get(self, name: str) -> int:
        def once() -> int:
            line = self.link.query(wire.get(name), accepts=lambda heard: wire.answers(name, heard))
            return wire.parse(name, line)

        step = STEP if name == "POS" else 0
        return agreed(once, f"{self.name}: {name}", lambda before, now: abs(now - before) <= step)

    def _put(self, name: str, value: int, grant: Granted) -> None:
        # Its confirmation has no end of line; what was set is read back instead.
        self.link.send(wire.put(name, value), grant)

    def _check_identity(self) -> str:
        try:
            return f"Robotiq gripper, status {self._get('STA')}"
        except CodecError as error:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.url} is no Robotiq gripper ({error}): is the address right in the lab file?"
            ) from error


def _build(parts: Parts) -> RobotiqGripper:
    return RobotiqGripper(
        **parts.base,
        link=parts.line(terminator=b"\n"),
        limits=parts.limits,
        speed_percent=float(parts.option("speed", SPEED_PERCENT)),
    )


DRIVER = DriverSpec(
    Kind.GRIPPER,
    RobotiqGripper,
    _build,
    limits={"force": "percent"},
    limited={"close": "force"},
    options={"speed": Option("of its fingers, part of the most (50 percent)", "percent")},
)
